// Package storetest is the contract of package store as a test suite. A store
// that passes it works under a dispatcher.
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) storetest.Harness {
//			now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
//			return storetest.Harness{
//				Store:   mystore.New(&mystore.Options{Now: func() time.Time { return now }}),
//				Advance: func(d time.Duration) { now = now.Add(d) },
//			}
//		})
//	}
//
// # What it does
//
// [Run] holds a store to each promise by itself, and a failure quotes the
// promise that is broken. It plays the interleavings that break queues: a lease
// that ends while its holder still works, a result that comes late, twice or for
// what is gone, a webhook that is disabled or enabled in between. It calls the
// store from several goroutines, where the race detector helps. Then it plays
// random sequences and compares all that can be seen with a naive model of the
// contract; [RunDifferential] plays more of them, for a nightly run.
//
// # What it guarantees
//
// The suite asks for nothing but the contract and reads a store through its
// methods alone. It never sleeps, and time moves by [Harness].Advance only. Each
// case has a fresh store, whose ids no other case uses, and cases run in
// parallel. The suite is tested itself: each case has a fault of its own,
// planted in the model, that it must catch.
//
// # What it leaves open
//
// Where the contract is silent a store may do as it likes, and the suite looks
// away:
//
//   - the order of what is due at one moment, and of webhooks of different
//     merchants;
//   - whether a delivery whose lease has ended is in line since then or since it
//     was due before, and whether it shows as leased until the next claim;
//   - a Claim that takes less than it could, if it answers a Next of 0;
//   - what exactly happens in the millisecond in which a lease, a secret's grace
//     or a retention age ends;
//   - whether a webhook id is free that another merchant has, or that was
//     deleted;
//   - what becomes of a kept delivery whose event is pruned and published anew.
//
// # Limits
//
// It does not look for what only shows at size, or when the network or the
// process fails between a call and its answer. Tests of a store's own must.
package storetest
