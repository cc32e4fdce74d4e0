package migrate

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
	"github.com/uptrace/bun/migrate"

	"github.com/tickr/tickr/platform/database"
)

const (
	dialTimeout = 10 * time.Second
	lockPoll    = 200 * time.Millisecond
)

func connConfig(dsn string) (*pgx.ConnConfig, error) {
	pool, err := database.ParseDSN(dsn, map[string]string{
		"application_name": "migrate",
		"search_path":      "public", // where bun keeps its history; migrations name their schema
		// Building an index takes as long as it takes.
		"statement_timeout": "0",
		// While a migration waits for a table, everybody behind it waits too: better to fail and try again. See patient.
		"lock_timeout": "5s",
		// The session of a migrator that was killed ends, and frees the lock, within a second.
		"client_connection_check_interval": "1s",
	})
	if err != nil {
		return nil, err
	}
	config := pool.ConnConfig
	// A file is sent as it is: several statements, no parameters.
	config.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = dialTimeout
	}
	return config, nil
}

// open returns a database with at most one connection. What a migration SETs does not reach the next one.
func open(config *pgx.ConnConfig, options ...stdlib.OptionOpenDB) *bun.DB {
	db := stdlib.OpenDB(*config, append(options, stdlib.OptionResetSession(func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "RESET ALL")
		return err
	}))...)
	db.SetMaxOpenConns(1)
	return bun.NewDB(db, pgdialect.New(), bun.WithDiscardUnknownColumns()) // bun does not know the checksums in its history
}

// alone runs fn while no other process migrates this database. after is run after each migration, on its
// connection.
func (m *Migrator) alone(ctx context.Context, after migrate.MigrationHook, fn func(*migrate.Migrator) error) error {
	db := open(m.config, locked()...)
	defer func() { _ = db.Close() }()
	if err := db.PingContext(ctx); err != nil {
		return fmt.Errorf("connect to migrate: %w", err)
	}
	return fn(migrate.NewMigrator(db, m.migrations,
		// By default bun records a migration before running it, and a failed one stays recorded.
		migrate.WithMarkAppliedOnSuccess(true),
		migrate.WithUpsert(true),
		migrate.BeforeMigration(patient),
		migrate.AfterMigration(after)))
}

// patient lets a file without a transaction wait for locks: an index that is built or dropped CONCURRENTLY waits for
// whoever looked at the table before, however long that takes, and stands in nobody's way.
func patient(ctx context.Context, db bun.IConn, _ *migrate.Migration) error {
	if _, transactional := db.(bun.Tx); transactional {
		return nil
	}
	_, err := db.ExecContext(ctx, "SET lock_timeout = 0")
	return err
}

var errConnectionLost = errors.New("the migrating connection was lost, and the migration lock with it")

// locked makes a database of one session that holds the migration lock from its first statement to its last. The
// session that migrates is the one that holds the lock, so nobody else can begin while a statement of a migrator
// that was killed still runs. Once lost, it is not replaced: what is pending may be another process's work by then.
func locked() []stdlib.OptionOpenDB {
	var dialled atomic.Bool
	return []stdlib.OptionOpenDB{
		stdlib.OptionBeforeConnect(func(context.Context, *pgx.ConnConfig) error {
			if dialled.Swap(true) {
				return errConnectionLost
			}
			return nil
		}),
		stdlib.OptionAfterConnect(func(ctx context.Context, conn *pgx.Conn) error {
			if err := waitForLock(ctx, conn); err != nil {
				_ = conn.Close(context.WithoutCancel(ctx))
				return fmt.Errorf("wait for the migration lock: %w", err)
			}
			return nil
		}),
	}
}

// waitForLock polls. A session that waited inside pg_advisory_lock would hold a snapshot, and CREATE INDEX
// CONCURRENTLY in the holder waits for old snapshots: a deadlock. The lock ends with the session.
func waitForLock(ctx context.Context, conn *pgx.Conn) error {
	ticker := time.NewTicker(lockPoll)
	defer ticker.Stop()
	for {
		var held bool
		const try = "SELECT pg_try_advisory_lock(hashtextextended('tickr.migrate', 0))"
		if err := conn.QueryRow(ctx, try).Scan(&held); err != nil || held {
			return err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
