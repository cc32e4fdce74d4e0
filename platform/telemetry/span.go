package telemetry

import (
	"context"
	"errors"
	"fmt"

	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// Scope is the name under which the program's spans are made.
const Scope = "github.com/tickr/tickr"

// Step starts a span below that of ctx. It returns the context of what happens in it, and what ends it, to be called once with the
// error that the step failed with, if any. Where nothing records it does nothing and costs nothing: so what nobody asked for, such
// as polling, leaves no trace. The name is a constant; no value goes into a span.
func Step(ctx context.Context, name string) (context.Context, func(error)) {
	parent := trace.SpanFromContext(ctx)
	if !parent.IsRecording() {
		return ctx, func(error) {}
	}
	ctx, span := parent.TracerProvider().Tracer(Scope).Start(ctx, name)
	return ctx, func(err error) {
		if err != nil {
			Fail(span, ErrorKind(err))
		}
		span.End()
	}
}

// WithTraceOf returns ctx as a part of the trace of another context, of which it takes nothing else.
func WithTraceOf(ctx, other context.Context) context.Context {
	return trace.ContextWithSpan(ctx, trace.SpanFromContext(other))
}

// Fail marks a span as failed, for a kind of reason; the text of an error may hold values.
func Fail(span trace.Span, kind string) {
	span.SetStatus(codes.Error, "")
	span.SetAttributes(semconv.ErrorTypeKey.String(kind))
}

// ErrorKind says of an error what holds no value: that a wait ended, or else its innermost type.
func ErrorKind(err error) string {
	switch {
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	}
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(err) {
		err = inner
	}
	return fmt.Sprintf("%T", err)
}
