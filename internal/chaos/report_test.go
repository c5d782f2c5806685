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
	settled             time.Duration
	memory              int // megabytes, the most of any worker
	slope               float64
	quiet               waits
}

// report collects phases.
type report struct {
	phases []phase
}

func (r *report) add(t *testing.T, p phase) {
	t.Helper()
	r.phases = append(r.phases, p)
	t.Logf("%+v: p50 %s p99 %s", p.name, p.quiet.percentile(50), p.quiet.percentile(99))
	t.Logf("took %s, %v, %d published, %d repeated, %d deliveries, %d second of %d, settled %s, %d MB, slope %.1f, %d quiet",
		p.took, p.faults, p.published, p.repeated, p.deliveries, p.second, p.bound, p.settled, p.memory, p.slope, len(p.quiet))
}
