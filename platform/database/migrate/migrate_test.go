package migrate_test

import (
	"context"
	"errors"
	"io/fs"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/suite"

	"github.com/tickr/tickr/platform/database/dbtest"
	"github.com/tickr/tickr/platform/database/migrate"
)

type MigrateSuite struct {
	suite.Suite
	db *dbtest.DB
}

func TestMigrate(t *testing.T) { suite.Run(t, new(MigrateSuite)) }

func (s *MigrateSuite) SetupTest() { s.db = dbtest.Empty(s.T()) }

func (s *MigrateSuite) migrator(sources ...fs.FS) *migrate.Migrator {
	m, err := migrate.New(s.db.DSN, sources...)
	s.Require().NoError(err)
	return m
}

func (s *MigrateSuite) up(sources ...fs.FS) []string {
	applied, err := s.migrator(sources...).Up(s.T().Context())
	s.Require().NoError(err)
	return applied
}

// value returns the one value that a query gives, as text.
func (s *MigrateSuite) value(sql string) string {
	var v string
	s.Require().NoError(s.db.Conn(s.T().Context()).QueryRowContext(s.T().Context(), sql).Scan(&v))
	return v
}

func (s *MigrateSuite) exec(sql string) {
	_, err := s.db.Conn(s.T().Context()).ExecContext(s.T().Context(), sql)
	s.Require().NoError(err)
}

// schema describes every relation, column, constraint and index outside the system schemas.
func (s *MigrateSuite) schema() string {
	return s.value(`
		WITH mine AS (
			SELECT c.oid, n.nspname || '.' || c.relname AS name, c.relkind
			FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
			WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
		), facts AS (
			SELECT format('%s %s', relkind, name) AS fact FROM mine
			UNION ALL
			SELECT format('%s.%s %s %s %s', name, attname, format_type(atttypid, atttypmod), attnotnull, pg_get_expr(adbin, adrelid))
			FROM mine JOIN pg_attribute ON attrelid = oid AND attnum > 0 AND NOT attisdropped
			LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
			WHERE relkind = 'r'
			UNION ALL
			SELECT format('%s %s %s', name, conname, pg_get_constraintdef(k.oid)) FROM mine m JOIN pg_constraint k ON conrelid = m.oid
			UNION ALL
			SELECT format('%s %s', pg_get_indexdef(indexrelid), indisvalid) FROM mine JOIN pg_index ON indrelid = oid
			UNION ALL
			SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_'
		)
		SELECT string_agg(fact, E'\n' ORDER BY fact COLLATE "C") FROM facts`)
}

func (s *MigrateSuite) log() string {
	return s.value(`SELECT coalesce(string_agg(migration::text, ',' ORDER BY migration), '') FROM shop.log`)
}

func (s *MigrateSuite) TestUpDownUpGivesOneSchema() {
	m := s.migrator(shop, prices, index)
	applied, err := m.Up(s.T().Context())
	s.Require().NoError(err)
	s.Equal([]string{"20260101000000_create_shop", "20260102000000_add_price", "20260103000000_index_price"}, applied)
	first := s.schema()
	s.Contains(first, "idx_items_price")

	for _, want := range []string{"20260103000000_index_price", "20260102000000_add_price", "20260101000000_create_shop"} {
		undone, err := m.Down(s.T().Context())
		s.Require().NoError(err)
		s.Equal(want, undone, "one at a time, although one Up applied them all")
	}
	s.NotContains(s.schema(), "shop")
	_, err = m.Down(s.T().Context())
	s.Require().ErrorIs(err, migrate.ErrNothingApplied)

	_, err = m.Up(s.T().Context())
	s.Require().NoError(err)
	s.Equal(first, s.schema())
	s.Equal("1,2,3", s.log())
}

func (s *MigrateSuite) TestUpAgainDoesNothing() {
	s.Len(s.up(shop, prices), 2)
	s.Empty(s.up(shop, prices))
	s.Equal([]string{"20260103000000_index_price"}, s.up(shop, prices, index), "a later binary")
	s.Equal("1,2,3", s.log())
}

func (s *MigrateSuite) TestNothingToMigrate() {
	s.Empty(s.up())
	_, err := s.migrator().Down(s.T().Context())
	s.ErrorIs(err, migrate.ErrNothingApplied)
}

func (s *MigrateSuite) TestDownUndoesWhatWasAppliedLast() {
	s.up(shop, index20270101())
	s.up(shop, index20270101(), prices) // written earlier, merged later
	undone, err := s.migrator(shop, prices, index20270101()).Down(s.T().Context())
	s.NoError(err)
	s.Equal("20260102000000_add_price", undone)
}

func index20270101() fstest.MapFS {
	return files("20270101000000_name.tx.up.sql", `CREATE INDEX idx_items_name ON shop.items (name)`,
		"20270101000000_name.tx.down.sql", `DROP INDEX shop.idx_items_name`)
}

func (s *MigrateSuite) TestExistingEmptySchema() {
	s.exec(`CREATE SCHEMA shop`)
	s.Len(s.up(shop), 1)
}

func (s *MigrateSuite) TestFailureHalfWayLeavesEverythingAsItWas() {
	s.up(shop)
	before := s.schema()
	broken := files(
		"20260102000000_add_price.tx.up.sql", "ALTER TABLE shop.items ADD price int;\nINSERT INTO shop.log VALUES ('\n\nx');",
		"20260102000000_add_price.tx.down.sql", "")
	m := s.migrator(shop, broken, index)

	applied, err := m.Up(s.T().Context())
	s.Empty(applied)
	s.Require().EqualError(err, "migration 20260102000000_add_price.tx.up.sql: "+
		`ERROR: invalid input syntax for type integer: " x" (SQLSTATE 22P02)`)
	pg, ok := errors.AsType[*pgconn.PgError](err)
	s.True(ok)
	s.Equal("22P02", pg.Code)
	s.Equal(before, s.schema())
	status, err := m.Status(s.T().Context())
	s.NoError(err)
	s.Len(status.Applied, 1)
	s.Len(status.Pending, 2)

	s.Equal([]string{"20260102000000_add_price", "20260103000000_index_price"}, s.up(shop, prices, index), "once it is mended")
	s.Equal("1,2,3", s.log())
}

func (s *MigrateSuite) TestFailureReportsWhatWasApplied() {
	broken := files("20260102000000_typo.tx.up.sql", "CRATE TABLE x()", "20260102000000_typo.tx.down.sql", "")
	applied, err := s.migrator(shop, broken).Up(s.T().Context())
	s.ErrorContains(err, "20260102000000_typo.tx.up.sql")
	s.Equal([]string{"20260101000000_create_shop"}, applied)
	s.Equal("1", s.log())
}

func (s *MigrateSuite) TestFailedDownKeepsItsEntry() {
	stuck := files("20260102000000_stuck.tx.up.sql", "", "20260102000000_stuck.tx.down.sql", "DROP TABLE shop.items; DROP TABLE nowhere")
	s.up(shop, stuck)
	m := s.migrator(shop, stuck)
	_, err := m.Down(s.T().Context())
	s.EqualError(err, `migration 20260102000000_stuck.tx.down.sql: ERROR: table "nowhere" does not exist (SQLSTATE 42P01)`)
	status, err := m.Status(s.T().Context())
	s.NoError(err)
	s.Len(status.Applied, 2)
	s.Equal("0", s.value(`SELECT count(*)::text FROM shop.items`))
}

func (s *MigrateSuite) TestSettingsEndWithTheirMigration() {
	sets := files(
		"20260102000000_set.up.sql", "SET search_path = shop;\n--bun:split\nSET lock_timeout = '1s';",
		"20260102000000_set.down.sql", "",
		"20260103000000_keep.tx.up.sql", `CREATE TABLE shop.kept AS SELECT current_setting('search_path') AS path,
			current_setting('lock_timeout') AS lock, current_setting('statement_timeout') AS statement, current_setting('timezone') AS zone`,
		"20260103000000_keep.tx.down.sql", "DROP TABLE shop.kept")
	s.up(shop, sets)
	s.Equal("public 5s 0 UTC", s.value(`SELECT path || ' ' || lock || ' ' || statement || ' ' || zone FROM shop.kept`))
}

func (s *MigrateSuite) TestStatusOfAnEmptyDatabaseCreatesNothing() {
	before := s.schema()
	m := s.migrator(prices, shop)
	status, err := m.Status(s.T().Context())
	s.NoError(err)
	s.Empty(status.Applied)
	s.Equal([]string{"20260101000000_create_shop", "20260102000000_add_price"}, status.Pending)
	s.Equal(before, s.schema())

	pending, err := m.Pending(s.T().Context(), s.db.Handle)
	s.NoError(err)
	s.Equal(status.Pending, pending)
}

func (s *MigrateSuite) TestStatusAfterANewerBinary() {
	s.up(shop, prices)
	older := s.migrator(shop)
	status, err := older.Status(s.T().Context())
	s.NoError(err)
	s.Require().Len(status.Applied, 1)
	s.Equal("20260101000000_create_shop", status.Applied[0].Name)
	s.WithinDuration(time.Now(), status.Applied[0].At, time.Minute)
	s.Equal(time.UTC, status.Applied[0].At.Location())
	s.Equal([]string{"20260102000000"}, status.Unknown)
	s.Empty(status.Pending)

	applied, err := older.Up(s.T().Context())
	s.NoError(err)
	s.Empty(applied)
	_, err = older.Down(s.T().Context())
	s.ErrorContains(err, "20260102000000")
	s.Equal("1,2", s.log())
}

func (s *MigrateSuite) TestWaitEndsWithItsContext() {
	s.NoError(s.db.InTx(s.T().Context(), func(inTx context.Context) error {
		_, err := s.db.Conn(inTx).ExecContext(inTx, `SELECT pg_advisory_xact_lock(hashtextextended('tickr.migrate', 0))`)
		s.Require().NoError(err)
		ctx, cancel := context.WithTimeout(s.T().Context(), 300*time.Millisecond)
		defer cancel()
		_, err = s.migrator(shop).Up(ctx)
		s.ErrorIs(err, context.DeadlineExceeded)
		s.ErrorContains(err, "wait for the migration lock")
		return nil
	}))
	s.Len(s.up(shop), 1)
}
