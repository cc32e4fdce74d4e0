package database

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// rollbackTimeout bounds a rollback, which runs whatever became of its ctx and budget: it frees locks, and
// saves the connection from being closed.
const rollbackTimeout = time.Second

type budgetKey struct{}

// budget is the time that is left, in nanoseconds.
type budget struct{ left atomic.Int64 }

// WithBudget returns a ctx under which all waiting for connections and all queries may take d together; time
// between them (hashing, HTTP) is free, but a result counts as long as it is read. Concurrent queries each
// count. When the budget is gone, a running query is cancelled and a new one refused with an error for which
// Unavailable holds. Batches and COPY are not counted.
func WithBudget(ctx context.Context, d time.Duration) context.Context {
	b := new(budget)
	b.left.Store(int64(d))
	return context.WithValue(ctx, budgetKey{}, b)
}

// Spend is for waiting, on behalf of ctx, for a query that somebody else runs. The ctx it returns ends when the
// budget of ctx is gone; the time until done is called, which must be once, is charged to that budget. The ctx is
// not for queries of one's own: they would be charged twice. Without a budget it is ctx, and nothing is charged.
func Spend(ctx context.Context) (waiting context.Context, done func()) {
	b, ok := ctx.Value(budgetKey{}).(*budget)
	if !ok {
		return ctx, func() {}
	}
	waiting = begin(ctx, time.Duration(b.left.Load()), b)
	return waiting, func() { end(waiting) }
}

// limiter gives acquisitions and queries their deadlines. pgx calls it as a tracer: the ctx that a Start method
// returns governs the traced call, and its End method is always called.
type limiter struct {
	// acquire is the longest wait for a connection.
	acquire time.Duration
	// waiting counts the callers who want a connection and have none yet.
	waiting *atomic.Int64
}

var (
	_ pgx.QueryTracer       = limiter{}
	_ pgxpool.AcquireTracer = limiter{}
)

type spanKey struct{}

// span is one acquisition, query or wait under way.
type span struct {
	start  time.Time
	budget *budget // nil: nothing is charged
	cancel context.CancelFunc
}

// TraceAcquireStart implements pgxpool.AcquireTracer.
func (l limiter) TraceAcquireStart(ctx context.Context, _ *pgxpool.Pool, _ pgxpool.TraceAcquireStartData) context.Context {
	l.waiting.Add(1)
	limit := l.acquire
	b, _ := ctx.Value(budgetKey{}).(*budget)
	if b != nil {
		limit = min(limit, time.Duration(b.left.Load()))
	}
	return begin(ctx, limit, b)
}

// TraceAcquireEnd implements pgxpool.AcquireTracer.
func (l limiter) TraceAcquireEnd(ctx context.Context, _ *pgxpool.Pool, _ pgxpool.TraceAcquireEndData) {
	l.waiting.Add(-1)
	end(ctx)
}

// TraceQueryStart implements pgx.QueryTracer.
func (limiter) TraceQueryStart(ctx context.Context, _ *pgx.Conn, q pgx.TraceQueryStartData) context.Context {
	if q.SQL == "rollback" { // as pgx spells it
		return begin(context.WithoutCancel(ctx), rollbackTimeout, nil)
	}
	if b, ok := ctx.Value(budgetKey{}).(*budget); ok {
		return begin(ctx, time.Duration(b.left.Load()), b)
	}
	return ctx
}

// TraceQueryEnd implements pgx.QueryTracer.
func (limiter) TraceQueryEnd(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryEndData) {
	end(ctx)
}

func begin(ctx context.Context, limit time.Duration, b *budget) context.Context {
	ctx, cancel := context.WithTimeout(ctx, limit)
	return context.WithValue(ctx, spanKey{}, &span{start: time.Now(), budget: b, cancel: cancel})
}

func end(ctx context.Context) {
	s, ok := ctx.Value(spanKey{}).(*span)
	if !ok {
		return
	}
	s.cancel()
	if s.budget != nil {
		s.budget.left.Add(-int64(time.Since(s.start)))
	}
}
