// Package telemetry is how the program speaks of itself: structured logs that
// name the request and the trace they belong to, a registry of metrics, and
// traces, in whose spans are no values.
package telemetry

import (
	"context"
	"io"
	"log/slog"
	"sync/atomic"

	"go.opentelemetry.io/otel/trace"
)

// NewLogger returns a logger that writes records of at least the given level
// (debug, info, warn or error; anything else is info) as text or, for the
// format json, as JSON. To each record it adds the request_id and user_id, and
// the trace_id and span_id, of the context that the record was logged with.
func NewLogger(w io.Writer, level, format string) *slog.Logger {
	var least slog.Level
	if err := least.UnmarshalText([]byte(level)); err != nil {
		least = slog.LevelInfo
	}
	options := &slog.HandlerOptions{Level: least}
	if format == "json" {
		return slog.New(handler{slog.NewJSONHandler(w, options)})
	}
	return slog.New(handler{slog.NewTextHandler(w, options)})
}

type requestKey struct{}

// request is shared by all contexts derived from the one that it was put into,
// so that the log of a request learns who made it from the code deep inside.
type request struct {
	id   string
	user atomic.Pointer[string]
}

// WithRequestID returns a context whose records carry id as request_id, and the
// user that SetUserID names later as user_id.
func WithRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestKey{}, &request{id: id})
}

// RequestID returns the id given to WithRequestID, or nothing.
func RequestID(ctx context.Context) string {
	if r, ok := ctx.Value(requestKey{}).(*request); ok {
		return r.id
	}
	return ""
}

// SetUserID names the user who makes the request of ctx: every record of that
// request from now on carries id, also those logged with the contexts that ctx
// was derived from. Without WithRequestID it does nothing.
func SetUserID(ctx context.Context, id string) {
	if r, ok := ctx.Value(requestKey{}).(*request); ok {
		r.user.Store(&id)
	}
}

type handler struct{ slog.Handler }

func (h handler) Handle(ctx context.Context, record slog.Record) error {
	r, requested := ctx.Value(requestKey{}).(*request)
	span := trace.SpanContextFromContext(ctx)
	if requested || span.IsValid() {
		record = record.Clone()
	}
	if requested {
		record.AddAttrs(slog.String("request_id", r.id))
		if user := r.user.Load(); user != nil {
			record.AddAttrs(slog.String("user_id", *user))
		}
	}
	if span.IsValid() {
		record.AddAttrs(slog.String("trace_id", span.TraceID().String()), slog.String("span_id", span.SpanID().String()))
	}
	return h.Handler.Handle(ctx, record)
}

func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return handler{h.Handler.WithAttrs(attrs)}
}

func (h handler) WithGroup(name string) slog.Handler { return handler{h.Handler.WithGroup(name)} }
