package migrate_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/platform/database/migrate"
)

// TestModulesMigrations holds every module to the rules.
func TestModulesMigrations(t *testing.T) {
	t.Parallel()
	folders, err := filepath.Glob("../../../modules/*/internal/adapters/postgres/migrations")
	require.NoError(t, err)
	require.NotEmpty(t, folders)
	var sources []fs.FS
	for _, folder := range folders {
		sources = append(sources, os.DirFS(folder))
	}
	findings, err := migrate.Lint(sources...)
	require.NoError(t, err)
	require.Empty(t, findings)
}

const lock = "SET LOCAL lock_timeout = '5s';\n"

// migration makes a pair of one that runs in a transaction, which begins as it should, or without one.
func migration(number int, transactional bool, up, down string) fstest.MapFS {
	base := fmt.Sprintf("202601010000%02d_m", number)
	if transactional {
		return files(base+".tx.up.sql", lock+up, base+".tx.down.sql", lock+down)
	}
	return files(base+".up.sql", up, base+".down.sql", down)
}

func tx(up string) fstest.MapFS { return migration(1, true, up, "SELECT 'undo'") }

func plain(up string) fstest.MapFS { return migration(1, false, up, "SELECT 'undo'") }

// lint returns the rules that are broken, with their lines.
func lint(t *testing.T, sets ...fstest.MapFS) []string {
	t.Helper()
	findings, err := migrate.Lint(join(sets...))
	require.NoError(t, err)
	broken := make([]string, len(findings))
	for i, f := range findings {
		require.NotEmpty(t, f.Message)
		require.True(t, strings.HasPrefix(f.String(), fmt.Sprintf("%s:%d: %s: ", f.File, f.Line, f.Rule)), f.String())
		broken[i] = fmt.Sprintf("%s %d", f.Rule, f.Line)
	}
	return broken
}

func TestLintBites(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		set  fstest.MapFS
		want string
	}{
		{tx("CREATE INDEX idx ON shop.items (name)"), "index 2"},
		{tx("CREATE UNIQUE INDEX IF NOT EXISTS idx ON ONLY shop.items (name)"), "index 2"},
		{tx("CREATE INDEX ON shop.items (name)"), "index 2"},
		{tx("CREATE TABLE shop.new (id int); CREATE INDEX idx ON new (id)"), "index 2"},
		{tx(`CREATE TABLE "Shop".items (id int); CREATE INDEX idx ON shop.items (id)`), "index 2"},
		{tx("REINDEX TABLE shop.items"), "index 2"},
		{tx(`ALTER TABLE shop.items ADD CONSTRAINT "UQ_items_name" UNIQUE (name)`), "index 2"},
		{tx("ALTER TABLE shop.items ADD PRIMARY KEY (id)"), "index 2"},
		{plain("CREATE INDEX CONCURRENTLY idx ON shop.items (name)"), "repeat 1"},
		{plain("DROP INDEX CONCURRENTLY IF EXISTS shop.other;\n--bun:split\nCREATE INDEX CONCURRENTLY idx ON shop.items (name)"), "repeat 3"},

		{tx("DROP INDEX CONCURRENTLY shop.idx"), "transaction 2"},
		{tx("SELECT 1;\nCOMMIT"), "transaction 3"},
		{plain("SELECT 1;\nSELECT 2"), "transaction 2"},
		{files("20260101000000_a.tx.up.sql", "SELECT 1;\n"+lock+"SELECT 2", "20260101000000_a.tx.down.sql", lock+"SELECT 1"), "lock 1"},
		{files("20260101000000_a.tx.up.sql", lock+"SELECT 1", "20260101000000_a.tx.down.sql", "\nSELECT 1"), "lock 2"},
		{tx("SET statement_timeout = 0"), "session 2"},
		{plain("SET SESSION lock_timeout = 0"), "session 1"},
		{plain("ALTER TABLE shop.items ALTER COLUMN size SET DEFAULT 1"), "lock 1"},
		{plain(lock + "SELECT 1;\n--bun:split\nALTER TABLE shop.items ALTER COLUMN size SET DEFAULT 1"), "lock 4"},
		{migration(1, true, "SELECT 1", ""), "down 1"},
		{migration(1, false, "SELECT 1", "-- nothing to do"), "down 1"},
		{migration(1, false, "SELECT 1", "-- down:\n"), "down 1"},
		{tx("DO $$ BEGIN DROP TABLE shop.items; END $$"), "hidden 2"},

		{tx("ALTER TABLE shop.items ADD COLUMN size int NOT NULL"), "notnull 2"},
		{tx("ALTER TABLE IF EXISTS ONLY shop.items\n ADD color text,\n ADD size int NOT NULL"), "notnull 2"},
		{tx("ALTER TABLE shop.items ALTER COLUMN size SET NOT NULL"), "notnull 2"},
		{tx("ALTER TABLE shop.items ADD CONSTRAINT c CHECK (size > 0)"), "constraint 2"},
		{tx("ALTER TABLE shop.items ADD CHECK (size > 0)"), "constraint 2"},
		{tx("ALTER TABLE shop.items ADD CONSTRAINT f FOREIGN KEY (maker) REFERENCES shop.makers (id)"), "constraint 2"},
		{tx("ALTER TABLE shop.items ADD COLUMN maker int REFERENCES shop.makers (id)"), "constraint 2"},
		{tx("ALTER TABLE shop.items ADD CONSTRAINT c CHECK (size > 0) NOT VALID;\nALTER TABLE shop.items VALIDATE CONSTRAINT c"), "constraint 3"},
		{tx("ALTER TABLE shop.items ALTER COLUMN size TYPE bigint"), "rewrite 2"},
		{tx("ALTER TABLE shop.items ALTER size SET DATA TYPE bigint"), "rewrite 2"},
		{tx("ALTER TABLE shop.items ADD COLUMN key uuid NOT NULL DEFAULT gen_random_uuid()"), "rewrite 2"},
		{tx("ALTER TABLE shop.items ADD COLUMN seq bigint GENERATED ALWAYS AS IDENTITY"), "rewrite 2"},

		{tx("ALTER TABLE shop.items DROP COLUMN name"), "contract 2"},
		{tx("ALTER TABLE shop.items DROP name"), "contract 2"},
		{tx("ALTER TABLE shop.items RENAME name TO title"), "contract 2"},
		{tx("ALTER TABLE shop.items RENAME TO things"), "contract 2"},
		{tx("ALTER TABLE shop.items SET SCHEMA store"), "contract 2"},
		{tx("DROP TABLE IF EXISTS shop.items"), "contract 2"},
		{tx("CREATE TABLE shop.new (id int); DROP TABLE shop.new, shop.items CASCADE"), "contract 2"},
		{tx("DROP SCHEMA shop"), "contract 2"},
		{tx("-- contract:\nDROP TABLE shop.items"), "contract 3"},
		{tx("-- index: it is small\nDROP TABLE shop.items"), "contract 3"},
		{tx("-- contract: it is unused\nSELECT 1; DROP TABLE shop.items"), "contract 3"},
		{tx("/* -- contract: it is /* not */ unused */ DROP TABLE shop.items"), "contract 2"},
	} {
		t.Run(c.want, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, []string{c.want}, lint(t, c.set))
		})
	}
}

func TestLintLetsPass(t *testing.T) {
	t.Parallel()
	for _, set := range []fstest.MapFS{
		tx(`CREATE TABLE IF NOT EXISTS "shop"."items" (id int NOT NULL, CONSTRAINT c CHECK (id > 0)); CREATE INDEX idx ON SHOP.items (id);
			ALTER TABLE shop.items ADD COLUMN size int NOT NULL, ADD CONSTRAINT d CHECK (size > 0), DROP COLUMN id; DROP TABLE shop.items`),
		tx(`ALTER TABLE shop.items ADD COLUMN version bigint NOT NULL DEFAULT 1, ADD COLUMN seen timestamp DEFAULT now(), ADD note varchar(5)`),
		tx(`ALTER TABLE shop.items DROP CONSTRAINT IF EXISTS c, ADD CONSTRAINT c CHECK (size IN (1, 2)) NOT VALID`),
		tx(`ALTER TABLE shop.items ADD CONSTRAINT "PK_items" PRIMARY KEY USING INDEX "PK_items"`),
		tx(`ALTER TABLE shop.items ALTER COLUMN size DROP NOT NULL, ALTER COLUMN size SET DEFAULT 1, RENAME CONSTRAINT c TO d`),
		tx(`-- contract: no release reads it
			DROP TABLE shop.items`),
		tx(`ALTER TABLE shop.items
			ALTER COLUMN note TYPE varchar(9) -- rewrite: a longer limit changes the catalogue only`),
		tx(`COMMENT ON TABLE shop.items IS 'CONCURRENTLY; DROP TABLE shop.items';
			SELECT E'\'; DROP TABLE shop.items', $a$ ; $$ DROP TABLE shop.items; $a$, "x; DROP TABLE shop.items", U&'d\0061t', 1::text /* ; /* */ DROP */`),
		tx(`CREATE FUNCTION shop.f() RETURNS void LANGUAGE sql AS $$ DROP TABLE shop.items; COMMIT; $$`),
		tx(`SET LOCAL statement_timeout = 0; SET CONSTRAINTS ALL DEFERRED; REFRESH MATERIALIZED VIEW CONCURRENTLY shop.sums`),
		plain("DROP INDEX CONCURRENTLY IF EXISTS shop.idx;\n--bun:split\nCREATE UNIQUE INDEX CONCURRENTLY idx ON shop.items (name);"),
		plain("DROP INDEX CONCURRENTLY IF EXISTS shop.idx_new;\n--bun:split\nCREATE INDEX CONCURRENTLY idx_new ON shop.items (name);\n--bun:split\n" +
			"-- transaction: at once\nALTER INDEX IF EXISTS shop.idx RENAME TO idx_old;\n" +
			"-- transaction: at once\nALTER INDEX shop.idx_new RENAME TO idx;\n--bun:split\nDROP INDEX CONCURRENTLY IF EXISTS shop.idx_old"),
		plain(lock + "ALTER TABLE shop.items ALTER COLUMN size SET DEFAULT 1"),
		migration(1, true, "SELECT 1", "-- down: a validated constraint holds what it held before"),
	} {
		require.Empty(t, lint(t, set), set)
	}
}

// TestLintRemembers: NOT NULL may rely on a CHECK that an earlier migration validated, and only on that.
func TestLintRemembers(t *testing.T) {
	t.Parallel()
	steps := func(up ...string) []string {
		var sets []fstest.MapFS
		for i, text := range up {
			sets = append(sets, migration(i, true, text, "SELECT 'undo'"))
		}
		return lint(t, sets...)
	}
	const (
		add      = "ALTER TABLE shop.items ADD CONSTRAINT c CHECK (size IS NOT NULL) NOT VALID"
		validate = "ALTER TABLE shop.items VALIDATE CONSTRAINT c"
		set      = "ALTER TABLE shop.items ALTER COLUMN size SET NOT NULL"
		drop     = "ALTER TABLE shop.items DROP CONSTRAINT c"
	)
	require.Empty(t, steps(add, validate, set+", DROP CONSTRAINT c"))
	require.Empty(t, steps(add, validate+"; "+set))
	require.Equal(t, []string{"notnull 2"}, steps(add, set))
	require.Equal(t, []string{"notnull 2"}, steps(add, validate, drop, set))
	require.Equal(t, []string{"notnull 2"}, steps(add, validate, "ALTER TABLE shop.items ALTER COLUMN name SET NOT NULL"))
	require.Equal(t, []string{"notnull 2"},
		steps("ALTER TABLE shop.items ADD CONSTRAINT c CHECK (size IS NOT NULL OR old) NOT VALID", validate, set))
}

func TestLintRefusesHalves(t *testing.T) {
	t.Parallel()
	_, err := migrate.Lint(files("20260101000000_a.tx.up.sql", "SELECT 1"))
	require.ErrorContains(t, err, "has no down file")
}
