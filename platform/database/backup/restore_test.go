package backup

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestRestoreReplacesOnlyWhenAsked(t *testing.T) {
	t.Parallel()
	d, db := stocked(t)
	before := content(t, d)
	b, err := d.Create(t.Context(), t.TempDir(), Custom)
	require.NoError(t, err)
	execute(t, db, "INSERT INTO shop.items (name) VALUES ('later'); CREATE TABLE shop.later (); CREATE FUNCTION shop.later() RETURNS int LANGUAGE sql AS 'SELECT 1'")

	err = d.Restore(t.Context(), b, false)
	require.ErrorIs(t, err, ErrNotEmpty)
	require.ErrorContains(t, err, "shop.items")
	require.EqualValues(t, 1, one[int64](t, db, "SELECT count(*) FROM shop.items WHERE name = 'later'"))

	require.NoError(t, d.Restore(t.Context(), b, true))
	after := content(t, d)
	require.Equal(t, before.Tables, after.Tables, "also what was made later is gone")
	require.Equal(t, "of others", one[string](t, db, "SELECT secret FROM public.others"))
	require.Nil(t, one[*string](t, db, "SELECT to_regproc('shop.later')::text"))
	require.Positive(t, one[float64](t, db, "SELECT reltuples FROM pg_class WHERE oid = 'shop.items'::regclass"), "the planner knows")

	other, otherDB := empty(t)
	execute(t, otherDB, "CREATE TABLE public.bun_migrations ()")
	require.ErrorIs(t, other.Restore(t.Context(), b, false), ErrNotEmpty, "a history without tables is one")
	execute(t, otherDB, "DROP TABLE public.bun_migrations; CREATE SCHEMA shop; CREATE FUNCTION shop.f() RETURNS int LANGUAGE sql AS 'SELECT 1'")
	require.Error(t, other.Restore(t.Context(), b, false))
	require.NotNil(t, one[*string](t, otherDB, "SELECT to_regproc('shop.f')::text"))
}

func TestRestoreLeavesTheRestAlone(t *testing.T) {
	t.Parallel()
	d, db := stocked(t)
	b, err := d.Create(t.Context(), t.TempDir(), Custom)
	require.NoError(t, err)
	execute(t, db, `CREATE SCHEMA sibling; CREATE TABLE sibling.orders (item bigint REFERENCES shop.items (id));
		CREATE VIEW sibling.names AS SELECT name FROM shop.items`)
	err = d.Restore(t.Context(), b, true)
	require.ErrorContains(t, err, "sibling.names, sibling.orders")
	require.EqualValues(t, 1, one[int64](t, db, "SELECT count(*) FROM pg_constraint WHERE conrelid = 'sibling.orders'::regclass"))
}

func TestFailedRestoreChangesNothing(t *testing.T) {
	t.Parallel()
	d, db := stocked(t)
	b, err := d.Create(t.Context(), t.TempDir(), Plain)
	require.NoError(t, err)
	execute(t, db, "INSERT INTO shop.items (name) VALUES ('later')")
	before := content(t, d)
	unchanged := func() {
		t.Helper()
		require.Equal(t, before.Tables, content(t, d).Tables)
	}

	with := func(before, after string) Backup {
		return forge(t, b, func(text string) string { return before + text + after }, func(*Manifest) {})
	}
	err = d.Restore(t.Context(), with("", "SELECT 1/0;\n"), true)
	require.ErrorContains(t, err, "division by zero")
	unchanged()

	archive, err := d.Create(t.Context(), t.TempDir(), Custom)
	require.NoError(t, err)
	cut := d
	cut.BinDir = programs(t, db, "pg_restore", `[ "$1" = --list ] && exec REAL "$@"; REAL "$@" | head -c 100000; exit 1`)
	require.ErrorContains(t, cut.Restore(t.Context(), archive, true), "run pg_restore")
	unchanged()

	// Killed while psql waits for the rest: it takes the end of its input for a good one.
	slow := with("SELECT pg_sleep(1);\n", "")
	process := child(t, "restore", d, slow.Path())
	const restoring = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'tickr-backup'"
	require.Eventually(t, func() bool { return one[int](t, db, restoring+" AND query LIKE '%pg_sleep%'") == 1 }, time.Minute, 10*time.Millisecond)
	require.NoError(t, process.Process.Kill())
	_ = process.Wait()
	require.Eventually(t, func() bool { return one[int](t, db, restoring) == 0 }, time.Minute, 10*time.Millisecond)
	unchanged()
	require.NoError(t, d.Restore(t.Context(), slow, true), "nothing else was wrong with it")
}
