package otelreceiver

import (
	"context"
	"errors"
	"fmt"
	"unicode/utf8"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/rag-assistant/webhooks/verifier"
	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/receiver"
)

// The bounds of event types in metrics: how many a source has, and how long one is, in bytes.
const (
	maxTypes    = 100
	maxTypeSize = 100
)

func (t *Telemetry) settled(ctx context.Context, i receiver.SettledInfo) {
	of := labels(i.Source, EventTypeKey.String(t.typeName(i.Source, string(i.Event.Type))), OutcomeKey.String(string(i.Outcome)))
	t.events.Add(ctx, 1, of)
	if i.Outcome == receiver.Processed || i.Outcome == receiver.Failed {
		t.handlerTime.Record(ctx, i.Took.Seconds(), of)
	}
}

func (t *Telemetry) countRejected(ctx context.Context, i receiver.RejectedInfo) {
	attrs := []attribute.KeyValue{semconv.HTTPResponseStatusCode(i.Status)}
	if reason := reasonOf(i.Err); reason != "" {
		attrs = append(attrs, semconv.ErrorTypeKey.String(reason))
	}
	t.rejected.Add(ctx, 1, labels(i.Source, attrs...))
}

// labels returns attributes and the source, if there is one.
func labels(source string, attrs ...attribute.KeyValue) metric.MeasurementOption {
	if source != "" {
		attrs = append(attrs, SourceKey.String(source))
	}
	return metric.WithAttributes(attrs...)
}

// reasonOf names why a request was rejected, unless its status says so.
func reasonOf(err error) string {
	for _, r := range []struct {
		is   error
		name string
	}{
		{verifier.ErrMissingSignature, "missing_signature"},
		{verifier.ErrMismatch, "mismatch"},
		{verifier.ErrStale, "stale"},
		{verifier.ErrSecrets, "secrets"},
		{verifier.ErrEventType, "event_type"},
		{event.ErrMalformed, "malformed"},
	} {
		if errors.Is(err, r.is) {
			return r.name
		}
	}
	return ""
}

// typeName bounds how many series a sender can make. Prometheus takes UTF-8 alone, which
// a type from a header or a form need not be.
func (t *Telemetry) typeName(source, name string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	known := t.types[source]
	switch {
	case known[name]:
	case len(known) >= maxTypes, len(name) > maxTypeSize, !utf8.ValidString(name):
		return Other
	case known == nil:
		t.types[source] = map[string]bool{name: true}
	default:
		known[name] = true
	}
	return name
}

// Watch asks a receiver how much it has acknowledged and not handled, each time metrics
// are collected. Of several receivers, each needs a Source of its own. Unregister the
// returned registration to stop.
func (t *Telemetry) Watch(r *receiver.Receiver) (metric.Registration, error) {
	registration, err := t.meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		now := r.Metrics()
		of := labels(now.Source)
		o.ObserveInt64(t.waiting, now.Waiting, of)
		o.ObserveInt64(t.working, now.Working, of)
		return nil
	}, t.waiting, t.working)
	if err != nil {
		return nil, fmt.Errorf("otelreceiver: watch: %w", err)
	}
	return registration, nil
}
