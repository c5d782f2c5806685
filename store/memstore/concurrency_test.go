package memstore_test

import (
	"context"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/memstore"
)

// wakes watches a store until ctx ends.
func wakes(ctx context.Context, st *memstore.Store) <-chan struct{} {
	c := make(chan struct{}, 1)
	go func() {
		_ = st.Watch(ctx, func() {
			select {
			case c <- struct{}{}:
			default:
			}
		})
	}()
	return c
}

// Claimers that wait for nothing but a wake, or for the Next that they were told,
// find every delivery at its time. Where a wake is missing, one is left until a
// lease ends, a minute later by the bubble's clock.
func TestNoWakeIsMissed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const claimers, publishers, each = 3, 3, 200
		began := time.Now()
		st := memstore.New(nil)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		for _, id := range fleet {
			_, err := st.CreateWebhook(ctx, "m", store.Webhook{ID: id, Events: []string{"a"}, Status: store.Active}, 0)
			require.NoError(t, err)
		}
		var left atomic.Int64 // deliveries that have not ended
		for range claimers {
			wake := wakes(ctx, st)
			go claimAlways(ctx, st, wake, func() { left.Add(-1) })
		}
		var wg sync.WaitGroup
		for p := range publishers {
			wg.Go(func() {
				for i := range each {
					left.Add(publishOrToggle(ctx, t, st, p*each+i))
					if i%20 == 0 {
						time.Sleep(time.Millisecond) // by the bubble's clock
					}
				}
			})
		}
		wg.Wait()
		published := time.Now()
		time.Sleep(time.Second)
		require.Zero(t, left.Load(), "deliveries that nobody was woken for")
		require.Less(t, published.Sub(began), time.Second)
		require.NoError(t, st.Audit())
	})
}

// fleet is the webhooks of TestNoWakeIsMissed.
var fleet = []string{"1", "2", "3", "4"}

// claimAlways claims and settles until ctx ends. It calls done for each delivery
// that has ended.
func claimAlways(ctx context.Context, st *memstore.Store, wake <-chan struct{}, done func()) {
	for ctx.Err() == nil {
		c, err := st.Claim(ctx, store.ClaimRequest{Limit: 3, Lease: time.Minute, PerWebhook: 2})
		if err != nil {
			return
		}
		for _, l := range c.Leases {
			as, delay := store.Succeeded, time.Duration(0)
			switch rand.IntN(5) {
			case 0:
				as = store.Released
			case 1:
				as, delay = store.Retry, time.Duration(rand.IntN(5))*time.Millisecond
			}
			f, err := st.Finish(context.WithoutCancel(ctx), results([]store.Lease{l}, as, delay))
			if err == nil && f[0].State == store.FinishAccepted && as == store.Succeeded {
				done()
			}
		}
		if c.Next == 0 {
			continue
		}
		var timer <-chan time.Time
		if c.Next > 0 {
			timer = time.After(c.Next)
		}
		select {
		case <-wake:
		case <-timer:
		case <-ctx.Done():
		}
	}
}

// publishOrToggle publishes event n to the fleet, or now and then only enqueues
// it, to webhooks that are disabled at that moment. It returns how many
// deliveries that made.
func publishOrToggle(ctx context.Context, t *testing.T, st *memstore.Store, n int) int64 {
	t.Helper()
	id := strconv.Itoa(n)
	if n%10 != 0 {
		got, err := st.Publish(ctx, "m", []store.NewEvent{{ID: id, Type: "a"}})
		if assert.NoError(t, err) {
			return int64(len(got[0].Deliveries))
		}
	}
	_, err := st.Publish(ctx, "m", []store.NewEvent{{ID: id, Type: "nobody"}})
	assert.NoError(t, err)
	for _, w := range fleet {
		_, err = st.UpdateWebhook(ctx, "m", w, store.WebhookUpdate{Status: new(store.Disabled)})
		assert.NoError(t, err)
		_, err = st.Enqueue(ctx, "m", w, []string{id}, "again", 0)
		assert.NoError(t, err)
		_, err = st.UpdateWebhook(ctx, "m", w, store.WebhookUpdate{Status: new(store.Active)})
		assert.NoError(t, err)
	}
	return int64(len(fleet))
}

// A busy store does not wake those that are coming anyway.
func TestWakesAreFew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		wake := wakes(ctx, b.Store)
		woken := func() bool {
			synctest.Wait()
			select {
			case <-wake:
				return true
			default:
				return false
			}
		}
		require.True(t, woken(), "when watching has begun")
		require.Negative(t, b.claim(1, 1).Next)
		b.publish("1")
		require.True(t, woken())
		b.publish("2")
		require.False(t, woken(), "nobody has claimed since the last wake")
		l := b.claim(1, 1).Leases[0]
		b.publish("3")
		require.False(t, woken(), "the webhook is at its cap")
		b.finish(l, store.Succeeded)
		require.True(t, woken(), "the webhook has room")
		l = b.claim(1, 2).Leases[0]
		b.finish(l, store.Succeeded)
		require.False(t, woken(), "the claim said that there is more")
	})
}

// What a claimer was told holds until it is woken, whatever others are told.
func TestWakesAreEnough(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.publish("1", "2", "3")
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		wake := wakes(ctx, b.Store)
		<-wake
		l := b.claim(1, 3).Leases[0]
		b.publish("4")
		require.Equal(t, time.Minute, b.claim(1, 1).Next, "for one who takes one of each webhook")
		require.Zero(t, b.claim(1, 3).Next, "for one who takes three")
		b.finish(l, store.Succeeded)
		<-wake // Or the bubble is deadlocked.

		l = b.claim(10, 10).Leases[0]
		r := results([]store.Lease{l}, store.Failed, 0)
		r[0].Streak, r[0].DisableAfter, r[0].DisableReason = store.StreakExtend, 1, "failures"
		_, err := b.Finish(t.Context(), r)
		require.NoError(t, err)
		<-wake
		require.True(t, b.claim(1, 1).Notices)
	})
}

// Everything at once, and then nothing is lost, doubled or miscounted.
func TestChaos(t *testing.T) {
	t.Parallel()
	st := memstore.New(nil)
	ctx := t.Context()
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(g), 7))
			for range 400 {
				chaos(ctx, st, r)
			}
		})
	}
	done := make(chan struct{})
	go func() {
		wg.Wait()
		close(done)
	}()
	for busy := true; busy; {
		select {
		case <-done:
			busy = false
		default:
		}
		require.NoError(t, st.Audit())
	}
}

// chaos makes one random call. Errors are answers here.
func chaos(ctx context.Context, st *memstore.Store, r *rand.Rand) {
	m, w := "m"+strconv.Itoa(r.IntN(2)), strconv.Itoa(r.IntN(4))
	status := []store.Status{store.Active, store.Active, store.Disabled}[r.IntN(3)]
	switch r.IntN(12) {
	case 0:
		_, _ = st.CreateWebhook(ctx, m, store.Webhook{ID: w, Events: []string{"a", "*"}[r.IntN(2):], Status: status}, 3)
	case 1:
		_, _ = st.UpdateWebhook(ctx, m, w, store.WebhookUpdate{Status: &status, Events: []string{"a"}})
	case 2:
		if r.IntN(5) == 0 {
			_ = st.DeleteWebhook(ctx, m, w, 0)
		}
	case 3:
		_, _ = st.Enqueue(ctx, m, w, []string{strconv.Itoa(r.IntN(900))}, strconv.Itoa(r.IntN(3)), 0)
	case 4:
		_, _ = st.Publish(ctx, m, []store.NewEvent{{ID: strconv.Itoa(r.IntN(900)), Type: "t", Test: w}})
	case 5:
		_, _ = st.Prune(ctx, store.PruneRequest{
			DeliveryAge: time.Millisecond, DeliveriesPerWebhook: 5, PausedAge: time.Millisecond,
			EventAge: time.Millisecond, NoticeAge: time.Millisecond, Limit: 1 + r.IntN(20),
		})
	case 6:
		_, _ = st.Deliveries(ctx, m, w, store.DeliveryQuery{Limit: 5, EventType: []string{"", "a"}[r.IntN(2)]})
		_, _ = st.Events(ctx, m, store.EventQuery{Limit: 5, WebhookID: w})
	case 7:
		_, _ = st.AddNotice(ctx, m, store.Notice{WebhookID: w}, "", "")
		ns, _ := st.ClaimNotices(ctx, 2, time.Millisecond)
		for _, n := range ns[:len(ns)/2] {
			_ = st.AckNotice(ctx, n.MerchantID, n.ID)
		}
	case 8:
		_, _ = st.BeginSeen(ctx, "r", w, store.SeenBegin{Holder: m, Lease: time.Millisecond})
		_ = st.CommitSeen(ctx, "r", w, m, nil, time.Millisecond)
	case 9:
		c, _ := st.Claim(ctx, store.ClaimRequest{Limit: 10, Lease: 3 * time.Millisecond, PerWebhook: 1 + r.IntN(4), Key: []string{"", "a", "b"}[r.IntN(3)]})
		for _, l := range c.Leases {
			as := []store.Outcome{store.Succeeded, store.Failed, store.Retry, store.Released}[r.IntN(4)]
			rs := results([]store.Lease{l, l}, as, time.Duration(r.IntN(3))*time.Millisecond)
			rs[0].Streak, rs[0].DisableAfter = store.StreakExtend, 5
			_, _ = st.Finish(ctx, rs[:r.IntN(3)])
		}
	default:
		_, _ = st.Publish(ctx, m, []store.NewEvent{
			{ID: strconv.Itoa(r.IntN(900)), Type: "a"}, {ID: strconv.Itoa(r.IntN(900)), Type: "b"},
		})
	}
}
