package redisstore_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/redistest"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/redisstore"
)

const merchant = "merchant_42"

// eventType is the type that every webhook of these tests subscribes to.
const eventType = "document.created"

// newStore makes a store on a server, with webhooks that subscribe to eventType.
func newStore(tb testing.TB, client redis.UniversalClient, opts *redisstore.Options, webhooks int) *redisstore.Store {
	tb.Helper()
	var o redisstore.Options
	if opts != nil {
		o = *opts
	}
	if o.Prefix == "" {
		o.Prefix = redistest.Prefix()
		tb.Cleanup(func() { redistest.Forget(tb, client, o.Prefix) })
	}
	st, err := redisstore.Open(context.Background(), client, &o)
	require.NoError(tb, err)
	for i := range webhooks {
		_, err := st.CreateWebhook(context.Background(), merchant, store.Webhook{
			ID: fmt.Sprintf("whk_%024d", i), URL: "https://example.com/webhooks", Events: []string{eventType}, Status: store.Active,
		}, 0)
		require.NoError(tb, err)
	}
	return st
}

// newEvents makes events with bodies of a size.
func newEvents(n, size int) []store.NewEvent {
	out := make([]store.NewEvent, n)
	for i := range out {
		id := "evt_" + rand.Text()
		out[i] = store.NewEvent{ID: id, Type: eventType, Fingerprint: id, Body: []byte(strings.Repeat("x", size))}
	}
	return out
}

func results(leases []store.Lease) []store.Result {
	out := make([]store.Result, len(leases))
	for i, l := range leases {
		out[i] = store.Result{
			MerchantID: l.MerchantID, WebhookID: l.WebhookID, DeliveryID: l.DeliveryID, Token: l.Token,
			Outcome: store.Succeeded, Streak: store.StreakReset, Attempt: store.Attempt{StatusCode: 200, Duration: time.Millisecond},
		}
	}
	return out
}

// count returns a counter of the server.
func count(tb testing.TB, client redis.Cmdable, section, name string) int {
	tb.Helper()
	info, err := client.Info(context.Background(), section).Result()
	require.NoError(tb, err)
	_, rest, _ := strings.Cut(info, name+":")
	digits, _, _ := strings.Cut(rest, "\r")
	n, err := strconv.Atoi(digits)
	require.NoError(tb, err)
	return n
}

// scripts returns how many scripts clients have run, and the server's time for
// them.
func scripts(tb testing.TB, client redis.Cmdable) (calls int, took time.Duration) {
	tb.Helper()
	info, err := client.Info(context.Background(), "commandstats").Result()
	require.NoError(tb, err)
	_, rest, _ := strings.Cut(info, "cmdstat_evalsha:")
	micros := 0
	_, _ = fmt.Sscanf(rest, "calls=%d,usec=%d,", &calls, &micros) // none at first
	return calls, time.Duration(micros) * time.Microsecond
}

func calls(tb testing.TB, client redis.Cmdable) int {
	tb.Helper()
	n, _ := scripts(tb, client)
	return n
}

var everything = store.ClaimRequest{Limit: 100, Lease: time.Minute, PerWebhook: 1 << 20}

// BenchmarkQueue publishes, claims and settles in batches, without posting.
func BenchmarkQueue(b *testing.B) {
	client := redistest.Start(b).Client(b)
	for _, size := range []int{1, 10, 100} {
		for _, op := range []string{"publish", "claim", "finish"} {
			b.Run(fmt.Sprintf("%s/batch=%d", op, size), func(b *testing.B) {
				ctx := b.Context()
				st := newStore(b, client, nil, 1)
				ask := everything
				ask.Limit = size
				b.ReportAllocs()
				n := 0
				var took, server time.Duration
				for b.Loop() {
					events := newEvents(size, 1024)
					steps := []func(){
						func() { _, err := st.Publish(ctx, merchant, events); require.NoError(b, err) },
					}
					var c store.Claimed
					steps = append(steps,
						func() { var err error; c, err = st.Claim(ctx, ask); require.NoError(b, err) },
						func() { _, err := st.Finish(ctx, results(c.Leases)); require.NoError(b, err) })
					for i, step := range steps {
						start := time.Now()
						_, used := scripts(b, client)
						step()
						if op == []string{"publish", "claim", "finish"}[i] {
							took += time.Since(start)
							_, now := scripts(b, client)
							server += now - used
						}
					}
					n += size
				}
				b.ReportMetric(float64(n)/took.Seconds(), "deliveries/s")
				b.ReportMetric(float64(took.Microseconds())*float64(size)/float64(n), "µs/call")
				b.ReportMetric(float64(server.Microseconds())/float64(n), "server-µs/delivery")
			})
		}
	}
}

// BenchmarkSpread has as many webhooks as deliveries, each of a merchant of its own:
// nothing is shared but the scripts. It shows the server's time for each step.
func BenchmarkSpread(b *testing.B) {
	const merchants, callers = 64, 16
	ctx := b.Context()
	client := redistest.Start(b).Client(b)
	st := newStore(b, client, nil, 0)
	for i := range merchants {
		_, err := st.CreateWebhook(ctx, fmt.Sprint("merchant_", i), store.Webhook{
			ID: fmt.Sprintf("whk_%024d", i), URL: "https://example.com/webhooks", Events: []string{eventType}, Status: store.Active,
		}, 0)
		require.NoError(b, err)
	}
	ask := everything
	ask.Limit = callers
	var used [3]time.Duration
	timed := func(step int, f func()) {
		_, before := scripts(b, client)
		f()
		_, after := scripts(b, client)
		used[step] += after - before
	}
	n := 0
	for b.Loop() {
		timed(0, func() {
			var wg sync.WaitGroup
			for c := range callers {
				wg.Go(func() {
					for i := c; i < merchants; i += callers {
						_, err := st.Publish(ctx, fmt.Sprint("merchant_", i), newEvents(1, 1024))
						assert.NoError(b, err)
					}
				})
			}
			wg.Wait()
		})
		for range merchants / callers {
			var c store.Claimed
			timed(1, func() { c, _ = st.Claim(ctx, ask) })
			require.Len(b, c.Leases, callers)
			timed(2, func() { _, err := st.Finish(ctx, results(c.Leases)); require.NoError(b, err) })
		}
		n += merchants
	}
	for i, step := range []string{"publish", "claim", "finish"} {
		b.ReportMetric(float64(used[i].Nanoseconds())/1000/float64(n), step+"-server-µs/delivery")
	}
}

// BenchmarkDeliveries goes through the whole queue without posting.
func BenchmarkDeliveries(b *testing.B) {
	client := redistest.Start(b).Client(b)
	for _, size := range []int{1, 10, 100} {
		b.Run(fmt.Sprintf("batch=%d", size), func(b *testing.B) {
			ctx := b.Context()
			st := newStore(b, client, nil, 10)
			ask := everything
			ask.Limit = 10 * size
			before := calls(b, client)
			n := 0
			start := time.Now()
			for b.Loop() {
				_, err := st.Publish(ctx, merchant, newEvents(size, 1024))
				require.NoError(b, err)
				for {
					c, err := st.Claim(ctx, ask)
					require.NoError(b, err)
					if len(c.Leases) == 0 {
						break
					}
					_, err = st.Finish(ctx, results(c.Leases))
					require.NoError(b, err)
					n += len(c.Leases)
				}
			}
			b.ReportMetric(float64(n)/time.Since(start).Seconds(), "deliveries/s")
			b.ReportMetric(float64(calls(b, client)-before)/float64(n), "commands/delivery")
		})
	}
}

// BenchmarkBacklog claims and settles a hundred beside many that wait.
func BenchmarkBacklog(b *testing.B) {
	backlogs := []int{1_000, 100_000}
	if testing.Short() {
		backlogs = backlogs[:1]
	}
	for _, backlog := range backlogs {
		b.Run(strconv.Itoa(backlog), func(b *testing.B) {
			ctx := b.Context()
			st := newStore(b, redistest.Start(b).Client(b), nil, 1)
			for range backlog / 1000 {
				_, err := st.Publish(ctx, merchant, newEvents(1000, 100))
				require.NoError(b, err)
			}
			for b.Loop() {
				c, err := st.Claim(ctx, everything)
				require.NoError(b, err)
				rs := results(c.Leases)
				for i := range rs {
					rs[i].Outcome = store.Released
				}
				_, err = st.Finish(ctx, rs)
				require.NoError(b, err)
			}
		})
	}
}

// used is how long the server's threads have worked.
func used(tb testing.TB, client redis.Cmdable) time.Duration {
	tb.Helper()
	info, err := client.Info(context.Background(), "cpu").Result()
	require.NoError(tb, err)
	var sum float64
	for line := range strings.Lines(info) {
		name, v, _ := strings.Cut(strings.TrimSpace(line), ":")
		if name == "used_cpu_sys" || name == "used_cpu_user" {
			n, err := strconv.ParseFloat(v, 64)
			require.NoError(tb, err)
			sum += n
		}
	}
	return time.Duration(sum * float64(time.Second))
}

// BenchmarkWork shows how long Redis works for a delivery: to publish it, to claim and
// settle it by hundreds, and to remove it and its event again.
func BenchmarkWork(b *testing.B) {
	for _, shape := range []struct {
		name                         string
		merchants, webhooks, perCall int
	}{
		{"one a call", 100, 1, 1},
		{"100 a call", 100, 1, 100},
		{"to 100 webhooks, one a call", 1, 100, 1},
		{"to 100 webhooks, 100 a call", 1, 100, 100},
		{"each its own of 20,000 webhooks", 20_000, 1, 1},
	} {
		b.Run(shape.name, func(b *testing.B) {
			ctx := b.Context()
			client := redistest.Start(b, "appendonly yes").Client(b)
			clock := newClock()
			st := newStore(b, client, &redisstore.Options{Prefix: "wh", Now: clock.now}, 0)
			for i := range shape.merchants {
				for j := range shape.webhooks {
					_, err := st.CreateWebhook(ctx, fmt.Sprint("merchant_", i), store.Webhook{
						ID: fmt.Sprintf("whk_%024d", j), URL: "https://example.com/webhooks", Events: []string{eventType}, Status: store.Active, Secret: strings.Repeat("s", 100),
					}, 0)
					require.NoError(b, err)
				}
			}
			const deliveries = 20_000
			var took [4]time.Duration
			n := 0
			timed := func(step int, f func()) {
				before := used(b, client)
				f()
				took[step] += used(b, client) - before
			}
			for b.Loop() {
				clock.advance(time.Minute)
				timed(0, func() {
					var wg sync.WaitGroup
					calls := deliveries / shape.webhooks / shape.perCall
					for c := range 16 {
						wg.Go(func() {
							for i := c; i < calls; i += 16 {
								_, err := st.Publish(ctx, fmt.Sprint("merchant_", i%shape.merchants), newEvents(shape.perCall, 1024))
								assert.NoError(b, err)
							}
						})
					}
					wg.Wait()
				})
				var held [][]store.Lease
				ask := store.ClaimRequest{Limit: 100, Lease: time.Minute, PerWebhook: 10}
				for done := false; !done; {
					timed(1, func() {
						held = held[:0]
						for range 10 {
							c, err := st.Claim(ctx, ask)
							require.NoError(b, err)
							if done = len(c.Leases) == 0; done {
								return
							}
							held = append(held, c.Leases)
						}
					})
					timed(2, func() {
						for _, leases := range held {
							n += len(leases)
							_, err := st.Finish(ctx, results(leases))
							require.NoError(b, err)
						}
					})
				}
				clock.advance(time.Minute)
				timed(3, func() {
					done, err := st.Prune(ctx, store.PruneRequest{DeliveryAge: time.Second, EventAge: time.Second, Limit: 1 << 30})
					require.NoError(b, err)
					require.Equal(b, deliveries, done.Deliveries)
				})
			}
			require.NoError(b, st.Audit(ctx))
			for i, step := range []string{"publish", "claim", "finish", "prune"} {
				b.ReportMetric(float64(took[i].Nanoseconds())/1000/float64(n), step+"-µs/delivery")
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// TestBytesPerDelivery holds a pending delivery to its size beside the body: what
// the server uses, less what it needs for the bodies as plain strings.
func TestBytesPerDelivery(t *testing.T) {
	t.Parallel()
	const bodySize, total, most = 1024, 100_000, 300
	for _, fanOut := range []int{1, 10} {
		t.Run(fmt.Sprintf("fan-out %d", fanOut), func(t *testing.T) {
			t.Parallel()
			client := redistest.Start(t).Client(t)
			used := func() int { return count(t, client, "memory", "used_memory") }
			empty := used()
			plain := func(value string) int {
				_, err := client.Pipelined(t.Context(), func(p redis.Pipeliner) error {
					for i := range 10_000 {
						p.Set(t.Context(), fmt.Sprint("plain", i), value, 0)
					}
					return nil
				})
				require.NoError(t, err)
				return used()
			}
			small := plain("")
			body := (plain(strings.Repeat("x", bodySize)) - small) / 10_000
			redistest.Forget(t, client, "plain")

			st := newStore(t, client, &redisstore.Options{Prefix: "wh"}, fanOut)
			before := max(used(), empty)
			events := total / fanOut
			for range events / 1000 {
				_, err := st.Publish(t.Context(), merchant, newEvents(1000, bodySize))
				require.NoError(t, err)
			}
			bytes := (used() - before - events*body) / total
			t.Logf("%d bytes beside a body of %d, which takes %d", bytes, bodySize, body)
			require.Less(t, bytes, most)
		})
	}
}
