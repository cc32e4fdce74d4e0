// Package database owns the one connection pool of the program and the unit of work over it. It knows
// PostgreSQL and bun; it must not know any table, module or HTTP status.
package database

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/multitracer"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
)

// RequestBudget is what one request may spend on the database in all (see WithBudget); no statement runs for longer.
const RequestBudget = 2500 * time.Millisecond

// Limits of every session of the pool, as is RequestBudget, enforced by the server, so that they hold when this
// process hangs or loses its network. Long work (migrations, index builds) uses connections of its own.
const (
	// lockTimeout is shorter, so that a wait for a lock is reported as one.
	lockTimeout = "2s"
	// idleInTxTimeout frees the locks of a transaction whose client stopped talking.
	idleInTxTimeout = "5s"
)

// Options says where the database is and how its connections may be used. All numbers are greater than zero.
type Options struct {
	// DSN is a PostgreSQL connection string, as URL or as key=value pairs.
	DSN string
	// PoolSize is the largest number of connections.
	PoolSize int
	// ConnectTimeout bounds dialling one address, and, in all, the wait for a connection of the pool.
	ConnectTimeout time.Duration
	// IdleTimeout is how long an unused connection is kept; it is closed at most half as much later.
	IdleTimeout time.Duration
	// ApplicationName is shown in pg_stat_activity.
	ApplicationName string
}

// Handle is the pool and its two doors: bun through Conn and InTx, pgx through Pool. It is safe for
// concurrent use.
type Handle struct {
	pool    *pgxpool.Pool
	db      *bun.DB
	waiting *atomic.Int64 // callers who want a connection and have none yet
}

// Open prepares a pool without connecting: the server may be absent, and is asked for at first use. It fails
// only on options that can never work; the error does not show the DSN.
func Open(ctx context.Context, o Options) (*Handle, error) {
	if o.PoolSize < 1 || o.ConnectTimeout <= 0 || o.IdleTimeout <= 0 {
		return nil, errors.New("open connection pool: its size and timeouts must be greater than zero")
	}
	cfg, err := ParseDSN(o.DSN, map[string]string{
		"application_name":                    o.ApplicationName,
		"statement_timeout":                   fmt.Sprintf("%dms", RequestBudget.Milliseconds()),
		"lock_timeout":                        lockTimeout,
		"idle_in_transaction_session_timeout": idleInTxTimeout,
	})
	if err != nil {
		return nil, err
	}
	// bun writes values into the SQL text, so no text comes twice: pgx's default, a cache of prepared
	// statements, would only thrash (measured: a fifth of the throughput). Unlike the simple protocol, exec
	// mode still refuses a second statement in a query. Hot constant queries ask for the cache themselves.
	cfg.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeExec
	cfg.ConnConfig.ConnectTimeout = o.ConnectTimeout
	waiting := new(atomic.Int64)
	cfg.ConnConfig.Tracer = multitracer.New(limiter{acquire: o.ConnectTimeout, waiting: waiting}, tracer{})
	cfg.MaxConns = int32(min(o.PoolSize, 1<<15))
	cfg.MinConns, cfg.MinIdleConns = 0, 0
	cfg.MaxConnIdleTime = o.IdleTimeout
	cfg.HealthCheckPeriod = max(o.IdleTimeout/2, time.Millisecond)
	cfg.ShouldPing = shouldPing

	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("open connection pool: %w", err)
	}
	// Columns that a newer instance has added during a rolling deploy must not break this one's queries.
	db := bun.NewDB(openSQL(pool), pgdialect.New(), bun.WithDiscardUnknownColumns())
	return &Handle{pool: pool, db: db, waiting: waiting}, nil
}

// Conn returns what a repository queries: the transaction that InTx put into ctx, or the pool.
func (h *Handle) Conn(ctx context.Context) bun.IDB {
	if tx, ok := ctx.Value(txKey{h}).(bun.Tx); ok {
		return tx
	}
	return h.db
}

// Pool returns the pool under bun, for LISTEN, COPY and hot constant queries. It knows nothing of InTx: inside
// a transaction its queries run on another connection.
func (h *Handle) Pool() *pgxpool.Pool { return h.pool }

// Ping reports whether a connection can be had and answers.
func (h *Handle) Ping(ctx context.Context) error {
	if err := h.pool.Ping(ctx); err != nil {
		return fmt.Errorf("ping database: %w", err)
	}
	return nil
}

// Close closes the pool and waits until every connection in use has been returned.
func (h *Handle) Close() {
	_ = h.db.Close() // keeps no connection of its own
	h.pool.Close()
}

// pingAfter is how long an unused connection is believed to be alive: networks forget a silent one after minutes, and asking costs
// every request that follows a pause a round trip of its budget.
const pingAfter = 10 * time.Second

// shouldPing asks for a round trip before a connection is handed out when it has been idle for a while, or when the server has
// spoken or hung up meanwhile: after a restart of the server callers then get new connections and no errors.
func shouldPing(_ context.Context, p pgxpool.ShouldPingParams) bool {
	return p.IdleDuration > pingAfter || !quiet(p.Conn.PgConn().Conn())
}
