package otelwebhook_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/trace"
	oteltrace "go.opentelemetry.io/otel/trace"

	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/otelwebhook"
)

func attributes(s trace.ReadOnlySpan) map[string]string {
	out := map[string]string{}
	for _, a := range s.Attributes() {
		out[string(a.Key)] = a.Value.String()
	}
	return out
}

// twoProcesses returns a service and a dispatcher that share nothing but the store, as
// two processes do.
func twoProcesses(t *testing.T, o otelwebhook.Options, d webhook.DispatcherOptions) (publisher, dispatcher *probe, svc *webhook.Service, out *endpoint, stop func()) {
	t.Helper()
	publisher, dispatcher = newProbe(t, o), newProbe(t, o)
	st := memstore.New(nil)
	svc = publisher.newService(t, st, nil)
	register(t, svc, merchant, "*")
	out = &endpoint{status: 503}
	d.Transport = out
	return publisher, dispatcher, svc, out, dispatcher.dispatch(t, st, d)
}

func TestAttemptsAreInTheTraceOfThePublication(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		publisher, dispatcher, svc, out, stop := twoProcesses(t, otelwebhook.Options{}, webhook.DispatcherOptions{})
		tracer := trace.NewTracerProvider().Tracer("host")
		ctx, span := tracer.Start(t.Context(), "a request of the host's")
		p := publish(t, ctx, svc, merchant)
		span.End()
		pass(time.Second)
		out.answer(200)
		pass(time.Minute)
		stop()

		require.Len(t, publisher.spans.Ended(), 1)
		published := publisher.spans.Ended()[0]
		require.Equal(t, "publish document.created", published.Name())
		require.Equal(t, oteltrace.SpanKindProducer, published.SpanKind())
		require.Equal(t, span.SpanContext().SpanID(), published.Parent().SpanID())
		require.Equal(t, span.SpanContext().TraceID(), published.SpanContext().TraceID())
		require.Equal(t, p.EventID, attributes(published)["messaging.message.id"])

		require.Len(t, dispatcher.spans.Ended(), 2)
		for i, s := range dispatcher.spans.Ended() {
			require.Equal(t, "deliver document.created", s.Name())
			require.Equal(t, oteltrace.SpanKindClient, s.SpanKind())
			require.Equal(t, published.SpanContext().TraceID(), s.SpanContext().TraceID())
			require.Equal(t, published.SpanContext().SpanID(), s.Parent().SpanID())
			require.True(t, s.Parent().IsRemote())
			require.Empty(t, s.Links())
			got := attributes(s)
			for name, value := range map[string]string{
				"webhook.merchant.id": merchant, "webhook.delivery.id": p.Deliveries[0].ID, "messaging.message.id": p.EventID,
				"http.request.method": "POST", "http.response.status_code": []string{"503", "200"}[i],
				"error.type": []string{"503", ""}[i], "http.request.resend_count": []string{"", "1"}[i],
			} {
				require.Equal(t, value, got[name], name)
			}
			require.Equal(t, []codes.Code{codes.Error, codes.Unset}[i], s.Status().Code)
			require.NotContains(t, strings.Join(slices.Collect(maps.Values(got)), " "), "t0ken")
		}
	})
}

// A caller chooses how long the baggage is. It must not cost the trace.
func TestLongBaggage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		both := propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{})
		publisher, dispatcher, svc, _, stop := twoProcesses(t, otelwebhook.Options{Propagator: both}, webhook.DispatcherOptions{})
		member, err := baggage.NewMember("a", strings.Repeat("x", 1000))
		require.NoError(t, err)
		bag, err := baggage.New(member)
		require.NoError(t, err)
		publish(t, baggage.ContextWithBaggage(t.Context(), bag), svc, merchant)
		pass(time.Second)
		stop()
		require.Equal(t, publisher.spans.Ended()[0].SpanContext().TraceID(), dispatcher.spans.Ended()[0].SpanContext().TraceID())
	})
}

func TestLinkAttempts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		publisher, dispatcher, svc, _, stop := twoProcesses(t, otelwebhook.Options{LinkAttempts: true}, webhook.DispatcherOptions{})
		publish(t, t.Context(), svc, merchant)
		pass(time.Hour)
		stop()
		published := publisher.spans.Ended()[0].SpanContext()
		attempts := dispatcher.spans.Ended()
		require.Len(t, attempts, 3)
		for _, s := range attempts {
			require.NotEqual(t, published.TraceID(), s.SpanContext().TraceID())
			require.False(t, s.Parent().IsValid())
			require.Len(t, s.Links(), 1)
			require.Equal(t, published.SpanID(), s.Links()[0].SpanContext.SpanID())
		}
		require.NotEqual(t, attempts[0].SpanContext().TraceID(), attempts[1].SpanContext().TraceID())
	})
}

func TestReceiversAreToldOnRequestOnly(t *testing.T) {
	t.Parallel()
	for name, told := range map[string]bool{"not told": false, "told": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var tel *otelwebhook.Telemetry
				d := webhook.DispatcherOptions{}
				if told {
					p := newProbe(t, otelwebhook.Options{})
					tel = p.Telemetry
					d.RequestHeaders = tel.RequestHeaders
				}
				_, dispatcher, svc, out, stop := twoProcesses(t, otelwebhook.Options{}, d)
				publish(t, t.Context(), svc, merchant)
				pass(time.Second)
				stop()
				var header []string
				for name, values := range out.heads[0] {
					if strings.EqualFold(name, "traceparent") {
						header = append(header, values...)
					}
				}
				if !told {
					require.Empty(t, header)
					return
				}
				attempt := dispatcher.spans.Ended()[0].SpanContext()
				require.Equal(t, []string{"00-" + attempt.TraceID().String() + "-" + attempt.SpanID().String() + "-01"}, header)
			})
		})
	}
}

func TestTracesWithoutProvider(t *testing.T) {
	t.Parallel()
	tel, err := otelwebhook.New(nil)
	require.NoError(t, err)
	ctx, span := trace.NewTracerProvider().Tracer("host").Start(t.Context(), "a request of the host's")
	ctx, end := tel.Observer().Publishing(ctx, webhook.PublishingInfo{Events: 1})
	kept := tel.Observer().Trace(ctx)
	end(nil)
	require.Contains(t, kept, span.SpanContext().SpanID().String(), "the host's trace goes on without us")
	require.Empty(t, tel.Observer().Trace(t.Context()))
	for _, nonsense := range []string{"", "nonsense", "traceparent:nonsense", "\n:\n"} {
		ctx, end := tel.Observer().Attempting(t.Context(), webhook.AttemptInfo{Trace: nonsense})
		require.False(t, oteltrace.SpanContextFromContext(ctx).IsValid())
		end(webhook.AttemptInfo{})
	}
}

func TestSpansOfBatchesAndFaults(t *testing.T) {
	t.Parallel()
	p := newProbe(t, otelwebhook.Options{})
	svc := p.newService(t, away{memstore.New(nil)}, nil)
	_, err := svc.PublishBatch(t.Context(), merchant, []event.Event{
		event.New(event.DocumentCreated{DocumentID: "1"}), event.New(event.DocumentDeleted{DocumentID: "1"}),
	})
	require.NoError(t, err)
	_, end := p.Observer().Publishing(t.Context(), webhook.PublishingInfo{Events: 1, EventID: "evt_1"})
	_, err = away{}.Backlog(t.Context())
	end(err)
	spans := p.spans.Ended()
	require.Equal(t, "publish", spans[0].Name())
	require.Equal(t, "2", attributes(spans[0])["messaging.batch.message_count"])
	require.Equal(t, codes.Unset, spans[0].Status().Code)
	require.Equal(t, codes.Error, spans[1].Status().Code)
	require.Equal(t, "unavailable", attributes(spans[1])["error.type"])
}
