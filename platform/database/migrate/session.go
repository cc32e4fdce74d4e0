package migrate

import (
	"context"
	"fmt"
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
	lockRelease = time.Second
)

func connConfig(dsn string) (*pgx.ConnConfig, error) {
	pool, err := database.ParseDSN(dsn, map[string]string{
		"application_name": "migrate",
		"search_path":      "public", // where bun keeps its history; migrations name their schema
		// Building an index takes as long as it takes.
		"statement_timeout":    "0",
		"idle_session_timeout": "0", // the session that holds the lock is idle
		// While a migration waits for a table, everybody behind it waits too: better to fail and try again.
		"lock_timeout": "5s",
		// The statement of a migrator that was killed ends within a second, before its successor gives up.
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
func open(config *pgx.ConnConfig) *bun.DB {
	db := stdlib.OpenDB(*config, stdlib.OptionResetSession(func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "RESET ALL")
		return err
	}))
	db.SetMaxOpenConns(1)
	return bun.NewDB(db, pgdialect.New())
}

// alone runs fn while no other process migrates this database. after is run after each migration, on its
// connection.
func (m *Migrator) alone(ctx context.Context, after migrate.MigrationHook, fn func(*migrate.Migrator) error) error {
	lock, err := pgx.ConnectConfig(ctx, m.config)
	if err != nil {
		return fmt.Errorf("connect to migrate: %w", err)
	}
	defer unlock(ctx, lock)
	if err := waitForLock(ctx, lock); err != nil {
		return fmt.Errorf("wait for the migration lock: %w", err)
	}
	db := open(m.config)
	defer func() { _ = db.Close() }()
	return fn(migrate.NewMigrator(db, m.migrations,
		// By default bun records a migration before running it, and a failed one stays recorded.
		migrate.WithMarkAppliedOnSuccess(true),
		migrate.WithUpsert(true),
		migrate.AfterMigration(after)))
}

// waitForLock polls. A session that waited inside pg_advisory_lock would hold a snapshot, and CREATE INDEX
// CONCURRENTLY in the holder waits for old snapshots: a deadlock.
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

// unlock frees the lock before it hangs up, as the server notices a closed connection a little later. It works
// when ctx has ended, too.
func unlock(ctx context.Context, conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lockRelease)
	defer cancel()
	_, _ = conn.Exec(ctx, "SELECT pg_advisory_unlock_all()") // closing the connection does the same
	_ = conn.Close(ctx)
}
