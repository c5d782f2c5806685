package webhook_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
)

// A merchant may let every webhook that it can have hang, with as many deliveries
// as it likes: it then holds its share of the wire, and those of another merchant
// go out at once.
func TestAHangingMerchantDelaysNoOther(t *testing.T) {
	t.Parallel()
	for name, webhooks := range map[string]int{"one webhook": 1, "all webhooks": 50} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				const share = 10 // of one webhook, by default
				var hanging, most atomic.Int64
				r := harness.NewRig(t, nil, nil)
				r.Endpoint.Set(func(c harness.Call) (harness.Answer, error) {
					if !strings.HasPrefix(c.URL, "https://dead.") {
						return harness.Reply(http.StatusOK, ""), nil
					}
					n := hanging.Add(1)
					defer hanging.Add(-1)
					most.Store(max(most.Load(), n))
					return harness.Hang(c)
				})
				for range webhooks {
					_, err := r.Svc.Register(t.Context(), harness.Victim, webhook.Registration{URL: "https://dead.example.com/", Events: []string{"*"}})
					require.NoError(t, err)
				}
				alive := r.Register(event.TypeDocumentCreated)
				for range 60 {
					r.PublishFor(harness.Victim) // More than can be on the wire.
				}
				for range 100 { // Ten rounds of time-outs.
					harness.Pass(time.Second)
					for range share {
						r.Publish()
					}
					synctest.Wait()
				}
				page, err := r.Svc.Deliveries(t.Context(), harness.Merchant, alive.Webhook.ID, webhook.DeliveryQuery{Limit: 1000})
				require.NoError(t, err)
				require.Len(t, page.Deliveries, 1000)
				for _, d := range page.Deliveries {
					require.Equal(t, webhook.DeliverySucceeded, d.Status)
					require.Equal(t, d.CreatedAt, d.DeliveredAt, "at once")
				}
				require.Equal(t, int64(share*webhooks), most.Load(), "what hangs has its share")
				r.Stop()
				require.NoError(t, <-r.Stopped)
			})
		})
	}
}
