//go:build chaoslong

package chaos_test

import (
	"testing"
	"time"
)

// phase is what came of a part of the run.
type phase struct {
	name                string
	took                time.Duration
	faults              map[string]int
	published, repeated int // events; publishes that failed and were sent again
	deliveries          int
	second, bound       int // second deliveries that the receiver did not cause; what was in flight
	caused              int // second deliveries that it did
	atRisk, forgotten   int // events that a failover may have lost and has
	lost                int // deliveries of them that never arrived
	settled             time.Duration
	memory              int // megabytes, the most of any worker
	slope               float64
	quiet               waits
	elsewhere           waits // of other webhooks while one does not answer
	bans                []ban
}

// report collects phases.
type report struct {
	phases []phase
}

func (r *report) add(t *testing.T, ps ...phase) {
	t.Helper()
	for _, p := range ps {
		r.addOne(t, p)
	}
}

func (r *report) addOne(t *testing.T, p phase) {
	t.Helper()
	r.phases = append(r.phases, p)
	t.Logf("%+v: p50 %s p99 %s", p.name, p.quiet.percentile(50), p.quiet.percentile(99))
	t.Logf("%d at risk, %d forgotten, %d lost", p.atRisk, p.forgotten, p.lost)
	t.Logf("elsewhere %d p50 %s p99 %s, bans %+v", len(p.elsewhere), p.elsewhere.percentile(50), p.elsewhere.percentile(99), p.bans)
	t.Logf("took %s, %v, %d published, %d repeated, %d deliveries, %d second of %d, settled %s, %d MB, slope %.1f, %d quiet",
		p.took, p.faults, p.published, p.repeated, p.deliveries, p.second, p.bound, p.settled, p.memory, p.slope, len(p.quiet))
}
