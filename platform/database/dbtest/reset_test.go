package dbtest

import (
	"io/fs"
	"net"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/platform/database"
)

// library has tables in two schemas that reference each other, a table that
// counts, and one with a name that must be quoted.
var library = migration("20260101000003_library", `
	CREATE SCHEMA library;
	CREATE TABLE library.authors (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY);
	CREATE TABLE library."Old Books" (author int REFERENCES library.authors ON DELETE RESTRICT);
	CREATE TABLE loans (author int REFERENCES library.authors ON DELETE RESTRICT);
	ALTER TABLE library.authors ADD favourite int REFERENCES library.authors;
`, "DROP TABLE loans; DROP SCHEMA library CASCADE;")

func lend(t *testing.T, db *DB) {
	t.Helper()
	_, err := db.Pool().Exec(t.Context(), `INSERT INTO library.authors (favourite) VALUES (NULL), (1);
		INSERT INTO library."Old Books" VALUES (1); INSERT INTO loans VALUES (2)`)
	require.NoError(t, err)
}

func TestTruncate(t *testing.T) {
	t.Parallel()
	db := New(t, library)
	history := count(t, db, "SELECT count(*) FROM bun_migrations")
	require.NotZero(t, history)
	for range 2 {
		lend(t, db) // the second time with the same numbers
		Truncate(t, db)
		for _, table := range []string{"library.authors", `library."Old Books"`, "loans"} {
			require.Zero(t, count(t, db, "SELECT count(*) FROM "+table), table)
		}
		require.Equal(t, history, count(t, db, "SELECT count(*) FROM bun_migrations"))
	}
	Truncate(t, Empty(t))
}

func TestRecreate(t *testing.T) {
	t.Parallel()
	for name, db := range map[string]*DB{"a clone": New(t, library), "an empty one": Empty(t)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			schemas := func() int { return count(t, db, "SELECT count(*) FROM pg_namespace") }
			before := schemas()
			_, err := db.Pool().Exec(t.Context(), "CREATE SCHEMA more; DROP SCHEMA IF EXISTS library CASCADE")
			require.NoError(t, err)
			guest, err := pgx.Connect(t.Context(), db.DSN)
			require.NoError(t, err)
			dsn, name := db.DSN, db.Name

			Recreate(t, db)
			require.Error(t, guest.Ping(t.Context()), "connections are cut")
			require.Equal(t, before, schemas())
			require.Zero(t, count(t, db, "SELECT count(*) FROM pg_namespace WHERE nspname = 'more'"))
			require.Equal(t, name, db.Name)
			guest, err = pgx.Connect(t.Context(), dsn)
			require.NoError(t, err)
			require.NoError(t, guest.Close(t.Context()))
		})
	}
}

// trap is a server that only counts who comes.
func trap(t *testing.T) (s *server, visits *atomic.Int64) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, listener.Close()) })
	visits = new(atomic.Int64)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return // closed
			}
			visits.Add(1)
			_ = conn.Close() // the visitor hears of it
		}
	}()
	address := url.URL{Scheme: "postgres", User: url.User("me"), Host: listener.Addr().String(), RawQuery: "sslmode=disable"}
	return &server{url: address, name: "tickr_test"}, visits
}

// on is a database that somebody put together by hand.
func (s *server) on(t *testing.T, connected, named string) *DB {
	t.Helper()
	handle, err := database.Open(t.Context(), database.Options{
		DSN: s.dsn(connected), PoolSize: 1, ConnectTimeout: time.Second, IdleTimeout: time.Second,
	})
	require.NoError(t, err)
	t.Cleanup(handle.Close)
	return &DB{Handle: handle, DSN: s.dsn(connected), Name: named, template: "template0"}
}

// Whatever the server holds, only tickr_test* is touched: a wrong name is
// refused before anything is sent.
func TestForeignDatabasesAreNotTouched(t *testing.T) {
	t.Parallel()
	s, visits := trap(t)
	ctx := t.Context()
	for _, name := range []string{
		"precious", "", "tickr", "postgres", "template1", "mytickr_test", "tickr_tes", "tickr_testing",
		"tickr_test; DROP DATABASE precious", `tickr_test"`, "TICKR_TEST", "tickr_test\n", "tickr_test_" + strings.Repeat("x", 60),
	} {
		refuses := func(err error) { require.ErrorContains(t, err, "is not named tickr_test*", name) }
		refuses(s.create(ctx, name, "template0"))
		refuses(s.drop(ctx, name))
		refuses((&server{url: s.url, name: name}).build(ctx, name, nil))
	}
	for _, name := range []string{"precious", "postgres", "tickr_testing"} {
		require.ErrorContains(t, truncate(ctx, s.on(t, name, name)), "is not named tickr_test*", name)
		require.ErrorContains(t, recreate(ctx, s, s.on(t, name, name)), "is not named tickr_test*", name)
	}
	for _, reset := range []func(*DB) error{
		func(db *DB) error { return truncate(ctx, db) },
		func(db *DB) error { return recreate(ctx, s, db) },
	} {
		require.ErrorContains(t, reset(s.on(t, "precious", "tickr_test_a")), `database "tickr_test_a" is connected to "precious"`)
		require.ErrorContains(t, reset(s.on(t, "tickr_test_a", "precious")), `database "precious" is connected to "tickr_test_a"`)
		unknown := s.on(t, "tickr_test_a", "tickr_test_a")
		unknown.template = ""
		require.ErrorContains(t, reset(unknown), "was not made by New or Empty")
	}
	require.Zero(t, visits.Load())

	require.Error(t, s.drop(ctx, "tickr_test_a"))
	require.NotZero(t, visits.Load(), "the trap works")
}

// How long a suite waits for a clone of the migrated template.
func BenchmarkClone(b *testing.B) {
	s := running(b)
	template, err := s.template(b.Context(), []fs.FS{library})
	require.NoError(b, err)
	for b.Loop() {
		name := s.name + "_" + random()
		require.NoError(b, s.create(b.Context(), name, template))
		b.StopTimer()
		require.NoError(b, s.drop(b.Context(), name))
		b.StartTimer()
	}
}
