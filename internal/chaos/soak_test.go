//go:build chaoslong

package chaos_test

import (
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/redistest"
	"github.com/rag-assistant/webhooks/store/redisstore"
)

const (
	longMerchants = 6
	longHooks     = 3 // of each merchant
	longShards    = 3
	longPace      = 10 * time.Millisecond // from one event to the next

	longConcurrency = 32
	longPerWebhook  = 10 // The default, so that one webhook cannot have all slots.
	longTimeout     = time.Second
	longLease       = 5 * time.Second

	settleTime = longLease + 10*time.Second
	mostMemory = 256 // megabytes of a worker

	// A worker that kept each delivery's record, some 2 kB, would grow by 9 MB a
	// minute at 75 deliveries a second. A heap that breathes stays far below.
	mostSlope = 5.0 // megabytes a minute
)

// longSetup is the setup of all phases. Retries go on for longer than any
// receiver is away, but for the one that is to be disabled.
func longSetup(redis address, receiver *receiver) setup {
	return setup{
		Redis: redis, Workers: 4,
		Concurrency: longConcurrency, PerWebhook: longPerWebhook, AttemptTimeout: longTimeout, Lease: longLease,
		Delays: []time.Duration{
			50 * time.Millisecond, 100 * time.Millisecond, 200 * time.Millisecond, 400 * time.Millisecond,
			800 * time.Millisecond, 1600 * time.Millisecond, 2 * time.Second,
		},
		MaxAttempts: 18, DisableAfter: disableAfter, Notices: receiver.URL + "/notices",
	}
}

// soak is a world under faults of every kind.
type soak struct {
	*world

	rng     *rand.Rand
	length  time.Duration
	setup   setup
	server  *redistest.Server
	proxy   *redistest.Proxy // between workers and server
	control *redis.Client    // past the proxy
	log     calendar
	counts  map[string]int // of faults
	bound   int            // what was in flight at all of them

	mu   sync.Mutex
	crew []*worker
}

func newSoak(t *testing.T, rng *rand.Rand, length time.Duration) *soak {
	t.Helper()
	server := redistest.Start(t, "appendonly yes", "appendfsync always")
	s := &soak{
		rng: rng, length: length, server: server, proxy: redistest.StartProxy(t, server.Addr),
		control: server.Client(t), counts: map[string]int{},
	}
	receiver := newReceiver(t, rand.New(rand.NewPCG(rng.Uint64(), 1)), longTimeout)
	direct := address{Addrs: []string{server.Addr}}
	s.world = newWorld(t, direct, &redisstore.Options{Shards: longShards}, receiver, longMerchants, longHooks)
	s.setup = longSetup(address{Addrs: []string{s.proxy.Addr}}, receiver)
	return s
}

func (s *soak) workers() []*worker {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.crew)
}

// victim is any worker but the first, which lives from the start to the end.
func (s *soak) victim() int { return 1 + s.rng.IntN(s.setup.Workers-1) }

func (s *soak) replace(i int) {
	c := startWorker(s.t, s.setup)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.crew[i] = c
}

func runSoak(t *testing.T, rng *rand.Rand, length time.Duration) phase {
	s := newSoak(t, rng, length)
	s.crew = startWorkers(t, s.setup)
	held := watchMemory(s.workers)
	began := time.Now()
	var over atomic.Bool
	published := make(chan struct{})
	go func() {
		defer close(published)
		s.publish(t.Context(), longPace, func() bool { return !over.Load() })
	}()

	s.fail(began)
	over.Store(true)
	<-published
	last := time.Now() // With the last publication, if that is later than the last fault.
	s.settled(last.Add(settleTime))
	settled := time.Since(last)
	held.end()
	for _, c := range s.crew {
		c.stop(t)
	}
	s.check()
	slope, long := held.slope()
	require.Less(t, held.most>>10, mostMemory)
	require.True(t, !long || slope < mostSlope, "the memory of a worker grows by %.1f MB a minute", slope)
	require.LessOrEqual(t, s.receiver.repeats(), s.bound)
	return phase{
		name: "soak", took: time.Since(began), faults: s.counts, published: len(s.acked), repeated: int(s.tries.Load()),
		deliveries: len(s.receiver.ids()), second: s.receiver.repeats(), bound: s.bound, settled: settled,
		memory: held.most >> 10, slope: slope,
		quiet: s.waits(func(hook string, from, to time.Time) bool { return s.log.calm(hook, from, to, longLease) }),
	}
}
