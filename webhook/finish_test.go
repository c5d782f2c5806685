package webhook_test

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
)

// gathering publishes one event ahead, whose result keeps a store that takes a
// moment for it busy until the results of those that follow have gathered.
func (r *rig) gathering() {
	r.t.Helper()
	r.publish()
	pass(moment / 2)
}

const moment = 100 * time.Millisecond // that Finish takes

// slowly answers 200 after a second, so that deliveries which begin together end
// together.
func slowly(call) (answer, error) {
	time.Sleep(time.Second)
	return reply(http.StatusOK, "OK"), nil
}

func TestARefusedResultHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := newHooked()
		r := newRig(t, st, &webhook.DispatcherOptions{PerWebhook: 100})
		reg := r.register(event.TypeDocumentCreated)
		r.endpoint.set(slowly)
		bad := event.New(event.DocumentCreated{DocumentID: "doc_1"})
		bad.ID = "poison"
		poison := store.DeliveryID(merchant, bad.ID, reg.Webhook.ID, "")
		st.change(func() {
			st.finish = func(ctx context.Context, rs []store.Result) ([]store.Finished, error) {
				time.Sleep(moment)
				for _, result := range rs {
					if result.DeliveryID == poison {
						return nil, errDown
					}
				}
				return st.Store.Finish(ctx, rs)
			}
		})
		r.gathering()
		_, err := r.svc.Publish(t.Context(), merchant, bad)
		require.NoError(t, err)
		var others []string
		for range 20 {
			others = append(others, r.publish().Deliveries[0])
		}
		pass(8 * time.Second)
		for _, id := range others {
			require.Equal(t, store.DeliverySucceeded, r.delivery(reg.Webhook.ID, id).Status,
				"those of the same call are stored within seconds")
		}
		for range 200 { // three times a lease
			others = append(others, r.publish().Deliveries[0])
			pass(time.Second)
		}
		pass(8 * time.Second) // The last may share a call with the poison's next attempt.
		stats, err := r.svc.Stats(t.Context(), merchant, reg.Webhook.ID)
		require.NoError(t, err)
		require.EqualValues(t, 221, stats.Succeeded, "nor is any that comes later held up")
		posts := r.endpoint.posts()
		for _, id := range others {
			require.Equal(t, 1, posts[id], "exactly once")
		}
		require.LessOrEqual(t, posts[poison], 5, "the other is tried again when its lease has ended")
		r.close()
	})
}

func TestAPartOfTheStoreThatIsAwayHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const away = "merchant_away"
		st := newHooked()
		sent := map[string]int{}
		partly := func(ctx context.Context, rs []store.Result) ([]store.Finished, error) {
			out := make([]store.Finished, len(rs))
			for i, result := range rs {
				sent[result.DeliveryID]++
				if result.MerchantID == away {
					out[i] = store.Finished{State: store.FinishUnavailable}
					continue
				}
				one, err := st.Store.Finish(ctx, []store.Result{result})
				if err != nil {
					return nil, err
				}
				out[i] = one[0]
			}
			return out, nil
		}
		r := newRig(t, st, &webhook.DispatcherOptions{PerWebhook: 50})
		r.endpoint.set(slowly)
		here := r.register(event.TypeDocumentCreated).Webhook.ID
		there := register(t, r.svc, away, "document.created").Webhook.ID
		st.change(func() {
			st.finish = func(ctx context.Context, rs []store.Result) ([]store.Finished, error) {
				time.Sleep(moment)
				st.mu.Lock()
				defer st.mu.Unlock()
				return partly(ctx, rs)
			}
		})
		r.gathering()
		var near, far []string
		for range 10 {
			near = append(near, r.publish().Deliveries[0])
			far = append(far, r.publishFor(away).Deliveries[0])
		}
		pass(30 * time.Second)
		for _, id := range near {
			d := r.delivery(here, id)
			require.Equal(t, store.DeliverySucceeded, d.Status)
			require.LessOrEqual(t, r.since(d.DeliveredAt), time.Second+2*moment, "no later than without the others")
			require.Equal(t, 1, sent[id], "and not stored again")
		}
		for _, id := range far {
			d, err := r.svc.Delivery(t.Context(), away, there, id)
			require.NoError(t, err)
			require.Equal(t, store.DeliveryPending, d.Status)
			require.Greater(t, sent[id], 5, "tried again and again")
			require.Less(t, sent[id], 50, "with pauses")
		}
		st.change(func() { st.finish = nil })
		pass(2 * time.Second)
		for _, id := range far {
			d, err := r.svc.Delivery(t.Context(), away, there, id)
			require.NoError(t, err)
			require.Equal(t, store.DeliverySucceeded, d.Status)
		}
		pass(5 * time.Minute)
		require.Equal(t, 21, r.endpoint.count(), "no second delivery of any")
		r.close()
	})
}

// TestAWholeOutage is one that no dispatcher can claim in either, so that the
// leases end and nobody takes over.
func TestAWholeOutage(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		away   time.Duration // all calls
		longer time.Duration // and then Claim alone
		most   int           // posts of a delivery
		lost   bool
	}{
		{"results come back before claims", 65 * time.Second, 5 * time.Second, 1, false},
		{"results and claims race", 65 * time.Second, 0, 2, false},
		{"longer than results are kept", 125 * time.Second, 0, 2, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var logs lockedBuffer
				st := newHooked()
				r := newRig(t, st, &webhook.DispatcherOptions{Logger: slog.New(slog.NewTextHandler(&logs, nil))})
				reg := r.register(event.TypeDocumentCreated)
				r.endpoint.set(slowly)
				var ids []string
				for range 10 {
					ids = append(ids, r.publish().Deliveries[0])
				}
				synctest.Wait()
				require.Equal(t, 10, r.endpoint.count())
				noClaim := func(context.Context, store.ClaimRequest) (store.Claimed, error) {
					return store.Claimed{}, errDown
				}
				noFinish := func(context.Context, []store.Result) ([]store.Finished, error) { return nil, errDown }
				st.change(func() { st.claim, st.finish = noClaim, noFinish })
				pass(tt.away)
				st.change(func() { st.finish = nil })
				pass(tt.longer)
				st.change(func() { st.claim = nil })
				pass(5 * time.Minute)
				posts := r.endpoint.posts()
				for _, id := range ids {
					d := r.delivery(reg.Webhook.ID, id)
					require.Equal(t, store.DeliverySucceeded, d.Status)
					require.Equal(t, 1, d.Attempts)
					require.LessOrEqual(t, posts[id], tt.most)
				}
				require.Equal(t, tt.lost, strings.Contains(logs.String(), "webhook results lost"), "lost is said aloud")
				r.close()
			})
		})
	}
}

func TestResultsThatWaitAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const n = 1000
		st := newHooked()
		r := newRig(t, st, &webhook.DispatcherOptions{Concurrency: 10, PerWebhook: n})
		reg := r.register(event.TypeDocumentCreated)
		st.change(func() {
			st.finish = func(context.Context, []store.Result) ([]store.Finished, error) { return nil, errDown }
		})
		for range n {
			r.publish()
		}
		pass(30 * time.Second)
		require.Greater(t, r.endpoint.count(), 300, "some results that wait do not stop the deliveries")
		require.Less(t, r.endpoint.count(), 550, "many do")
		st.change(func() { st.finish = nil })
		pass(5 * time.Second)
		stats, err := r.svc.Stats(t.Context(), merchant, reg.Webhook.ID)
		require.NoError(t, err)
		require.Equal(t, webhook.Stats{Total: n, Succeeded: n, Attempts: n}, stats, "and they go on")
		require.Equal(t, n, r.endpoint.count())
		r.close()
	})
}
