package dbtest

import (
	"context"
	"fmt"
	"testing"
	"time"
)

// emptyAll truncates every table but the history of migrations, whatever
// references it, in one statement: foreign keys between the tables do not matter.
const emptyAll = `
DO $$
DECLARE tables text;
BEGIN
	SELECT string_agg(format('%I.%I', schemaname, tablename), ', ') INTO tables
	FROM pg_tables
	WHERE schemaname <> 'information_schema' AND schemaname NOT LIKE 'pg\_%'
		AND (schemaname, tablename) <> ('public', 'bun_migrations');
	IF tables IS NOT NULL THEN
		EXECUTE 'TRUNCATE ' || tables || ' RESTART IDENTITY CASCADE';
	END IF;
END $$`

// Truncate empties all tables of db but the history of migrations and starts
// its sequences anew. It waits for the transactions that are open in db. Rows
// that migrations inserted are gone as well: Recreate brings them back.
func Truncate(t testing.TB, db *DB) {
	t.Helper()
	if err := truncate(t.Context(), db); err != nil {
		fail(t, err)
	}
}

// Recreate drops db and makes it again under the same name: empty, or a clone
// of the same template, as New or Empty made it. Open connections are cut; db
// and its DSN stay valid.
func Recreate(t testing.TB, db *DB) {
	t.Helper()
	if err := recreate(t.Context(), running(t), db); err != nil {
		fail(t, err)
	}
}

func truncate(ctx context.Context, db *DB) error {
	if err := db.ours(); err != nil {
		return err
	}
	// A test that left a transaction open would wait for itself.
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if _, err := db.Pool().Exec(ctx, emptyAll); err != nil {
		return fmt.Errorf("truncate %s: %w", db.Name, err)
	}
	return nil
}

func recreate(ctx context.Context, s *server, db *DB) error {
	if err := db.ours(); err != nil {
		return err
	}
	// Reset: the pool would hand out connections that were cut.
	defer db.Pool().Reset()
	if err := s.drop(ctx, db.Name); err != nil {
		return err
	}
	return s.create(ctx, db.Name, db.template)
}

// ours makes sure that what db names and what it is connected to is a database
// of this package: both could have been changed.
func (db *DB) ours() error {
	if connected := db.Pool().Config().ConnConfig.Database; connected != db.Name {
		return fmt.Errorf("database %q is connected to %q", db.Name, connected)
	}
	if db.template == "" {
		return fmt.Errorf("database %q was not made by New or Empty", db.Name)
	}
	_, err := identifier(db.Name)
	return err
}
