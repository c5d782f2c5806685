//go:build chaoslong

package chaos_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/redistest"
	"github.com/rag-assistant/webhooks/store/redisstore"
)

const faultEvery = 10 * time.Second

// soak is a stage with faults of every kind.
type soak struct {
	*stage

	rng     *rand.Rand
	length  time.Duration
	server  *redistest.Server
	proxy   *redistest.Proxy // between workers and server
	control *redis.Client    // past the proxy

	sulking  sync.WaitGroup
	calm     [][2]string // merchants and webhooks whose receiver has not been at fault
	silences []silence
	bans     []ban
	sulked   []happened
}

func runSoak(t *testing.T, rng *rand.Rand, length time.Duration) []phase {
	t.Helper()
	server := redistest.Start(t, "appendonly yes", "appendfsync always")
	proxy := redistest.StartProxy(t, server.Addr)
	receiver := newReceiver(t, rand.New(rand.NewPCG(rng.Uint64(), 1)), longTimeout)
	direct := address{Addrs: []string{server.Addr}}
	w := newWorld(t, direct, &redisstore.Options{Shards: longShards}, receiver, longMerchants, longHooks)
	s := &soak{
		stage: w.open(longSetup(address{Addrs: []string{proxy.Addr}}, receiver)),
		rng:   rng, length: length, server: server, proxy: proxy, control: server.Client(t),
	}
	s.fail()
	down := make([]string, len(s.bans))
	for i, b := range s.bans {
		down[i] = b.hook
	}
	p := s.close("faults of every kind", down...)
	for _, b := range s.bans {
		p.notes = append(p.notes, s.checkBan(b))
	}
	spared := s.spared()
	// An attempt that hangs takes the whole timeout. Other deliveries that wait for
	// less have not waited for it.
	require.Less(t, spared.percentile(50), longTimeout)
	if len(spared) > 0 {
		p.notes = append(p.notes, fmt.Sprintf("While an endpoint did not answer, the others waited %s (p50 / p99 of %d deliveries)", spared.text(), len(spared)))
	}
	return []phase{p}
}

// fail plays one fault after another until the time is over, and returns when the last
// one has ended.
func (s *soak) fail() {
	n := max(int(s.length/faultEvery), 1)
	sulks := s.dealSulks(n)
	dealt := deal(s.rng, n-len(sulks))
	for i := range n {
		// Each slice of the time has one fault, at a random moment.
		at := time.Duration((float64(i) + s.rng.Float64()) * float64(faultEvery))
		pass(s.t, time.Until(s.began.Add(at)))
		if sulk, ok := sulks[i]; ok {
			s.t.Logf("%6.1fs %s", time.Since(s.began).Seconds(), sulk.name)
			s.sulking.Go(func() { sulk.run(s) })
			continue
		}
		f := dealt[0]
		dealt = dealt[1:]
		end := s.note(f.name, f.inFlight)
		f.run(s)
		end()
	}
	s.sulking.Wait()
	s.faults = append(s.faults, s.sulked...)
}

// victim returns any worker but the first, which runs from start to end.
func (s *soak) victim() int { return 1 + s.rng.IntN(s.setup.Workers-1) }

// lasting waits for a random time.
func (s *soak) lasting(least, most time.Duration) {
	pass(s.t, least+time.Duration(s.rng.Int64N(int64(most-least))))
}

// through leads the workers through another network for a random time.
func (s *soak) through(link redistest.Link, least, most time.Duration) {
	s.proxy.Set(link)
	s.lasting(least, most)
	s.proxy.Set(redistest.Link{})
}
