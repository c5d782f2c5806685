//go:build !race

package storetest

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// tries is how often a case may miss a fault. Only one between goroutines needs
// more than one.
const tries = 50

// TestFaults plants faults in the model, one at a time, and asks the suite to find
// each: the random sequences of [Run], or the case that the table names.
func TestFaults(t *testing.T) {
	t.Parallel()
	known := cases()
	for _, f := range faults() {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			var failures []string
			if f.by == "" {
				failures = firstDifference(t, f)
			} else {
				c, ok := known[f.by]
				require.True(t, ok, "there is no case %q", f.by)
				failures = failuresOf(t, c, f)
			}
			require.NotEmpty(t, failures, "nothing has found it; by %q", f.by)
			require.NotContains(t, failures[0], "panic", "a fault that ends in a panic shows nothing")
		})
	}
}

// failuresOf is what a case reports of a fault.
func failuresOf(t *testing.T, c testCase, f fault) []string {
	t.Helper()
	for range tries {
		timeout := wakeTimeout
		if strings.HasPrefix(f.by, "watch/") {
			timeout = 50 * time.Millisecond // the fault is that nobody wakes
		}
		if failures := record(t.Context(), func(r tb) { c.try(r, openFaulty(f), timeout) }); failures != nil {
			return failures
		}
	}
	return nil
}
