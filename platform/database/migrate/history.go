package migrate

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/migrate"
)

type entry struct {
	Name       string // the number
	MigratedAt time.Time
}

// history returns the applied migrations in the order of application: none when the table does not exist yet.
func history(ctx context.Context, db bun.IDB) ([]entry, error) {
	const undefinedTable = "42P01"
	var entries []entry
	err := db.NewRaw("SELECT name, migrated_at FROM public.bun_migrations ORDER BY id").Scan(ctx, &entries)
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Code == undefinedTable {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read migration history: %w", err)
	}
	return entries, nil
}

// recordApplied and recordUndone run after the statements of a migration and, if it is transactional, in its
// transaction: a process that dies before bun writes the history itself leaves schema and history in agreement.
// (bun's own entry then finds this one and updates it.)

func recordApplied(ctx context.Context, db bun.IConn, m *migrate.Migration) error {
	_, err := db.ExecContext(ctx,
		"INSERT INTO public.bun_migrations (name, group_id) VALUES (?, ?) ON CONFLICT (name) DO NOTHING", m.Name, m.GroupID)
	return err
}

func recordUndone(ctx context.Context, db bun.IConn, m *migrate.Migration) error {
	_, err := db.ExecContext(ctx, "DELETE FROM public.bun_migrations WHERE name = ?", m.Name)
	return err
}

// fileError is a migration that failed, told in one line.
type fileError struct {
	file string
	err  error
}

func (e *fileError) Error() string {
	cause := e.err
	if pg, ok := errors.AsType[*pgconn.PgError](cause); ok {
		cause = pg
	}
	return "migration " + e.file + ": " + strings.Join(strings.Fields(cause.Error()), " ")
}

func (e *fileError) Unwrap() error { return e.err }
