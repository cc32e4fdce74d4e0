package dbtest

import (
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/platform/database/embedded"
)

func TestMain(m *testing.M) { Main(m) }

var notes = migration("20260101000000_create_notes", "CREATE TABLE notes (text text);", "DROP TABLE notes;")

func migration(name, up, down string) fs.FS {
	return fstest.MapFS{
		name + ".tx.up.sql":   {Data: []byte(up)},
		name + ".tx.down.sql": {Data: []byte(down)},
	}
}

func TestClonesAreIsolated(t *testing.T) {
	t.Parallel()
	for range 6 {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			db := New(t, notes)
			_, err := db.Pool().Exec(t.Context(), "INSERT INTO notes VALUES ('mine')")
			require.NoError(t, err)
			require.Equal(t, 1, count(t, db, "SELECT count(*) FROM notes"))
			require.Regexp(t, "^tickr_test_[0-9a-f]{16}$", db.Name)
		})
	}
}

func count(t *testing.T, db *DB, sql string) (n int) {
	t.Helper()
	require.NoError(t, db.Pool().QueryRow(t.Context(), sql).Scan(&n))
	return n
}

func TestTemplateIsMadeOnce(t *testing.T) {
	t.Parallel()
	s := running(t)
	creations := func(db *DB) (oid int) {
		name, err := s.template(t.Context(), []fs.FS{notes})
		require.NoError(t, err)
		return count(t, db, "SELECT oid::int FROM pg_database WHERE datname = '"+name+"'")
	}
	first := creations(New(t, notes))
	require.Equal(t, first, creations(New(t, notes)))
}

func TestOtherMigrationsOtherTemplate(t *testing.T) {
	t.Parallel()
	more := migration("20260101000001_add_author", "ALTER TABLE notes ADD author text;", "ALTER TABLE notes DROP author;")
	db := New(t, notes, more)
	require.Zero(t, count(t, db, "SELECT count(author) FROM notes"))
	changed := migration("20260101000000_create_notes", "CREATE TABLE notes (text text NOT NULL);", "DROP TABLE notes;")
	require.Zero(t, count(t, New(t, changed), "SELECT count(*) FROM notes"))
	names := map[string]bool{}
	for _, sources := range [][]fs.FS{{notes}, {changed}, {notes, more}, nil} {
		name, err := hashOf(sources)
		require.NoError(t, err)
		names[name] = true
	}
	require.Len(t, names, 4)
}

func TestEmpty(t *testing.T) {
	t.Parallel()
	db := Empty(t)
	require.Zero(t, count(t, db, "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"))
}

func TestDroppedAtTheEnd(t *testing.T) {
	t.Parallel()
	var (
		db   *DB
		left *pgx.Conn
	)
	t.Run("", func(t *testing.T) {
		db = Empty(t)
		var err error
		left, err = pgx.Connect(t.Context(), db.DSN)
		require.NoError(t, err)
	})
	require.Error(t, left.Ping(t.Context()), "connections are cut")
	other := Empty(t)
	require.Zero(t, count(t, other, "SELECT count(*) FROM pg_database WHERE datname = '"+db.Name+"'"))
}

func TestUnfinishedTemplateIsMadeAnew(t *testing.T) {
	t.Parallel()
	s := running(t)
	broken := migration("20260101000002_half", "CREATE TABLE half (id int);", "DROP TABLE half;")
	hash, err := hashOf([]fs.FS{broken})
	require.NoError(t, err)
	require.NoError(t, s.create(t.Context(), s.name+"_template_"+hash+"_unfinished", "template0"))
	require.Zero(t, count(t, New(t, broken), "SELECT count(*) FROM half"))
}

func TestGiven(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		env  map[string]string
		want string
	}{
		"nothing": {nil, ""},
		"a host":  {map[string]string{"DB_HOST": "db"}, "postgres://postgres:postgres@db:5432/tickr_test?sslmode=prefer"},
		"all of a host": {map[string]string{
			"DB_HOST": "::1", "DB_PORT": "6000", "DB_USERNAME": "me", "DB_PASSWORD": "a/b@c:d", "DB_SSLMODE": "disable",
		}, "postgres://me:a%2Fb%40c%3Ad@[::1]:6000/tickr_test?sslmode=disable"},
		"a URL wins": {map[string]string{
			"DB_HOST": "db", "DATABASE_URL": "postgresql://me:pw@other/tickr?sslmode=require",
		}, "postgresql://me:pw@other/tickr_test?sslmode=require"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address, err := given(func(name string) string { return test.env[name] })
			require.NoError(t, err)
			if test.want == "" {
				require.Nil(t, address)
				return
			}
			require.Equal(t, test.want, (&server{url: *address}).dsn("tickr_test"))
		})
	}
	for _, text := range []string{"host=db password=secret", "postgres://me:secret@db:port/", "mysql://me:secret@db"} {
		_, err := given(func(string) string { return text })
		require.ErrorContains(t, err, "DATABASE_URL")
		require.NotContains(t, err.Error(), "secret")
	}
}

// Processes that share a server make each template once, and leave no clone.
func TestManyProcessesOnOneServer(t *testing.T) {
	t.Parallel()
	outside, err := embedded.Temporary(t.Context(), embedded.Options{BinDir: os.Getenv("PG_BIN_DIR")})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, outside.Stop()) })
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			out, err := again(t, "TestClonesAreIsolated", "DATABASE_URL="+outside.DSN())
			if err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
	group.Wait()
	conn, err := pgx.Connect(t.Context(), outside.DSN())
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(t.Context())) }()
	rows, err := conn.Query(t.Context(), "SELECT datname FROM pg_database WHERE datname LIKE 'tickr%'")
	require.NoError(t, err)
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	hash, err := hashOf([]fs.FS{notes})
	require.NoError(t, err)
	require.Equal(t, []string{"tickr_test_template_" + hash}, names)
}

// again runs a test of this package in another process.
func again(t *testing.T, test string, env ...string) (string, error) {
	t.Helper()
	program, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), program, "-test.run=^"+test+"$")
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// Without a server, tests fail with one line that says what to do.
func TestNoServer(t *testing.T) {
	t.Parallel()
	secret := (&url.URL{Scheme: "postgres", User: url.UserPassword("me", "secret"), Host: "127.0.0.1:1"}).String()
	for env, advice := range map[string]string{
		"DATABASE_URL=" + secret: "start the server that DB_HOST or DATABASE_URL names, or unset both",
		"PG_BIN_DIR=/nowhere":    "PG_BIN_DIR does not hold PostgreSQL's programs",
		"TICKR_TEST_PG=newest":   `TICKR_TEST_PG "newest" is no major version of PostgreSQL`,
		"DB_NAME=tickr":          `DB_NAME "tickr" is not a name for tests`,
	} {
		name, _, _ := strings.Cut(env, "=")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, err := again(t, "TestEmpty", "DATABASE_URL=", "DB_HOST=", "TICKR_TEST_PG=", env)
			require.Error(t, err, out)
			var lines []string
			for line := range strings.Lines(out) {
				if strings.Contains(line, "no database for th") {
					lines = append(lines, line)
				}
			}
			require.Len(t, lines, 1, out)
			require.Contains(t, lines[0], advice)
			require.NotContains(t, out, "secret")
			require.NotContains(t, out, "SKIP")
		})
	}
}
