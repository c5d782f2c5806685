package webhook_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/store"
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
				r := newRig(t, nil, nil)
				r.endpoint.set(func(c call) (answer, error) {
					if !strings.HasPrefix(c.url, "https://dead.") {
						return reply(http.StatusOK, ""), nil
					}
					n := hanging.Add(1)
					defer hanging.Add(-1)
					most.Store(max(most.Load(), n))
					return hang(c)
				})
				for range webhooks {
					_, err := r.svc.Register(t.Context(), victim, webhook.Registration{URL: "https://dead.example.com/", Events: []string{"*"}})
					require.NoError(t, err)
				}
				alive := r.register(event.TypeDocumentCreated)
				for range 60 {
					r.publishFor(victim) // More than can be on the wire.
				}
				for range 100 { // Ten rounds of time-outs.
					pass(time.Second)
					for range share {
						r.publish()
					}
					synctest.Wait()
				}
				page, err := r.svc.Deliveries(t.Context(), merchant, alive.Webhook.ID, webhook.DeliveryQuery{Limit: 1000})
				require.NoError(t, err)
				require.Len(t, page.Deliveries, 1000)
				for _, d := range page.Deliveries {
					require.Equal(t, store.DeliverySucceeded, d.Status)
					require.Equal(t, d.CreatedAt, d.DeliveredAt, "at once")
				}
				require.Equal(t, int64(share*webhooks), most.Load(), "what hangs has its share")
				r.stop()
				require.NoError(t, <-r.stopped)
			})
		})
	}
}
