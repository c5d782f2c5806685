package storetest

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// fault is something that a store could get wrong.
type fault struct {
	name string
	by   string // the case that catches it; empty: the random sequences
	on   string // the methods that it is in
	play func(c *call)
}

func faults() []fault {
	return slices.Concat(webhookFaults(), publishFaults(), aheadFaults(), cancelFaults(), boundFaults(), claimFaults(), rateFaults(), holdFaults(), finishFaults(), historyFaults(), insightFaults(),
		pruneFaults(), noticeFaults(), seenFaults(), jobFaults(), watchFaults(), backlogFaults(), raceFaults())
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

// TestEveryCaseFindsAFault keeps the suite free of cases that cannot fail.
func TestEveryCaseFindsAFault(t *testing.T) {
	t.Parallel()
	idle := cases()
	for _, f := range faults() {
		delete(idle, f.by)
	}
	require.Empty(t, slices.Collect(maps.Keys(idle)), "no fault of the table needs these cases")
}

// openFaulty opens the model with a fault.
func openFaulty(f fault) Harness {
	m := newModel(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	return Harness{Store: &faulty{m: m, fault: f, notes: map[string]int{}}, Advance: m.advance, Volatile: true}
}

// firstDifference is what the first random sequence reports that fails.
func firstDifference(t *testing.T, f fault) []string {
	t.Helper()
	for seed := range quickSequences {
		if got := record(t.Context(), func(r tb) { playSequence(r, openFaulty(f), seed) }); got != nil {
			return got
		}
	}
	return nil
}
