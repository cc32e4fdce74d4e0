package postgres_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/modules/users/internal/adapters/postgres"
	"github.com/tickr/tickr/modules/users/internal/application"
	"github.com/tickr/tickr/modules/users/internal/userstest"
	"github.com/tickr/tickr/platform/database/dbtest"
)

// backlog is what nobody has cleaned up for a year: 10,000 sessions, 100 accounts that nobody proved, to one of which a sibling refers,
// and 2,000 changes.
const backlog = `
	INSERT INTO users.users (id, email, first_name, last_name, created_at)
	SELECT gen_random_uuid(), 'old' || i || '@example.com', 'A', 'B', $1::timestamp - interval '1 year' FROM generate_series(1, 100) i;
	INSERT INTO users.sessions (id, user_id, token_hash, created_at, expires_at)
	SELECT gen_random_uuid(), u.id, sha256(u.id::text::bytea), u.created_at, u.created_at
	FROM generate_series(1, 10000) i, LATERAL (SELECT * FROM users.users WHERE email = 'ana@example.com') u;
	UPDATE users.sessions SET expires_at = $1::timestamp - interval '31 days';
	INSERT INTO users.outbox (id, kind, subject_id, sender, created_at)
	SELECT gen_random_uuid(), 'user_changed', gen_random_uuid(), gen_random_uuid(), $1::timestamp - interval '1 year' FROM generate_series(1, 2000);
	CREATE TABLE tickets (user_id uuid REFERENCES users.users (id) ON DELETE RESTRICT);
	INSERT INTO tickets SELECT id FROM users.users WHERE email = 'old50@example.com'`

// TestCleanUpIsInNobodysWay lets two instances clean up a large backlog at once while people log in, and while somebody holds locks on
// rows that should go.
func TestCleanUpIsInNobodysWay(t *testing.T) {
	t.Parallel()
	db, clock := dbtest.New(t, postgres.Migrations()), userstest.NewClock()
	service, ctx := serviceOver(t, db, clock), t.Context()
	_, err := service.CreateAdmin(ctx, application.NewAdmin{Email: "ana@example.com", Password: sessionPassword, FirstName: "A", LastName: "B"})
	require.NoError(t, err)
	fill(t, db, backlog, clock.Now())
	clock.Advance(time.Hour)

	held := begin(t, db)
	for _, lock := range []string{
		"SELECT FROM users.users WHERE email = 'old7@example.com' FOR KEY SHARE", // a sibling begins to refer to it
		"SELECT FROM users.sessions ORDER BY expires_at LIMIT 3 FOR UPDATE",
	} {
		_, err := held.Exec(ctx, lock)
		require.NoError(t, err)
	}
	var cleaners, people sync.WaitGroup
	for range 2 {
		cleaners.Go(func() { assert.NoError(t, application.NewJanitor(service).CleanUp(ctx)) })
	}
	done := make(chan struct{})
	for range 3 {
		people.Go(func() {
			for cleaned := false; !cleaned; {
				begin := time.Now()
				_, _, err := service.LogIn(ctx, userstest.Here, application.Credentials{Email: "ana@example.com", Password: sessionPassword})
				assert.NoError(t, err)
				assert.Less(t, time.Since(begin), 5*time.Second)
				select {
				case <-done:
					cleaned = true
				default:
				}
			}
		})
	}
	cleaners.Wait()
	close(done)
	people.Wait()
	require.Equal(t, 2, count(t, db, "SELECT count(*) FROM users.users WHERE email LIKE 'old%'"), "one is held, and to one a sibling refers")
	require.Equal(t, 3, count(t, db, "SELECT count(*) FROM users.sessions WHERE expires_at < $1", clock.Now()))
	require.Equal(t, 98, count(t, db, "SELECT count(*) FROM users.audit_log WHERE act = 'remove'"))
	require.Zero(t, count(t, db, "SELECT count(*) FROM users.outbox WHERE created_at < $1", clock.Now().Add(-time.Hour)))
	require.NoError(t, held.Rollback(ctx))
	require.NoError(t, application.NewJanitor(service).CleanUp(ctx))
	require.Equal(t, 1, count(t, db, "SELECT count(*) FROM users.users WHERE email LIKE 'old%'"))
	require.Zero(t, count(t, db, "SELECT count(*) FROM users.sessions WHERE expires_at < $1", clock.Now()))
}

// begin starts a transaction on a connection of its own, which may idle for as long as it likes.
func begin(t *testing.T, db *dbtest.DB) pgx.Tx {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), db.DSN)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	tx, err := conn.Begin(t.Context())
	require.NoError(t, err)
	return tx
}

func fill(t *testing.T, db *dbtest.DB, script string, now time.Time) {
	t.Helper()
	for statement := range strings.SplitSeq(script, ";") {
		var args []any
		if strings.Contains(statement, "$1") {
			args = []any{now}
		}
		_, err := db.Pool().Exec(t.Context(), statement, args...)
		require.NoError(t, err, statement)
	}
}

func count(t *testing.T, db *dbtest.DB, query string, args ...any) (n int) {
	t.Helper()
	require.NoError(t, db.Pool().QueryRow(t.Context(), query, args...).Scan(&n))
	return n
}

// TestMonthsOfManyAtOnce lets instances that start together prepare the audit trail, while others write to it.
func TestMonthsOfManyAtOnce(t *testing.T) {
	t.Parallel()
	db, clock := dbtest.New(t, postgres.Migrations()), userstest.NewClock()
	service, ctx := serviceOver(t, db, clock), t.Context()
	subject := userstest.NewID()
	record := func() {
		assert.NoError(t, service.Audit.Append(ctx, application.AuditEntry{
			ID: userstest.NewID(), CreatedAt: clock.Now(), Act: application.ActLogIn, SubjectID: &subject, Outcome: application.Success,
			Details: application.Details{},
		}))
	}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() { assert.NoError(t, service.PrepareTrail(ctx)) })
		all.Go(func() {
			for range 25 {
				record()
			}
		})
	}
	all.Wait()
	require.Equal(t, 100, count(t, db, "SELECT count(*) FROM users.audit_log"))
	require.Zero(t, count(t, db, "SELECT count(*) FROM users.audit_log_default"), "moved to where they belong")
	require.Equal(t, 100, count(t, db, "SELECT count(*) FROM users.audit_log_2026_11"))
	require.Equal(t, 5, count(t, db, "SELECT count(*) FROM pg_inherits WHERE inhparent = 'users.audit_log'::regclass"))
	found, err := service.Audit.OfSubject(ctx, subject, 200, nil)
	require.NoError(t, err)
	require.Len(t, found, 100)

	// A reader that does not end is not waited for.
	reader := begin(t, db)
	_, err = reader.Exec(ctx, "SELECT count(*) FROM users.audit_log")
	require.NoError(t, err)
	clock.Advance(365 * 24 * time.Hour)
	dropped, err := service.ShortenTrail(ctx, 1, false)
	require.ErrorContains(t, err, "lock timeout")
	require.Empty(t, dropped)
	require.NoError(t, reader.Rollback(ctx))
	dropped, err = service.ShortenTrail(ctx, 1, false)
	require.NoError(t, err)
	require.Len(t, dropped, 4)
	require.Equal(t, 4, count(t, db, "SELECT count(*) FROM users.audit_log WHERE act = 'shorten_trail' AND details ->> 'month' BETWEEN '2026-11' AND '2027-02'"))
	require.Equal(t, 4, count(t, db, "SELECT count(*) FROM users.audit_log"))
}
