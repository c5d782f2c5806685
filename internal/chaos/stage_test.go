//go:build chaoslong

package chaos_test

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	longMerchants = 6
	longHooks     = 3 // of each merchant
	longShards    = 3
	longPace      = 10 * time.Millisecond // from one event to the next

	longWorkers     = 4
	longConcurrency = 32
	longPerWebhook  = 10 // The default, so that one webhook cannot have all slots.
	longTimeout     = time.Second
	longLease       = 5 * time.Second

	// inWorker is what one worker has in flight, inAll what all of them have.
	inWorker = longConcurrency
	inAll    = longWorkers * longConcurrency

	settleTime = longLease + 10*time.Second
	maxMemory  = 256 // megabytes of a worker

	// A worker that kept each delivery's record, some 2 kB, would grow by 9 MB a
	// minute at 75 deliveries a second. The normal ups and downs of a heap stay far
	// below.
	maxSlope = 5.0 // megabytes a minute
)

// longSetup is the setup of all phases. Retries go on for more than half a minute.
// After a fault of 20 seconds, or of 30 without answers, several retries are left.
// Only the receiver that is to be disabled uses up all of them.
func longSetup(redis address, receiver *receiver) setup {
	return setup{
		Redis: redis, Workers: longWorkers,
		Concurrency: longConcurrency, PerWebhook: longPerWebhook, AttemptTimeout: longTimeout, Lease: longLease,
		Delays: []time.Duration{
			50 * time.Millisecond, 100 * time.Millisecond, 200 * time.Millisecond, 400 * time.Millisecond,
			800 * time.Millisecond, 1600 * time.Millisecond, 2 * time.Second,
		},
		MaxAttempts: 21, DisableAfter: disableAfter, Notices: receiver.URL + "/notices",
	}
}

// stage is a world with workers and a publisher at work.
type stage struct {
	*world

	setup     setup
	log       calendar
	held      *memory
	began     time.Time
	over      atomic.Bool
	published chan struct{} // closed when the publisher has ended

	faults []happened // on the test's goroutine
	crew   []*worker  // with mu held
}

// open starts the workers and the publisher.
func (w *world) open(s setup) *stage {
	st := &stage{
		world: w, setup: s, began: time.Now(), published: make(chan struct{}),
		crew: startWorkers(w.t, s),
	}
	st.held = watchMemory(st.workers)
	go func() {
		defer close(st.published)
		w.publish(w.t.Context(), longPace, func() bool { return !st.over.Load() })
	}()
	return st
}

func (st *stage) workers() []*worker {
	st.mu.Lock()
	defer st.mu.Unlock()
	return slices.Clone(st.crew)
}

// replace starts a worker in the place of one that has ended.
func (st *stage) replace(i int) {
	c := startWorker(st.t, st.setup)
	st.mu.Lock()
	defer st.mu.Unlock()
	st.crew[i] = c
}

// note counts a fault and what was in flight then. The returned function ends it.
func (st *stage) note(name string, inFlight int) (end func()) {
	st.t.Logf("%6.1fs %s", time.Since(st.began).Seconds(), name)
	i := slices.IndexFunc(st.faults, func(f happened) bool { return f.name == name })
	if i < 0 {
		i = len(st.faults)
		st.faults = append(st.faults, happened{name: name})
	}
	st.faults[i].times++
	st.faults[i].inFlight += inFlight
	from, over := time.Now(), st.log.begin("")
	return func() {
		over()
		st.faults[i].lasted += time.Since(from)
	}
}

// close waits until everything has settled, ends publisher and workers, and checks the
// promises. Webhooks in down were disabled for a time.
func (st *stage) close(name string, down ...string) phase {
	t := st.t
	t.Helper()
	st.over.Store(true)
	<-st.published
	last := time.Now() // of the last fault and the last publication
	st.settled(settleTime)
	p := phase{
		name: name, settled: time.Since(last), took: time.Since(st.began), faults: st.faults,
		published: len(st.acked), repeated: int(st.tries.Load()), deliveries: len(st.receiver.ids()),
	}
	require.LessOrEqual(t, p.settled, settleTime, "settled too late after the last fault")
	st.held.end()
	for _, c := range st.crew {
		c.stop(t)
	}
	info, err := st.redis.Info(t.Context())
	require.NoError(t, err)
	p.redis = info.Version
	p.lost = st.check(down...)
	for _, f := range st.faults {
		p.bound += f.inFlight
	}
	p.second, p.caused = st.receiver.repeats()
	require.LessOrEqual(t, p.second, p.bound)
	p.memory, p.slope = st.held.peak>>10, st.held.slope()
	require.Less(t, p.memory, maxMemory)
	require.Less(t, p.slope, maxSlope, "the memory of a worker grows, in MB a minute")
	p.quiet = st.waits(func(hook string, from, to time.Time) bool { return st.log.calm(hook, from, to, longLease) })
	return p
}
