// Package dbtest gives a test a PostgreSQL database of its own: empty, or
// cloned from a template that has been migrated once.
//
// The server is that of DATABASE_URL or DB_HOST, else a private one that lives
// as long as the test process, of the major version TICKR_TEST_PG if that is
// set. A test that cannot reach it fails; none is ever skipped. Only databases
// named tickr_test* are created, emptied and dropped.
//
// A test whose changes can be rolled back needs nothing else than New. A suite
// that commits shares one database and calls Truncate between its tests, or
// Recreate where a test changed the schema.
package dbtest

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tickr/tickr/platform/database"
)

// DB is a database that only one test uses, and a handle on it.
type DB struct {
	*database.Handle

	// DSN is the URL of the database, for further connections.
	DSN string
	// Name is the name of the database.
	Name string

	template string // that it is a clone of
}

// Tests are the tests of a package: a *testing.M, or what prepares something before it runs one.
type Tests interface {
	// Run returns the exit code.
	Run() int
}

// Main runs the tests of a package, stops the private server if one was started,
// and exits. Every package that uses New or Empty calls it from TestMain. When
// TICKR_TEST_PG is set, PG_BIN_DIR is that version's from here on, also for the
// programs that tests start.
func Main(m Tests) {
	if err := useMajor(os.Getenv("TICKR_TEST_PG")); err != nil {
		fmt.Fprintln(os.Stderr, "no database for the tests:", err)
		os.Exit(1)
	}
	code := m.Run()
	if private != nil {
		if err := private.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, "stop the PostgreSQL of the tests:", err)
			code = max(code, 1)
		}
	}
	os.Exit(code)
}

// New returns a database to which migrations have been applied. It is a clone
// of a template that all tests with the same migrations share, also those of
// other processes on the same server. It is dropped when the test ends; every
// connection to it is cut then.
func New(t testing.TB, migrations ...fs.FS) *DB {
	t.Helper()
	s := running(t)
	template, err := s.template(t.Context(), migrations)
	if err != nil {
		fail(t, err)
	}
	return open(t, s, template)
}

// Empty returns a database without any content. It ends like that of New.
func Empty(t testing.TB) *DB {
	t.Helper()
	return open(t, running(t), "template0")
}

func running(t testing.TB) *server {
	t.Helper()
	s, err := sharedServer()
	if err != nil {
		fail(t, err)
	}
	return s
}

// open clones template for t.
func open(t testing.TB, s *server, template string) *DB {
	t.Helper()
	name := s.name + "_" + random()
	if err := s.create(t.Context(), name, template); err != nil {
		fail(t, err)
	}
	t.Cleanup(func() {
		// The test's own context has ended.
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := s.drop(ctx, name); err != nil {
			t.Errorf("drop the test's database: %v", err)
		}
	})
	dsn := s.dsn(name)
	handle, err := database.Open(t.Context(), database.Options{
		DSN:             dsn,
		PoolSize:        10,
		ConnectTimeout:  10 * time.Second,
		IdleTimeout:     30 * time.Second,
		ApplicationName: "tickr-test",
	})
	if err != nil {
		fail(t, err)
	}
	t.Cleanup(handle.Close)
	return &DB{Handle: handle, DSN: dsn, Name: name, template: template}
}

// fail ends the test with one line, whatever err looks like.
func fail(t testing.TB, err error) {
	t.Helper()
	t.Fatalf("no database for this test: %s", strings.Join(strings.Fields(err.Error()), " "))
}
