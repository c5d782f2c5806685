//go:build chaos

package chaos_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/redistest"
	"github.com/rag-assistant/webhooks/webhook/event"
)

const (
	merchants      = 4
	hooks          = 2 // of each merchant
	workers        = 3
	concurrency    = 32
	attemptTimeout = 500 * time.Millisecond
	lease          = 2 * time.Second
)

// scene starts a Redis and a receiver, and a world on them. It returns the setup of
// workers for it. A nil rng makes a receiver without faults.
func scene(t *testing.T, rng *rand.Rand) (*world, *redistest.Server, setup) {
	t.Helper()
	// What a killed process has written survives without a sync. With everysec, Redis
	// might delay writing while it syncs.
	server := redistest.Start(t, "appendonly yes", "appendfsync no")
	s := setup{
		Redis: address{Addrs: []string{server.Addr}}, Workers: workers,
		Concurrency: concurrency, PerWebhook: concurrency, AttemptTimeout: attemptTimeout, Lease: lease,
		Delays: []time.Duration{50 * time.Millisecond, 100 * time.Millisecond, 200 * time.Millisecond}, MaxAttempts: 50,
	}
	return newWorld(t, s.Redis, nil, newReceiver(t, rng, attemptTimeout), merchants, hooks), server, s
}

//nolint:paralleltest // each has the machine to itself
func TestNoFaultsNoSecondDelivery(t *testing.T) {
	w, _, s := scene(t, nil)
	crew := startWorkers(t, s)
	w.publish(t.Context(), 4*time.Millisecond, times(1000))
	w.settled(10 * time.Second)
	for _, c := range crew {
		c.stop(t)
	}
	w.check()
	require.Len(t, w.acked, 1000)
	second, _ := w.receiver.repeats()
	require.Zero(t, second)
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
	rng := rand.New(rand.NewPCG(seed(t), 0))
	w, server, s := scene(t, rand.New(rand.NewPCG(rng.Uint64(), 1)))
	crew := startWorkers(t, s)
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.publish(t.Context(), over/events, times(events))
	}()

	faults := slices.Concat(slices.Repeat([]string{"kill"}, kills),
		slices.Repeat([]string{"redis"}, restarts), slices.Repeat([]string{"stop"}, stops))
	rng.Shuffle(len(faults), func(i, j int) { faults[i], faults[j] = faults[j], faults[i] })
	began := time.Now()
	var asleep sync.WaitGroup
	for i, fault := range faults {
		// Each slice of the time has one fault, at a random moment.
		at := time.Duration((float64(i) + rng.Float64()) * float64(over) / float64(len(faults)))
		<-time.After(time.Until(began.Add(at)))
		victim := rng.IntN(workers)
		t.Logf("%6.2fs %s", time.Since(began).Seconds(), fault)
		switch fault {
		case "kill":
			asleep.Wait() // Do not kill a stopped process.
			crew[victim].kill(t)
			crew[victim] = startWorker(t, s)
		case "redis":
			server.Kill(t)
			<-time.After(200 * time.Millisecond)
			server.Restart(t)
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
	w.settled(lease + 10*time.Second)
	t.Logf("settled %.1fs after the last fault", time.Since(last).Seconds())
	for _, c := range crew {
		require.Less(t, c.megabytes(t), 256)
		c.stop(t)
	}
	w.check()
	require.Len(t, w.acked, events)
	const inFlight = (kills+stops)*concurrency + restarts*workers*concurrency
	second, _ := w.receiver.repeats()
	t.Logf("second deliveries: %d of at most %d; publishes repeated: %d", second, inFlight, w.tries.Load())
	require.LessOrEqual(t, second, inFlight)
}

//nolint:paralleltest // each has the machine to itself
func TestRedisAway(t *testing.T) {
	away := span(t, "WEBHOOK_CHAOS_AWAY", 10*time.Second)
	w, server, s := scene(t, nil)
	c := startWorker(t, s)
	w.publish(t.Context(), 10*time.Millisecond, times(100))
	w.settled(10 * time.Second)

	server.Kill(t)
	began := c.cpu(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	_, err := w.svc.Publish(ctx, "merchant_0", event.New(event.DocumentCreated{}))
	cancel()
	require.Error(t, err, "a publish that is not stored is not acknowledged")
	<-time.After(away)
	used := c.cpu(t) - began
	require.Less(t, used, away/10, "no spinning")
	server.Restart(t)
	back := time.Now()
	w.publishOne(t.Context())
	w.settled(10 * time.Second)
	took := time.Since(back)
	t.Logf("away for %s, %s of CPU; delivered %s after its return", away, used, took)
	require.Less(t, took, 2*time.Second)
	c.stop(t)
	w.check()
}
