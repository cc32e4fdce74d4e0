package telemetry

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"
)

func TestLoggerNamesTheRequest(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	logger := NewLogger(&out, "info", "json").With(slog.String("module", "users"))
	outer := WithRequestID(context.Background(), "r-1")
	inner, cancel := context.WithCancel(outer)
	defer cancel()

	logger.InfoContext(inner, "first")
	SetUserID(inner, "u-1")
	logger.InfoContext(outer, "second")
	logger.Info("third")
	logger.InfoContext(trace.ContextWithSpanContext(outer, trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{0: 0xa, 15: 1}, SpanID: trace.SpanID{7: 2},
	})), "fourth")

	var lines []map[string]any
	for decoder := json.NewDecoder(&out); decoder.More(); {
		var line map[string]any
		require.NoError(t, decoder.Decode(&line))
		delete(line, slog.TimeKey)
		lines = append(lines, line)
	}
	require.Equal(t, []map[string]any{
		{"level": "INFO", "msg": "first", "module": "users", "request_id": "r-1"},
		{"level": "INFO", "msg": "second", "module": "users", "request_id": "r-1", "user_id": "u-1"},
		{"level": "INFO", "msg": "third", "module": "users"},
		{
			"level": "INFO", "msg": "fourth", "module": "users", "request_id": "r-1", "user_id": "u-1",
			"trace_id": "0a000000000000000000000000000001", "span_id": "0000000000000002",
		},
	}, lines)
	require.Equal(t, "r-1", RequestID(inner))
}

func TestWithoutRequest(t *testing.T) {
	t.Parallel()
	require.Empty(t, RequestID(context.Background()))
	require.NotPanics(t, func() { SetUserID(context.Background(), "u-1") })
}

func TestLevelsAndFormats(t *testing.T) {
	t.Parallel()
	for level, lines := range map[string]int{"debug": 4, "info": 3, "warn": 2, "error": 1, "": 3} {
		for _, format := range []string{"text", "json"} {
			var out bytes.Buffer
			logger := NewLogger(&out, level, format)
			logger.Debug("d")
			logger.Info("i")
			logger.Warn("w")
			logger.Error("e")
			require.Equal(t, lines, bytes.Count(out.Bytes(), []byte("\n")), "%s %s", level, format)
			require.Equal(t, format == "json", json.Valid(bytes.SplitN(out.Bytes(), []byte("\n"), 2)[0]))
		}
	}
}

func TestRegistryIsItsOwn(t *testing.T) {
	t.Parallel()
	families, err := NewRegistry().Gather()
	require.NoError(t, err)
	var names []string
	for _, family := range families {
		names = append(names, family.GetName())
	}
	require.Contains(t, names, "go_goroutines")
	require.Contains(t, names, "process_resident_memory_bytes")
	require.NotContains(t, names, "promhttp_metric_handler_requests_total")
}
