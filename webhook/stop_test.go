package webhook_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

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
				r := newRig(t, st, nil)
				reg := r.register(event.TypeDocumentCreated)
				p := r.publish()
				<-claimed
				began := time.Now()
				r.close()
				require.LessOrEqual(t, time.Since(began), time.Second)
				d := r.delivery(reg.Webhook.ID, p.Deliveries[0])
				require.False(t, d.Leased, "not left behind until the lease ends")
				require.Equal(t, store.DeliverySucceeded, d.Status)
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
				r := newRig(t, st, &webhook.DispatcherOptions{DrainTimeout: 2 * time.Second, PerWebhook: 50})
				reg := r.register(event.TypeDocumentCreated)
				r.publish()
				pass(time.Second) // Its result is among those that wait by now.
				r.endpoint.set(hang)
				for range 20 {
					r.publish()
				}
				synctest.Wait()
				began := time.Now()
				r.close()
				require.LessOrEqual(t, time.Since(began), 2*time.Second+5*time.Second+100*time.Millisecond)
				stats, err := r.svc.Stats(t.Context(), merchant, reg.Webhook.ID)
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
		r := newRig(t, nil, nil)
		old := r.register(event.TypeDocumentCreated)
		_, err := r.svc.Rotate(t.Context(), merchant, old.Webhook.ID, webhook.DefaultGrace)
		require.NoError(t, err)
		check := knows(t, old.Secret)
		r.endpoint.set(func(c call) (answer, error) {
			select {
			case <-time.After(9 * time.Second):
				return check(c)
			case <-c.ctx.Done():
				return answer{}, c.ctx.Err()
			}
		})
		p := r.publish()
		synctest.Wait()
		r.close()
		d := r.delivery(old.Webhook.ID, p.Deliveries[0])
		require.Equal(t, store.DeliverySucceeded, d.Status)
		require.Equal(t, 18*time.Second, r.since(d.DeliveredAt))
	})
}
