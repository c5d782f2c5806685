// Package storetest is the contract of package store as a test suite. A store
// that passes it works under a dispatcher.
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) storetest.Harness {
//			clock := newClock()
//			return storetest.Harness{
//				Store:   mystore.New(&mystore.Options{Now: clock.Now}),
//				Advance: clock.Advance,
//			}
//		})
//	}
//
// # What it guarantees
//
// Each failure quotes the promise of package store that is broken. The suite
// never sleeps: time moves by [Harness].Advance alone, and all expectations
// follow from the contract, so a store may do more than it asks for.
package storetest
