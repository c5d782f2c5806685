package sqltest_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/sqltest"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/sqlstore"
)

// BenchmarkSQLite publishes, claims and finishes, each commit with an fsync. An operation is
// a delivery. The body of an event has 300 bytes, and there are 100 webhooks.
func BenchmarkSQLite(b *testing.B) {
	for _, c := range []struct {
		name          string
		callers, call int
	}{{"ByHundred", 4, 100}, {"OneACall", 16, 1}} {
		b.Run(c.name, func(b *testing.B) {
			l := newLoad(b)
			b.ResetTimer()
			before := processor()
			var all sync.WaitGroup
			all.Go(func() { l.publish(b.N, c.callers, c.call) })
			for range 2 {
				all.Go(func() { l.deliver(int64(b.N)) })
			}
			all.Wait()
			report(b, before)
		})
	}
	b.Run("FullQueue", func(b *testing.B) {
		l := newLoad(b)
		l.publish(b.N, 4, 100)
		b.ResetTimer()
		before := processor()
		l.deliver(int64(b.N))
		report(b, before)
	})
}

// report tells the rate, and the time of a processor for each delivery, which a busy machine
// changes less.
func report(b *testing.B, before time.Duration) {
	b.Helper()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "deliveries/s")
	b.ReportMetric(float64((processor()-before).Nanoseconds())/float64(b.N)/1000, "cpu-µs/delivery")
}

// processor is the time that this process has had of processors.
func processor() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

type load struct {
	*testing.B

	st        *sqlstore.Store
	delivered atomic.Int64
}

const merchants, kinds = 10, 10

func newLoad(b *testing.B) *load {
	b.Helper()
	l := &load{B: b, st: sqltest.OpenSQLite(b, sqltest.SQLite(b, 8), nil)}
	for m := range merchants {
		for k := range kinds {
			w := store.Webhook{ID: fmt.Sprintf("whk_%d_%d", m, k), Events: []string{fmt.Sprint("kind", k)}, Status: store.Active}
			_, err := l.st.CreateWebhook(b.Context(), merchant(m), w, 0)
			require.NoError(b, err)
		}
	}
	return l
}

func merchant(m int) string { return fmt.Sprint("merchant_", m%merchants) }

// publish publishes n events by some callers.
func (l *load) publish(n, callers, call int) {
	var next atomic.Int64
	var all sync.WaitGroup
	body := make([]byte, 300)
	for range callers {
		all.Go(func() {
			for {
				from := int(next.Add(int64(call))) - call
				var events []store.NewEvent
				for i := from; i < min(from+call, n); i++ {
					events = append(events, store.NewEvent{ID: fmt.Sprint("evt_", i), Type: fmt.Sprint("kind", i%kinds), Body: body})
				}
				if len(events) == 0 {
					return
				}
				if _, err := l.st.Publish(context.Background(), merchant(from/kinds), events); err != nil {
					l.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
}

// deliver claims and finishes until n were delivered.
func (l *load) deliver(n int64) {
	wake := make(chan struct{}, 1)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		_ = l.st.Watch(ctx, func() {
			select {
			case wake <- struct{}{}:
			default:
			}
		})
	}()
	for l.delivered.Load() < n {
		c, err := l.st.Claim(ctx, store.ClaimRequest{Limit: 128, Lease: time.Minute, PerWebhook: 16, MaxBytes: 4 << 20})
		if err != nil {
			l.Error(err)
			return
		}
		if len(c.Leases) == 0 {
			select {
			case <-wake:
			case <-time.After(10 * time.Millisecond):
			}
			continue
		}
		results := make([]store.Result, len(c.Leases))
		for i, d := range c.Leases {
			results[i] = store.Result{
				MerchantID: d.MerchantID, WebhookID: d.WebhookID, DeliveryID: d.DeliveryID, Token: d.Token,
				Outcome: store.Succeeded, Streak: store.StreakReset, Attempt: store.Attempt{StatusCode: 200, ResponseBody: "ok"},
			}
		}
		if _, err := l.st.Finish(ctx, results); err != nil {
			l.Error(err)
			return
		}
		l.delivered.Add(int64(len(results)))
	}
}
