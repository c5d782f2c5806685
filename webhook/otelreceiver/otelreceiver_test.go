package otelreceiver_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/verifier"
	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/otelreceiver"
	"github.com/rag-assistant/webhooks/webhook/receiver"
)

const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw2Rm1"

// request is one as a sender makes it.
func request(body string) *http.Request {
	key, err := signer.ParseSecret(secret)
	if err != nil {
		panic(err)
	}
	s, err := signer.New(key)
	if err != nil {
		panic(err)
	}
	req := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	req.Header.Set("Content-Type", "application/json")
	now := time.Now()
	req.Header.Set(signer.HeaderStandardID, "evt_1")
	req.Header.Set(signer.HeaderStandardTimestamp, strconv.FormatInt(now.Unix(), 10))
	req.Header.Set(signer.HeaderStandardSignature, string(s.AppendStandard(nil, "evt_1", now, []byte(body))))
	return req
}

func Example() {
	reader := metric.NewManualReader() // an exporter, in a program
	tel, err := otelreceiver.New(&otelreceiver.Options{MeterProvider: metric.NewMeterProvider(metric.WithReader(reader))})
	if err != nil {
		panic(err)
	}
	mux := receiver.NewMux()
	receiver.On(mux, func(context.Context, event.Event, event.DocumentCreated) error { return nil })
	rcv, err := receiver.New(secret, mux, &receiver.Options{Source: "acme", Observer: tel.Observer()})
	if err != nil {
		panic(err)
	}
	rcv.ServeHTTP(httptest.NewRecorder(), request(`{"created":"2025-11-04T12:36:00Z","data":{},"id":"evt_1","type":"document.created"}`))

	var all metricdata.ResourceMetrics
	if err := reader.Collect(context.Background(), &all); err != nil {
		panic(err)
	}
	for _, m := range all.ScopeMetrics[0].Metrics {
		if events, ok := m.Data.(metricdata.Sum[int64]); ok {
			fmt.Println(m.Name, events.DataPoints[0].Value, events.DataPoints[0].Attributes.Encoded(attribute.DefaultEncoder()))
		}
	}
	// Output: webhook.received.event 1 webhook.event.type=document.created,webhook.outcome=processed,webhook.source=acme
}

// TestMeasures sends one event of each kind, forged ones, and more types than are named, to
// one of two sources.
func TestMeasures(t *testing.T) {
	t.Parallel()
	reader := metric.NewManualReader()
	tel, err := otelreceiver.New(&otelreceiver.Options{MeterProvider: metric.NewMeterProvider(metric.WithReader(reader))})
	require.NoError(t, err)
	mux := receiver.NewMux()
	receiver.On(mux, func(context.Context, event.Event, event.DocumentCreated) error { return errors.New("no") })
	rcv, err := receiver.New(secret, mux, &receiver.Options{Observer: tel.Observer()})
	require.NoError(t, err)
	named, err := receiver.New(secret, mux, &receiver.Options{Source: "acme", Observer: tel.Observer()})
	require.NoError(t, err)
	var watched []interface{ Unregister() error }
	for _, r := range []*receiver.Receiver{rcv, named} {
		registration, err := tel.Watch(r)
		require.NoError(t, err)
		watched = append(watched, registration)
	}
	send := func(r http.Handler, kind string) {
		r.ServeHTTP(httptest.NewRecorder(), request(fmt.Sprintf(`{"created":"2025-11-04T12:36:00Z","data":{},"id":"evt_1","type":%q}`, kind)))
	}
	send(rcv, "document.created")
	for i := range 150 {
		send(rcv, fmt.Sprint("t.", i))
	}
	send(named, "document.created")
	send(named, strings.Repeat("t", 101))
	forged := request(`{}`)
	forged.Body = io.NopCloser(strings.NewReader("[]"))
	rcv.ServeHTTP(httptest.NewRecorder(), forged)
	named.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))

	got := collect(t, reader)
	for name, n := range map[string]int{
		"webhook.received.event webhook.event.type=document.created,webhook.outcome=failed":                                1,
		"webhook.received.event webhook.event.type=t.98,webhook.outcome=unknown":                                           1,
		"webhook.received.event webhook.event.type=other,webhook.outcome=unknown":                                          51,
		"webhook.received.event webhook.event.type=document.created,webhook.outcome=failed,webhook.source=acme":            1,
		"webhook.received.event webhook.event.type=other,webhook.outcome=unknown,webhook.source=acme":                      1,
		"webhook.received.handler.duration webhook.event.type=document.created,webhook.outcome=failed":                     1,
		"webhook.received.handler.duration webhook.event.type=document.created,webhook.outcome=failed,webhook.source=acme": 1,
		"webhook.received.rejected error.type=mismatch,http.response.status_code=401":                                      1,
		"webhook.received.rejected http.response.status_code=405,webhook.source=acme":                                      1,
		"webhook.received.waiting ": 0, "webhook.received.working ": 0,
		"webhook.received.waiting webhook.source=acme": 0, "webhook.received.working webhook.source=acme": 0,
	} {
		require.Contains(t, got, name)
		require.EqualValues(t, n, got[name], name)
	}
	require.Len(t, got, 13+98, "%v", got)
	for _, w := range watched {
		require.NoError(t, w.Unregister())
	}
	require.NotContains(t, collect(t, reader), "webhook.received.waiting ")
}

// strange is a sender whose type stands in a header, which may hold any bytes, and whose
// reason to refuse is given.
type strange struct{ err error }

func (s strange) Verify(h http.Header, body []byte) (event.Event, error) {
	return event.Event{ID: "evt_1", Type: event.Type(h.Get("X-Type")), Body: body}, s.err
}

func TestNamesWhyARequestIsRejected(t *testing.T) {
	t.Parallel()
	for name, err := range map[string]error{
		"error.type=missing_signature,http.response.status_code=401": verifier.ErrMissingSignature,
		"error.type=mismatch,http.response.status_code=401":          verifier.ErrMismatch,
		"error.type=stale,http.response.status_code=401":             fmt.Errorf("old: %w", verifier.ErrStale),
		"error.type=secrets,http.response.status_code=503":           verifier.ErrSecrets,
		"error.type=event_type,http.response.status_code=400":        verifier.ErrEventType,
		"error.type=malformed,http.response.status_code=400":         event.ErrMalformed,
		"http.response.status_code=401":                              io.EOF,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reader := metric.NewManualReader()
			serve(t, &otelreceiver.Options{MeterProvider: metric.NewMeterProvider(metric.WithReader(reader))}, strange{err}, request("{}"))
			require.Equal(t, map[string]int64{"webhook.received.rejected " + name: 1}, collect(t, reader))
		})
	}
}

func TestTypeThatIsNoText(t *testing.T) {
	t.Parallel()
	reader := metric.NewManualReader()
	req := request("{}")
	req.Header.Set("X-Type", "t\xff")
	serve(t, &otelreceiver.Options{MeterProvider: metric.NewMeterProvider(metric.WithReader(reader))}, strange{}, req)
	require.Contains(t, collect(t, reader), "webhook.received.event webhook.event.type=other,webhook.outcome=processed")
}

// serve hands a request to a receiver with one handler for everything.
func serve(t *testing.T, o *otelreceiver.Options, c verifier.Checker, req *http.Request) {
	t.Helper()
	tel, err := otelreceiver.New(o)
	require.NoError(t, err)
	mux := receiver.NewMux()
	mux.Handle("*", func(context.Context, event.Event) error { return nil })
	rcv, err := receiver.NewFor(c, mux, &receiver.Options{Observer: tel.Observer()})
	require.NoError(t, err)
	rcv.ServeHTTP(httptest.NewRecorder(), req)
}

// collect returns values and counts by instrument and attributes.
func collect(t *testing.T, reader *metric.ManualReader) map[string]int64 {
	t.Helper()
	var all metricdata.ResourceMetrics
	require.NoError(t, reader.Collect(t.Context(), &all))
	out := map[string]int64{}
	for _, m := range all.ScopeMetrics[0].Metrics {
		switch data := m.Data.(type) {
		case metricdata.Sum[int64]:
			for _, p := range data.DataPoints {
				out[m.Name+" "+p.Attributes.Encoded(attribute.DefaultEncoder())] = p.Value
			}
		case metricdata.Gauge[int64]:
			for _, p := range data.DataPoints {
				out[m.Name+" "+p.Attributes.Encoded(attribute.DefaultEncoder())] = p.Value
			}
		case metricdata.Histogram[float64]:
			for _, p := range data.DataPoints {
				out[m.Name+" "+p.Attributes.Encoded(attribute.DefaultEncoder())] = int64(p.Count)
			}
		}
	}
	return out
}
