package api_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/webhook"
)

// operation is a method of a route with a body that it accepts.
type operation struct{ method, path, body string }

// The parameters of a path.
const (
	webhookParameter  = "{webhookId}"
	deliveryParameter = "{deliveryId}"
	replayParameter   = "{replayId}"
	eventParameter    = "{eventId}"
)

// operations lists the handler's own table.
func (s *site) operations() []operation {
	bodies := map[string]string{
		"POST /webhooks":            goodBody,
		"POST /webhooks/":           goodBody,
		"PUT /webhooks/{webhookId}": `{"url":"https://thief.example.com/","status":"disabled"}`,
		"POST /events":              `{"type":"document.created","data":{}}`,
	}
	var out []operation
	for _, r := range s.api.Routes() {
		out = append(out, operation{r.Method, r.Path, bodies[r.Method+" "+r.Path]})
	}
	return out
}

func (o operation) String() string { return o.method + " " + o.path }

// at puts ids, as they are written in a URL, into the path. The last one is that of a
// delivery, a replay or an event, of which a path has one at most.
func (o operation) at(merchantID, webhookID, recordID string) string {
	path := strings.NewReplacer(webhookParameter, webhookID, deliveryParameter, recordID, replayParameter, recordID, eventParameter, recordID).Replace(o.path)
	return "/api/merchants/" + merchantID + path
}

func (o operation) names(what string) bool { return strings.Contains(o.path, what) }

// namesRecord reports whether the path has a record other than a webhook.
func (o operation) namesRecord() bool {
	return o.names(deliveryParameter) || o.names(replayParameter) || o.names(eventParameter)
}

// sends reports whether the method comes with a body.
func (o operation) sends() bool { return o.method == http.MethodPost || o.method == http.MethodPut }

// belongings is all that merchant can see of its own.
func (s *site) belongings() []any {
	s.t.Helper()
	list, err := s.svc.Webhooks(s.t.Context(), harness.Merchant, webhook.WebhookQuery{})
	require.NoError(s.t, err)
	out := []any{list}
	for _, w := range list.Webhooks {
		kept, err := s.store.Webhook(s.t.Context(), harness.Merchant, w.ID)
		require.NoError(s.t, err)
		log, err := s.svc.Deliveries(s.t.Context(), harness.Merchant, w.ID, webhook.DeliveryQuery{Limit: 1000})
		require.NoError(s.t, err)
		stats, err := s.svc.Stats(s.t.Context(), harness.Merchant, w.ID)
		require.NoError(s.t, err)
		replays, err := s.svc.Replays(s.t.Context(), harness.Merchant, w.ID, webhook.ReplayQuery{Limit: 1000})
		require.NoError(s.t, err)
		out = append(out, kept, log, stats, replays)
	}
	events, err := s.store.Events(s.t.Context(), harness.Merchant, store.EventQuery{Limit: 1000})
	require.NoError(s.t, err)
	return append(out, events)
}

// unread fails the test if anybody reads it.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("the body was read")
	return 0, errors.New("not to be read")
}
func (unread) Close() error { return nil }

func TestUnauthenticated(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil, nil)
	seen := map[string]bool{}
	for _, o := range s.operations() {
		r := httptest.NewRequestWithContext(t.Context(), o.method, o.at(harness.Merchant, "whk_1", "whdel_1"), unread{t})
		r.Header.Set("X-Request-ID", requestID)
		a := s.serve(r).is(http.StatusUnauthorized)
		require.Equal(t, "Bearer", a.header.Get("WWW-Authenticate"))
		if o.method != http.MethodHead {
			require.Equal(t, "unauthorized", a.refusal().Code)
			seen[a.body] = true
		}
	}
	require.Len(t, seen, 1)
	require.Contains(t, s.log.String(), "no token", "the log says why")
	for body := range seen {
		require.NotContains(t, body, "no token", "the answer does not")
	}
	require.Len(t, s.do(http.MethodGet, hooks+"?token="+harness.Merchant, "", "Authorization", "").is(401).refusal().Details, 0)
}
