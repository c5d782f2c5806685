package serve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/google/uuid"
	"go.opentelemetry.io/contrib/exporters/autoexport"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/rag-assistant/webhooks/webhook/otelwebhook"
)

// flushTimeout bounds how long the end of the process waits for a collector.
const flushTimeout = 5 * time.Second

// newTelemetry measures and traces as OpenTelemetry's own variables say. It also
// returns a function that sends what has not been sent yet. If no variable names an
// exporter or an address, nothing is measured: by OpenTelemetry's default, it would be
// sent to a collector on this machine.
func newTelemetry(ctx context.Context, log *slog.Logger) (*otelwebhook.Telemetry, func(), error) {
	opts := &otelwebhook.Options{}
	var ends []func(context.Context) error
	flush := func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTimeout)
		defer cancel()
		for _, end := range ends {
			if err := end(ctx); err != nil {
				log.WarnContext(ctx, "telemetry lost", slog.Any("error", err))
			}
		}
	}
	metrics, traces := exports("METRICS"), exports("TRACES")
	if !metrics && !traces {
		tel, err := otelwebhook.New(opts)
		return tel, flush, err
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		log.WarnContext(ctx, "telemetry failure", slog.Any("error", err))
	}))
	// Later ones go first: OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES.
	res, err := resource.New(ctx, resource.WithTelemetrySDK(),
		resource.WithAttributes(semconv.ServiceName("webhooks"), semconv.ServiceInstanceID(uuid.NewString())), resource.WithFromEnv())
	if errors.Is(err, resource.ErrPartialResource) { // Of a variable that is no list: the rest counts.
		log.WarnContext(ctx, "telemetry failure", slog.Any("error", err))
	} else if err != nil {
		return nil, nil, err
	}
	if metrics {
		reader, err := autoexport.NewMetricReader(ctx)
		if err != nil {
			return nil, nil, fmt.Errorf("export of metrics: %w", err)
		}
		provider := metric.NewMeterProvider(metric.WithReader(reader), metric.WithResource(res))
		opts.MeterProvider, ends = provider, append(ends, provider.Shutdown)
	}
	if traces {
		exporter, err := autoexport.NewSpanExporter(ctx)
		if err != nil {
			flush()
			return nil, nil, fmt.Errorf("export of traces: %w", err)
		}
		provider := trace.NewTracerProvider(trace.WithBatcher(exporter), trace.WithResource(res))
		opts.TracerProvider, ends = provider, append(ends, provider.Shutdown)
	}
	tel, err := otelwebhook.New(opts)
	if err != nil {
		flush()
		return nil, nil, err
	}
	return tel, flush, nil
}

// exports reports whether a signal, METRICS or TRACES, is to be exported.
func exports(signal string) bool {
	if off := os.Getenv("OTEL_SDK_DISABLED"); strings.EqualFold(off, "true") {
		return false
	}
	for _, name := range []string{"OTEL_" + signal + "_EXPORTER", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_" + signal + "_ENDPOINT"} {
		if os.Getenv(name) != "" {
			return true
		}
	}
	return false
}
