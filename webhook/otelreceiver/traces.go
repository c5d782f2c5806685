package otelreceiver

import (
	"context"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/rag-assistant/webhooks/verifier"
	"github.com/rag-assistant/webhooks/webhook/receiver"
)

const operation = "process"

// handling begins the span of a handler, in the trace of the sender.
func (t *Telemetry) handling(ctx context.Context, i receiver.HandlingInfo) (context.Context, func(receiver.SettledInfo)) {
	m, _ := verifier.MessageFromContext(ctx)
	options := []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(
		semconv.MessagingSystemKey.String("webhook"),
		semconv.MessagingOperationName(operation),
		semconv.MessagingOperationTypeProcess,
		semconv.MessagingMessageID(i.Event.ID),
		semconv.MessagingMessageBodySize(len(m.Body)),
		EventTypeKey.String(string(i.Event.Type)),
	)}
	if i.Source != "" {
		options = append(options, trace.WithAttributes(SourceKey.String(i.Source)))
	}
	headers := propagation.HeaderCarrier(m.Header)
	sender := trace.SpanContextFromContext(t.opts.Propagator.Extract(context.Background(), headers))
	switch here := trace.SpanContextFromContext(ctx); {
	case !sender.IsValid(), sender.TraceID() == here.TraceID(): // The caller's context has it all.
	case t.opts.LinkOnly, here.IsValid():
		options = append(options, trace.WithLinks(trace.Link{SpanContext: sender}))
	default:
		ctx = t.opts.Propagator.Extract(ctx, headers)
	}
	ctx, span := t.tracer.Start(ctx, operation+" "+t.typeName(i.Source, string(i.Event.Type)), options...)
	return ctx, func(i receiver.SettledInfo) {
		span.SetAttributes(OutcomeKey.String(string(i.Outcome)))
		if i.Err != nil {
			span.SetAttributes(semconv.ErrorType(i.Err))
			span.SetStatus(codes.Error, i.Err.Error())
		}
		span.End()
	}
}
