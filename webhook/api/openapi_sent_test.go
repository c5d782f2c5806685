package api_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
)

// What endpoints get is what the document says, for every event of the guide, as
// it is left empty and as in its sample, and in a rotation's grace.
func TestSentRequestsAreDocumented(t *testing.T) {
	t.Parallel()
	var calls []harness.Call
	synctest.Test(t, func(t *testing.T) {
		r := harness.NewRig(t, nil, nil)
		reg := r.Register(webhook.EveryType)
		for e := range event.DefaultCatalog().All() {
			if !e.Subscribable() {
				continue
			}
			sample, err := event.Parse(e.Example)
			require.NoError(t, err)
			_, err = r.Svc.Publish(t.Context(), harness.Merchant, sample)
			require.NoError(t, err)
		}
		for _, empty := range []event.Payload{
			event.ChatQueryCompleted{},
			event.ChatQueryFailed{},
			event.DocumentCreated{},
			event.DocumentUpdated{},
			event.DocumentDeleted{},
			event.UsageLimitApproaching{},
			event.UsageLimitExceeded{},
			event.APIKeyExpiring{},
		} {
			_, err := r.Svc.Publish(t.Context(), harness.Merchant, event.New(empty))
			require.NoError(t, err)
		}
		harness.Pass(time.Second)
		_, err := r.Svc.Rotate(t.Context(), harness.Merchant, reg.Webhook.ID, time.Hour)
		require.NoError(t, err)
		_, err = r.Svc.Test(t.Context(), harness.Merchant, reg.Webhook.ID)
		require.NoError(t, err)
		harness.Pass(time.Second)
		calls = r.Endpoint.Seen()
		r.Close()
	})
	require.Len(t, calls, 17)
	c, err := theContract()
	require.NoError(t, err)
	seen := map[string]bool{}
	for _, got := range calls {
		c.holdSent(t, got)
		seen[got.Header.Get("X-Webhook-Event")] = true
	}
	require.Len(t, seen, len(c.doc.Webhooks))
}

// holdSent requires that a request is one of the document's webhooks, with no
// header and no member that it does not list.
func (c *contract) holdSent(t *testing.T, got harness.Call) {
	t.Helper()
	item := c.doc.Webhooks[got.Header.Get("X-Webhook-Event")]
	require.NotNil(t, item)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, got.URL, strings.NewReader(got.Body))
	r.Header = got.Header
	require.NoError(t, openapi3filter.ValidateRequest(t.Context(), &openapi3filter.RequestValidationInput{
		Request: r,
		Route:   &routers.Route{Spec: c.doc, PathItem: item, Method: http.MethodPost, Operation: item.Post},
	}), got.Body)

	extra := got.Header.Clone()
	extra.Del("Content-Type")
	for _, p := range item.Post.Parameters {
		extra.Del(p.Value.Name)
	}
	require.Empty(t, extra)

	var v any
	require.NoError(t, json.Unmarshal([]byte(got.Body), &v))
	require.Empty(t, undocumented(item.Post.RequestBody.Value.Content["application/json"].Schema.Value, v, ""))
}
