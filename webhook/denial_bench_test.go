package webhook_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/egress"
	"github.com/rag-assistant/webhooks/webhook/event"
)

// BenchmarkBesideAHangingMerchant compares a merchant's deliveries per second
// with those beside another one, of whose webhooks some or all hang with more
// deliveries than they have places on the wire.
func BenchmarkBesideAHangingMerchant(b *testing.B) {
	for _, hanging := range []int{0, 1, 50} {
		b.Run(fmt.Sprintf("hanging=%d", hanging), func(b *testing.B) {
			receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
			}))
			defer receiver.Close()
			hung := make(chan struct{}, 1<<16)
			dead := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				hung <- struct{}{}
				_, _ = io.Copy(io.Discard, r.Body) // Only then does net/http see that the sender has gone.
				<-r.Context().Done()
			}))
			defer dead.Close()
			st := memstore.New(nil)
			out := &egress.Options{InsecureAllowHTTP: true, InsecureAllowPrivateNetworks: true}
			svc, err := webhook.NewService(st, &webhook.ServiceOptions{Egress: out})
			require.NoError(b, err)
			arrived := make(chan struct{}, b.N+10) // Events come ten by ten.
			disp, err := webhook.NewDispatcher(st, &webhook.DispatcherOptions{
				Egress: out, DrainTimeout: time.Millisecond, NeverDisable: true,
				Observer: webhook.Observer{Settled: func(_ context.Context, i webhook.SettledInfo) {
					if i.MerchantID == harness.Merchant {
						arrived <- struct{}{}
					}
				}},
			})
			require.NoError(b, err)
			for range hanging {
				_, err := svc.Register(b.Context(), harness.Victim, webhook.Registration{URL: dead.URL, Events: []string{"*"}})
				require.NoError(b, err)
			}
			for range 20 {
				_, err := svc.Publish(b.Context(), harness.Victim, event.New(kilobyte))
				require.NoError(b, err)
			}
			for range 10 {
				_, err := svc.Register(b.Context(), harness.Merchant, webhook.Registration{URL: receiver.URL, Events: []string{"*"}})
				require.NoError(b, err)
			}
			ctx, cancel := context.WithCancel(b.Context())
			stopped := make(chan error, 1)
			go func() { stopped <- disp.Run(ctx) }()
			for range 10 * hanging {
				harness.Receive(b, hung)
			}
			b.ResetTimer()
			for range (b.N + 9) / 10 { // One for each webhook.
				_, err := svc.Publish(b.Context(), harness.Merchant, event.New(kilobyte))
				require.NoError(b, err)
			}
			for range b.N {
				<-arrived
			}
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "deliveries/s")
			cancel()
			require.NoError(b, <-stopped)
		})
	}
}
