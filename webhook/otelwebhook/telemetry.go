package otelwebhook

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

	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
)

// Name is that of the instrumentation scope.
const Name = "github.com/rag-assistant/webhooks/webhook/otelwebhook"

// Other stands in metrics for event types that are not in the catalog.
const Other = "other"

// The attributes that semantic conventions have no name for.
const (
	EventTypeKey      = attribute.Key("webhook.event.type")
	OutcomeKey        = attribute.Key("webhook.attempt.outcome")
	OperationKey      = attribute.Key("webhook.store.operation")
	TroubleKey        = attribute.Key("webhook.dispatcher.trouble")
	MerchantIDKey     = attribute.Key("webhook.merchant.id") // this and those below: on spans only
	WebhookIDKey      = attribute.Key("webhook.id")
	DeliveryIDKey     = attribute.Key("webhook.delivery.id")
	AttemptKey        = attribute.Key("webhook.attempt.number")
	TestKey           = attribute.Key("webhook.test")
	CutShortKey       = attribute.Key("webhook.attempt.cut_short")
	messagingSystem   = "webhook"
	publishOperation  = "publish"
	deliverOperation  = "deliver"
	outcomeSuccess    = "success"
	outcomeFailed     = "failed"
	requestMethodPost = "POST"
)

// Options configures a [Telemetry].
type Options struct {
	// MeterProvider makes the instruments, such as otel.GetMeterProvider(). Defaults
	// to none: nothing is measured.
	MeterProvider metric.MeterProvider

	// TracerProvider makes the spans, such as otel.GetTracerProvider(). Defaults to
	// none: there are no spans, but the context of a caller's trace is kept with
	// events all the same.
	TracerProvider trace.TracerProvider

	// Propagator writes the context of a trace into what is stored with an event, and
	// into the headers of requests. If it writes baggage, receivers get that too.
	// Defaults to W3C Trace Context alone.
	Propagator propagation.TextMapPropagator

	// Catalog holds the event types that metrics name. Defaults to
	// [event.DefaultCatalog].
	Catalog *event.Catalog

	// LinkAttempts makes each attempt a trace of its own that links to the
	// publication. Set it if your tracing keeps a trace open for a limited time: the
	// last attempt may come long after the event, and a replay days later. Defaults
	// to one trace for a publication and its attempts.
	LinkAttempts bool
}

// Telemetry measures and traces. It is safe for concurrent use, and may serve any
// number of services and dispatchers.
type Telemetry struct {
	opts   Options
	tracer trace.Tracer
	meter  metric.Meter
	*instruments

	sets sync.Map // of labels to metric.MeasurementOption
}

// New returns a Telemetry. A nil o is the default, which measures and traces
// nothing. It fails if a provider refuses an instrument.
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
	if opts.Catalog == nil {
		opts.Catalog = event.DefaultCatalog()
	}
	t := &Telemetry{
		opts:   opts,
		tracer: opts.TracerProvider.Tracer(Name, trace.WithSchemaURL(semconv.SchemaURL)),
		meter:  opts.MeterProvider.Meter(Name, metric.WithSchemaURL(semconv.SchemaURL)),
	}
	var err error
	if t.instruments, err = newInstruments(t.meter); err != nil {
		return nil, fmt.Errorf("otelwebhook: new: %w", err)
	}
	return t, nil
}

// Observer returns the callbacks for [webhook.ServiceOptions] and
// [webhook.DispatcherOptions].
func (t *Telemetry) Observer() webhook.Observer {
	return webhook.Observer{
		Publishing: t.publishing,
		Trace:      t.trace,
		Published:  t.countPublished,
		Attempting: t.attempting,
		Attempted:  t.timeAttempt,
		Settled:    t.countSettled,
		Trouble:    t.countTrouble,
	}
}

// instruments are the instruments that calls record to. The gauges ask by themselves.
type instruments struct {
	published, succeeded, failed, retried, disabled metric.Int64Counter

	active, troubles           metric.Int64UpDownCounter
	attemptTime, operationTime metric.Float64Histogram
}

func newInstruments(m metric.Meter) (*instruments, error) {
	var i instruments
	var bad []error
	for _, c := range []struct {
		to               *metric.Int64Counter
		name, text, unit string
	}{
		{&i.published, "webhook.event.published", "Events that were stored.", "{event}"},
		{&i.succeeded, "webhook.delivery.succeeded", "Deliveries that arrived.", "{delivery}"},
		{&i.failed, "webhook.delivery.failed", "Deliveries that were given up.", "{delivery}"},
		{&i.retried, "webhook.delivery.retried", "Attempts that will be repeated.", "{attempt}"},
		{&i.disabled, "webhook.endpoint.disabled", "Webhooks that their failures have disabled.", "{webhook}"},
	} {
		var err error
		*c.to, err = m.Int64Counter(c.name, metric.WithDescription(c.text), metric.WithUnit(c.unit))
		bad = append(bad, err)
	}
	var err1, err2, err3, err4 error
	i.active, err1 = m.Int64UpDownCounter("webhook.attempt.active",
		metric.WithDescription("Attempts on the wire."), metric.WithUnit("{attempt}"))
	i.attemptTime, err2 = m.Float64Histogram("webhook.attempt.duration",
		metric.WithDescription("How long attempts took."), metric.WithUnit("s"),
		metric.WithExplicitBucketBoundaries(.005, .01, .025, .05, .075, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10, 20))
	i.operationTime, err3 = m.Float64Histogram("webhook.store.operation.duration",
		metric.WithDescription("How long calls of the store took."), metric.WithUnit("s"),
		metric.WithExplicitBucketBoundaries(.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10))
	i.troubles, err4 = m.Int64UpDownCounter("webhook.dispatcher.troubles",
		metric.WithDescription("What fails now on the dispatcher's own side."), metric.WithUnit("{trouble}"))
	return &i, errors.Join(append(bad, err1, err2, err3, err4)...)
}
