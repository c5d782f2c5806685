package otelwebhook_test

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/otelwebhook"
)

func Example() {
	ctx := context.Background()
	reader := metric.NewManualReader() // an exporter, in a program
	tel, err := otelwebhook.New(&otelwebhook.Options{
		MeterProvider: metric.NewMeterProvider(metric.WithReader(reader)),
	})
	if err != nil {
		panic(err)
	}
	st := tel.Store(memstore.New(nil))
	svc, err := webhook.NewService(st, &webhook.ServiceOptions{Observer: tel.Observer()})
	if err != nil {
		panic(err)
	}
	// A dispatcher gets tel.Observer() too, and tel.RequestHeaders if receivers
	// are to be told of traces.
	if _, err := tel.WatchBacklog(st); err != nil {
		panic(err)
	}
	if _, err := svc.Register(ctx, "merchant_42", webhook.Registration{
		URL: "https://example.com/webhooks", Events: []string{"document.created"},
	}); err != nil {
		panic(err)
	}
	if _, err := svc.Publish(ctx, "merchant_42", event.New(event.DocumentCreated{DocumentID: "doc_1"})); err != nil {
		panic(err)
	}

	var all metricdata.ResourceMetrics
	if err := reader.Collect(ctx, &all); err != nil {
		panic(err)
	}
	for _, m := range all.ScopeMetrics[0].Metrics {
		if pending, ok := m.Data.(metricdata.Gauge[int64]); ok {
			fmt.Println(m.Name, pending.DataPoints[0].Value)
		}
	}
	// Output:
	// webhook.backlog.pending 1
	// webhook.backlog.damaged 0
}
