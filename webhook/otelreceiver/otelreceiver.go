// Package otelreceiver measures and traces a [receiver.Receiver] with OpenTelemetry, from
// where Prometheus and others read.
//
//	tel, err := otelreceiver.New(&otelreceiver.Options{
//		MeterProvider:  otel.GetMeterProvider(),
//		TracerProvider: otel.GetTracerProvider(),
//	})
//	rcv, err := receiver.New(secret, mux, &receiver.Options{Source: "acme", Observer: tel.Observer()})
//	registration, err := tel.Watch(rcv)
//
// It is no part of package otelwebhook because that imports the sender, which a program
// that only receives has no use for.
//
// # Metrics
//
//	webhook.received.event            counter    verified events                      webhook.event.type, webhook.outcome
//	webhook.received.handler.duration histogram  seconds                              webhook.event.type, webhook.outcome
//	webhook.received.rejected         counter    requests that are no verified event  http.response.status_code, error.type
//	webhook.received.waiting          gauge      acknowledged events that wait for a worker
//	webhook.received.working          gauge      acknowledged events that a worker has
//
// All have webhook.source, too, if [receiver.Options] names a Source. An outcome is one of
// [receiver.Outcome]. The error.type of a rejected request is named for the error of package
// verifier: missing_signature, mismatch, stale, secrets, malformed or event_type; without
// it the status says all. A sender chooses its event types, so after the first 100 of a
// source further ones are counted as "other", as are those that are longer than 100 bytes.
//
// # Traces
//
// Each call of a handler is a span of kind consumer, whether in the request, with Async or in
// [receiver.Receiver.Process]. It is below the span that the caller's context has, such as
// that of otelhttp, and links to the sender's. If there is none, it continues the trace of
// the sender's traceparent, unless [Options].LinkOnly is set. Spans hold no bodies.
package otelreceiver

import (
	"errors"
	"fmt"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	noopmetric "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
	nooptrace "go.opentelemetry.io/otel/trace/noop"

	"github.com/rag-assistant/webhooks/webhook/receiver"
)

const (
	// Name is that of the instrumentation scope.
	Name = "github.com/rag-assistant/webhooks/webhook/otelreceiver"
	// Other stands in metrics for event types beyond the first 100 of a source.
	Other = "other"
)

// The attributes that semantic conventions have no name for.
const (
	SourceKey    = attribute.Key("webhook.source")
	EventTypeKey = attribute.Key("webhook.event.type")
	OutcomeKey   = attribute.Key("webhook.outcome")
)

// Options configures a [Telemetry].
type Options struct {
	// MeterProvider makes the instruments, such as otel.GetMeterProvider(). Defaults to
	// none: nothing is measured.
	MeterProvider metric.MeterProvider

	// TracerProvider makes the spans, such as otel.GetTracerProvider(). Defaults to none:
	// there are no spans.
	TracerProvider trace.TracerProvider

	// Propagator reads the sender's trace from the headers of a request. No signature
	// covers them. Defaults to W3C Trace Context alone.
	Propagator propagation.TextMapPropagator

	// LinkOnly makes the span of a handler link to the sender's and never continue its
	// trace. Set it for senders outside of your organization: a sampler that goes by the
	// parent would let them decide what you keep. Defaults to one trace.
	LinkOnly bool
}

// Telemetry measures and traces receivers, any number of them. It is safe for concurrent use.
type Telemetry struct {
	opts   Options
	tracer trace.Tracer
	meter  metric.Meter

	events, rejected metric.Int64Counter
	handlerTime      metric.Float64Histogram
	waiting, working metric.Int64ObservableGauge

	mu    sync.Mutex
	types map[string]map[string]bool // by source
}

// New returns a Telemetry. A nil o is the default, which measures and traces nothing. It
// fails if the provider refuses an instrument.
func New(o *Options) (*Telemetry, error) {
	var opts Options
	if o != nil {
		opts = *o
	}
	if opts.MeterProvider == nil {
		opts.MeterProvider = noopmetric.NewMeterProvider()
	}
	if opts.TracerProvider == nil {
		opts.TracerProvider = nooptrace.NewTracerProvider()
	}
	if opts.Propagator == nil {
		opts.Propagator = propagation.TraceContext{}
	}
	t := &Telemetry{
		opts:   opts,
		tracer: opts.TracerProvider.Tracer(Name, trace.WithSchemaURL(semconv.SchemaURL)),
		meter:  opts.MeterProvider.Meter(Name, metric.WithSchemaURL(semconv.SchemaURL)),
		types:  map[string]map[string]bool{},
	}
	if err := t.instrument(); err != nil {
		return nil, fmt.Errorf("otelreceiver: new: %w", err)
	}
	return t, nil
}

func (t *Telemetry) instrument() error {
	var err1, err2, err3, err4, err5 error
	t.events, err1 = t.meter.Int64Counter("webhook.received.event",
		metric.WithDescription("Verified events."), metric.WithUnit("{event}"))
	t.rejected, err2 = t.meter.Int64Counter("webhook.received.rejected",
		metric.WithDescription("Requests that are no verified event."), metric.WithUnit("{request}"))
	t.handlerTime, err3 = t.meter.Float64Histogram("webhook.received.handler.duration",
		metric.WithDescription("How long handlers took."), metric.WithUnit("s"),
		metric.WithExplicitBucketBoundaries(.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60))
	t.waiting, err4 = t.meter.Int64ObservableGauge("webhook.received.waiting",
		metric.WithDescription("Acknowledged events that wait for a worker."), metric.WithUnit("{event}"))
	t.working, err5 = t.meter.Int64ObservableGauge("webhook.received.working",
		metric.WithDescription("Acknowledged events that a worker has."), metric.WithUnit("{event}"))
	return errors.Join(err1, err2, err3, err4, err5)
}

// Observer returns the callbacks for [receiver.Options].
func (t *Telemetry) Observer() receiver.Observer {
	return receiver.Observer{Handling: t.handling, Settled: t.settled, Rejected: t.countRejected}
}
