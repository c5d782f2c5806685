package otelwebhook

import (
	"context"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
)

// label is a value of an attribute, left out if it is empty.
type label struct {
	key   attribute.Key
	value string
}

// labels returns a set of attributes. There are few sets, so each is made once.
func (t *Telemetry) labels(of ...label) metric.MeasurementOption {
	var key [2]label
	copy(key[:], of)
	if known, ok := t.sets.Load(key); ok {
		option, _ := known.(metric.MeasurementOption) // always is
		return option
	}
	attrs := make([]attribute.KeyValue, 0, len(key))
	for _, l := range key {
		if l.value != "" {
			attrs = append(attrs, l.key.String(l.value))
		}
	}
	option := metric.WithAttributeSet(attribute.NewSet(attrs...))
	t.sets.Store(key, option)
	return option
}

func (t *Telemetry) typeLabel(name string) label {
	if _, known := t.opts.Catalog.Lookup(event.Type(name)); !known {
		name = Other
	}
	return label{EventTypeKey, name}
}

func errorLabel(code string) label { return label{semconv.ErrorTypeKey, code} }

// countPublished counts an event that was stored, unless it was there before.
func (t *Telemetry) countPublished(ctx context.Context, i webhook.PublishedInfo) {
	if !i.Duplicate {
		t.published.Add(ctx, 1, t.labels(t.typeLabel(i.EventType)))
	}
}

func (t *Telemetry) timeAttempt(ctx context.Context, i webhook.AttemptInfo) {
	outcome := outcomeSuccess
	if i.Code != "" {
		outcome = outcomeFailed
	}
	t.attemptTime.Record(ctx, i.Duration.Seconds(), t.labels(label{OutcomeKey, outcome}, errorLabel(string(i.Code))))
}

// countSettled counts the outcome of an attempt, unless a stop has cut it short.
func (t *Telemetry) countSettled(ctx context.Context, i webhook.SettledInfo) {
	kind := t.typeLabel(i.EventType)
	switch {
	case i.Status == webhook.DeliverySucceeded:
		t.succeeded.Add(ctx, 1, t.labels(kind))
	case i.Status == webhook.DeliveryFailed:
		t.failed.Add(ctx, 1, t.labels(kind, errorLabel(string(i.Code))))
	case i.Code != "":
		t.retried.Add(ctx, 1, t.labels(kind, errorLabel(string(i.Code))))
	}
	if i.Disabled {
		t.disabled.Add(ctx, 1)
	}
}

// countTrouble counts the troubles that last.
func (t *Telemetry) countTrouble(ctx context.Context, i webhook.TroubleInfo) {
	step := int64(1)
	if i.Err == nil {
		step = -1
	}
	t.troubles.Add(ctx, step, t.labels(label{TroubleKey, i.In}))
}

// backlogTimeout bounds a call of Backlog, for which a collector waits.
const backlogTimeout = 5 * time.Second

// WatchBacklog adds gauges of how much waits in st. Each collection asks st; if it
// does not answer, there is no value. All processes that share a store report the
// same, so watch in one of them, or aggregate with the maximum. Unregister the
// returned registration to stop.
func (t *Telemetry) WatchBacklog(st store.Backlogs) (metric.Registration, error) {
	pending, err := t.meter.Int64ObservableGauge("webhook.backlog.pending",
		metric.WithDescription("Deliveries that have not ended."), metric.WithUnit("{delivery}"))
	if err != nil {
		return nil, fmt.Errorf("otelwebhook: watch backlog: %w", err)
	}
	oldest, err := t.meter.Float64ObservableGauge("webhook.backlog.oldest_due",
		metric.WithDescription("For how long there has been something to take."), metric.WithUnit("s"))
	if err != nil {
		return nil, fmt.Errorf("otelwebhook: watch backlog: %w", err)
	}
	damaged, err := t.meter.Int64ObservableGauge("webhook.backlog.damaged",
		metric.WithDescription("Records that were found unreadable and set aside."), metric.WithUnit("{record}"))
	if err != nil {
		return nil, fmt.Errorf("otelwebhook: watch backlog: %w", err)
	}
	registration, err := t.meter.RegisterCallback(func(ctx context.Context, o metric.Observer) error {
		ctx, cancel := context.WithTimeout(ctx, backlogTimeout)
		defer cancel()
		b, err := st.Backlog(ctx)
		if err != nil {
			return fmt.Errorf("otelwebhook: watch backlog: %w", err)
		}
		o.ObserveInt64(pending, b.Pending)
		o.ObserveFloat64(oldest, b.OldestDue.Seconds())
		o.ObserveInt64(damaged, b.Damaged)
		return nil
	}, pending, oldest, damaged)
	if err != nil {
		return nil, fmt.Errorf("otelwebhook: watch backlog: %w", err)
	}
	return registration, nil
}
