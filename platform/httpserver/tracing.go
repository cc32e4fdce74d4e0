package httpserver

import (
	"context"
	"net/http"
	"strconv"

	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/tickr/tickr/platform/telemetry"
)

const traceHeader = "Traceparent"

var serverSpan = trace.WithSpanKind(trace.SpanKindServer)

// continued returns ctx as a part of the trace that the caller names by the W3C
// traceparent header, if it names one and that is well-formed. What else W3C
// lets callers pass on (tracestate, baggage) is free text, and left behind.
func continued(ctx context.Context, header http.Header) context.Context {
	if named := header.Values(traceHeader); len(named) == 1 {
		return propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{"traceparent": named[0]})
	}
	return ctx
}

// endSpan ends the span of a request, which tells of it what its metrics do: no
// path, no query, no address, nothing that came with it.
func endSpan(span trace.Span, method, route string, status int) {
	if !span.IsRecording() {
		return
	}
	span.SetName(method + " " + route)
	span.SetAttributes(semconv.HTTPRequestMethodKey.String(method), semconv.HTTPRoute(route), semconv.HTTPResponseStatusCode(status))
	if status >= http.StatusInternalServerError {
		telemetry.Fail(span, strconv.Itoa(status))
	}
	span.End()
}
