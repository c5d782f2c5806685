// Package receiver is the receiving side of webhooks: it verifies requests, finds
// the handler of each event by its type, and sees to it that each event is
// processed once.
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
// [Options.Seen], an event id is processed by one handler at a time, over all
// processes that share the Seen, and by none once one has succeeded. If the handler
// returns an error or panics, the id is given up, and the next repeat is processed.
// If the process dies in the middle, the id is free when its lease ends. So a
// handler still may run twice for one event: when it has done its work and its
// process dies before that is noted. What must not happen twice even then belongs
// into one transaction with the id.
//
// # Later
//
// A sender waits 10 seconds. If handlers may take longer, either set
// [Options.Async], or let the handler put the event into a job queue of your own
// and return. The difference is what a crash costs. With Async, everything that
// was acknowledged and is not processed yet is lost with the process, and an event
// whose handler fails is not sent again: it was acknowledged. With a durable queue,
// nothing is lost: the event is acknowledged when it is in the queue, and the
// queue does the rest.
//
//	mux.Handle("*", func(ctx context.Context, e event.Event) error {
//		return jobs.Insert(ctx, e) // its id makes it unique
//	})
//
// # Limits
//
// Importing the package adds no module to a go.mod. It keeps no event and starts no
// goroutine but those that process events with Async.
package receiver
