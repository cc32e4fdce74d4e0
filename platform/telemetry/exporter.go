package telemetry

import (
	"context"
	"log/slog"
	"strings"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// complainEvery is how often a collector that takes no spans is spoken of.
const complainEvery = time.Minute

// exporter hands spans on. When it cannot it says so in the log: at once, then once in a while, and when it can again. The SDK calls
// it from one goroutine at a time.
type exporter struct {
	sdktrace.SpanExporter
	logger *slog.Logger
	now    func() time.Time
	life   context.Context // ends when no upload may go on

	lost int       // spans since it could
	told time.Time // when that was said last; zero: it can
}

// ExportSpans implements sdktrace.SpanExporter. It never fails: the SDK would print each failure past the log.
func (e *exporter) ExportSpans(_ context.Context, spans []sdktrace.ReadOnlySpan) error {
	// Not below that of the SDK, which has nothing but a timeout: a context that follows two others lets a last upload slip through.
	ctx, cancel := context.WithTimeout(e.life, exportTimeout)
	defer cancel()
	err := e.SpanExporter.ExportSpans(ctx, spans)
	if err == nil {
		if e.lost > 0 {
			e.logger.Info("traces are exported again", slog.Int("lost", e.lost))
		}
		e.lost, e.told = 0, time.Time{}
		return nil
	}
	e.lost += len(spans)
	if now := e.now(); e.life.Err() == nil && now.Sub(e.told) >= complainEvery {
		e.told = now
		// What the collector itself says may repeat what it was sent, headers included.
		reason, _, _ := strings.Cut(err.Error(), "body:")
		e.logger.Warn("traces cannot be exported", slog.String("error", reason), slog.Int("lost", e.lost))
	}
	return nil
}

// close says what was lost in the end. Nothing is exported after it.
func (e *exporter) close() {
	if e.lost > 0 {
		e.logger.Warn("the last traces are lost", slog.Int("lost", e.lost))
	}
	e.lost = 0
}
