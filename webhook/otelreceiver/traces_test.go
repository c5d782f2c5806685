package otelreceiver_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/rag-assistant/webhooks/verifier"
	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/otelreceiver"
	"github.com/rag-assistant/webhooks/webhook/receiver"
)

const body = `{"created":"2025-11-04T12:36:00Z","data":{},"id":"evt_1","type":"document.created"}`

// ways are those on which an event gets to its handler.
var ways = map[string]func(*testing.T, context.Context, *receiver.Receiver, *http.Request){
	"in the request": func(_ *testing.T, ctx context.Context, r *receiver.Receiver, req *http.Request) {
		r.ServeHTTP(httptest.NewRecorder(), req.WithContext(ctx))
	},
	"async": func(t *testing.T, ctx context.Context, r *receiver.Receiver, req *http.Request) {
		t.Helper()
		r.ServeHTTP(httptest.NewRecorder(), req.WithContext(ctx))
		require.NoError(t, r.Close(t.Context()))
	},
	"process": func(t *testing.T, ctx context.Context, r *receiver.Receiver, req *http.Request) {
		t.Helper()
		e, err := event.Parse([]byte(body))
		require.NoError(t, err)
		require.Error(t, r.Process(ctx, verifier.Message{Event: e, Header: req.Header, Body: []byte(body)}))
	},
}

// TestHandlersAreTraced looks at the span in which a handler runs, and which fails.
func TestHandlersAreTraced(t *testing.T) {
	t.Parallel()
	const (
		none = iota
		parent
		link
	)
	for _, tt := range []struct {
		name      string
		told      bool // the request has a traceparent
		around    bool // the caller's context has a span
		continued bool // and that continues the sender's trace
		linkOnly  bool
		sender    int // what it is to the span
	}{
		{name: "sender tells", told: true, sender: parent},
		{name: "sender does not tell"},
		{name: "link only", told: true, linkOnly: true, sender: link},
		{name: "caller has another trace", told: true, around: true, sender: link},
		{name: "caller continues the sender's", told: true, around: true, continued: true},
		{name: "caller's alone", around: true},
	} {
		for way, handle := range ways {
			t.Run(tt.name+" "+way, func(t *testing.T) {
				t.Parallel()
				spans := tracetest.NewInMemoryExporter()
				provider := sdk.NewTracerProvider(sdk.WithSyncer(spans))
				_, sent := provider.Tracer("sender").Start(t.Context(), "send")
				req := request(body)
				if tt.told {
					propagation.TraceContext{}.Inject(trace.ContextWithSpan(t.Context(), sent), propagation.HeaderCarrier(req.Header))
				}
				ctx, outer := t.Context(), trace.SpanContext{}
				if tt.continued {
					ctx = trace.ContextWithSpan(ctx, sent)
				}
				if tt.around {
					var span trace.Span
					ctx, span = provider.Tracer("caller").Start(ctx, "around")
					outer = span.SpanContext()
				}
				tel, err := otelreceiver.New(&otelreceiver.Options{TracerProvider: provider, LinkOnly: tt.linkOnly})
				require.NoError(t, err)
				var inside trace.SpanContext
				mux := receiver.NewMux()
				mux.Handle("*", func(ctx context.Context, _ event.Event) error {
					inside = trace.SpanContextFromContext(ctx)
					return errors.New("no such document")
				})
				rcv, err := receiver.New(secret, mux, &receiver.Options{Source: "acme", Observer: tel.Observer(), Async: way == "async"})
				require.NoError(t, err)
				handle(t, ctx, rcv, req)

				ended := spans.GetSpans()
				require.Len(t, ended, 1)
				span := ended[0]
				require.Equal(t, span.SpanContext.SpanID(), inside.SpanID(), "the handler's context has the span")
				switch {
				case tt.sender == parent:
					require.Equal(t, sent.SpanContext().TraceID(), span.SpanContext.TraceID())
					require.Equal(t, sent.SpanContext().SpanID(), span.Parent.SpanID())
				case tt.around:
					require.Equal(t, outer.SpanID(), span.Parent.SpanID())
				default:
					require.False(t, span.Parent.IsValid())
				}
				if tt.sender == link {
					require.Len(t, span.Links, 1)
					require.Equal(t, sent.SpanContext().SpanID(), span.Links[0].SpanContext.SpanID())
				} else {
					require.Empty(t, span.Links)
				}
				requireSpan(t, span)
			})
		}
	}
}

// requireSpan looks at what a span says of a handler that failed.
func requireSpan(t *testing.T, span tracetest.SpanStub) {
	t.Helper()
	require.Equal(t, "process document.created", span.Name)
	require.Equal(t, trace.SpanKindConsumer, span.SpanKind)
	require.Equal(t, sdk.Status{Code: codes.Error, Description: "no such document"}, span.Status)
	set := attribute.NewSet(span.Attributes...)
	for key, want := range map[attribute.Key]attribute.Value{
		otelreceiver.SourceKey:     attribute.StringValue("acme"),
		otelreceiver.EventTypeKey:  attribute.StringValue("document.created"),
		otelreceiver.OutcomeKey:    attribute.StringValue("failed"),
		"messaging.message.id":     attribute.StringValue("evt_1"),
		"messaging.operation.type": attribute.StringValue("process"),
		"error.type":               attribute.StringValue("*errors.errorString"),
	} {
		got, _ := set.Value(key)
		require.Equal(t, want, got, key)
	}
}
