package httpserver_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/tickr/tickr/platform/httpserver"
)

// traced starts a server whose spans are recorded.
func traced(t *testing.T) (*server, *tracetest.SpanRecorder) {
	t.Helper()
	spans := tracetest.NewSpanRecorder()
	return start(t, func(o *httpserver.Options) {
		o.TracerProvider = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
	}), spans
}

func TestSpanOfARequest(t *testing.T) {
	t.Parallel()
	s, spans := traced(t)
	canaries := []string{"X-Request-Id", "canary", "User-Agent", "canary", "Referer", "canary", "X-Forwarded-For", "6.6.6.6", "Baggage", "a=canary",
		"Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "Tracestate", "canary=canary"}
	for _, path := range []string{"/livez", "/readyz", "/healthz", "/api/health", "/api/fail/ok?token=canary", "/canary", "/api/fail/panic", "/api/fail/secret", "/api/fail/broken"} {
		s.send(t, http.MethodPost, path, "", canaries...)
	}
	s.send(t, "CANARY", "/canary", "")
	for _, path := range []string{"/livez", "/readyz", "/healthz", "/api/health"} {
		s.send(t, http.MethodGet, path, "", canaries...)
	}
	require.Eventually(t, func() bool { return len(s.logs.lines(t, "request")) == 14 }, patience, time.Millisecond)

	told := map[string]int{}
	for _, span := range spans.Ended() {
		everything := fmt.Sprint(span.Name(), span.Attributes(), span.Status(), span.Events(), span.Links(), span.SpanContext().TraceState())
		for _, canary := range []string{"canary", "CANARY", "s3cret", "6.6.6.6", "127.0.0.1"} {
			require.NotContains(t, everything, canary)
		}
		require.Equal(t, "server", span.SpanKind().String())
		line := span.Name()
		for _, a := range span.Attributes() {
			line += fmt.Sprintf(" %v", a.Value.AsInterface())
		}
		told[line+" "+span.Status().Code.String()]++
	}
	require.Equal(t, map[string]int{
		"POST /api/fail/:id POST /api/fail/:id 204 Unset":     1,
		"POST /api/fail/:id POST /api/fail/:id 500 500 Error": 2,
		"POST /api/fail/:id POST /api/fail/:id 503 503 Error": 1,
		"POST unmatched POST unmatched 404 Unset":             1,
		"POST unmatched POST unmatched 405 Unset":             4,
		"other unmatched other unmatched 404 Unset":           1,
	}, told)
}

func TestTraceOfTheCaller(t *testing.T) {
	t.Parallel()
	const (
		trace  = "0af7651916cd43dd8448eb211c80319c"
		parent = "b7ad6b7169203331"
	)
	for header, continued := range map[string]bool{
		"00-" + trace + "-" + parent + "-01": true,
		"00-" + trace + "-" + parent + "-00": false, // the caller does not keep it
		"":                                   false,
		"00-00000000000000000000000000000000-" + parent + "-01":  false,
		"00-" + trace + "-0000000000000000-01":                   false,
		"00-0AF7651916CD43DD8448EB211C80319C-" + parent + "-01":  false,
		"ff-" + trace + "-" + parent + "-01":                     false,
		"00-" + trace + "-" + parent + "-01-canary":              false,
		"00-" + trace[1:] + "-" + parent + "-01":                 false,
		"00-canary51916cd43dd8448eb211c80319c-" + parent + "-01": false,
		"'; DROP TABLE users --":                                 false,
	} {
		s, spans := traced(t)
		s.send(t, http.MethodPost, "/api/fail/secret", "", "Traceparent", header)
		require.Eventually(t, func() bool { return len(s.logs.lines(t, "request")) == 1 }, patience, time.Millisecond)
		line := s.logs.lines(t, "request")[0]
		require.NotContains(t, s.logs.String(), "canary")
		if header == "00-"+trace+"-"+parent+"-00" {
			require.Empty(t, spans.Ended())
			require.Equal(t, trace, line["trace_id"], "the log names it all the same")
			continue
		}
		require.Len(t, spans.Ended(), 1, header)
		span := spans.Ended()[0]
		require.Equal(t, continued, span.SpanContext().TraceID().String() == trace, header)
		require.Equal(t, continued, span.Parent().SpanID().String() == parent, header)
		require.Equal(t, span.SpanContext().TraceID().String(), line["trace_id"])
		require.Equal(t, span.SpanContext().SpanID().String(), line["span_id"])
	}
}
