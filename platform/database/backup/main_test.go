package backup

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/platform/database/dbtest"
	"github.com/tickr/tickr/platform/database/embedded"
)

// The test binary runs itself as another process, to be killed: with these variables it does one thing and exits.
const (
	childDo   = "BACKUP_TEST_DO" // create, verify or restore
	childDSN  = "BACKUP_TEST_DSN"
	childBin  = "BACKUP_TEST_BIN"
	childPath = "BACKUP_TEST_PATH" // of the folder or the backup
)

func TestMain(m *testing.M) {
	if do := os.Getenv(childDo); do != "" {
		if err := act(context.Background(), do); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	// What is fetched of a version that is not installed has no pg_dump: the installed version is as good here.
	if major, err := strconv.Atoi(os.Getenv("TICKR_TEST_PG")); err == nil {
		if _, err := embedded.Clients(context.Background(), "", major, "pg_dump", "pg_restore", "psql"); err != nil {
			_ = os.Unsetenv("TICKR_TEST_PG")
		}
	}
	dbtest.Main(m)
}

func act(ctx context.Context, do string) error {
	d := Database{DSN: os.Getenv(childDSN), BinDir: os.Getenv(childBin), Schemas: []string{"shop"}}
	path := os.Getenv(childPath)
	if do == "create" {
		_, err := d.Create(ctx, path, Custom)
		return err
	}
	b, err := Find("", path)
	if err == nil && do == "verify" {
		_, err = d.Verify(ctx, b)
	} else if err == nil {
		err = d.Restore(ctx, b, true)
	}
	return err
}

// child starts a process that is to be killed.
func child(t *testing.T, do string, d Database, path string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), childDo+"="+do, childDSN+"="+d.DSN, childBin+"="+d.BinDir, childPath+"="+path)
	cmd.Stderr = os.Stderr
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	return cmd
}

// shop has what pg_dump and pg_restore have to get right: partitions, a function with its trigger, an index of an extension, a
// sequence, a check, foreign keys, and things of others in schema public.
var shop = fstest.MapFS{
	"20260101000000_create_shop.tx.up.sql": {Data: []byte(`
		CREATE EXTENSION pg_trgm;
		CREATE SCHEMA shop;
		CREATE TYPE shop.mood AS ENUM ('good', 'bad');
		CREATE TABLE shop.items (
			id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT "PK_items" PRIMARY KEY,
			name text, data bytea, price double precision, seen timestamp, since timestamptz, took interval, feels shop.mood, tags text[], t text,
			size varchar(5) CONSTRAINT "CK_items_size" CHECK (size IN ('S', 'M')),
			CONSTRAINT "CK_items_price" CHECK (price <> 13)
		);
		CREATE UNIQUE INDEX "UQ_items_t" ON shop.items (t);
		CREATE INDEX idx_items_name ON shop.items USING gin (name gin_trgm_ops);
		CREATE INDEX idx_items_size ON shop.items (lower(size)) WHERE size IN ('S', 'M');
		ALTER TABLE shop.items DROP COLUMN feels;
		CREATE TABLE shop.log (at timestamp NOT NULL, item bigint NOT NULL CONSTRAINT "FK_log_item" REFERENCES shop.items (id)) PARTITION BY RANGE (at);
		CREATE TABLE shop.log_old PARTITION OF shop.log FOR VALUES FROM (MINVALUE) TO ('2026-01-01');
		CREATE TABLE shop.log_new PARTITION OF shop.log FOR VALUES FROM ('2026-01-01') TO (MAXVALUE);
		CREATE INDEX idx_log_item ON shop.log (item);
		CREATE FUNCTION shop.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'the log is not changed'; END $$;
		CREATE TRIGGER refuse BEFORE UPDATE OR DELETE ON shop.log FOR EACH ROW EXECUTE FUNCTION shop.refuse();
		CREATE TABLE public.others (secret text);
		INSERT INTO public.others VALUES ('of others');
		CREATE FUNCTION public.others() RETURNS int LANGUAGE sql AS 'SELECT 1';`)},
	"20260101000000_create_shop.tx.down.sql": {Data: []byte(`DROP SCHEMA shop CASCADE`)},
}

// nasty are rows that a careless copy would change.
const nasty = `
	INSERT INTO shop.items (name, data, price, seen, since, took, tags, t) VALUES
		(NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
		('', '', 0, 'infinity', '-infinity', '0', '{}', ''),
		(E'tab\tline\nback\\slash\r\\N \\. $1 ''"', '\x00ff5c2e0a', 'NaN', '2026-11-23 19:00:00.123456', '2026-11-23 19:00:00.654321+01', '1 mon -3 days 00:00:00.000001',
			ARRAY['a,b', NULL, '{"x"}', 'NULL'], E'\\.'),
		('Amira أميرة 🎟️ é e' || U&'\0301' || ' ', '\xdeadbeef', '-Infinity', '0001-01-01 00:00:00 BC', 'epoch', NULL, NULL, '(,"")'),
		(repeat('long ', 10000), sha256('x'), 0.1::float8 + 0.2::float8, '294276-12-31 23:59:59.999999', 'now', '-178000000 years', '{{1,2},{3,4}}', 'long');
	INSERT INTO shop.items (name, price, t) SELECT 'item ' || i, i / 7.0, i::text FROM generate_series(100, 2099) AS i;
	INSERT INTO shop.log SELECT timestamp '2025-12-31 12:00' + make_interval(secs => id * 10), id FROM shop.items`

// stocked returns a shop with rows.
func stocked(t *testing.T) (Database, *dbtest.DB) {
	t.Helper()
	db := dbtest.New(t, shop)
	execute(t, db, nasty)
	return Database{DSN: db.DSN, BinDir: os.Getenv("PG_BIN_DIR"), Schemas: []string{"shop"}, Program: "test"}, db
}

func empty(t *testing.T) (Database, *dbtest.DB) {
	t.Helper()
	db := dbtest.Empty(t)
	return Database{DSN: db.DSN, BinDir: os.Getenv("PG_BIN_DIR"), Schemas: []string{"shop"}}, db
}

func execute(t *testing.T, db *dbtest.DB, sql string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, db.DSN) // without the limits of the pool
	require.NoError(t, err)
	defer conn.Close(ctx)
	_, err = conn.PgConn().Exec(ctx, sql).ReadAll()
	require.NoError(t, err)
}

func one[T any](t *testing.T, db *dbtest.DB, query string, args ...any) (value T) {
	t.Helper()
	require.NoError(t, db.Pool().QueryRow(t.Context(), query, args...).Scan(&value))
	return value
}

// content is what Manifest says of the present content of a database.
func content(t *testing.T, d Database) Manifest {
	t.Helper()
	conn, err := d.connect(t.Context())
	require.NoError(t, err)
	defer closeConn(conn)
	tx, err := conn.Begin(t.Context())
	require.NoError(t, err)
	var m Manifest
	require.NoError(t, m.inventory(t.Context(), tx, d.Schemas))
	return m
}

// scratches are the databases that verifications of db have left.
func scratches(t *testing.T, db *dbtest.DB) []string {
	t.Helper()
	return one[[]string](t, db, "SELECT coalesce(array_agg(datname::text), '{}') FROM pg_database WHERE starts_with(datname::text, $1)", db.Name+"_verify")
}

// programs returns a folder with the programs for db's server, of which one is a shell script instead.
func programs(t *testing.T, db *dbtest.DB, name, script string) string {
	t.Helper()
	bin, err := embedded.Clients(t.Context(), os.Getenv("PG_BIN_DIR"), one[int](t, db, "SELECT current_setting('server_version_num')::int / 10000"), "pg_dump", "pg_restore", "psql")
	require.NoError(t, err)
	dir := t.TempDir()
	for _, program := range []string{"pg_dump", "pg_restore", "psql"} {
		real := filepath.Join(bin, program)
		if program != name {
			require.NoError(t, os.Symlink(real, filepath.Join(dir, program)))
			continue
		}
		text := "#!/bin/sh\nif [ \"$1\" = --version ]; then exec " + real + " --version; fi\n" + strings.ReplaceAll(script, "REAL", real) + "\n"
		require.NoError(t, os.WriteFile(filepath.Join(dir, program), []byte(text), 0o700))
	}
	return dir
}

// forge makes a backup of another content look genuine.
func forge(t *testing.T, b Backup, dump func(text string) string, manifest func(m *Manifest)) Backup {
	t.Helper()
	text, err := os.ReadFile(b.Path())
	require.NoError(t, err)
	forged := b
	forged.dir = t.TempDir()
	m := &forged.Manifest
	m.Tables, m.Constraints = slices.Clone(m.Tables), slices.Clone(m.Constraints)
	require.NoError(t, m.write(forged.Path(), func(w io.Writer) error {
		_, err := io.WriteString(w, dump(string(text)))
		return err
	}))
	manifest(m)
	require.NoError(t, m.seal(forged.base()))
	return forged
}
