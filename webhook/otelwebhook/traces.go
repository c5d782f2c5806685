package otelwebhook

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/rag-assistant/webhooks/webhook"
)

// publishing begins the span of a publication.
func (t *Telemetry) publishing(ctx context.Context, i webhook.PublishingInfo) (context.Context, func(error)) {
	name := publishOperation
	attrs := []attribute.KeyValue{
		semconv.MessagingSystemKey.String(messagingSystem),
		semconv.MessagingOperationName(publishOperation),
		semconv.MessagingOperationTypeSend,
		semconv.MessagingMessageBodySize(i.Bytes),
		MerchantIDKey.String(i.MerchantID),
	}
	if i.EventType != "" {
		name += " " + i.EventType
		attrs = append(attrs, EventTypeKey.String(i.EventType))
	}
	if i.EventID != "" {
		attrs = append(attrs, semconv.MessagingMessageID(i.EventID))
	} else {
		attrs = append(attrs, semconv.MessagingBatchMessageCount(i.Events))
	}
	if i.Test {
		attrs = append(attrs, TestKey.Bool(true))
	}
	ctx, span := t.tracer.Start(ctx, name, trace.WithSpanKind(trace.SpanKindProducer), trace.WithAttributes(attrs...))
	return ctx, func(err error) {
		if err != nil {
			span.SetAttributes(semconv.ErrorTypeKey.String(errorType(err)))
			span.SetStatus(codes.Error, err.Error())
		}
		span.End()
	}
}

// attempting begins the span of an attempt, in the trace of the publication.
func (t *Telemetry) attempting(ctx context.Context, i webhook.AttemptInfo) (context.Context, func(webhook.AttemptInfo)) {
	t.active.Add(ctx, 1)
	ctx = t.opts.Propagator.Extract(ctx, readCarrier(i.Trace))
	attrs := []attribute.KeyValue{
		semconv.HTTPRequestMethodPost,
		semconv.MessagingSystemKey.String(messagingSystem),
		semconv.MessagingOperationName(deliverOperation),
		semconv.MessagingMessageID(i.EventID),
		EventTypeKey.String(i.EventType),
		MerchantIDKey.String(i.MerchantID),
		WebhookIDKey.String(i.WebhookID),
		DeliveryIDKey.String(i.DeliveryID),
		AttemptKey.Int(i.Number),
	}
	if i.Number > 1 {
		attrs = append(attrs, semconv.HTTPRequestResendCount(i.Number-1))
	}
	if i.Test {
		attrs = append(attrs, TestKey.Bool(true))
	}
	options := []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(attrs...)}
	if publication := trace.SpanContextFromContext(ctx); t.opts.LinkAttempts && publication.IsValid() {
		options = append(options, trace.WithNewRoot(), trace.WithLinks(trace.Link{SpanContext: publication}))
	}
	ctx, span := t.tracer.Start(ctx, deliverOperation+" "+i.EventType, options...)
	return ctx, func(i webhook.AttemptInfo) {
		t.active.Add(ctx, -1)
		endAttempt(span, i)
	}
}

func endAttempt(span trace.Span, i webhook.AttemptInfo) {
	if i.StatusCode != 0 {
		span.SetAttributes(semconv.HTTPResponseStatusCode(i.StatusCode))
	}
	switch {
	case i.Code != "":
		kind := string(i.Code)
		if i.StatusCode != 0 { // HTTP clients report a status in this way.
			kind = strconv.Itoa(i.StatusCode)
		}
		span.SetAttributes(semconv.ErrorTypeKey.String(kind))
		span.SetStatus(codes.Error, string(i.Code))
	case i.StatusCode == 0:
		span.SetAttributes(CutShortKey.Bool(true))
	}
	span.End()
}

// trace returns the context of a publication as text, to be stored with the event.
func (t *Telemetry) trace(ctx context.Context) string {
	carrier := propagation.MapCarrier{}
	t.opts.Propagator.Inject(ctx, carrier)
	return writeCarrier(carrier)
}

// RequestHeaders returns the headers that tell a receiver of an attempt's trace:
// traceparent and tracestate, unless [Options].Propagator has others. It is meant for
// [webhook.DispatcherOptions].
func (t *Telemetry) RequestHeaders(ctx context.Context, _ webhook.AttemptInfo) map[string]string {
	carrier := propagation.MapCarrier{}
	t.opts.Propagator.Inject(ctx, carrier)
	maps.DeleteFunc(carrier, func(_, value string) bool { return value == "" })
	return carrier
}

// writeCarrier writes names and values, a line each. Lines that do not fit are left
// out. traceparent and tracestate come first, because a caller chooses how long the
// baggage is.
func writeCarrier(carrier propagation.MapCarrier) string {
	var b strings.Builder
	names := slices.Sorted(maps.Keys(carrier))
	slices.SortStableFunc(names, func(x, y string) int { return priority(y) - priority(x) })
	for _, name := range names {
		value := carrier[name]
		fits := b.Len()+len(name)+len(value)+len(":") <= webhook.MaxTrace
		if value != "" && !strings.ContainsAny(name+value, "\r\n") && fits {
			b.WriteString(name + ":" + value + "\n")
		}
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// priority is higher for what is written earlier.
func priority(name string) int {
	switch name {
	case "traceparent":
		return 2
	case "tracestate":
		return 1
	}
	return 0
}

func readCarrier(text string) propagation.MapCarrier {
	carrier := propagation.MapCarrier{}
	for line := range strings.SplitSeq(text, "\n") {
		if name, value, found := strings.Cut(line, ":"); found {
			carrier[name] = value
		}
	}
	return carrier
}
