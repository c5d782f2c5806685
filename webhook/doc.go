// Package webhook sends webhooks: it registers endpoints, publishes events to
// them, delivers with retries and disables what stays dead. Package api serves all of
// it over HTTP.
//
//	st := memstore.New(nil)
//	svc, err := webhook.NewService(st, nil)                // safe in any process
//	disp, err := webhook.NewDispatcher(st, nil)            // in as many processes as you like
//	go disp.Run(ctx)                                       // blocks; drains when ctx ends
//	h, err := api.New(svc, authenticate, nil)              // for any router
//	mux.Handle("/api/", h)
//
//	svc.Publish(ctx, "merchant_42", event.New(event.DocumentCreated{DocumentID: "doc_1"}))
//
// A [Service] changes and reads the store and has no goroutine and no network. A
// [Dispatcher] owns every goroutine: it claims due deliveries, posts them and
// stores what came of it. They meet in the store only, so they may live in one
// process or in many.
//
// # Guarantees
//
// When [Service.Publish] returns nil, each active webhook of the merchant that
// subscribes to the event has a delivery, and that is attempted until it succeeds
// or its attempts are used up: at least once, in no order. What the store keeps
// through a crash, is kept: with package memstore, that is nothing.
//
// An attempt is a POST of the event's canonical JSON (RFC 8785), the same bytes
// each time, with a signature over the body in X-Webhook-Signature and the headers
// of Standard Webhooks.
// Any 2xx status within the time is a success. Redirects are not followed.
//
// Ten deliveries in a row that failed disable a webhook. Its pending deliveries
// wait until it is enabled or until retention ends. [DispatcherOptions.OnNotice] is
// told once of that, and of warnings and recoveries; package mailnotify sends them
// as mail, [PublishNotices] as events.
//
// One merchant never reaches another's records through any method: an id of
// somebody else is [ErrNotFound].
//
// # Limits
//
// An event is at most 256 KiB and 100 levels deep. Ids are 1 to 64 letters,
// digits, '-' or '_'; merchants 1 to 128 of those, '.' or '@'. By default a
// merchant has at most 50 webhooks and a webhook 100 event types.
package webhook
