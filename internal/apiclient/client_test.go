//go:build generated

package apiclient_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/apiclient"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/verifier"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/api"
)

const (
	merchant = "merchant_42"
	server   = "https://api.example.com/api"
)

// rig is a service with its dispatcher, a merchant's endpoint, and the client of
// the merchant, all in one bubble of fake time.
type rig struct {
	*endpoint

	t   *testing.T
	api http.Handler
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{endpoint: &endpoint{}, t: t}
	st := memstore.New(nil)
	svc, err := webhook.NewService(st, nil)
	require.NoError(t, err)
	disp, err := webhook.NewDispatcher(st, &webhook.DispatcherOptions{Transport: r.endpoint})
	require.NoError(t, err)
	h, err := api.New(svc, func(r *http.Request) (webhook.Principal, error) {
		token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !ok {
			return webhook.Principal{}, errors.New("no token")
		}
		return webhook.Principal{MerchantID: token}, nil
	}, &api.Options{EnablePublish: true, ServerURL: server})
	require.NoError(t, err)
	mux := http.NewServeMux()
	mux.Handle("/api/", h)
	r.api = mux

	ctx, stop := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- disp.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-stopped)
	})
	return r
}

// client returns a client with a token, or without one if that is empty.
func (r *rig) client(token string) *apiclient.ClientWithResponses {
	r.t.Helper()
	c, err := apiclient.NewClientWithResponses(server, apiclient.WithHTTPClient(r),
		apiclient.WithRequestEditorFn(func(_ context.Context, req *http.Request) error {
			if token != "" {
				req.Header.Set("Authorization", "Bearer "+token)
			}
			return nil
		}))
	require.NoError(r.t, err)
	return c
}

// Do takes a request of the client to the API.
func (r *rig) Do(req *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	in := httptest.NewRequestWithContext(req.Context(), req.Method, req.URL.String(), req.Body)
	in.Header = req.Header
	r.api.ServeHTTP(w, in)
	return w.Result(), nil
}

// endpoint verifies what it gets, as long as it is not told to fail.
type endpoint struct {
	mu     sync.Mutex
	secret string
	fails  bool
	got    []string // event types
}

// RoundTrip takes a request of the dispatcher to the endpoint.
func (e *endpoint) RoundTrip(req *http.Request) (*http.Response, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	header := http.Header{}
	for name, values := range req.Header {
		for _, v := range values {
			header.Add(name, v)
		}
	}
	w := httptest.NewRecorder()
	v, err := verifier.New(e.secret, nil)
	if err != nil {
		return nil, err
	}
	switch event, err := v.Verify(header, body); {
	case e.fails:
		w.WriteHeader(http.StatusInternalServerError)
	case err != nil:
		w.WriteHeader(http.StatusUnauthorized)
	default:
		e.got = append(e.got, string(event.Type))
	}
	return w.Result(), nil
}

func (e *endpoint) use(secret string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.secret = secret
}

func (e *endpoint) fail(fails bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.fails = fails
}

func (e *endpoint) received() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.got
}

func (r *rig) publish(c *apiclient.ClientWithResponses, id string) {
	r.t.Helper()
	data := map[string]any{"documentId": "doc_1", "title": "Wireless <Headphones> & Co."}
	out, err := c.PublishEventWithResponse(r.t.Context(), merchant, nil,
		apiclient.NewEvent{ID: &id, Type: "document.created", Data: data})
	require.NoError(r.t, err)
	require.NotNil(r.t, out.JSON202, string(out.Body))
	require.Equal(r.t, id, out.JSON202.Data.EventID)
	require.Equal(r.t, 1, out.JSON202.Data.Deliveries)
}

// A webhook's whole life with a client that a generator has made of the document.
func TestLifeOfAWebhook(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		r := newRig(t)
		c := r.client(merchant)

		types, err := c.ListEventTypesWithResponse(ctx, merchant, nil)
		require.NoError(t, err)
		require.Len(t, types.JSON200.Data.EventTypes, 9)
		require.Equal(t, apiclient.High, types.JSON200.Data.EventTypes[0].Frequency)

		made, err := c.RegisterWebhookWithResponse(ctx, merchant, nil, apiclient.Registration{
			URL: "https://your-domain.com/webhooks", Events: []string{"chat.query.completed"},
		})
		require.NoError(t, err)
		require.NotNil(t, made.JSON201, string(made.Body))
		require.Equal(t, `"1"`, made.Headers201.ETag)
		id := made.JSON201.Data.WebhookID
		r.use(*made.JSON201.Data.Secret)

		list, err := c.ListWebhooksWithResponse(ctx, merchant, &apiclient.ListWebhooksParams{ActiveOnly: new(true), Limit: new(10)})
		require.NoError(t, err)
		require.Len(t, list.JSON200.Data.Webhooks, 1)
		require.Equal(t, id, list.JSON200.Data.Webhooks[0].WebhookID)
		require.Equal(t, 10, list.JSON200.Data.Pagination.Limit)

		events := []string{"document.created"}
		stale, err := c.UpdateWebhookWithResponse(ctx, merchant, id, &apiclient.UpdateWebhookParams{IfMatch: new(`"7"`)},
			apiclient.WebhookUpdate{Events: &events})
		require.NoError(t, err)
		require.Equal(t, "precondition_failed", stale.JSON412.Error.Code)
		read, err := c.GetWebhookWithResponse(ctx, merchant, id, nil)
		require.NoError(t, err)
		require.Equal(t, apiclient.WebhookStatusActive, read.JSON200.Data.Status)
		require.WithinDuration(t, time.Now(), read.JSON200.Data.CreatedAt, time.Second)
		changed, err := c.UpdateWebhookWithResponse(ctx, merchant, id,
			&apiclient.UpdateWebhookParams{IfMatch: &read.Headers200.ETag}, apiclient.WebhookUpdate{Events: &events})
		require.NoError(t, err)
		require.Equal(t, events, changed.JSON200.Data.Events)

		test, err := c.TestWebhookWithResponse(ctx, merchant, id, &apiclient.TestWebhookParams{Wait: new(true)})
		require.NoError(t, err)
		require.NotNil(t, test.JSON200, string(test.Body))
		outcome, err := test.JSON200.AsNewDeliveryAnswer()
		require.NoError(t, err)
		require.Equal(t, apiclient.DeliveryStatusSuccess, outcome.Data.Status)
		r.publish(c, "evt_1")
		time.Sleep(time.Second)
		require.Equal(t, []string{"webhook.test", "document.created"}, r.received())

		r.failAndRepeat(c, id)
		r.rotate(c, id, *made.JSON201.Data.Secret)

		gone, err := c.DeleteWebhookWithResponse(ctx, merchant, id, &apiclient.DeleteWebhookParams{IfMatch: new("*")})
		require.NoError(t, err)
		require.Equal(t, id, gone.JSON200.Data.WebhookID)
		read, err = c.GetWebhookWithResponse(ctx, merchant, id, nil)
		require.NoError(t, err)
		require.Equal(t, "not_found", read.JSON404.Error.Code)
	})
}

// failAndRepeat lets a delivery fail, looks at it, and sends its event again in both ways.
func (r *rig) failAndRepeat(c *apiclient.ClientWithResponses, id string) {
	t, ctx := r.t, r.t.Context()
	t.Helper()
	r.fail(true)
	r.publish(c, "evt_2")
	time.Sleep(time.Hour)
	r.fail(false)

	failed, err := c.ListDeliveriesWithResponse(ctx, merchant, id, &apiclient.ListDeliveriesParams{
		Status: new(apiclient.DeliveryStatusFailed), EventType: new("document.created"), Since: new(time.Now().Add(-2 * time.Hour)),
	})
	require.NoError(t, err)
	require.Len(t, failed.JSON200.Data.Deliveries, 1, string(failed.Body))
	require.EqualValues(t, 3, failed.JSON200.Data.Stats.TotalDeliveries)
	detail, err := c.GetDeliveryWithResponse(ctx, merchant, id, failed.JSON200.Data.Deliveries[0].ID, nil)
	require.NoError(t, err)
	require.Equal(t, "evt_2", detail.JSON200.Data.EventID)
	require.Len(t, detail.JSON200.Data.Attempts, 3)
	require.Equal(t, http.StatusInternalServerError, *detail.JSON200.Data.Attempts[2].StatusCode)
	require.Equal(t, "document.created", (*detail.JSON200.Data.Payload)["type"])
	require.Equal(t, "https://your-domain.com/webhooks", *detail.JSON200.Data.Attempts[0].URL)
	r.lookBack(c, id)

	again, err := c.RedeliverWithResponse(ctx, merchant, id, detail.JSON200.Data.ID, nil)
	require.NoError(t, err)
	require.NotEqual(t, detail.JSON200.Data.ID, again.JSON202.Data.ID)
	// The dispatcher may be faster than the answer.
	require.NotEqual(t, apiclient.DeliveryStatusFailed, again.JSON202.Data.Status)
	time.Sleep(time.Second)
	replayed, err := c.ReplayEventsWithResponse(ctx, merchant, id, nil, apiclient.Replay{
		Since: new(time.Now().Add(-2 * time.Hour)), Status: new(apiclient.ReplayStatusFailed),
	})
	require.NoError(t, err)
	time.Sleep(time.Second)
	done, err := c.GetReplayWithResponse(ctx, merchant, id, replayed.JSON202.Data.ID, nil)
	require.NoError(t, err)
	require.Equal(t, apiclient.ReplayRunStatusDone, done.JSON200.Data.Status)
	require.Equal(t, 0, done.JSON200.Data.Deliveries, "it has succeeded by now")
	stopped, err := c.StopReplayWithResponse(ctx, merchant, id, replayed.JSON202.Data.ID, nil)
	require.NoError(t, err)
	require.Equal(t, done.JSON200.Data, stopped.JSON200.Data, "it is over")
	replays, err := c.ListReplaysWithResponse(ctx, merchant, id, nil)
	require.NoError(t, err)
	require.Len(t, replays.JSON200.Data.Replays, 1)
	cancelled, err := c.CancelPendingWithResponse(ctx, merchant, id, nil)
	require.NoError(t, err)
	require.Equal(t, 0, cancelled.JSON200.Data.Deliveries)
	ended, err := c.CancelDeliveryWithResponse(ctx, merchant, id, detail.JSON200.Data.ID, nil)
	require.NoError(t, err)
	require.NotNil(t, ended.JSON409, string(ended.Body))
	require.Contains(t, string(ended.Body), "delivery_ended")

	var seen []string
	cursor := ""
	for page := 0; page == 0 || cursor != ""; page++ {
		list, err := c.ListDeliveriesWithResponse(ctx, merchant, id, &apiclient.ListDeliveriesParams{Cursor: &cursor, Limit: new(3)})
		require.NoError(t, err)
		require.NotNil(t, list.JSON200, string(list.Body))
		cursor = ""
		if next := list.JSON200.Data.Pagination.NextCursor; next != nil {
			cursor = *next
		}
		for _, d := range list.JSON200.Data.Deliveries {
			seen = append(seen, string(d.Status))
		}
	}
	require.Equal(t, []string{"success", "failed", "success", "success"}, seen, "newest first")
}

// lookBack asks what became of the event that has failed, and who changed the webhook.
func (r *rig) lookBack(c *apiclient.ClientWithResponses, id string) {
	t, ctx := r.t, r.t.Context()
	t.Helper()
	events, err := c.ListEventsWithResponse(ctx, merchant, &apiclient.ListEventsParams{Limit: new(1)})
	require.NoError(t, err)
	require.Equal(t, "evt_2", events.JSON200.Data.Events[0].ID)
	require.NotEmpty(t, *events.JSON200.Data.Next)
	why, err := c.GetEventWithResponse(ctx, merchant, "evt_2", nil)
	require.NoError(t, err)
	require.Len(t, why.JSON200.Data.Verdicts, 1, string(why.Body))
	require.Equal(t, "failed", string(why.JSON200.Data.Verdicts[0].Verdict))
	require.Len(t, why.JSON200.Data.Deliveries, 1)
	changes, err := c.ListChangesWithResponse(ctx, merchant, id, nil)
	require.NoError(t, err)
	require.Len(t, changes.JSON200.Data.Changes, 2)
	require.Equal(t, []string{"events"}, changes.JSON200.Data.Changes[0].Fields)
}

// rotate changes the secret twice, and the endpoint takes it up in the grace.
func (r *rig) rotate(c *apiclient.ClientWithResponses, id, old string) {
	t, ctx := r.t, r.t.Context()
	t.Helper()
	turned, err := c.RotateSecretWithResponse(ctx, merchant, id, nil, apiclient.Rotation{GraceSeconds: new(int64(3600))})
	require.NoError(t, err)
	require.NotEqual(t, old, *turned.JSON200.Data.Secret)
	require.WithinDuration(t, time.Now().Add(time.Hour), *turned.JSON200.Data.PreviousSecretUntil, time.Second)
	before := len(r.received())
	r.publish(c, "evt_3")
	time.Sleep(time.Second)
	r.use(*turned.JSON200.Data.Secret)
	r.publish(c, "evt_4")
	time.Sleep(time.Second)
	require.Len(t, r.received(), before+2, "with the old secret and with the new one")

	early, err := c.RotateSecretWithResponse(ctx, merchant, id, nil, apiclient.Rotation{})
	require.NoError(t, err)
	require.Equal(t, "conflict", early.JSON409.Error.Code)
	turned, err = c.RotateSecretWithResponse(ctx, merchant, id, nil, apiclient.Rotation{GraceSeconds: new(int64(0))})
	require.NoError(t, err)
	require.Nil(t, turned.JSON200.Data.PreviousSecretUntil)
}

func TestErrors(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		r := newRig(t)

		bad, err := r.client(merchant).RegisterWebhookWithResponse(ctx, merchant,
			&apiclient.RegisterWebhookParams{XRequestID: new("req_of_mine")},
			apiclient.Registration{URL: "http://example.com/", Events: []string{"document.created", "nope"}})
		require.NoError(t, err)
		require.Equal(t, "invalid_request", bad.JSON400.Error.Code)
		require.Equal(t, "req_of_mine", bad.JSON400.RequestID)
		require.Equal(t, "req_of_mine", bad.Headers400.XRequestID)
		require.Len(t, bad.JSON400.Error.Details, 2)
		require.Equal(t, "events[1]", bad.JSON400.Error.Details[1].Field)

		foreign, err := r.client("merchant_43").ListWebhooksWithResponse(ctx, merchant, nil)
		require.NoError(t, err)
		require.Equal(t, "forbidden", foreign.JSON403.Error.Code)
		nobody, err := r.client("").ListWebhooksWithResponse(ctx, merchant, nil)
		require.NoError(t, err)
		require.Equal(t, "unauthorized", nobody.JSON401.Error.Code)
		require.Equal(t, "Bearer", nobody.Headers401.WWWAuthenticate)
	})
}

func TestDocumentIsThere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newRig(t).client("")
		doc, err := c.GetOpenAPIJSONWithResponse(t.Context(), nil)
		require.NoError(t, err)
		require.Equal(t, []any{map[string]any{"url": server}}, (*doc.JSON200)["servers"])
		same, err := c.GetOpenAPIJSONWithResponse(t.Context(), &apiclient.GetOpenAPIJSONParams{IfNoneMatch: &doc.Headers200.ETag})
		require.NoError(t, err)
		require.Equal(t, http.StatusNotModified, same.StatusCode())
	})
}
