package storetest

import (
	"context"
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// Harness is one fresh store and the means to steer it.
type Harness struct {
	// Store is empty, and nobody but the suite uses it.
	Store store.Store

	// Advance moves the store's clock forward by whole milliseconds. Nothing else
	// moves it: two calls without an Advance between them happen at one moment.
	// It is never called at the same time as another method.
	Advance func(time.Duration)

	// Volatile says what the store answers to [store.Volatile], so that the suite
	// finds a wrapper that forgets to forward the method.
	Volatile bool

	// Audit, if set, looks inside the store and reports what is wrong there, such
	// as an index that differs from its records. The suite calls it after each
	// case and each step of a random sequence.
	Audit func(context.Context) error

	// Damages are the ways in which records of this store can be damaged, the same ones in
	// the same order for each harness. They are for [RunDamage]; [Run] does no damage. What
	// the store makes impossible, such as a text in a column of numbers, is none of them.
	Damages []Damage
}

// Run tests the whole contract of package store, each case on a store of its
// own. Cases run in parallel, so open is called from several goroutines. It
// includes a quick [RunDifferential].
func Run(t *testing.T, open func(t *testing.T) Harness) {
	t.Helper()
	for _, g := range groups() {
		t.Run(g.name, func(t *testing.T) {
			t.Parallel()
			for _, c := range g.cases {
				t.Run(c.name, func(t *testing.T) {
					t.Parallel()
					c.try(t, open(t), wakeTimeout)
				})
			}
		})
	}
	t.Run("differential", func(t *testing.T) {
		t.Parallel()
		RunDifferential(t, open, quickSequences)
	})
}

// group is the cases about one idea.
type group struct {
	name  string
	cases []testCase
}

// testCase holds one promise of the contract against a store.
type testCase struct {
	name string
	// promise is what a failure quotes: words of package store's comments. " … "
	// leaves some out.
	promise string
	run     func(x *trial)
}

// try runs the case on a fresh store. A wait for another goroutine ends after the
// timeout.
func (c testCase) try(t tb, h Harness, timeout time.Duration) {
	t.Helper()
	x := newTrial(t, h, c.promise, strings.ToLower(rand.Text()[:8]))
	x.timeout = timeout
	c.run(x)
	x.audit()
}

// tb is what the suite uses of a [testing.T], and no more, so that a test of
// the suite can record failures instead of having them.
type tb interface {
	Helper()
	Errorf(format string, args ...any)
	FailNow()
	Context() context.Context
}
