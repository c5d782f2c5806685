package webhook_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
)

// TestStopDuringAClaim stops while the store has taken leases and its answer is
// on the way.
func TestStopDuringAClaim(t *testing.T) {
	t.Parallel()
	for name, wait := range map[string]func(context.Context) bool{
		"5 ms": func(ctx context.Context) bool {
			select {
			case <-time.After(5 * time.Millisecond):
				return true
			case <-ctx.Done():
				return false
			}
		},
		"as long as it may": func(ctx context.Context) bool {
			<-ctx.Done()
			return true
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				st := newHooked()
				claimed := make(chan struct{}, 10)
				st.claim = func(ctx context.Context, c store.ClaimRequest) (store.Claimed, error) {
					got, err := st.Store.Claim(context.WithoutCancel(ctx), c)
					if len(got.Leases) == 0 {
						return got, err
					}
					claimed <- struct{}{}
					if !wait(ctx) {
						return store.Claimed{}, ctx.Err() // As a client that has closed its connection.
					}
					return got, err
				}
				r := harness.NewRig(t, st, nil)
				reg := r.Register(event.TypeDocumentCreated)
				p := r.Publish()
				<-claimed
				began := time.Now()
				r.Close()
				require.LessOrEqual(t, time.Since(began), time.Second)
				d := r.Delivery(reg.Webhook.ID, p.Deliveries[0].ID)
				require.False(t, d.Leased, "not left behind until the lease ends")
				require.Equal(t, webhook.DeliverySucceeded, d.Status)
				require.Zero(t, d.Reclaims)
			})
		})
	}
}

func TestStopIsBoundedWhenResultsCannotBeStored(t *testing.T) {
	t.Parallel()
	for name, finish := range map[string]func(context.Context, []store.Result) ([]store.Finished, error){
		"fails": func(context.Context, []store.Result) ([]store.Finished, error) { return nil, errDown },
		"hangs": func(ctx context.Context, _ []store.Result) ([]store.Finished, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				st := newHooked()
				st.finish = finish
				r := harness.NewRig(t, st, &webhook.DispatcherOptions{DrainTimeout: 2 * time.Second, PerWebhook: 50})
				reg := r.Register(event.TypeDocumentCreated)
				r.Publish()
				harness.Pass(time.Second) // Its result is among those that wait by now.
				r.Endpoint.Set(harness.Hang)
				for range 20 {
					r.Publish()
				}
				synctest.Wait()
				began := time.Now()
				r.Close()
				require.LessOrEqual(t, time.Since(began), 2*time.Second+5*time.Second+100*time.Millisecond)
				stats, err := r.Svc.Stats(t.Context(), harness.Merchant, reg.Webhook.ID)
				require.NoError(t, err)
				require.EqualValues(t, 21, stats.Pending)
			})
		})
	}
}

// TestDefaultDrainTimeout covers an attempt of two posts, within the grace of a
// rotation, that has just begun.
func TestDefaultDrainTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := harness.NewRig(t, nil, nil)
		old := r.Register(event.TypeDocumentCreated)
		_, err := r.Svc.Rotate(t.Context(), harness.Merchant, old.Webhook.ID, webhook.DefaultGrace)
		require.NoError(t, err)
		check := harness.Knows(t, old.Secret)
		r.Endpoint.Set(func(c harness.Call) (harness.Answer, error) {
			select {
			case <-time.After(9 * time.Second):
				return check(c)
			case <-c.Ctx.Done():
				return harness.Answer{}, c.Ctx.Err()
			}
		})
		p := r.Publish()
		synctest.Wait()
		r.Close()
		d := r.Delivery(old.Webhook.ID, p.Deliveries[0].ID)
		require.Equal(t, webhook.DeliverySucceeded, d.Status)
		require.Equal(t, 18*time.Second, r.Since(d.DeliveredAt))
	})
}
