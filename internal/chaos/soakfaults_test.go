//go:build chaoslong

package chaos_test

import (
	"math/rand/v2"
	"syscall"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/redistest"
)

// fault is something that goes wrong.
type fault struct {
	name   string
	weight int // how often it comes, compared with the others
	// inFlight is how many deliveries may come twice: their requests were sent, but
	// their results are not stored when the leases end.
	inFlight int
	run      func(s *soak)
}

// faults are those that concern all deliveries. Some of them must cause no second
// delivery, for these reasons:
//
//   - A worker that is told to stop finishes what it has.
//   - A script that Redis has forgotten did nothing, and is sent again in full.
//   - If a connection breaks, a claim's reply may be lost, but then no request was
//     sent. A result is sent again at once, which changes nothing if it had arrived.
//   - With a round trip of 200 ms, a claim that visits three shards takes 0.6 s. A
//     result takes as long, and may wait for one before it. With the attempt, that is
//     less than 3 s of the lease's 5.
func faults() []fault {
	return []fault{
		{name: "worker killed", weight: 12, inFlight: inWorker, run: func(s *soak) {
			i := s.victim()
			s.crew[i].kill(s.t)
			s.replace(i)
		}},
		{name: "worker stopped for longer than its lease", weight: 6, inFlight: inWorker, run: func(s *soak) {
			c := s.crew[s.victim()]
			c.signal(s.t, syscall.SIGSTOP)
			pass(s.t, longLease+1500*time.Millisecond)
			c.signal(s.t, syscall.SIGCONT)
		}},
		{name: "worker told to stop", weight: 4, run: func(s *soak) {
			i := s.victim()
			s.crew[i].stop(s.t)
			s.replace(i)
		}},
		{name: "Redis killed", weight: 6, inFlight: inAll, run: func(s *soak) {
			s.server.Kill(s.t)
			s.lasting(200*time.Millisecond, 2*time.Second)
			s.server.Restart(s.t)
		}},
		{name: "Redis frozen", weight: 3, inFlight: inAll, run: func(s *soak) {
			s.server.Signal(s.t, syscall.SIGSTOP)
			s.lasting(3*time.Second, 6*time.Second)
			s.server.Signal(s.t, syscall.SIGCONT)
		}},
		{name: "network cut", weight: 3, inFlight: inAll, run: func(s *soak) {
			s.through(redistest.Link{LoseRequests: true, LoseReplies: true}, 3*time.Second, 6*time.Second)
		}},
		{name: "replies lost", weight: 3, inFlight: inAll, run: func(s *soak) {
			s.through(redistest.Link{LoseReplies: true}, 3*time.Second, 6*time.Second)
		}},
		{name: "200 ms to Redis and back", weight: 2, run: func(s *soak) {
			s.through(redistest.Link{Delay: 100 * time.Millisecond}, 3*time.Second, 6*time.Second)
		}},
		{name: "512 KiB a second to Redis", weight: 2, inFlight: inAll, run: func(s *soak) {
			s.through(redistest.Link{Rate: 512 << 10}, 4*time.Second, 8*time.Second)
		}},
		{name: "scripts forgotten", weight: 2, run: func(s *soak) {
			require.NoError(s.t, s.control.ScriptFlush(s.t.Context()).Err())
		}},
		{name: "connections killed", weight: 4, run: func(s *soak) {
			require.NoError(s.t, s.control.Do(s.t.Context(), "client", "kill", "type", "normal").Err())
		}},
	}
}

// deal chooses n faults: first each once, then more by weight.
func deal(rng *rand.Rand, n int) []fault {
	all := faults()
	out := make([]fault, 0, n)
	for _, i := range rng.Perm(len(all)) {
		if len(out) < n {
			out = append(out, all[i])
		}
	}
	var weighted []fault
	for _, f := range all {
		for range f.weight {
			weighted = append(weighted, f)
		}
	}
	for len(out) < n {
		out = append(out, weighted[rng.IntN(len(weighted))])
	}
	rng.Shuffle(n, func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}
