package database

import (
	"context"
	"errors"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/tickr/tickr/platform/telemetry"
)

// tracer makes a span of each statement that runs below a recorded one. bun writes values into the text of statements, so that text
// never goes into a span: only what is done, to which table, and what came of it.
type tracer struct{}

var _ pgx.QueryTracer = tracer{}

// TraceQueryStart implements pgx.QueryTracer.
func (tracer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, q pgx.TraceQueryStartData) context.Context {
	parent := trace.SpanFromContext(ctx)
	if !parent.IsRecording() {
		return ctx
	}
	operation, table := describe(q.SQL)
	ctx, span := parent.TracerProvider().Tracer(telemetry.Scope).Start(ctx, strings.TrimSuffix(operation+" "+table, " "),
		trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(semconv.DBSystemNamePostgreSQL, semconv.DBOperationName(operation)))
	if table != "" {
		span.SetAttributes(semconv.DBCollectionName(table))
	}
	return ctx
}

// TraceQueryEnd implements pgx.QueryTracer. The span of ctx is that of TraceQueryStart: where that made none, nothing records.
func (tracer) TraceQueryEnd(ctx context.Context, _ *pgx.Conn, q pgx.TraceQueryEndData) {
	span := trace.SpanFromContext(ctx)
	if !span.IsRecording() {
		return
	}
	defer span.End()
	if q.Err == nil {
		span.SetAttributes(semconv.DBResponseReturnedRows(int(q.CommandTag.RowsAffected())))
		return
	}
	if pg, ok := errors.AsType[*pgconn.PgError](q.Err); ok {
		span.SetAttributes(semconv.DBResponseStatusCode(pg.Code))
		telemetry.Fail(span, pg.Code)
		return
	}
	telemetry.Fail(span, telemetry.ErrorKind(q.Err))
}

// statement matches the beginning of a statement up to the name of its table. A literal before that name is a value's place: the
// name is then not looked for.
var statement = regexp.MustCompile(`(?is)^\s*(?:SELECT\b[^'$]*?\bFROM|INSERT INTO|UPDATE|DELETE FROM)\s+((?:"?[a-z_][a-z0-9_]*"?\.)?"?[a-z_][a-z0-9_]*"?)`)

var operations = regexp.MustCompile(`(?i)^\s*(SELECT|INSERT|UPDATE|DELETE|WITH|BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE|SET|LOCK|LISTEN|UNLISTEN|NOTIFY)\b`)

// describe returns what a statement does, in capitals, and the first table that it does it to. Each may be unknown.
func describe(sql string) (operation, table string) {
	operation = "SQL"
	if match := operations.FindStringSubmatch(sql); match != nil {
		operation = strings.ToUpper(match[1])
	}
	if match := statement.FindStringSubmatch(sql); match != nil {
		table = strings.ReplaceAll(match[len(match)-1], `"`, "")
	}
	return operation, table
}
