//go:build chaoslong

package chaos_test

import (
	"math/rand/v2"
	"testing"
	"time"
)

//nolint:paralleltest // each phase has the machine to itself
func TestLong(t *testing.T) {
	length := span(t, "WEBHOOK_CHAOS_LONG", 5*time.Minute)
	n := seed(t)
	var r report
	for i, p := range []struct {
		name string
		run  func(*testing.T, *rand.Rand, time.Duration) []phase
	}{
		{"soak", runSoak},
		{"failover", runFailover},
		{"migration", runMigration},
	} {
		t.Run(p.name, func(t *testing.T) {
			r.add(t, p.run(t, rand.New(rand.NewPCG(n, uint64(i))), length)...)
		})
	}
}
