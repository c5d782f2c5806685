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
	tel, err := otelreceiver.New(metric.NewMeterProvider(metric.WithReader(reader)))
	if err != nil {
		panic(err)
	}
	mux := receiver.NewMux()
	receiver.On(mux, func(context.Context, event.Event, event.DocumentCreated) error { return nil })
	rcv, err := receiver.New(secret, mux, &receiver.Options{
		Observer: tel.Observer(), Verifier: verifier.Options{OnReject: tel.OnReject},
	})
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
	// Output: webhook.received.event 1 webhook.event.type=document.created,webhook.outcome=processed
}

// TestMeasures sends one event of each kind, a forged one, and more types than are named.
func TestMeasures(t *testing.T) {
	t.Parallel()
	reader := metric.NewManualReader()
	tel, err := otelreceiver.New(metric.NewMeterProvider(metric.WithReader(reader)))
	require.NoError(t, err)
	mux := receiver.NewMux()
	receiver.On(mux, func(context.Context, event.Event, event.DocumentCreated) error { return errors.New("no") })
	rcv, err := receiver.New(secret, mux, &receiver.Options{Observer: tel.Observer(), Verifier: verifier.Options{OnReject: tel.OnReject}})
	require.NoError(t, err)
	registration, err := tel.Watch(rcv)
	require.NoError(t, err)
	rcv.ServeHTTP(httptest.NewRecorder(), request(`{"created":"2025-11-04T12:36:00Z","data":{},"id":"evt_1","type":"document.created"}`))
	for i := range 150 {
		rcv.ServeHTTP(httptest.NewRecorder(), request(fmt.Sprintf(`{"created":"2025-11-04T12:36:00Z","data":{},"id":"evt_1","type":"t.%d"}`, i)))
	}
	forged := request(`{}`)
	forged.Body = io.NopCloser(strings.NewReader("[]"))
	rcv.ServeHTTP(httptest.NewRecorder(), forged)

	got := collect(t, reader)
	require.EqualValues(t, 1, got["webhook.received.event webhook.event.type=document.created,webhook.outcome=failed"])
	require.EqualValues(t, 1, got["webhook.received.event webhook.event.type=t.98,webhook.outcome=unknown"])
	require.EqualValues(t, 51, got["webhook.received.event webhook.event.type=other,webhook.outcome=unknown"])
	require.EqualValues(t, 1, got["webhook.received.handler.duration webhook.event.type=document.created,webhook.outcome=failed"])
	require.EqualValues(t, 1, got["webhook.received.rejected http.response.status_code=401"])
	require.Contains(t, got, "webhook.received.waiting ")
	require.Contains(t, got, "webhook.received.working ")
	require.Len(t, got, 1+99+1+1+1+2, "%v", got)
	require.NoError(t, registration.Unregister())
	require.NotContains(t, collect(t, reader), "webhook.received.waiting ")
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
