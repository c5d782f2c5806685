// Package memstore keeps the state of webhooks in the memory of one process. It
// is the reference store: it has every role of package store and passes the
// suite in package storetest.
//
//	st := memstore.New(nil)
//	svc, err := webhook.NewService(st, nil)
//	disp, err := webhook.NewDispatcher(st, nil)
//
// Use it in tests, on a developer's machine, and in a service of one process
// that may forget its queue and log when it ends. Everything else needs a store
// that outlives the process.
//
// # What it guarantees
//
// All of the contract, to the letter. A [Store] is safe for concurrent use, and
// each call happens at one moment, except that a long Publish stops for breath
// between two events. It starts no goroutine. Bodies are kept once, however many
// deliveries carry them, and everything else is copied on its way in and out.
//
// In batches, a claim and a finish cost less than a microsecond each, and as much
// with a million pending deliveries as with a thousand, whether they are new or
// wait to be tried again. A publish costs one or two, and about one for each
// further delivery. A page of the log costs what is on it; only a query by type or
// time looks at each delivery of the webhook. Pruning costs what it removes.
//
// # Limits
//
// A pending delivery takes about 220 bytes, and its event as much again beside
// its body, so a million deliveries of as many events take 440 MB and their
// bodies. Nothing bounds the backlog but [store.PruneRequest], which a dispatcher
// applies once a minute. One lock guards all merchants: more cores publish no
// faster.
package memstore
