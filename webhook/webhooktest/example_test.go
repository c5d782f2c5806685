package webhooktest_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/retry"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/verifier"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/webhooktest"
)

// A test of a sender: its service and dispatcher reach the endpoint over HTTPS.
func ExampleNewEndpoint() {
	test := func(tb testing.TB) { //nolint:thelper // In your program, func TestDocuments(t *testing.T).
		ep := webhooktest.NewEndpoint(tb, nil)
		st := memstore.New(nil)
		svc, err := webhook.NewService(st, &webhook.ServiceOptions{Egress: ep.Egress()})
		require.NoError(tb, err)
		disp, err := webhook.NewDispatcher(st, &webhook.DispatcherOptions{
			Egress: ep.Egress(), Retry: retry.Policy{Delays: []time.Duration{time.Millisecond}},
		})
		require.NoError(tb, err)
		dispatch(tb, disp)

		reg, err := svc.Register(tb.Context(), "merchant_42", webhook.Registration{URL: ep.URL(), Events: []string{"*"}})
		require.NoError(tb, err)
		ep.SetSecret(reg.Secret.Reveal())
		ep.Answer(webhooktest.Status(503).Body("try later"), webhooktest.Redirect("https://example.com/")) // and then 200
		_, err = svc.Publish(tb.Context(), "merchant_42", event.New(event.DocumentCreated{DocumentID: "doc_1"}))
		require.NoError(tb, err)

		for range 3 {
			got := ep.Next(tb)
			require.NoError(tb, got.Err, "it verified")
			fmt.Println(got.Event.Type, got.Attempt, got.Status)
		}
	}
	fmt.Print(try(context.Background(), func(t *trial) { test(t) }))
	// Output:
	// document.created 1 503
	// document.created 2 307
	// document.created 3 200
}

// TestDisabledAfterTenFailures is an example of a test in a bubble, where an hour of
// retries takes no time.
func TestDisabledAfterTenFailures(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ep := webhooktest.NewEndpoint(t, &webhooktest.Options{InProcess: true})
		ep.Otherwise(webhooktest.Status(410))
		st := memstore.New(nil)
		svc, err := webhook.NewService(st, nil)
		require.NoError(t, err)
		disabled := make(chan webhook.Notice, 1)
		disp, err := webhook.NewDispatcher(st, &webhook.DispatcherOptions{
			Transport: ep.Transport(),
			OnNotice: func(_ context.Context, n webhook.Notice) error {
				disabled <- n
				return nil
			},
		})
		require.NoError(t, err)
		dispatch(t, disp)

		reg, err := svc.Register(t.Context(), "merchant_42", webhook.Registration{URL: ep.URL(), Events: []string{"*"}})
		require.NoError(t, err)
		for range 10 {
			_, err = svc.Publish(t.Context(), "merchant_42", event.New(event.DocumentCreated{DocumentID: "doc_1"}))
			require.NoError(t, err)
		}
		n := <-disabled
		require.Equal(t, reg.Webhook.ID, n.WebhookID)
		all := ep.All()
		require.Len(t, all, 30, "ten deliveries of three attempts")
		require.Equal(t, 6*time.Minute, all[29].At.Sub(all[0].At))
	})
}

// A test of a handler, without a sender.
func ExampleRequest() {
	test := func(tb testing.TB) { //nolint:thelper // In your program, func TestHandler(t *testing.T).
		const secret = "whsec_xyz789abc123def456ghi789jkl012mno345"
		handler := verifier.Middleware(secret, nil)(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			e, _ := verifier.FromContext(r.Context())
			doc, err := event.Data[event.DocumentCreated](e)
			fmt.Println("handled", doc.DocumentID, err)
		}))

		e := event.New(event.DocumentCreated{DocumentID: "doc_1"})
		for _, r := range []*http.Request{
			webhooktest.Request(tb, secret, e, nil),
			webhooktest.Request(tb, secret, e, &webhooktest.RequestOptions{At: time.Now().Add(-time.Hour)}),
		} {
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			fmt.Println(w.Code)
		}
	}
	fmt.Print(try(context.Background(), func(t *trial) { test(t) }))
	// Output:
	// handled doc_1 <nil>
	// 200
	// 401
}

// dispatch runs a dispatcher until the test ends.
func dispatch(tb testing.TB, disp *webhook.Dispatcher) {
	tb.Helper()
	ctx, cancel := context.WithCancel(tb.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- disp.Run(ctx) }()
	tb.Cleanup(func() {
		cancel()
		if err := <-stopped; err != nil {
			tb.Errorf("the dispatcher ended with %v", err)
		}
	})
}
