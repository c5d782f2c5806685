package webhook_test

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/retry"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
)

// gathering publishes one event ahead, whose result keeps a store that takes a
// moment for it busy until the results of those that follow have gathered.
func gathering(r *harness.Rig) {
	r.T.Helper()
	r.Publish()
	harness.Pass(moment / 2)
}

const moment = 100 * time.Millisecond // that Finish takes

// slowly answers 200 after a second, so that deliveries which begin together end
// together.
func slowly(harness.Call) (harness.Answer, error) {
	time.Sleep(time.Second)
	return harness.Reply(http.StatusOK, "OK"), nil
}

func TestARefusedResultHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := newHooked()
		r := harness.NewRig(t, st, &webhook.DispatcherOptions{PerWebhook: 100})
		reg := r.Register(event.TypeDocumentCreated)
		r.Endpoint.Set(slowly)
		bad := event.New(event.DocumentCreated{DocumentID: "doc_1"})
		bad.ID = "poison"
		var poison string // set before it has been posted
		st.change(func() {
			st.finish = func(ctx context.Context, rs []store.Result) ([]store.Finished, error) {
				time.Sleep(moment)
				var held bool
				st.change(func() {
					held = slices.ContainsFunc(rs, func(r store.Result) bool { return r.DeliveryID == poison })
				})
				if held {
					return nil, errDown
				}
				return st.Store.Finish(ctx, rs)
			}
		})
		gathering(r)
		p, err := r.Svc.Publish(t.Context(), harness.Merchant, bad)
		require.NoError(t, err)
		st.change(func() { poison = p.Deliveries[0].ID })
		var others []string
		for range 20 {
			others = append(others, r.Publish().Deliveries[0].ID)
		}
		harness.Pass(8 * time.Second)
		for _, id := range others {
			require.Equal(t, webhook.DeliverySucceeded, r.Delivery(reg.Webhook.ID, id).Status,
				"those of the same call are stored within seconds")
		}
		for range 200 { // three times a lease
			others = append(others, r.Publish().Deliveries[0].ID)
			harness.Pass(time.Second)
		}
		harness.Pass(8 * time.Second) // The last may share a call with the poison's next attempt.
		stats, err := r.Svc.Stats(t.Context(), harness.Merchant, reg.Webhook.ID)
		require.NoError(t, err)
		require.EqualValues(t, 221, stats.Succeeded, "nor is any that comes later held up")
		posts := r.Endpoint.Posts()
		for _, id := range others {
			require.Equal(t, 1, posts[id], "exactly once")
		}
		require.LessOrEqual(t, posts[poison], 5, "the other is tried again when its lease has ended")
		r.Close()
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
		r := harness.NewRig(t, st, &webhook.DispatcherOptions{PerWebhook: 50})
		r.Endpoint.Set(slowly)
		here := r.Register(event.TypeDocumentCreated).Webhook.ID
		there := harness.Register(t, r.Svc, away, "document.created").Webhook.ID
		st.change(func() {
			st.finish = func(ctx context.Context, rs []store.Result) ([]store.Finished, error) {
				time.Sleep(moment)
				st.mu.Lock()
				defer st.mu.Unlock()
				return partly(ctx, rs)
			}
		})
		gathering(r)
		var near, far []string
		for range 10 {
			near = append(near, r.Publish().Deliveries[0].ID)
			far = append(far, r.PublishFor(away).Deliveries[0].ID)
		}
		harness.Pass(30 * time.Second)
		for _, id := range near {
			d := r.Delivery(here, id)
			require.Equal(t, webhook.DeliverySucceeded, d.Status)
			require.LessOrEqual(t, r.Since(d.DeliveredAt), time.Second+2*moment, "no later than without the others")
			require.Equal(t, 1, sent[id], "and not stored again")
		}
		for _, id := range far {
			d, err := r.Svc.Delivery(t.Context(), away, there, id)
			require.NoError(t, err)
			require.Equal(t, webhook.DeliveryPending, d.Status)
			require.Greater(t, sent[id], 5, "tried again and again")
			require.Less(t, sent[id], 50, "with pauses")
		}
		st.change(func() { st.finish = nil })
		harness.Pass(2 * time.Second)
		for _, id := range far {
			d, err := r.Svc.Delivery(t.Context(), away, there, id)
			require.NoError(t, err)
			require.Equal(t, webhook.DeliverySucceeded, d.Status)
		}
		harness.Pass(5 * time.Minute)
		require.Equal(t, 21, r.Endpoint.Count(), "no second delivery of any")
		r.Close()
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
				var logs harness.LockedBuffer
				st := newHooked()
				r := harness.NewRig(t, st, &webhook.DispatcherOptions{Logger: slog.New(slog.NewTextHandler(&logs, nil))})
				reg := r.Register(event.TypeDocumentCreated)
				r.Endpoint.Set(slowly)
				var ids []string
				for range 10 {
					ids = append(ids, r.Publish().Deliveries[0].ID)
				}
				synctest.Wait()
				require.Equal(t, 10, r.Endpoint.Count())
				noClaim := func(context.Context, store.ClaimRequest) (store.Claimed, error) {
					return store.Claimed{}, errDown
				}
				noFinish := func(context.Context, []store.Result) ([]store.Finished, error) { return nil, errDown }
				st.change(func() { st.claim, st.finish = noClaim, noFinish })
				harness.Pass(tt.away)
				st.change(func() { st.finish = nil })
				harness.Pass(tt.longer)
				st.change(func() { st.claim = nil })
				harness.Pass(5 * time.Minute)
				posts := r.Endpoint.Posts()
				for _, id := range ids {
					d := r.Delivery(reg.Webhook.ID, id)
					require.Equal(t, webhook.DeliverySucceeded, d.Status)
					require.Equal(t, 1, d.Attempts)
					require.LessOrEqual(t, posts[id], tt.most)
				}
				require.Equal(t, tt.lost, strings.Contains(logs.String(), "webhook results lost"), "lost is said aloud")
				r.Close()
			})
		})
	}
}

func TestResultsThatWaitAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const n = 1000
		st := newHooked()
		r := harness.NewRig(t, st, &webhook.DispatcherOptions{Concurrency: 10, PerWebhook: n})
		reg := r.Register(event.TypeDocumentCreated)
		st.change(func() {
			st.finish = func(context.Context, []store.Result) ([]store.Finished, error) { return nil, errDown }
		})
		for range n {
			r.Publish()
		}
		harness.Pass(30 * time.Second)
		require.Greater(t, r.Endpoint.Count(), 300, "some results that wait do not stop the deliveries")
		require.Less(t, r.Endpoint.Count(), 550, "many do")
		st.change(func() { st.finish = nil })
		harness.Pass(5 * time.Second)
		stats, err := r.Svc.Stats(t.Context(), harness.Merchant, reg.Webhook.ID)
		require.NoError(t, err)
		require.Equal(t, webhook.Stats{Total: n, Succeeded: n, Attempts: n}, stats, "and they go on")
		require.Equal(t, n, r.Endpoint.Count())
		r.Close()
	})
}

// TestALostAnswerTellsOfTheDisablingOnce loses the answer to the result that disabled.
func TestALostAnswerTellsOfTheDisablingOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var logs harness.LockedBuffer
		st, lost := newHooked(), 0
		st.finish = func(ctx context.Context, rs []store.Result) ([]store.Finished, error) {
			out, err := st.Store.Finish(ctx, rs)
			if lost++; lost <= 2 {
				return nil, errDown
			}
			return out, err
		}
		told := 0
		r := harness.NewRig(t, st, &webhook.DispatcherOptions{
			DisableAfter: 1, Retry: retry.Policy{MaxAttempts: 1}, Logger: textLogger(&logs),
			Observer: webhook.Observer{Settled: func(_ context.Context, i webhook.SettledInfo) {
				if i.Disabled {
					told++
				}
			}},
		})
		r.Endpoint.Set(harness.Always(http.StatusInternalServerError))
		reg := r.Register(event.TypeDocumentCreated)
		r.Publish()
		harness.Pass(time.Minute)
		r.Close()
		require.Equal(t, webhook.Disabled, r.Webhook(reg.Webhook.ID).Status)
		require.Equal(t, 3, lost)
		require.Equal(t, 1, told)
		require.Equal(t, 1, strings.Count(logs.String(), "webhook disabled by its failures"))
	})
}

// TestALostClaimIsNoReclaim loses the answer that has the leases.
func TestALostClaimIsNoReclaim(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st, lost := newHooked(), false
		st.claim = func(ctx context.Context, c store.ClaimRequest) (store.Claimed, error) {
			require.Equal(t, 1<<20, c.MaxBytes, "so that an answer gets through")
			out, err := st.Store.Claim(ctx, c)
			if len(out.Leases) > 0 && !lost {
				lost = true
				return store.Claimed{}, errDown
			}
			return out, err
		}
		r := harness.NewRig(t, st, nil)
		reg := r.Register(event.TypeDocumentCreated)
		p := r.Publish()
		harness.Pass(5 * time.Second)
		r.Close()
		require.True(t, lost)
		d := r.Delivery(reg.Webhook.ID, p.Deliveries[0].ID)
		require.Equal(t, webhook.DeliverySucceeded, d.Status)
		require.Zero(t, d.Reclaims)
	})
}
