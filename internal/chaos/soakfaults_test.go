//go:build chaoslong

package chaos_test

import (
	"time"

	"github.com/rag-assistant/webhooks/internal/redistest"
)

const (
	disableAfter = 10
	faultEvery   = 10 * time.Second

	// inWorker is what one worker has in flight, inAll what all of them have.
	inWorker = longConcurrency
	inAll    = 4 * longConcurrency
)

// fault is something that goes wrong.
type fault struct {
	name   string
	weight int // how often it comes, compared with the others
	// inFlight is how many deliveries may come twice, because their result is not
	// stored when their lease ends.
	inFlight int
	run      func(s *soak)
}

func faults() []fault {
	return []fault{
		{name: "worker killed", weight: 12, inFlight: inWorker, run: func(s *soak) {
			i := s.victim()
			s.crew[i].kill(s.t)
			s.replace(i)
		}},
		{name: "Redis killed", weight: 6, inFlight: inAll, run: func(s *soak) {
			s.server.Kill(s.t)
			s.lasting(200*time.Millisecond, 2*time.Second)
			s.server.Restart(s.t)
		}},
		{name: "network cut", weight: 3, inFlight: inAll, run: func(s *soak) {
			s.proxy.Set(redistest.Link{LoseRequests: true, LoseReplies: true})
			s.lasting(3*time.Second, 6*time.Second)
			s.proxy.Set(redistest.Link{})
		}},
	}
}

// lasting waits for a random time.
func (s *soak) lasting(least, most time.Duration) {
	<-time.After(least + time.Duration(s.rng.Int64N(int64(most-least))))
}

// fail lets one thing after another go wrong until the time is over.
func (s *soak) fail(began time.Time) {
	all := faults()
	n := int(s.length / faultEvery)
	for i := range n {
		at := time.Duration((float64(i) + s.rng.Float64()) * float64(faultEvery))
		<-time.After(time.Until(began.Add(at)))
		f := all[s.rng.IntN(len(all))]
		s.t.Logf("%6.1fs %s", time.Since(began).Seconds(), f.name)
		end := s.log.begin("")
		f.run(s)
		end()
		s.counts[f.name]++
		s.bound += f.inFlight
	}
}
