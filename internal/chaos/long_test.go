//go:build chaoslong

package chaos_test

import (
	"math/rand/v2"
	"testing"
	"time"
)

//nolint:paralleltest // each phase has the machine to itself
func TestLong(t *testing.T) {
	r := report{load: load(t), length: span(t, "WEBHOOK_CHAOS_LONG", 5*time.Minute), seed: seed(t)}
	all := []struct {
		name string
		run  func(*testing.T, *rand.Rand, time.Duration) []phase
	}{
		{"soak", runSoak},
		{"failover", runFailover},
		{"migration", runMigration},
	}
	ran := 0
	for i, p := range all {
		t.Run(p.name, func(t *testing.T) {
			r.add(t, p.run(t, rand.New(rand.NewPCG(r.seed, uint64(i))), r.length)...)
			ran++
		})
	}
	if ran == len(all) && !t.Failed() {
		r.write(t)
	}
}
