package telemetry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/goleak"
)

// open returns a tracing to an endpoint, and its log.
func open(t *testing.T, endpoint string) (*Tracing, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	tracing, err := NewTracing(t.Context(), TracingOptions{
		Endpoint: endpoint, Headers: map[string]string{"Api-Key": "k-1"}, Service: "tickr", Version: "1", Sampler: "always_on",
		Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	require.NoError(t, err)
	return tracing, &log
}

// Not parallel, as are others that count goroutines.
func TestWithoutEndpointNothingRuns(t *testing.T) {
	before := goleak.IgnoreCurrent()
	tracing, log := open(t, "")
	goleak.VerifyNone(t, before)
	ctx, span := tracing.Tracer(Scope).Start(t.Context(), "request")
	defer span.End()
	require.Zero(t, testing.AllocsPerRun(100, func() {
		_, done := Step(ctx, "step")
		done(nil)
	}))
	tracing.Stop(t.Context())
	require.Empty(t, log.String())
}

func TestSpansReachTheCollector(t *testing.T) {
	var uploads, elsewhere atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	defer other.Close()
	var moved atomic.Bool
	collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/base/v1/traces" && r.Header.Get("Api-Key") == "k-1" {
			uploads.Add(1)
		}
		if moved.Load() {
			http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
		}
	}))
	defer collector.Close()
	before := goleak.IgnoreCurrent()
	for _, moves := range []bool{false, true} {
		moved.Store(moves)
		tracing, log := open(t, collector.URL+"/base/")
		_, span := tracing.Tracer(Scope).Start(t.Context(), "request")
		span.End()
		tracing.Stop(t.Context())
		tracing.Stop(t.Context())
		require.Equal(t, moves, strings.Contains(log.String(), "traces cannot be exported"), log)
	}
	require.EqualValues(t, 2, uploads.Load(), "spans that wait are handed over at the stop")
	require.Zero(t, elsewhere.Load(), "headers go nowhere else")
	goleak.VerifyNone(t, before)
}

// silent is the address of a collector that accepts everything and answers nothing.
func silent(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	return "http://" + listener.Addr().String()
}

func TestSilentCollectorDelaysNobody(t *testing.T) {
	before := goleak.IgnoreCurrent()
	tracing, log := open(t, silent(t))
	tracer := tracing.Tracer(Scope)
	start := time.Now()
	for range 10 * maxQueued {
		_, span := tracer.Start(t.Context(), "request")
		span.End()
	}
	require.Less(t, time.Since(start), uploadTimeout, "no span waits for the collector")
	tracing.Stop(t.Context())
	require.Less(t, time.Since(start), 3*flushTimeout+uploadTimeout)
	require.Contains(t, log.String(), "the last traces are lost")
	goleak.VerifyNone(t, before)
	require.Equal(t, 1, strings.Count(log.String(), "\n"), log)
	_, after, _ := strings.Cut(log.String(), "lost=")
	lost, err := strconv.Atoi(strings.TrimSpace(after))
	require.NoError(t, err)
	require.LessOrEqual(t, lost, maxQueued+2*sdktrace.DefaultMaxExportBatchSize, "no more waited than the queue and what left it")
}

// refusing is an exporter that fails with an error, or succeeds without.
type refusing struct {
	sdktrace.SpanExporter
	err error
}

func (r *refusing) ExportSpans(context.Context, []sdktrace.ReadOnlySpan) error { return r.err }

func TestComplainsOnceInAWhile(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	now := time.Date(2026, 11, 1, 9, 0, 0, 0, time.UTC)
	collector := &refusing{err: errors.New("failed to send to http://collector: 401 (body: unknown key k-1)")}
	e := &exporter{SpanExporter: collector, logger: slog.New(slog.NewTextHandler(&log, nil)), life: t.Context(), now: func() time.Time { return now }}
	batch := make([]sdktrace.ReadOnlySpan, 10)
	told := func() (levels []string) {
		for line := range strings.Lines(log.String()) {
			_, after, _ := strings.Cut(line, "level=")
			level, _, _ := strings.Cut(after, " ")
			lost := line[strings.Index(line, "lost="):]
			levels = append(levels, level+" "+strings.TrimSpace(lost))
		}
		return levels
	}

	for range 60 { // a minute of batches
		require.NoError(t, e.ExportSpans(t.Context(), batch))
		now = now.Add(time.Second)
	}
	require.Equal(t, []string{"WARN lost=10"}, told())
	require.NoError(t, e.ExportSpans(t.Context(), batch))
	require.Equal(t, []string{"WARN lost=10", "WARN lost=610"}, told())
	collector.err = nil
	for range 2 {
		require.NoError(t, e.ExportSpans(t.Context(), batch))
	}
	require.Equal(t, []string{"WARN lost=10", "WARN lost=610", "INFO lost=610"}, told())
	collector.err = errors.New("again")
	require.NoError(t, e.ExportSpans(t.Context(), batch))
	require.Len(t, told(), 4, "a new failure is told at once")
	require.NotContains(t, log.String(), "k-1")
}

func TestSamplers(t *testing.T) {
	t.Parallel()
	caller := func(flags trace.TraceFlags) context.Context {
		return trace.ContextWithRemoteSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{
			TraceID: trace.TraceID{0: 0xff, 8: 0xff}, SpanID: trace.SpanID{1}, TraceFlags: flags,
		}))
	}
	for name, want := range map[string][2]bool{ // whether a trace that the caller keeps is kept, and one that it does not
		"always_on": {true, true}, "always_off": {false, false}, "traceidratio": {false, false},
		"parentbased_always_on": {true, false}, "parentbased_always_off": {true, false}, "parentbased_traceidratio": {true, false},
	} {
		sampler, err := newSampler(name, 0.01)
		require.NoError(t, err)
		tracer := sdktrace.NewTracerProvider(sdktrace.WithSampler(sampler)).Tracer(Scope)
		_, kept := tracer.Start(caller(trace.FlagsSampled), "request")
		_, dropped := tracer.Start(caller(0), "request")
		require.Equal(t, want, [2]bool{kept.IsRecording(), dropped.IsRecording()}, name)
	}
	_, err := NewTracing(t.Context(), TracingOptions{Endpoint: "http://localhost", Sampler: "sometimes"})
	require.ErrorContains(t, err, "no such sampler")
}

func TestSteps(t *testing.T) {
	t.Parallel()
	recorded := tracetest.NewSpanRecorder()
	tracer := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorded)).Tracer(Scope)
	ctx, request := tracer.Start(t.Context(), "request")
	inside, done := Step(ctx, "outer")
	_, fail := Step(WithTraceOf(context.Background(), inside), "inner")
	fail(fmt.Errorf("find canary@example.com: %w", &net.AddrError{Err: "canary", Addr: "canary"}))
	done(nil)
	request.End()
	_, late := Step(ctx, "late")
	late(nil)

	spans := recorded.Ended()
	require.Len(t, spans, 3, "below a span that has ended nothing records")
	inner, outer := spans[0], spans[1]
	require.Equal(t, request.SpanContext().SpanID(), outer.Parent().SpanID())
	require.Equal(t, outer.SpanContext().SpanID(), inner.Parent().SpanID())
	require.Equal(t, "Unset", outer.Status().Code.String())
	require.Equal(t, "Error", inner.Status().Code.String())
	require.Empty(t, inner.Events())
	require.NotContains(t, fmt.Sprint(inner.Attributes(), inner.Status()), "canary")
	require.Equal(t, "*net.AddrError", inner.Attributes()[0].Value.AsString())
}

func TestErrorKinds(t *testing.T) {
	t.Parallel()
	for kind, err := range map[string]error{
		"canceled":            fmt.Errorf("wait: %w", context.Canceled),
		"timeout":             fmt.Errorf("wait: %w", context.DeadlineExceeded),
		"*errors.errorString": fmt.Errorf("wait: %w", errors.New("canary")),
	} {
		require.Equal(t, kind, ErrorKind(err))
	}
}
