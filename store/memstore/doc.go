// Package memstore keeps the state of webhooks in the memory of one process. It is the
// contract of package store in plain maps and heaps, to be read beside it.
//
//	st := memstore.New(nil)
//	svc, err := webhook.NewService(st, nil)
//	disp, err := webhook.NewDispatcher(st, nil)
//
// Use it in tests, on a developer's machine, and in a service of one process that may
// forget its queue and log when it ends. Everything else needs a store that lasts.
//
// # How to read it
//
// Begin with records.go: a merchant has webhooks and events, and a webhook has deliveries.
// Three structures hold them in order. A series (series.go) numbers records as they are
// made. A heap (heap.go) orders them by time. A queue (queue.go) is what a webhook has
// waiting. Then follow an event: publish.go makes its deliveries, claim.go hands them out,
// finish.go takes the results, prune.go forgets them. The other files are a role each.
//
// # What it guarantees
//
// All of the contract. A [Store] is safe for concurrent use, each call happens at one
// moment, and it starts no goroutine. Bodies are kept once, however many deliveries carry
// them, and everything else is copied on its way in and out.
//
// A claim and a finish cost as much with a million new deliveries as with a thousand, and
// grow with the logarithm of how many wait to be tried again. A page costs what it looks
// at. Pruning costs what it removes.
//
// # Limits
//
// A million pending deliveries of as many events take about 400 MB and their bodies.
// Nothing bounds the backlog but [store.PruneRequest], which a dispatcher applies once a
// minute. One lock guards all merchants: more cores publish no faster, and a large batch
// or the deletion of a webhook with a large backlog holds up the other calls.
package memstore
