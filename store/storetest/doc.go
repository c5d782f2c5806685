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
// [Run] plays random sequences of calls on the store and on a naive model of the
// contract, and compares all that can be seen. Most mistakes show there, with the calls
// that lead to the first difference. [RunDifferential] plays more sequences, for a
// nightly run.
//
// Cases add what forty random calls do not reach: exact milliseconds, bounds, many
// records, lists that change while they are followed, the caller's memory, and several
// goroutines, where the race detector helps. A case quotes the promise that is broken.
//
// # What it guarantees
//
// The suite asks for nothing but the contract and reads a store through its
// methods alone. It never sleeps, and time moves by [Harness].Advance only. Each
// case has a fresh store, whose ids no other case uses, and cases run in
// parallel.
//
// The suite is tested itself. A table of some hundred faults, each planted in the model,
// says which of them the sequences find and which a case, and a store that makes each
// open choice in another way than the model passes.
//
// # What it leaves open
//
// Where the contract is silent a store may do as it likes, and the suite looks
// away, or takes the store's choice over:
//
//   - the ids of deliveries and notices, and by how much tokens rise;
//   - the order of what is due or was made in one millisecond, and of webhooks that
//     became claimable in one or are of different merchants;
//   - whether a delivery whose lease has ended is in line since then or since it
//     was due before, and whether it shows as leased until the next claim;
//   - a Claim that takes less than it could, if it answers a Next of 0, and a page
//     that is short or empty and has a Next;
//   - how many deliveries more than asked for retention by count keeps, up to
//     [store.PruneSlack];
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
