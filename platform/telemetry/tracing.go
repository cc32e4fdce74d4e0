package telemetry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

const (
	// maxQueued is how many ended spans wait for the collector, about 1 KiB each; what comes on top is dropped.
	maxQueued = 2048
	// uploadTimeout bounds one upload, exportTimeout that and its repetitions.
	uploadTimeout = 5 * time.Second
	exportTimeout = 10 * time.Second
	// idleTimeout is longer than the SDK waits between two uploads.
	idleTimeout = 30 * time.Second
	// flushTimeout bounds how long Stop waits for the collector.
	flushTimeout = 2 * time.Second
)

// TracingOptions says where spans go, by the words of OpenTelemetry.
type TracingOptions struct {
	Endpoint string            // URL of an OTLP/HTTP collector, without /v1/traces; empty: nothing is traced
	Headers  map[string]string // sent with each upload

	Service, Version string // who traces

	Sampler    string  // as OTEL_TRACES_SAMPLER names it
	SamplerArg float64 // share of the traces that a sampler by ratio keeps, 0 to 1

	Logger *slog.Logger // told when spans cannot be handed over
}

// Tracing makes spans and hands them to a collector in the background. A collector that is slow or gone costs the program nothing
// but the memory of a bounded queue, and the spans are lost.
type Tracing struct {
	trace.TracerProvider
	stop func(context.Context)
}

// NewTracing returns a tracing that is to be stopped. Without an endpoint it makes no spans, runs nothing and costs nothing. It
// does not connect; it fails only on options that can never work.
func NewTracing(ctx context.Context, o TracingOptions) (*Tracing, error) {
	if o.Endpoint == "" {
		return &Tracing{TracerProvider: noop.NewTracerProvider(), stop: func(context.Context) {}}, nil
	}
	sampler, err := newSampler(o.Sampler, o.SamplerArg)
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, MaxConnsPerHost: 1, IdleConnTimeout: idleTimeout, ForceAttemptHTTP2: true}
	uploads, err := otlptracehttp.New(ctx,
		otlptracehttp.WithEndpointURL(strings.TrimRight(o.Endpoint, "/")+"/v1/traces"),
		otlptracehttp.WithHeaders(o.Headers),
		otlptracehttp.WithHTTPClient(&http.Client{
			Transport: transport,
			Timeout:   uploadTimeout,
			// The headers are secrets of this collector and nobody else's.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}),
	)
	if err != nil {
		return nil, fmt.Errorf("prepare the export of traces: %w", err)
	}
	life, cut := context.WithCancel(context.Background())
	spans := &exporter{SpanExporter: uploads, logger: o.Logger, now: time.Now, life: life}
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithSampler(sampler),
		sdktrace.WithResource(resource.NewSchemaless(semconv.ServiceName(o.Service), semconv.ServiceVersion(o.Version))),
		sdktrace.WithBatcher(spans, sdktrace.WithMaxQueueSize(maxQueued)),
	)
	return &Tracing{TracerProvider: provider, stop: func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, flushTimeout)
		defer cancel()
		defer context.AfterFunc(ctx, cut)()
		// Once uploads are cut off it ends at once.
		_ = provider.Shutdown(context.WithoutCancel(ctx))
		transport.CloseIdleConnections()
		spans.close()
	}}, nil
}

// Stop hands over the spans that wait, for two seconds at most. No span ends after it.
func (t *Tracing) Stop(ctx context.Context) { t.stop(ctx) }

func newSampler(name string, ratio float64) (sdktrace.Sampler, error) {
	switch name {
	case "always_on":
		return sdktrace.AlwaysSample(), nil
	case "always_off":
		return sdktrace.NeverSample(), nil
	case "traceidratio":
		return sdktrace.TraceIDRatioBased(ratio), nil
	case "parentbased_always_on":
		return sdktrace.ParentBased(sdktrace.AlwaysSample()), nil
	case "parentbased_always_off":
		return sdktrace.ParentBased(sdktrace.NeverSample()), nil
	case "parentbased_traceidratio":
		return sdktrace.ParentBased(sdktrace.TraceIDRatioBased(ratio)), nil
	default:
		return nil, errors.New("sample traces: there is no such sampler")
	}
}
