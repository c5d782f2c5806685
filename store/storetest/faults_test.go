package storetest

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fault is something that a store could get wrong.
type fault struct {
	name     string
	caughtBy string // the case that must fail
	random   bool   // random sequences must fail too
	store    faulty
}

func faults() []fault {
	return slices.Concat(webhookFaults(), settingFaults(), rateFaults(), publishFaults(), claimFaults(), finishFaults(), historyFaults(), pruneFaults(), noticeFaults(), sideFaults(), raceFaults(), backlogFaults(), traceFaults())
}

// cases lists all cases by their full name.
func cases() map[string]testCase {
	out := map[string]testCase{}
	for _, g := range groups() {
		for _, c := range g.cases {
			out[g.name+"/"+c.name] = c
		}
	}
	return out
}

// tries is how often a case may miss a fault. Only one between goroutines needs
// more than one.
const tries = 50

// TestFaults plants faults in the model, one at a time, and asks the suite to
// find each.
func TestFaults(t *testing.T) {
	t.Parallel()
	known := cases()
	for _, f := range faults() {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			c, ok := known[f.caughtBy]
			require.True(t, ok, "there is no case %q", f.caughtBy)
			var failures []string
			for range tries {
				if failures = record(t.Context(), func(r tb) { c.try(r, openFaulty(t, f), 50*time.Millisecond) }); failures != nil {
					break
				}
			}
			assert.NotEmpty(t, failures, "%s must fail", f.caughtBy)
			if f.random {
				assert.NotEmpty(t, firstDifference(t, f), "one of %d random sequences must fail", quickSequences)
			}
		})
	}
}

// TestEveryCaseCatchesAFault keeps the suite free of cases that cannot fail.
func TestEveryCaseCatchesAFault(t *testing.T) {
	t.Parallel()
	idle := cases()
	for _, f := range faults() {
		delete(idle, f.caughtBy)
	}
	for name := range idle {
		t.Errorf("no fault is planted that the case %q has to catch", name)
	}
}

// openFaulty opens the model with a fault.
func openFaulty(t *testing.T, f fault) Harness {
	t.Helper()
	m := newModel(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	st := f.store
	st.model = m
	return Harness{Store: &st, Advance: m.advance}
}

// firstDifference is what the first random sequence reports that fails.
func firstDifference(t *testing.T, f fault) []string {
	t.Helper()
	for seed := range quickSequences {
		if got := record(t.Context(), func(r tb) { playSequence(r, openFaulty(t, f), seed) }); got != nil {
			return got
		}
	}
	return nil
}

var background = context.Background()
