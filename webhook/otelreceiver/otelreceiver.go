// Package otelreceiver measures a [receiver.Receiver] with OpenTelemetry, from where
// Prometheus and others read.
//
//	tel, err := otelreceiver.New(otel.GetMeterProvider())
//	rcv, err := receiver.New(secret, mux, &receiver.Options{
//		Observer: tel.Observer(), Verifier: verifier.Options{OnReject: tel.OnReject},
//	})
//	registration, err := tel.Watch(rcv)
//
// It measures:
//
//	webhook.received.event            counter, by webhook.event.type and webhook.outcome
//	webhook.received.handler.duration histogram in seconds, by webhook.event.type and webhook.outcome
//	webhook.received.rejected         counter of requests that are no verified event, by http.response.status_code
//	webhook.received.waiting          gauge, acknowledged events that wait for a worker
//	webhook.received.working          gauge, acknowledged events that a worker has
//
// An outcome is one of [receiver.Outcome]. A sender chooses its event types, so after the
// first 100 further ones are counted as "other".
package otelreceiver

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/rag-assistant/webhooks/webhook/receiver"
)

const (
	// Name is that of the instrumentation scope.
	Name = "github.com/rag-assistant/webhooks/webhook/otelreceiver"
	// Other stands for event types beyond the first 100.
	Other = "other"

	maxTypes = 100
)

// The attributes that semantic conventions have no name for.
const (
	EventTypeKey = attribute.Key("webhook.event.type")
	OutcomeKey   = attribute.Key("webhook.outcome")
)

// Telemetry measures receivers, any number of them. It is safe for concurrent use.
type Telemetry struct {
	meter            metric.Meter
	events, rejected metric.Int64Counter
	handlerTime      metric.Float64Histogram

	mu    sync.Mutex
	types map[string]bool
}

// New returns a Telemetry. It fails if the provider refuses an instrument.
func New(p metric.MeterProvider) (*Telemetry, error) {
	t := &Telemetry{meter: p.Meter(Name, metric.WithSchemaURL(semconv.SchemaURL)), types: map[string]bool{}}
	var err1, err2, err3 error
	t.events, err1 = t.meter.Int64Counter("webhook.received.event",
		metric.WithDescription("Verified events."), metric.WithUnit("{event}"))
	t.rejected, err2 = t.meter.Int64Counter("webhook.received.rejected",
		metric.WithDescription("Requests that are no verified event."), metric.WithUnit("{request}"))
	t.handlerTime, err3 = t.meter.Float64Histogram("webhook.received.handler.duration",
		metric.WithDescription("How long handlers took."), metric.WithUnit("s"),
		metric.WithExplicitBucketBoundaries(.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60))
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, fmt.Errorf("otelreceiver: new: %w", err)
	}
	return t, nil
}

// Observer returns the callbacks for [receiver.Options].
func (t *Telemetry) Observer() receiver.Observer { return receiver.Observer{Settled: t.settled} }

func (t *Telemetry) settled(ctx context.Context, i receiver.SettledInfo) {
	of := metric.WithAttributes(EventTypeKey.String(t.typeName(string(i.Event.Type))), OutcomeKey.String(string(i.Outcome)))
	t.events.Add(ctx, 1, of)
	if i.Outcome == receiver.Processed || i.Outcome == receiver.Failed {
		t.handlerTime.Record(ctx, i.Took.Seconds(), of)
	}
}

func (t *Telemetry) typeName(name string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.types[name] {
		if len(t.types) >= maxTypes {
			return Other
		}
		t.types[name] = true
	}
	return name
}

// OnReject counts a rejected request, for the field of this name of
// [receiver.Options].Verifier.
func (t *Telemetry) OnReject(req *http.Request, status int, _ error) {
	t.rejected.Add(req.Context(), 1, metric.WithAttributes(semconv.HTTPResponseStatusCode(status)))
}

// Watch asks a receiver how much it has acknowledged and not handled, each time metrics
// are collected. Unregister the returned registration to stop.
func (t *Telemetry) Watch(r *receiver.Receiver) (metric.Registration, error) {
	waiting, err1 := t.meter.Int64ObservableGauge("webhook.received.waiting",
		metric.WithDescription("Acknowledged events that wait for a worker."), metric.WithUnit("{event}"))
	working, err2 := t.meter.Int64ObservableGauge("webhook.received.working",
		metric.WithDescription("Acknowledged events that a worker has."), metric.WithUnit("{event}"))
	if err := errors.Join(err1, err2); err != nil {
		return nil, fmt.Errorf("otelreceiver: watch: %w", err)
	}
	registration, err := t.meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		now := r.Metrics()
		o.ObserveInt64(waiting, now.Waiting)
		o.ObserveInt64(working, now.Working)
		return nil
	}, waiting, working)
	if err != nil {
		return nil, fmt.Errorf("otelreceiver: watch: %w", err)
	}
	return registration, nil
}
