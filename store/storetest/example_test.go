package storetest_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/store/storetest"
)

// The test of a store, here of the one in memory.
func ExampleRun() {
	test := func(t *testing.T) { //nolint:thelper // In your package, func TestConformance(t *testing.T).
		storetest.Run(t, func(t *testing.T) storetest.Harness {
			t.Helper()
			var clock atomic.Int64 // the suite alone moves it
			st := memstore.New(&memstore.Options{Now: func() time.Time { return time.UnixMilli(clock.Load()) }})
			return storetest.Harness{
				Store:    st, // empty
				Advance:  func(d time.Duration) { clock.Add(d.Milliseconds()) },
				Volatile: true, // leave it out for a store that lasts
			}
		})
	}
	fmt.Printf("%T\n", test)
	// Output: func(*testing.T)
}
