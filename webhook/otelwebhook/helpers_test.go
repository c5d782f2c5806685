package otelwebhook_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/otelwebhook"
)

const merchant = "merchant_42"

// probe is a Telemetry with what it has recorded.
type probe struct {
	*otelwebhook.Telemetry

	reader *metric.ManualReader
	spans  *tracetest.SpanRecorder
}

func newProbe(t *testing.T, o otelwebhook.Options) *probe {
	t.Helper()
	p := &probe{reader: metric.NewManualReader(), spans: tracetest.NewSpanRecorder()}
	o.MeterProvider = metric.NewMeterProvider(metric.WithReader(p.reader))
	o.TracerProvider = trace.NewTracerProvider(trace.WithSpanProcessor(p.spans))
	var err error
	p.Telemetry, err = otelwebhook.New(&o)
	require.NoError(t, err)
	return p
}

// collect returns the instruments by name.
func (p *probe) collect(t *testing.T) map[string]metricdata.Metrics {
	t.Helper()
	var all metricdata.ResourceMetrics
	require.NoError(t, p.reader.Collect(t.Context(), &all))
	out := map[string]metricdata.Metrics{}
	for _, scope := range all.ScopeMetrics {
		require.Equal(t, otelwebhook.Name, scope.Scope.Name)
		for _, m := range scope.Metrics {
			out[m.Name] = m
		}
	}
	return out
}

// series lists values by their labels, "a=b,c=d". A histogram's is its count.
func series(t *testing.T, m metricdata.Metrics) map[string]float64 {
	t.Helper()
	out := map[string]float64{}
	add := func(labels attribute.Set, v float64) { out[labels.Encoded(attribute.DefaultEncoder())] = v }
	switch data := m.Data.(type) {
	case metricdata.Sum[int64]:
		for _, p := range data.DataPoints {
			add(p.Attributes, float64(p.Value))
		}
	case metricdata.Gauge[int64]:
		for _, p := range data.DataPoints {
			add(p.Attributes, float64(p.Value))
		}
	case metricdata.Gauge[float64]:
		for _, p := range data.DataPoints {
			add(p.Attributes, p.Value)
		}
	case metricdata.Histogram[float64]:
		for _, p := range data.DataPoints {
			add(p.Attributes, float64(p.Count))
		}
	default:
		require.Failf(t, "unknown kind of metric", "%s is %T", m.Name, data)
	}
	return out
}

// endpoint answers with a status, or hangs for 0.
type endpoint struct {
	mu     sync.Mutex
	status int
	heads  []http.Header
}

func (e *endpoint) answer(status int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.status = status
}

func (e *endpoint) RoundTrip(r *http.Request) (*http.Response, error) {
	e.mu.Lock()
	e.heads = append(e.heads, r.Header.Clone())
	status := e.status
	e.mu.Unlock()
	if status == 0 {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(""))}, nil
}

// newService returns a service whose observer is p's.
func (p *probe) newService(t *testing.T, st store.Store, catalog *event.Catalog) *webhook.Service {
	t.Helper()
	svc, err := webhook.NewService(st, &webhook.ServiceOptions{Observer: p.Observer(), Catalog: catalog})
	require.NoError(t, err)
	return svc
}

// dispatch starts a dispatcher whose observer is p's, and returns what stops it.
func (p *probe) dispatch(t *testing.T, st store.Store, o webhook.DispatcherOptions) func() {
	t.Helper()
	o.Observer = p.Observer()
	disp, err := webhook.NewDispatcher(st, &o)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- disp.Run(ctx) }()
	return func() {
		cancel()
		require.NoError(t, <-stopped)
	}
}

func register(t *testing.T, svc *webhook.Service, merchantID string, types ...string) {
	t.Helper()
	_, err := svc.Register(t.Context(), merchantID, webhook.Registration{URL: "https://example.com/hook?token=t0ken", Events: types})
	require.NoError(t, err)
}

func publish(t *testing.T, ctx context.Context, svc *webhook.Service, merchantID string) webhook.Publication { //nolint:revive // ctx may have a span
	t.Helper()
	p, err := svc.Publish(ctx, merchantID, event.New(event.DocumentCreated{DocumentID: "doc_1"}))
	require.NoError(t, err)
	return p
}

// pass lets fake time pass, and whatever is due by then happen.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}
