// Package receiver is the receiving side of webhooks. It verifies requests, finds the
// handler of each event by its type, and processes each event once.
//
//	mux := receiver.NewMux()
//	receiver.On(mux, func(ctx context.Context, e event.Event, doc event.DocumentCreated) error {
//		return index.Add(ctx, doc.DocumentID, doc.Title)
//	})
//	rcv, err := receiver.New(os.Getenv("WEBHOOK_SECRET"), mux, &receiver.Options{Seen: memstore.New(nil)})
//	…
//	http.Handle("POST /webhooks", rcv)
//	http.Handle("GET /metrics/webhooks", rcv.MetricsHandler())
//
// # Once
//
// A sender repeats an event whenever it is not sure that it has arrived. With
// [Options.Seen], one handler at a time processes an event id, over all processes
// that share the Seen, and none does after one has succeeded. If the handler returns
// an error or panics, the id is given up, and the next repeat is processed. If the
// process dies in the middle, the id is free within 30 seconds, however long handlers
// may take.
//
// A handler may still run twice for one event, if its process dies after the work is
// done and before that is noted. If that must not happen, store the id in the same
// transaction as the work.
//
// # Later
//
// A sender waits 10 seconds for an answer. If handlers may take longer, either set
// [Options.Async], or let the handler put the event into a job queue of your own
// and return. The difference is what a crash costs. With Async, events that were
// acknowledged and are not processed yet are lost with the process, and an event
// whose handler fails is not sent again. With a durable queue, nothing is lost: the
// event is acknowledged when it is in the queue.
//
//	mux.Handle("*", func(ctx context.Context, e event.Event) error {
//		return jobs.Insert(ctx, e) // its id makes it unique
//	})
//
// # Limits
//
// Importing the package adds no module to a go.mod. It stores no events. It starts no
// goroutines, except for those that process events with Async.
package receiver
