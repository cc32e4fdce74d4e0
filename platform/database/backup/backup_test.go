package backup

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/tickr/tickr/platform/database"
)

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	d, db := stocked(t)
	execute(t, db, "INSERT INTO shop.items (name, price, t) SELECT 'item ' || i, i / 7.0, i::text FROM generate_series(10000, 27999) AS i")
	before := content(t, d)
	require.EqualValues(t, 22011, before.Rows())
	for _, kind := range []Kind{Custom, Plain} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "backups")
			b, err := d.Create(t.Context(), dir, kind)
			require.NoError(t, err)
			found, err := Find(dir, "latest")
			require.NoError(t, err)
			require.Equal(t, b, found)
			require.Equal(t, before.Tables, b.Manifest.Tables)
			require.Equal(t, []string{"20260101000000"}, b.Manifest.Migrations)
			require.Equal(t, []Extension{{"pg_trgm", "public"}, {"plpgsql", "pg_catalog"}}, b.Manifest.Extensions)
			require.False(t, b.Manifest.FinishedAt.Before(b.Manifest.StartedAt))
			requirePrivate(t, dir)
			dump, err := os.ReadFile(b.Path())
			require.NoError(t, err)
			require.NotContains(t, string(dump), "of others")

			report, err := d.Verify(t.Context(), b)
			require.NoError(t, err)
			require.EqualValues(t, 22011, report.Rows)
			require.Positive(t, report.DatabaseSize)
			list, err := List(dir)
			require.NoError(t, err)
			require.WithinDuration(t, time.Now(), list[0].VerifiedAt, time.Minute)

			other, db := empty(t)
			execute(t, db, "CREATE SCHEMA shop") // as who migrates next may have made it
			require.NoError(t, other.Restore(t.Context(), b, false))
			after := content(t, other)
			require.Equal(t, before.Tables, after.Tables)
			require.Empty(t, before.differences(after))
			require.Nil(t, one[*string](t, db, "SELECT to_regclass('public.others')::text"))
			require.Nil(t, one[*string](t, db, "SELECT to_regproc('public.others')::text"))
			_, err = db.Pool().Exec(t.Context(), "DELETE FROM shop.log")
			require.ErrorContains(t, err, "the log is not changed", "triggers come back")
			require.EqualValues(t, 20006, one[int64](t, db, "INSERT INTO shop.items DEFAULT VALUES RETURNING id"), "sequences go on")
		})
	}
}

// requirePrivate requires that nobody else reads a folder of backups, and that it holds nothing unfinished.
func requirePrivate(t *testing.T, dir string) {
	t.Helper()
	stat, err := os.Stat(dir)
	require.NoError(t, err)
	require.EqualValues(t, 0o700, stat.Mode().Perm())
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, entry := range entries {
		info, err := entry.Info()
		require.NoError(t, err)
		require.True(t, info.Mode().IsRegular(), entry.Name())
		require.EqualValues(t, 0o600, info.Mode().Perm(), entry.Name())
	}
}

// Money moves between rows while the backup is made: dump and manifest must have seen the same moment, and a consistent one.
func TestSnapshot(t *testing.T) {
	t.Parallel()
	d, db := stocked(t)
	execute(t, db, `CREATE TABLE shop.accounts (id int PRIMARY KEY, balance int NOT NULL);
		INSERT INTO shop.accounts SELECT i, 100 FROM generate_series(1, 100) AS i`)
	var moves atomic.Int64
	ctx, stop := context.WithCancel(t.Context())
	var writers errgroup.Group
	for i := range 3 {
		writers.Go(func() error {
			for n := i; ctx.Err() == nil; n++ {
				_, err := db.Pool().Exec(t.Context(), `WITH item AS (INSERT INTO shop.items (name) VALUES ('moved') RETURNING id), log AS (INSERT INTO shop.log SELECT now(), id FROM item)
					UPDATE shop.accounts SET balance = balance + CASE id WHEN $1 THEN 1 ELSE -1 END WHERE id IN ($1, $2)`, n%50+1, n%50+51)
				if err != nil {
					return err
				}
				moves.Add(1)
			}
			return nil
		})
	}
	dir := t.TempDir()
	for {
		before := moves.Load()
		b, err := d.Create(t.Context(), dir, Custom)
		require.NoError(t, err)
		if moves.Load() == before {
			continue // the writers have not begun
		}
		_, err = d.Verify(t.Context(), b)
		require.NoError(t, err)
		stop()
		require.NoError(t, writers.Wait())
		other, restored := empty(t)
		require.NoError(t, other.Restore(t.Context(), b, false))
		require.EqualValues(t, 10000, one[int64](t, restored, "SELECT sum(balance) FROM shop.accounts"))
		break
	}
}

func TestTwoAtOnce(t *testing.T) {
	t.Parallel()
	d, _ := stocked(t)
	dir := t.TempDir()
	var both errgroup.Group
	for range 3 {
		both.Go(func() error {
			_, err := d.Create(t.Context(), dir, Custom)
			return err
		})
	}
	require.NoError(t, both.Wait())
	list, err := List(dir)
	require.NoError(t, err)
	require.Len(t, list, 3)
	for _, b := range list {
		require.NoError(t, b.Damage)
		require.NoError(t, b.Manifest.checkDump(b.base()))
	}
}

func TestWhoMayNot(t *testing.T) {
	t.Parallel()
	_, db := stocked(t)
	as := func(user, password string) Database {
		address, err := url.Parse(db.DSN)
		require.NoError(t, err)
		address.User = url.UserPassword(user, password)
		return Database{DSN: address.String(), BinDir: os.Getenv("PG_BIN_DIR"), Schemas: []string{"shop"}}
	}
	reader := db.Name + "_reader"
	const password = `p:a\s's = "wörd" #`
	execute(t, db, `CREATE ROLE `+reader+` LOGIN PASSWORD 'p:a\s''s = "wörd" #' IN ROLE pg_read_all_data`)
	t.Cleanup(func() {
		_, err := db.Pool().Exec(context.Background(), "DROP ROLE "+reader)
		require.NoError(t, err)
	})
	dir := t.TempDir()

	_, err := as(reader, "wrong").Create(t.Context(), dir, Custom)
	_, refused := database.Refused(err)
	require.True(t, refused, "%v", err)
	_, err = Newest(dir)
	require.ErrorIs(t, err, ErrNone)

	b, err := as(reader, password).Create(t.Context(), dir, Custom)
	require.NoError(t, err, "who may read may back up, whatever the password looks like")
	_, err = as(reader, password).Verify(t.Context(), b)
	require.ErrorContains(t, err, "CREATEDB")
	execute(t, db, "ALTER ROLE "+reader+" CREATEDB")
	_, err = as(reader, password).Verify(t.Context(), b)
	require.NoError(t, err)
}

func TestNothingToBackUp(t *testing.T) {
	t.Parallel()
	d, _ := empty(t)
	dir := filepath.Join(t.TempDir(), "backups")
	_, err := d.Create(t.Context(), dir, Custom)
	require.ErrorContains(t, err, "nothing to back up")
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, entry := range entries {
		require.Equal(t, ".lock", entry.Name())
	}
}

func TestSecretsStayOffCommandLines(t *testing.T) {
	t.Parallel()
	d := Database{DSN: "postgres://app:canary@db.example:6543/tickr?sslmode=verify-full&sslpassword=canary&pool_max_conns=3&connect_timeout=7"}
	config, err := d.config()
	require.NoError(t, err)
	tools, err := newTools("/bin", config, d.DSN)
	require.NoError(t, err)
	cmd := tools.command(t.Context(), "pg_dump", "--format=custom")
	for _, text := range append(cmd.Args, cmd.Env...) {
		require.NotContains(t, text, "canary")
	}
	for _, line := range []string{"host=db.example", "port=6543", "user=app", "dbname=tickr", "password=canary", "sslmode=verify-full", "sslpassword=canary", "connect_timeout=7"} {
		require.Contains(t, strings.Split(tools.service, "\n"), line)
	}
	require.NotContains(t, tools.service, "pool_max_conns", "the programs refuse what they do not know")

	for _, password := range []string{"two\nlines", "canary "} {
		config.Password = password
		_, err = newTools("/bin", config, d.DSN)
		require.ErrorContains(t, err, "the password in the database connection string")
		require.NotContains(t, err.Error(), "canary")
	}
}

// A process that is killed, or a program that fails, half-way leaves nothing that looks like a backup, and nothing in the way.
func TestHalfABackup(t *testing.T) {
	t.Parallel()
	d, db := stocked(t)
	endless := d
	endless.BinDir = programs(t, db, "pg_dump", `echo PGDMP; while echo more; do sleep 0.05; done`)

	t.Run("killed", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		process := child(t, "create", endless, dir)
		awaitPart(t, dir)
		require.NoError(t, process.Process.Kill())
		_ = process.Wait()
		list, err := List(dir)
		require.NoError(t, err)
		require.Empty(t, list)
		_, err = d.Create(t.Context(), dir, Custom)
		require.NoError(t, err)
		parts, err := filepath.Glob(filepath.Join(dir, ".*"+draftSuffix))
		require.NoError(t, err)
		require.Empty(t, parts, "the next one clears up")
	})
	t.Run("interrupted", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		ctx, interrupt := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() {
			_, err := endless.Create(ctx, dir, Custom)
			ended <- err
		}()
		awaitPart(t, dir)
		interrupt()
		require.Error(t, <-ended)
		requireOnlyLock(t, dir)
	})
	t.Run("failed", func(t *testing.T) {
		t.Parallel()
		for _, kind := range []Kind{Custom, Plain} {
			dir := t.TempDir()
			failing := d
			failing.BinDir = programs(t, db, "pg_dump", `echo PGDMP; echo "pg_dump: error: no space" >&2; exit 1`)
			_, err := failing.Create(t.Context(), dir, kind)
			require.ErrorContains(t, err, "no space")
			requireOnlyLock(t, dir)
		}
	})
	t.Run("full disk", func(t *testing.T) {
		t.Parallel()
		m := Manifest{}
		err := m.write(filepath.Join(t.TempDir(), "dump"), func(io.Writer) error { return fmt.Errorf("write: %w", syscall.ENOSPC) })
		require.ErrorIs(t, err, syscall.ENOSPC)
		require.False(t, database.Unavailable(err), "it is not the database's disk")
	})
}

// awaitPart waits until a part of a dump is on disk.
func awaitPart(t *testing.T, dir string) {
	t.Helper()
	require.Eventually(t, func() bool {
		parts, _ := filepath.Glob(filepath.Join(dir, ".*"+draftSuffix, "*"+customExt))
		if len(parts) == 0 {
			return false
		}
		stat, err := os.Stat(parts[0])
		return err == nil && stat.Size() > 0
	}, time.Minute, 10*time.Millisecond)
}

func requireOnlyLock(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 1)
	require.Equal(t, ".lock", entries[0].Name())
}

func TestVerifyFindsDamage(t *testing.T) {
	t.Parallel()
	d, db := stocked(t)
	dir := t.TempDir()
	whole, err := d.Create(t.Context(), dir, Custom)
	require.NoError(t, err)

	for _, offset := range []int64{0, 1, 2, 3, 4} {
		flip(t, whole.Path(), int((whole.Manifest.Size-1)*offset/4))
		_, err = d.Verify(t.Context(), whole)
		damage := new(DamageError)
		require.ErrorAs(t, err, &damage)
		require.Equal(t, filepath.Base(whole.Path()), damage.File)
		list, err := List(dir)
		require.NoError(t, err)
		require.Error(t, list[0].Damage)
		require.ErrorAs(t, d.Restore(t.Context(), whole, true), &damage)
		flip(t, whole.Path(), int((whole.Manifest.Size-1)*offset/4))
	}
	_, err = d.Verify(t.Context(), whole)
	require.NoError(t, err)

	forged := forge(t, whole, func(text string) string { return text }, func(m *Manifest) { m.Tables[0].Rows++ })
	_, err = d.Verify(t.Context(), forged)
	damage := new(DamageError)
	require.ErrorAs(t, err, &damage)
	require.Equal(t, "restored, public.bun_migration_locks has 0 rows instead of 1", damage.Reason)
	require.Empty(t, scratches(t, db))
}

func TestDifferences(t *testing.T) {
	t.Parallel()
	manifest := func() Manifest {
		return Manifest{
			Tables:      []Table{{"shop.items", 2, "1:2"}, {"shop.log", 3, "3:4"}},
			Constraints: []Constraint{{"shop.items", "CK", "CHECK (true)", true}, {"shop.log", "CK", "CHECK (true)", false}},
		}
	}
	require.Empty(t, manifest().differences(manifest()))
	for want, change := range map[string]func(restored *Manifest){
		"shop.items has 1 rows instead of 2":    func(m *Manifest) { m.Tables[0].Rows = 1 },
		"shop.log has other rows":               func(m *Manifest) { m.Tables[1].Checksum = "3:5" },
		"shop.log is missing":                   func(m *Manifest) { m.Tables = m.Tables[:1] },
		"CK of shop.log is missing":             func(m *Manifest) { m.Constraints = m.Constraints[:1] },
		"CK of shop.log has another definition": func(m *Manifest) { m.Constraints[1].Definition = "CHECK (false)" },
		"CK of shop.items is not validated":     func(m *Manifest) { m.Constraints[0].Valid = false },
	} {
		restored := manifest()
		change(&restored)
		require.Equal(t, []string{want}, manifest().differences(restored))
	}
}

// A checksum sees each change of a row, and not the order of rows.
func TestChecksums(t *testing.T) {
	t.Parallel()
	d, db := empty(t)
	execute(t, db, "CREATE SCHEMA shop; CREATE TABLE shop.twins (n int, t text)")
	sum := func(rows string) string {
		execute(t, db, "TRUNCATE shop.twins; INSERT INTO shop.twins VALUES "+rows)
		return content(t, d).Tables[0].Checksum
	}
	require.Equal(t, sum("(1, 'a'), (2, 'b'), (2, 'b')"), sum("(2, 'b'), (1, 'a'), (2, 'b')"))
	seen := map[string]string{}
	for _, rows := range []string{
		"(1, 'a'), (2, 'b')", "(1, 'b'), (2, 'a')", "(1, 'a'), (2, NULL)", "(1, 'a'), (2, '')", "(1, 'a'), (2, 'NULL')", "(12, 'a'), (NULL, 'b')",
		"(1, 'a'), (2, 'b'), (2, 'b')", "(1, 'a'), (1, 'a'), (2, 'b')", "(1, 'a,2'), (2, 'b')", "(3, 'c'), (3, 'c')", "(4, 'd'), (4, 'd')",
	} {
		require.Empty(t, seen[sum(rows)], rows)
		seen[sum(rows)] = rows
	}
}

// A verification that ends early drops its database, and one that is killed leaves that to the next.
func TestHalfAVerification(t *testing.T) {
	t.Parallel()
	d, db := stocked(t)
	b, err := d.Create(t.Context(), t.TempDir(), Custom)
	require.NoError(t, err)
	stuck := d
	stuck.BinDir = programs(t, db, "psql", `exec sleep 60`)
	restoring := func() bool { return len(scratches(t, db)) == 1 }

	ctx, interrupt := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		_, err := stuck.Verify(ctx, b)
		ended <- err
	}()
	require.Eventually(t, restoring, time.Minute, 10*time.Millisecond)
	interrupt()
	require.Error(t, <-ended)
	require.Empty(t, scratches(t, db))

	for range 5 {
		ctx, interrupt := context.WithTimeout(t.Context(), rand.N(300*time.Millisecond)) // while the database is being created, too
		_, err := stuck.Verify(ctx, b)
		interrupt()
		require.Error(t, err)
		require.Empty(t, scratches(t, db))
	}

	failing := d
	failing.BinDir = programs(t, db, "psql", `echo "ERROR: no" >&2; exit 3`)
	_, err = failing.Verify(t.Context(), b)
	require.ErrorContains(t, err, "ERROR: no")
	require.Empty(t, scratches(t, db))

	stuck.BinDir = programs(t, db, "psql", `while kill -0 $PPID; do sleep 0.05; done`)
	process := child(t, "verify", stuck, b.Path())
	require.Eventually(t, restoring, time.Minute, 10*time.Millisecond)
	bystander := db.Name + "_verify_by_hand"
	execute(t, db, "CREATE DATABASE "+bystander)
	_, err = d.Verify(t.Context(), b)
	require.NoError(t, err)
	require.Len(t, scratches(t, db), 2, "that of a living process stays")
	require.NoError(t, process.Process.Kill())
	_ = process.Wait()
	require.Eventually(t, func() bool {
		_, err = d.Verify(t.Context(), b)
		require.NoError(t, err)
		return slices.Equal([]string{bystander}, scratches(t, db))
	}, time.Minute, 50*time.Millisecond)
	execute(t, db, "DROP DATABASE "+bystander)
}
