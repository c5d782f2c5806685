package api_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/api"
	"github.com/rag-assistant/webhooks/webhook/event"
)

// BenchmarkBesideTheWorstMerchant measures the requests of a merchant alone, and beside one
// who has all that the limits allow and asks, one request after the other, for what costs
// most. It reports the 99th percentile of both, and their ratio.
func BenchmarkBesideTheWorstMerchant(b *testing.B) {
	for name, open := range harness.Stores() {
		b.Run(name, func(b *testing.B) {
			w := newWorst(b, open(b).Store)
			alone := w.measure(b)
			ctx, stop := context.WithCancel(b.Context())
			done := make(chan struct{})
			go func() { defer close(done); w.worst(ctx) }()
			<-w.begun
			beside := w.measure(b)
			stop()
			<-done
			b.ReportMetric(float64(alone.Microseconds()), "µs-p99-alone")
			b.ReportMetric(float64(beside.Microseconds()), "µs-p99-beside")
			b.ReportMetric(float64(beside)/float64(alone), "×")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// worst are two merchants before one handler.
type worst struct {
	mux   *http.ServeMux
	begun chan struct{} // closed when the worst merchant has asked for everything once
	hook  string        // the other merchant's webhook
	turns []func(n int) (method, path, body string)
}

func newWorst(b *testing.B, st store.Store) *worst {
	b.Helper()
	svc, err := webhook.NewService(st, &webhook.ServiceOptions{
		SecretKeys: []webhook.SecretKey{harness.KeyOne()}, Limits: webhook.Limits{Pending: 20_000},
	})
	require.NoError(b, err)
	h, err := api.New(svc, bearer, &api.Options{EnablePublish: true})
	require.NoError(b, err)
	w := &worst{mux: http.NewServeMux(), begun: make(chan struct{})}
	w.mux.Handle("/api/", h)
	register := func(merchant string, n int) (last string) {
		metadata := map[string]string{}
		for i := range 20 {
			metadata[fmt.Sprintf("key%d", i)] = strings.Repeat("x", 512)
		}
		for range n {
			r, err := svc.Register(b.Context(), merchant, webhook.Registration{
				URL: "https://example.com/hook", Events: []string{"*"}, Metadata: metadata, Description: strings.Repeat("x", 512),
			})
			require.NoError(b, err)
			last = r.Webhook.ID
		}
		return last
	}
	his := register(harness.Victim, 50)
	w.hook = register(harness.Merchant, 1)
	for _, merchant := range []string{harness.Merchant, harness.Victim} {
		for range 40 {
			batch := make([]event.Event, 25)
			for i := range batch {
				batch[i] = event.New(event.DocumentDeleted{DocumentID: "doc_1"})
			}
			_, err := svc.PublishBatch(b.Context(), merchant, batch)
			require.NoError(b, err)
		}
	}
	one := "/webhooks/" + his
	w.turns = []func(n int) (method, path, body string){
		func(int) (string, string, string) { return http.MethodGet, "/webhooks?limit=1000", "" },
		func(int) (string, string, string) {
			return http.MethodGet, one + "/deliveries?limit=1000&status=failed&eventType=document.created", ""
		},
		func(int) (string, string, string) { return http.MethodGet, one + "/deliveries?limit=1000", "" },
		func(int) (string, string, string) {
			return http.MethodPost, one + "/replay?dryRun=true", `{"status":"missed"}`
		},
		func(n int) (string, string, string) {
			return http.MethodPost, "/events", fmt.Sprintf(`{"id":"evt_worst_%d","type":"document.deleted","data":{"documentId":"%s"}}`, n, strings.Repeat("x", 200_000))
		},
		func(int) (string, string, string) { return http.MethodPost, one + "/cancel", "" },
		func(int) (string, string, string) { return http.MethodPut, one, `{"status":"disabled"}` },
		func(int) (string, string, string) { return http.MethodPut, one, `{"status":"active"}` },
	}
	return w
}

func (w *worst) ask(ctx context.Context, merchant, method, path, body string) int {
	r := httptest.NewRequestWithContext(ctx, method, "/api/merchants/"+merchant+path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+merchant)
	r.Header.Set("Content-Type", "application/json")
	out := httptest.NewRecorder()
	w.mux.ServeHTTP(out, r)
	_, _ = io.Copy(io.Discard, out.Body)
	return out.Code
}

func (w *worst) worst(ctx context.Context) {
	for n := 0; ctx.Err() == nil; n++ {
		method, path, body := w.turns[n%len(w.turns)](n)
		w.ask(ctx, harness.Victim, method, path, body)
		if n == len(w.turns) {
			close(w.begun)
		}
	}
}

// measure returns the 99th percentile of a merchant's usual requests.
func (w *worst) measure(b *testing.B) time.Duration {
	b.Helper()
	var took []time.Duration
	for n := range 400 {
		for _, r := range [][3]string{
			{http.MethodGet, "/webhooks/" + w.hook, ""},
			{http.MethodGet, "/webhooks/" + w.hook + "/deliveries?limit=20", ""},
			{http.MethodPost, "/events", `{"type":"document.deleted","data":{"documentId":"doc_2"}}`},
			{http.MethodPut, "/webhooks/" + w.hook, fmt.Sprintf(`{"description":"%d"}`, n)},
		} {
			began := time.Now()
			code := w.ask(b.Context(), harness.Merchant, r[0], r[1], r[2])
			took = append(took, time.Since(began))
			require.Less(b, code, 300, "%s %s", r[0], r[1])
		}
	}
	slices.Sort(took)
	return took[len(took)*99/100]
}
