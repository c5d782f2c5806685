// Command prometheus sends webhooks to receivers of its own, some of which fail,
// receives some as well, and exports what happens as metrics for Prometheus:
//
//	go run . &
//	curl http://127.0.0.1:9464/metrics
//
// dashboard.json is a Grafana dashboard of these metrics. Its queries are evaluated
// by the tests, against what this program exports.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	exporter "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/sdk/metric"

	"github.com/rag-assistant/webhooks/webhook/otelreceiver"
	"github.com/rag-assistant/webhooks/webhook/otelwebhook"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	addr := flag.String("addr", "127.0.0.1:9464", "address to listen on")
	every := flag.Duration("every", 5*time.Second, "pause between rounds of events")
	flag.Parse()
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("http://%s/metrics\n", ln.Addr())
	if err := run(ctx, ln, *every); err != nil {
		log.Fatal(err)
	}
}

// telemetry measures both directions. A program that has one of them leaves the other out.
type telemetry struct {
	sent     *otelwebhook.Telemetry
	received *otelreceiver.Telemetry
}

// newMetrics returns a telemetry and the handler that exports it. The name of the
// instrumentation would be a label of every series, and is left out.
func newMetrics() (*telemetry, http.Handler, error) {
	registry := prometheus.NewRegistry()
	reader, err := exporter.New(exporter.WithRegisterer(registry), exporter.WithoutScopeInfo())
	if err != nil {
		return nil, nil, err
	}
	provider := metric.NewMeterProvider(metric.WithReader(reader))
	sent, err1 := otelwebhook.New(&otelwebhook.Options{MeterProvider: provider})
	received, err2 := otelreceiver.New(&otelreceiver.Options{MeterProvider: provider})
	if err := errors.Join(err1, err2); err != nil {
		return nil, nil, err
	}
	return &telemetry{sent, received}, promhttp.HandlerFor(registry, promhttp.HandlerOpts{}), nil
}

// run serves until ctx ends.
func run(ctx context.Context, ln net.Listener, every time.Duration) error {
	tel, metrics, err := newMetrics()
	if err != nil {
		return err
	}
	d, err := newDemo(ctx, tel)
	if err != nil {
		return err
	}
	defer d.close()
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", metrics)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	dispatched := make(chan error, 1)
	go func() { dispatched <- d.disp.Run(ctx) }()
	go d.rounds(ctx, every)
	if err := server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-dispatched
}
