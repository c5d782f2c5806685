package storetest

import (
	"testing"
	"time"
)

// openModel opens the model as a store under test.
func openModel(*testing.T) Harness {
	m := newModel(time.Date(2026, 1, 2, 3, 4, 5, 600_700_800, time.UTC))
	return Harness{Store: m, Advance: m.advance, Volatile: true}
}

func TestModel(t *testing.T) {
	t.Parallel()
	Run(t, openModel)
}
