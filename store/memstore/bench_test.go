package memstore_test

import (
	"context"
	"fmt"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/memstore"
)

var benchBody = make([]byte, 400)

// crowdOf makes webhooks that share nothing: each has its own event type.
func crowdOf(tb testing.TB, st *memstore.Store, webhooks int) {
	tb.Helper()
	for i := range webhooks {
		_, err := st.CreateWebhook(context.Background(), "m", store.Webhook{
			ID: fmt.Sprintf("whk_%05d", i), URL: "https://example.com/hook", Events: []string{"type." + strconv.Itoa(i)},
			Status: store.Active, Secret: "sealed", Encoding: "standard",
		}, 0)
		require.NoError(tb, err)
	}
}

var eventNumber atomic.Int64

// batchOf describes n new events, one for each webhook in turn.
func batchOf(n, webhooks int) []store.NewEvent {
	out := make([]store.NewEvent, n)
	for i := range out {
		k := eventNumber.Add(1)
		out[i] = store.NewEvent{
			ID: "evt_" + strconv.FormatInt(k, 10), Type: "type." + strconv.FormatInt(k%int64(webhooks), 10),
			Body: benchBody, Fingerprint: "f",
		}
	}
	return out
}

// fill publishes n events.
func fill(tb testing.TB, st *memstore.Store, n, webhooks int) {
	tb.Helper()
	for ; n > 0; n -= 1000 {
		_, err := st.Publish(context.Background(), "m", batchOf(min(n, 1000), webhooks))
		require.NoError(tb, err)
	}
}

func results(leases []store.Lease, as store.Outcome, delay time.Duration) []store.Result {
	out := make([]store.Result, len(leases))
	for i, l := range leases {
		out[i] = store.Result{
			MerchantID: l.MerchantID, WebhookID: l.WebhookID, DeliveryID: l.DeliveryID, Token: l.Token,
			Outcome: as, Delay: delay, Streak: store.StreakReset,
			Attempt: store.Attempt{Duration: time.Millisecond, StatusCode: 200, ResponseBody: "ok"},
		}
	}
	return out
}

// many is as large as a benchmark gets; -short only shows that it runs.
func many() int {
	if testing.Short() {
		return 10_000
	}
	return 1_000_000
}

func BenchmarkPublish(b *testing.B) {
	for _, fanOut := range []int{1, 100} {
		b.Run(fmt.Sprintf("fanout=%d", fanOut), func(b *testing.B) {
			st := memstore.New(nil)
			for i := range fanOut {
				_, err := st.CreateWebhook(b.Context(), "m", store.Webhook{
					ID: fmt.Sprintf("whk_%05d", i), Events: []string{"type.0"}, Status: store.Active,
				}, 0)
				require.NoError(b, err)
			}
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				_, err := st.Publish(b.Context(), "m", batchOf(1, 1))
				require.NoError(b, err)
				n += fanOut
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/delivery")
		})
	}
}

// BenchmarkCycle moves deliveries through a store that has a backlog: each is
// claimed and finished, and another one published.
func BenchmarkCycle(b *testing.B) {
	for _, pending := range []int{1_000, many()} {
		for _, webhooks := range []int{1, 1000} {
			for _, batch := range []int{1, 10, 100} {
				b.Run(fmt.Sprintf("pending=%d/webhooks=%d/batch=%d", pending, webhooks, batch), func(b *testing.B) {
					st := memstore.New(nil)
					crowdOf(b, st, webhooks)
					fill(b, st, pending, webhooks)
					cycle(b, st, webhooks, batch)
				})
			}
		}
	}
}

func cycle(b *testing.B, st *memstore.Store, webhooks, batch int) {
	b.Helper()
	ctx := b.Context()
	ask := store.ClaimRequest{Limit: batch, Lease: time.Minute, PerWebhook: 100}
	var claim, finish, prune time.Duration
	n := 0
	for b.Loop() {
		t0 := time.Now()
		got, err := st.Claim(ctx, ask)
		t1 := time.Now()
		if err != nil || len(got.Leases) != batch {
			b.Fatal(len(got.Leases), err)
		}
		rs := results(got.Leases, store.Succeeded, 0)
		t2 := time.Now()
		_, err = st.Finish(ctx, rs)
		t3 := time.Now()
		require.NoError(b, err)
		_, err = st.Publish(ctx, "m", batchOf(batch, webhooks))
		require.NoError(b, err)
		t4 := time.Now()
		_, err = st.Prune(ctx, store.PruneRequest{DeliveriesPerWebhook: 1, EventAge: time.Second, Limit: 2 * batch})
		require.NoError(b, err)
		claim, finish, prune = claim+t1.Sub(t0), finish+t3.Sub(t2), prune+time.Since(t4)
		n += batch
	}
	per := func(d time.Duration, unit string) { b.ReportMetric(float64(d.Nanoseconds())/float64(n), unit) }
	per(claim, "claim-ns/delivery")
	per(finish, "finish-ns/delivery")
	per(prune, "prune-ns/delivery")
	per(b.Elapsed(), "all-ns/delivery")
}

// BenchmarkRetries claims from a backlog that waits for its second try.
func BenchmarkRetries(b *testing.B) {
	for _, pending := range []int{1_000, many()} {
		b.Run(fmt.Sprintf("pending=%d", pending), func(b *testing.B) {
			now := time.Now()
			st := memstore.New(&memstore.Options{Now: func() time.Time { return now }})
			crowdOf(b, st, 1)
			fill(b, st, pending, 1)
			ask := store.ClaimRequest{Limit: 100, Lease: time.Minute, PerWebhook: 100}
			for i := range pending / 100 {
				now = now.Add(time.Millisecond)
				got, _ := st.Claim(b.Context(), ask)
				_, err := st.Finish(b.Context(), results(got.Leases, store.Retry, time.Hour+time.Duration(i*7919%1000)*time.Second))
				require.NoError(b, err)
			}
			now = now.Add(2 * time.Hour)
			b.ResetTimer()
			n := 0
			for b.Loop() {
				got, _ := st.Claim(b.Context(), ask)
				n += len(got.Leases)
				_, err := st.Finish(b.Context(), results(got.Leases, store.Released, time.Second))
				require.NoError(b, err)
				now = now.Add(time.Second)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/delivery")
		})
	}
}

// BenchmarkParallel has many goroutines publish, claim and finish at once.
func BenchmarkParallel(b *testing.B) {
	const webhooks, batch = 1000, 10
	st := memstore.New(nil)
	crowdOf(b, st, webhooks)
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		ctx := context.Background()
		for pb.Next() {
			if _, err := st.Publish(ctx, "m", batchOf(batch, webhooks)); err != nil {
				b.Error(err)
			}
			got, err := st.Claim(ctx, store.ClaimRequest{Limit: batch, Lease: time.Minute, PerWebhook: 10})
			if err != nil {
				b.Error(err)
			}
			if _, err = st.Finish(ctx, results(got.Leases, store.Succeeded, 0)); err != nil {
				b.Error(err)
			}
			if _, err = st.Prune(ctx, store.PruneRequest{DeliveriesPerWebhook: 1, EventAge: time.Second, Limit: 2 * batch}); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/batch, "ns/delivery")
}

func BenchmarkRead(b *testing.B) {
	st := memstore.New(nil)
	crowdOf(b, st, 1)
	fill(b, st, many()/10, 1)
	list := func(q store.DeliveryQuery) func(b *testing.B) {
		return func(b *testing.B) {
			b.Helper()
			b.ReportAllocs()
			for b.Loop() {
				_, err := st.Deliveries(b.Context(), "m", "whk_00000", q)
				require.NoError(b, err)
			}
		}
	}
	b.Run("page", list(store.DeliveryQuery{Limit: 100}))
	b.Run("type", list(store.DeliveryQuery{Limit: 100, EventType: "type.0"}))
	b.Run("stats", func(b *testing.B) {
		for b.Loop() {
			_, err := st.Stats(b.Context(), "m", "whk_00000")
			require.NoError(b, err)
		}
	})
	b.Run("prune-nothing", func(b *testing.B) {
		for b.Loop() {
			_, err := st.Prune(b.Context(), store.PruneRequest{
				DeliveryAge: time.Hour, DeliveriesPerWebhook: 10_000, PausedAge: time.Hour, EventAge: time.Hour, NoticeAge: time.Hour, Limit: 500,
			})
			require.NoError(b, err)
		}
	})
}

// BenchmarkMemory tells the bytes that a pending delivery takes beside the body
// of its event.
func BenchmarkMemory(b *testing.B) {
	for _, fanOut := range []int{1, 10} {
		b.Run(fmt.Sprintf("fanout=%d", fanOut), func(b *testing.B) {
			events := many() / 10
			for b.Loop() {
				before := heapInUse()
				st := memstore.New(nil)
				for i := range fanOut {
					_, err := st.CreateWebhook(b.Context(), "m", store.Webhook{
						ID: fmt.Sprintf("whk_%05d", i), Events: []string{"type.0"}, Status: store.Active,
					}, 0)
					require.NoError(b, err)
				}
				fill(b, st, events, 1)
				used := float64(heapInUse()-before) - float64(events)*416 // the size class of a body of 400
				b.ReportMetric(used/float64(events)/float64(fanOut), "B/delivery")
				runtime.KeepAlive(st)
			}
		})
	}
}

func heapInUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
