package serve

import (
	"bytes"
	"encoding/hex"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	collectormetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	collectortraces "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// collector takes OTLP by HTTP, as OpenTelemetry's does, and keeps what matters here.
type collector struct {
	mu      sync.Mutex
	failed  []error
	metrics map[string]int64 // the last sum or gauge of each, by name and type of event
	spans   []*tracepb.Span
	from    map[string]string // attributes of the resource
}

func startCollector(t *testing.T) (*collector, string) {
	t.Helper()
	c := &collector{metrics: map[string]int64{}, from: map[string]string{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/metrics", func(w http.ResponseWriter, r *http.Request) {
		var in collectormetrics.ExportMetricsServiceRequest
		c.take(w, r, &in, &collectormetrics.ExportMetricsServiceResponse{}, func() {
			for _, of := range in.GetResourceMetrics() {
				c.describe(of.GetResource())
				for _, scope := range of.GetScopeMetrics() {
					for _, m := range scope.GetMetrics() {
						for _, p := range append(m.GetSum().GetDataPoints(), m.GetGauge().GetDataPoints()...) {
							c.metrics[strings.TrimSpace(m.GetName()+" "+attributes(p.GetAttributes())["webhook.event.type"])] = p.GetAsInt()
						}
					}
				}
			}
		})
	})
	mux.HandleFunc("POST /v1/traces", func(w http.ResponseWriter, r *http.Request) {
		var in collectortraces.ExportTraceServiceRequest
		c.take(w, r, &in, &collectortraces.ExportTraceServiceResponse{}, func() {
			for _, of := range in.GetResourceSpans() {
				c.describe(of.GetResource())
				for _, scope := range of.GetScopeSpans() {
					c.spans = append(c.spans, scope.GetSpans()...)
				}
			}
		})
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return c, server.URL
}

// take reads in from a request, has it kept, and answers with out.
func (c *collector) take(w http.ResponseWriter, r *http.Request, in, out proto.Message, keep func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	text, err := io.ReadAll(r.Body)
	if err == nil {
		err = proto.Unmarshal(text, in)
	}
	if err != nil {
		c.failed = append(c.failed, err)
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	keep()
	answer, _ := proto.Marshal(out)
	w.Header().Set("Content-Type", "application/x-protobuf")
	_, _ = w.Write(answer)
}

func (c *collector) describe(r *resourcepb.Resource) {
	maps.Copy(c.from, attributes(r.GetAttributes()))
}

func attributes(list []*commonpb.KeyValue) map[string]string {
	out := map[string]string{}
	for _, a := range list {
		out[a.GetKey()] = a.GetValue().GetStringValue()
	}
	return out
}

// TestExports runs the program with a collector. All that happened must have arrived
// when the program ends, although it ends before anything is due to be sent.
func TestExports(t *testing.T) {
	c, url := startCollector(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
	base, stop := start(t, "-insecure-allow-http", "-insecure-allow-private-networks")
	got := make(chan http.Header, 1)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got <- r.Header }))
	defer receiver.Close()
	api, bearer := base+"/api/merchants/m", token(t, secret, "m", time.Hour)
	status, out := call(t, http.MethodPost, api+"/webhooks", bearer, `{"url":"`+receiver.URL+`?token=t0ken","events":["document.created"]}`)
	require.Equal(t, http.StatusCreated, status, out)
	status, out = call(t, http.MethodPost, api+"/events", bearer, `{"type":"document.created","id":"order-7","data":{"documentId":"doc_1"}}`)
	require.Equal(t, http.StatusAccepted, status, out)
	require.Empty(t, (<-got).Get("Traceparent"), "receivers are strangers")
	require.NoError(t, stop())

	c.mu.Lock()
	defer c.mu.Unlock()
	require.Empty(t, c.failed)
	require.Equal(t, int64(1), c.metrics["webhook.event.published document.created"], "%v", c.metrics)
	require.Equal(t, int64(1), c.metrics["webhook.delivery.succeeded document.created"], "%v", c.metrics)
	require.Contains(t, c.metrics, "webhook.backlog.pending")
	require.Equal(t, "webhooks", c.from["service.name"])
	require.Equal(t, "test", c.from["deployment.environment.name"])
	require.NotEmpty(t, c.from["service.instance.id"])

	byName := map[string]*tracepb.Span{}
	for _, s := range c.spans {
		byName[s.GetName()] = s
		require.NotContains(t, s.String(), "t0ken")
	}
	published, attempt := byName["publish document.created"], byName["deliver document.created"]
	require.NotNil(t, published, "%v", c.spans)
	require.NotNil(t, attempt, "%v", c.spans)
	require.Equal(t, hex.EncodeToString(published.GetTraceId()), hex.EncodeToString(attempt.GetTraceId()))
	require.Equal(t, published.GetSpanId(), attempt.GetParentSpanId())
	require.Equal(t, tracepb.Span_SPAN_KIND_PRODUCER, published.GetKind())
	require.Equal(t, tracepb.Span_SPAN_KIND_CLIENT, attempt.GetKind())
}

// What is exported depends on OpenTelemetry's variables alone.
func TestSignals(t *testing.T) {
	for name, c := range map[string]struct {
		set             map[string]string
		metrics, traces bool
	}{
		"nothing is set":     {nil, false, false},
		"where to send to":   {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, true, true},
		"that of metrics":    {map[string]string{"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://127.0.0.1:4318/m"}, true, false},
		"that of traces":     {map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4318/t"}, false, true},
		"an exporter":        {map[string]string{"OTEL_TRACES_EXPORTER": "console"}, false, true},
		"all of it disabled": {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318", "OTEL_SDK_DISABLED": "true"}, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			for key, value := range c.set {
				t.Setenv(key, value)
			}
			require.Equal(t, c.metrics, exports("METRICS"))
			require.Equal(t, c.traces, exports("TRACES"))
		})
	}
}

// A collector that is away does not stop the program, and is logged.
func TestCollectorIsAway(t *testing.T) {
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", gone.URL)
	t.Setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
	var log bytes.Buffer
	tel, flush, err := newTelemetry(t.Context(), slog.New(slog.NewTextHandler(&log, nil)))
	require.NoError(t, err)
	require.NotNil(t, tel)
	flush()
	require.Contains(t, log.String(), "telemetry lost")
	t.Setenv("OTEL_TRACES_EXPORTER", "zipkin")
	_, _, err = newTelemetry(t.Context(), slog.New(slog.DiscardHandler))
	require.ErrorContains(t, err, "export of traces", "an exporter that there is not is an error at the start")
}
