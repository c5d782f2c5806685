// Package inbox keeps what senders send until it is handled. An event is verified, stored,
// and acknowledged with 2xx; then its handler is called, again and again until it succeeds
// or has failed for good, by the engine that package webhook sends with.
//
//	in, err := inbox.New(st, mux, nil)
//	…
//	github, err := provider.GitHub(os.Getenv("GITHUB_SECRET"), nil)
//	…
//	h, err := in.Handler("github", github, nil)
//	…
//	http.Handle("POST /webhooks/github", h)
//	go in.Run(ctx)
//
// # What is promised
//
// An event that was acknowledged is handled at least once, whatever process dies when, for as
// long as the store keeps what it was given. A sender's repeat is not handled again, nor is
// one that comes while the event waits. If a process dies between the end of a handler and
// the note of it, the event is handled once more. What lives in the database of the store
// is exempt from that: see [Tx].
//
// An event that cannot be stored is not acknowledged. A full inbox, and a store that is away,
// answer 503 with Retry-After.
//
// # The store
//
// The inbox needs a store of its own: another prefix in Redis, another schema in PostgreSQL,
// another file of SQLite than that of a sender. Any number of processes share it. Each of
// them should have the handlers of all sources. No keys are needed, for no secret is stored; what
// senders send is stored as it came, but for the headers Authorization and Cookie.
//
// # Looking into it
//
// [Inbox.Service] shows an inbox with the names of sending: a source is a merchant, with one
// webhook; an event has one delivery for each time that it was put in the queue; an attempt
// is a call of the handler, with the status that it stands for (200, 500 after an error, 503
// after receiver.RetryAfter, 422 after receiver.Never) and the handler's error as its answer. A
// delivery that has failed is a dead letter, and Redeliver or Replay handles it again. So
// the API, the portal and the command webhooks work on an inbox too.
package inbox
