//go:build chaos

package chaos_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/redistest"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/redisstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
)

const (
	merchants = 4
	hooks     = 2 // of each merchant
	workers   = 3
)

// world is a Redis, a receiver, and webhooks that lead to it.
type world struct {
	t        *testing.T
	redis    *redistest.Server
	store    *redisstore.Store
	svc      *webhook.Service
	receiver *receiver
	hooks    map[string][]string // merchant to webhooks

	mu    sync.Mutex
	acked []published
	tries atomic.Int64 // publishes that failed and were repeated
}

type published struct{ merchant, event string }

func newWorld(t *testing.T, rng *rand.Rand) *world {
	t.Helper()
	w := &world{
		t: t, redis: redistest.Start(t, "appendonly yes", "appendfsync everysec"),
		receiver: newReceiver(t, rng), hooks: map[string][]string{},
	}
	st, client, err := openStore(w.redis.Addr)
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close() })
	w.store = st
	w.svc, err = webhook.NewService(st, &webhook.ServiceOptions{Egress: onThisMachine(), SecretKeys: keys()})
	require.NoError(t, err)
	for m := range merchants {
		merchant := fmt.Sprintf("merchant_%d", m)
		for h := range hooks {
			reg, err := w.svc.Register(t.Context(), merchant, webhook.Registration{
				URL: fmt.Sprintf("%s/%d", w.receiver.URL, h), Events: []string{"document.created"},
			})
			require.NoError(t, err)
			w.hooks[merchant] = append(w.hooks[merchant], reg.Webhook.ID)
		}
	}
	return w
}

// publish publishes n events evenly over a time, each until it is acknowledged.
func (w *world) publish(ctx context.Context, n int, over time.Duration) {
	tick := time.NewTicker(over / time.Duration(n))
	defer tick.Stop()
	limit := make(chan struct{}, 64)
	var wg sync.WaitGroup
	for i := range n {
		<-tick.C
		limit <- struct{}{}
		wg.Go(func() {
			defer func() { <-limit }()
			w.publishOne(ctx, i)
		})
	}
	wg.Wait()
}

func (w *world) publishOne(ctx context.Context, i int) {
	p := published{merchant: fmt.Sprintf("merchant_%d", i%merchants), event: fmt.Sprintf("evt_%d", i)}
	e := event.New(event.DocumentCreated{DocumentID: fmt.Sprintf("doc_%d", i), Title: "Chaos"})
	e.ID = p.event
	for ctx.Err() == nil {
		try, cancel := context.WithTimeout(ctx, 3*time.Second)
		_, err := w.svc.Publish(try, p.merchant, e)
		cancel()
		if err == nil {
			w.mu.Lock()
			w.acked = append(w.acked, p)
			w.mu.Unlock()
			return
		}
		w.tries.Add(1)
		<-time.After(20 * time.Millisecond)
	}
}

// settled waits until nothing is pending.
func (w *world) settled(patience time.Duration) {
	w.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		var pending int64
		for merchant, ids := range w.hooks {
			for _, id := range ids {
				stats, err := w.svc.Stats(w.t.Context(), merchant, id)
				require.NoError(w.t, err)
				pending += stats.Pending
			}
		}
		if pending == 0 {
			return
		}
		require.True(w.t, time.Now().Before(deadline), "%d deliveries are still pending after %s", pending, patience)
		<-time.After(50 * time.Millisecond)
	}
}

// check requires that everything acknowledged has arrived, and only that, and
// that the store's books are right.
func (w *world) check() {
	w.t.Helper()
	ctx := w.t.Context()
	lost := 0
	for _, p := range w.acked {
		for _, hook := range w.hooks[p.merchant] {
			id := store.DeliveryID(p.merchant, p.event, hook, "")
			if !w.receiver.processed(id) {
				lost++
				w.t.Errorf("lost: %s of %s to %s", p.event, p.merchant, hook)
			}
		}
	}
	require.Zero(w.t, lost)
	require.Equal(w.t, len(w.acked)*hooks, w.receiver.count(), "deliveries of what was never published")
	var total webhook.Stats
	for merchant, ids := range w.hooks {
		for _, id := range ids {
			stats, err := w.svc.Stats(ctx, merchant, id)
			require.NoError(w.t, err)
			total.Total += stats.Total
			total.Succeeded += stats.Succeeded
			total.Attempts += stats.Attempts
		}
	}
	require.Equal(w.t, int64(len(w.acked)*hooks), total.Total)
	require.Equal(w.t, total.Total, total.Succeeded)
	require.NoError(w.t, w.store.Audit(ctx), "an invariant of the store is broken")
}

func seed(t *testing.T) *rand.Rand {
	t.Helper()
	n := uint64(time.Now().UnixNano())
	if s := os.Getenv("WEBHOOK_CHAOS_SEED"); s != "" {
		var err error
		n, err = strconv.ParseUint(s, 10, 64)
		require.NoError(t, err)
	}
	t.Logf("WEBHOOK_CHAOS_SEED=%d", n)
	return rand.New(rand.NewPCG(n, 0))
}

//nolint:paralleltest // each has the machine to itself
func TestNoFaultsNoSecondDelivery(t *testing.T) {
	w := newWorld(t, nil)
	crew := make([]*worker, workers)
	for i := range crew {
		crew[i] = startWorker(t, w.redis.Addr)
	}
	w.publish(t.Context(), 1000, 4*time.Second)
	w.settled(10 * time.Second)
	for _, c := range crew {
		c.stop(t)
	}
	w.check()
	require.Len(t, w.acked, 1000)
	require.Zero(t, w.receiver.repeats())
}

//nolint:paralleltest // each has the machine to itself
func TestKilledAndStopped(t *testing.T) {
	const (
		events   = 5000
		over     = 20 * time.Second
		kills    = 5
		restarts = 3
		stops    = 2
	)
	rng := seed(t)
	w := newWorld(t, rand.New(rand.NewPCG(rng.Uint64(), 1)))
	crew := make([]*worker, workers)
	for i := range crew {
		crew[i] = startWorker(t, w.redis.Addr)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.publish(t.Context(), events, over)
	}()

	faults := slices.Concat(slices.Repeat([]string{"kill"}, kills),
		slices.Repeat([]string{"redis"}, restarts), slices.Repeat([]string{"stop"}, stops))
	rng.Shuffle(len(faults), func(i, j int) { faults[i], faults[j] = faults[j], faults[i] })
	began := time.Now()
	var asleep sync.WaitGroup
	for i, fault := range faults {
		// One in each slice of the time, somewhere in it.
		at := time.Duration((float64(i) + rng.Float64()) * float64(over) / float64(len(faults)))
		<-time.After(time.Until(began.Add(at)))
		victim := rng.IntN(workers)
		t.Logf("%6.2fs %s", time.Since(began).Seconds(), fault)
		switch fault {
		case "kill":
			asleep.Wait() // A stopped process is not the one to be killed.
			crew[victim].kill(t)
			crew[victim] = startWorker(t, w.redis.Addr)
		case "redis":
			w.redis.Kill(t)
			<-time.After(200 * time.Millisecond)
			w.redis.Restart(t)
		case "stop":
			stopped := crew[victim]
			stopped.signal(t, syscall.SIGSTOP)
			asleep.Go(func() {
				<-time.After(lease + 1500*time.Millisecond)
				_ = stopped.cmd.Process.Signal(syscall.SIGCONT)
			})
		}
	}
	asleep.Wait()
	last := time.Now()
	<-done
	w.settled(lease + 10*time.Second - min(time.Since(last), lease))
	t.Logf("settled %.1fs after the last fault", time.Since(last).Seconds())
	for _, c := range crew {
		require.Less(t, c.megabytes(t), 256)
		c.stop(t)
	}
	w.check()
	require.Len(t, w.acked, events)
	const inFlight = (kills+stops)*concurrency + restarts*workers*concurrency
	t.Logf("second deliveries: %d of at most %d; publishes repeated: %d", w.receiver.repeats(), inFlight, w.tries.Load())
	require.LessOrEqual(t, w.receiver.repeats(), inFlight)
}

//nolint:paralleltest // each has the machine to itself
func TestRedisAway(t *testing.T) {
	away := 10 * time.Second
	if s := os.Getenv("WEBHOOK_CHAOS_AWAY"); s != "" {
		var err error
		away, err = time.ParseDuration(s)
		require.NoError(t, err)
	}
	w := newWorld(t, nil)
	c := startWorker(t, w.redis.Addr)
	w.publish(t.Context(), 100, time.Second)
	w.settled(10 * time.Second)

	w.redis.Kill(t)
	began := cpu(t, c)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	_, err := w.svc.Publish(ctx, "merchant_0", event.New(event.DocumentCreated{}))
	cancel()
	require.Error(t, err, "a publish that is not stored is not acknowledged")
	<-time.After(away)
	used := cpu(t, c) - began
	require.Less(t, used, away/10, "no spinning")
	w.redis.Restart(t)
	back := time.Now()
	w.publishOne(t.Context(), 100)
	w.settled(10 * time.Second)
	took := time.Since(back)
	t.Logf("away for %s, %s of CPU; delivered %s after its return", away, used, took)
	require.Less(t, took, 2*time.Second)
	c.stop(t)
	w.check()
}

// cpu is the processor time that a worker has used.
func cpu(t *testing.T, w *worker) time.Duration {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", w.cmd.Process.Pid))
	require.NoError(t, err)
	var user, system int64
	_, err = fmt.Sscanf(string(stat[slices.Index(stat, ')')+2:]), "%s %d %d %d %d %d %d %d %d %d %d %d %d",
		new(string), new(int), new(int), new(int), new(int), new(int), new(int64), new(int64), new(int64),
		new(int64), new(int64), &user, &system)
	require.NoError(t, err)
	return time.Duration(user+system) * 10 * time.Millisecond
}
