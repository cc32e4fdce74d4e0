package faults

import (
	"context"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/platform/database"
	"github.com/tickr/tickr/platform/database/migrate"
	"github.com/tickr/tickr/test/load"
	"github.com/tickr/tickr/test/program"
)

// longestBlock is for how long a migration may keep others waiting.
const longestBlock = time.Second

// TestMigration takes a large table from the release before to this one under the statements of that release, and then to a next one
// under this program, which goes on, and can be started, on the schema that it does not know.
func TestMigration(t *testing.T) {
	t.Parallel()
	c := newCluster(t, program.DataDir(t))
	db := c.open()
	migrateTo(t, c, releaseBefore(t))
	rows := inLong(1_000_000, 2_000)
	fill(t, db, rows)

	before := startStatements(t, db, rows)
	time.Sleep(calm)
	took := migrateTo(t, c, thisRelease(t))
	time.Sleep(calm)
	log := before.stop()
	t.Logf("from the release before in %v: %v", took, log)
	require.Empty(t, log.Failed().Outcomes())
	require.Less(t, log.Longest(), within(longestBlock))

	r := newRigOn(c)
	asking := r.load(100)
	time.Sleep(calm)
	began := time.Now()
	took = migrateTo(t, c, thisRelease(t), os.DirFS("testdata/next"))
	log = asking.Log().Sent(began, time.Now())
	t.Logf("to the next release in %v: %v", took, log)
	require.Less(t, log.Longest(), within(longestBlock))

	r.leave(0)
	r.launch(0).AwaitReady()
	r.awaitBalancer()
	time.Sleep(calm)
	log = asking.Stop()
	require.Empty(t, log.Failed().Outcomes())
	r.settled(log)
}

// thisRelease is what the program brings along.
func thisRelease(t *testing.T) fs.FS {
	t.Helper()
	return os.DirFS("../../modules/users/internal/adapters/postgres/migrations")
}

// releaseBefore is the part of it that a release before had.
func releaseBefore(t *testing.T) fs.FS {
	t.Helper()
	const after = "20261123"
	all := thisRelease(t)
	files, err := fs.Glob(all, "*.sql")
	require.NoError(t, err)
	some := fstest.MapFS{}
	for _, file := range files {
		if file < after {
			content, err := fs.ReadFile(all, file)
			require.NoError(t, err)
			some[file] = &fstest.MapFile{Data: content}
		}
	}
	require.Less(t, len(some), len(files))
	return some
}

// migrateTo applies what is pending, and returns how long that took.
func migrateTo(t *testing.T, c cluster, releases ...fs.FS) time.Duration {
	t.Helper()
	migrator, err := migrate.New(c.DSN(), releases...)
	require.NoError(t, err)
	began := time.Now()
	applied, err := migrator.Up(t.Context())
	require.NoError(t, err)
	require.NotEmpty(t, applied)
	return time.Since(began)
}

// id is the SQL of the key of the nth account.
const id = "('00000000-0000-7000-8000-' || lpad(to_hex(%s::int), 12, '0'))::uuid"

// fill adds accounts, and lets the server take note of them, as it has where they came one by one.
func fill(t *testing.T, db *database.Handle, rows int) {
	t.Helper()
	require.NoError(t, pgx.BeginFunc(t.Context(), db.Pool(), func(tx pgx.Tx) error {
		if _, err := tx.Exec(t.Context(), "SET LOCAL statement_timeout = 0"); err != nil {
			return err
		}
		_, err := tx.Exec(t.Context(), `
			INSERT INTO users.users (id, email, phone, first_name, last_name, email_verified, created_at)
			SELECT `+fmt.Sprintf(id, "n")+`, 'user-' || n || '@fill.test', '+216' || 20000000 + n, 'User', n::text, true, now() - n * interval '1 minute'
			FROM generate_series(1, $1::int) n`, rows)
		if err == nil {
			_, err = tx.Exec(t.Context(), "ANALYZE users.users")
		}
		return err
	}))
}

// statements are what the release before sends, as often as it is asked for things.
type statements struct {
	quit chan struct{}
	sent sync.WaitGroup
	mu   sync.Mutex
	log  load.Log
}

// statementRate is how many are sent a second.
const statementRate = 100

func startStatements(t *testing.T, db *database.Handle, rows int) *statements {
	t.Helper()
	const columns = "id, email, phone, password_hash, first_name, last_name, role, is_organizer, email_verified, is_active, created_at, version"
	kinds := []struct{ name, sql string }{
		{"by id", "SELECT " + columns + " FROM users.users WHERE id = " + fmt.Sprintf(id, "$1")},
		{"by e-mail", "SELECT " + columns + " FROM users.users WHERE email = 'user-' || $1::int || '@fill.test'"},
		{"list", "SELECT " + columns + " FROM users.users WHERE $1::int > 0 ORDER BY created_at DESC, id DESC LIMIT 20"},
		{"save", "UPDATE users.users SET first_name = 'Changed', version = version + 1, updated_at = now() WHERE id = " + fmt.Sprintf(id, "$1")},
		{"insert", "INSERT INTO users.users (email, first_name, last_name) VALUES (gen_random_uuid() || '@fill.test', 'New', $1::int::text)"},
	}
	s := &statements{quit: make(chan struct{})}
	s.sent.Go(func() {
		tick := time.NewTicker(time.Second / statementRate)
		defer tick.Stop()
		for n := 0; ; n++ {
			select {
			case <-s.quit:
				return
			case <-tick.C:
			}
			kind := kinds[n%len(kinds)]
			s.sent.Go(func() { s.send(t.Context(), db, kind.name, kind.sql, 1+n*7919%rows) })
		}
	})
	t.Cleanup(func() { s.stop() })
	return s
}

func (s *statements) send(ctx context.Context, db *database.Handle, kind, sql string, n int) {
	entry := load.Entry{Kind: kind, Sent: time.Now(), Status: http.StatusOK}
	if _, err := db.Pool().Exec(ctx, sql, n); err != nil {
		entry.Status, entry.Code = 0, err.Error()
	}
	entry.Took = time.Since(entry.Sent)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = append(s.log, entry)
}

// stop waits for the answers under way.
func (s *statements) stop() load.Log {
	select {
	case <-s.quit:
	default:
		close(s.quit)
	}
	s.sent.Wait()
	return s.log
}
