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

// HistoryTables are the tables of schema public that bun keeps: the history, whose column name has the numbers of what is applied, and
// a lock, which is not used.
func HistoryTables() []string { return []string{"bun_migrations", "bun_migration_locks"} }

type entry struct {
	Name       string // the number
	MigratedAt time.Time
	Checksum   string // of the up file; empty in a history older than checksums
}

// history returns the applied migrations in the order of application: none when the table does not exist yet.
func history(ctx context.Context, db bun.IDB) ([]entry, error) {
	const undefinedTable = "42P01"
	var entries []entry
	// Read through JSON, a column that is not there yet is null.
	err := db.NewRaw("SELECT name, migrated_at, coalesce(to_jsonb(h) ->> 'checksum', '') AS checksum"+
		" FROM public.bun_migrations AS h ORDER BY id").Scan(ctx, &entries)
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Code == undefinedTable {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read migration history: %w", err)
	}
	return entries, nil
}

// prepareHistory makes the history fit for checksums and fails when the file of an applied migration is not the one
// that was applied. Entries without a checksum are older than checksums: they are taken to be of today's files.
func (m *Migrator) prepareHistory(ctx context.Context, db *bun.DB) error {
	// ADD COLUMN IF NOT EXISTS would wait for everybody who reads the history, each time.
	_, err := db.ExecContext(ctx, `DO $$ BEGIN
		IF NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'public.bun_migrations'::regclass AND attname = 'checksum') THEN
			ALTER TABLE public.bun_migrations ADD COLUMN checksum text;
		END IF; END $$`)
	if err != nil {
		return fmt.Errorf("add checksums to the migration history: %w", err)
	}
	entries, err := history(ctx, db)
	if err != nil {
		return err
	}
	var changed []string
	for _, e := range entries {
		p, known := m.files[e.Name]
		switch {
		case !known:
		case e.Checksum == "":
			_, err := db.ExecContext(ctx, "UPDATE public.bun_migrations SET checksum = ? WHERE name = ?", p.up.checksum(), e.Name)
			if err != nil {
				return fmt.Errorf("add checksum to the migration history: %w", err)
			}
		case p.changedSince(e):
			changed = append(changed, p.up.label())
		}
	}
	if len(changed) > 0 {
		return fmt.Errorf("changed after it was applied: %s; put the file back, and write a new migration instead", strings.Join(changed, ", "))
	}
	return nil
}

// changedSince reports whether another up file was applied.
func (p pair) changedSince(e entry) bool { return e.Checksum != "" && e.Checksum != p.up.checksum() }

// recordApplied and recordUndone run after the statements of a migration and, if it is transactional, in its
// transaction: a process that dies before bun writes the history itself leaves schema and history in agreement.
// (bun's own entry then finds this one and updates it.)

func (m *Migrator) recordApplied(ctx context.Context, db bun.IConn, applied *migrate.Migration) error {
	_, err := db.ExecContext(ctx,
		"INSERT INTO public.bun_migrations (name, group_id, checksum) VALUES (?, ?, ?) ON CONFLICT (name) DO NOTHING",
		applied.Name, applied.GroupID, m.files[applied.Name].up.checksum())
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
