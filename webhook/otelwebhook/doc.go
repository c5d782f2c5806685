// Package otelwebhook measures and traces a webhook service with OpenTelemetry.
//
//	tel, err := otelwebhook.New(&otelwebhook.Options{
//		MeterProvider:  otel.GetMeterProvider(),
//		TracerProvider: otel.GetTracerProvider(),
//	})
//	st = tel.Store(st) // times each call; optional
//	svc, err := webhook.NewService(st, &webhook.ServiceOptions{Observer: tel.Observer()})
//	disp, err := webhook.NewDispatcher(st, &webhook.DispatcherOptions{Observer: tel.Observer()})
//	backlog, err := tel.WatchBacklog(st) // in one process of all that share the store
//
// # Metrics
//
//	webhook.event.published            counter    events stored             webhook.event.type
//	webhook.delivery.succeeded         counter    deliveries that arrived   webhook.event.type
//	webhook.delivery.failed            counter    deliveries given up       webhook.event.type, error.type
//	webhook.delivery.retried           counter    attempts to be repeated   webhook.event.type, error.type
//	webhook.endpoint.disabled          counter    webhooks that their failures disabled
//	webhook.attempt.active             up/down    attempts on the wire
//	webhook.attempt.duration           histogram  seconds                   webhook.attempt.outcome, error.type
//	webhook.backlog.pending            gauge      deliveries not ended
//	webhook.backlog.oldest_due         gauge      seconds: see [store.Backlog]
//	webhook.backlog.damaged            gauge
//	webhook.dispatcher.troubles        up/down    what fails on this side   webhook.dispatcher.trouble
//	webhook.store.operation.duration   histogram  seconds                   webhook.store.operation, error.type
//
// An attempt's outcome is success or failed; its error.type is one of the Code
// constants of package webhook. The error.type of a store's operation is named for
// the sentinel of package store, or it is timeout, canceled or _OTHER. Merchants, ids
// and URLs are never labels, and an event type that is not in [Options].Catalog is
// "other". So the number of series does not grow with the number of merchants.
//
// # Traces
//
// A publication is a span of kind producer. Its context is stored with the event.
// Every attempt, in any process and at any time, is a span of kind client below it,
// or one that links to it: see [Options].LinkAttempts. Spans name merchant, webhook,
// delivery and event. They hold neither bodies nor URLs, which may have credentials
// in them.
//
// Requests carry the context of the trace only if the dispatcher gets
// [Telemetry.RequestHeaders].
package otelwebhook
