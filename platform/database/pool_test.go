package database_test

import (
	"context"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stretchr/testify/suite"

	"github.com/tickr/tickr/platform/database"
	"github.com/tickr/tickr/platform/database/dbtest"
)

// backends counts the sessions of the pools under test in this database, the asking one excluded.
const backends = `SELECT count(*)::text FROM pg_stat_activity
	WHERE datname = current_database() AND application_name = 'tickr-test' AND pid <> pg_backend_pid()`

type PoolSuite struct {
	suite.Suite
	db *dbtest.DB
}

func TestPool(t *testing.T) { suite.Run(t, new(PoolSuite)) }

func (s *PoolSuite) SetupTest() { s.db = dbtest.Empty(s.T()) }

func (s *PoolSuite) TestSizeIsTheMostConnections() {
	h := open(s.T(), s.db.DSN, func(o *database.Options) { o.PoolSize = 3 })
	var work sync.WaitGroup
	for range 12 {
		work.Go(func() {
			_, err := h.Conn(s.T().Context()).ExecContext(s.T().Context(), "SELECT pg_sleep(0.2)")
			s.NoError(err)
		})
	}
	done := make(chan struct{})
	go func() { work.Wait(); close(done) }()
	most := 0
	for working := true; working; {
		n, err := strconv.Atoi(value(s.T(), s.db.Handle, backends))
		s.Require().NoError(err)
		most = max(most, n)
		select {
		case <-done:
			working = false
		case <-time.After(10 * time.Millisecond):
		}
	}
	s.Equal(3, most)
}

func (s *PoolSuite) TestConnectTimeoutBoundsTheWaitForAFreeConnection() {
	h := open(s.T(), s.db.DSN, func(o *database.Options) { o.PoolSize, o.ConnectTimeout = 1, time.Second })
	ctx := s.T().Context()
	err := h.InTx(ctx, func(inTx context.Context) error {
		for name, wait := range map[string]func() error{
			"query": func() error { _, err := h.Conn(ctx).ExecContext(ctx, "SELECT 1"); return err },
			"begin": func() error { return h.InTx(ctx, func(context.Context) error { return nil }) },
			"pgx":   func() error { _, err := h.Pool().Exec(ctx, "SELECT 1"); return err },
			"ping":  func() error { return h.Ping(ctx) },
		} {
			start := time.Now()
			err := wait()
			s.ErrorIs(err, context.DeadlineExceeded, name)
			s.True(database.Unavailable(err), name)
			s.InDelta(1.5, time.Since(start).Seconds(), 0.6, name)
		}
		_, err := h.Conn(inTx).ExecContext(inTx, "SELECT 1")
		return err
	})
	s.NoError(err)
	s.NoError(h.Ping(ctx))
}

func (s *PoolSuite) TestIdleTimeoutClosesConnections() {
	h := open(s.T(), s.db.DSN, func(o *database.Options) { o.IdleTimeout = time.Second })
	s.Require().NoError(h.Ping(s.T().Context()))
	s.Equal("1", value(s.T(), s.db.Handle, backends))
	s.Eventually(func() bool { return value(s.T(), s.db.Handle, backends) == "0" }, 10*time.Second, 20*time.Millisecond)
}

func (s *PoolSuite) TestSessionsAreUTCWhateverTheServerSays() {
	exec(s.T(), s.db.Handle, `ALTER DATABASE `+s.db.Name+` SET timezone = 'Pacific/Kiritimati'`)
	exec(s.T(), s.db.Handle, `CREATE TABLE clock (at timestamp NOT NULL DEFAULT now())`)
	for name, dsn := range map[string]string{
		"server's zone": s.db.DSN,
		"dsn's zone":    with(s.T(), s.db.DSN, "TimeZone", "Pacific/Kiritimati"),
		"dsn's options": with(s.T(), s.db.DSN, "options", "-c timezone=Pacific/Kiritimati"),
	} {
		h := open(s.T(), dsn, nil)
		s.Equal("UTC", value(s.T(), h, "SHOW timezone"), name)
		exec(s.T(), h, `DELETE FROM clock`)
		exec(s.T(), h, `INSERT INTO clock DEFAULT VALUES`)
		var at time.Time
		s.Require().NoError(h.Conn(s.T().Context()).QueryRowContext(s.T().Context(), `SELECT at FROM clock`).Scan(&at))
		s.WithinDuration(time.Now().UTC(), at, time.Minute, name)
	}
}

func (s *PoolSuite) TestSessionLimits() {
	for setting, want := range map[string]string{
		"statement_timeout":                   "2500ms",
		"lock_timeout":                        "2s",
		"idle_in_transaction_session_timeout": "5s",
	} {
		s.Equal(want, value(s.T(), s.db.Handle, "SHOW "+setting), setting)
	}
}

func (s *PoolSuite) TestSessionLimitsBite() {
	exec(s.T(), s.db.Handle, `CREATE TABLE accounts (id int)`)
	ctx := s.T().Context()
	query := func(ctx context.Context, sql string) error {
		_, err := s.db.Conn(ctx).ExecContext(ctx, sql)
		return err
	}
	var all sync.WaitGroup
	all.Go(func() {
		err := query(ctx, `SELECT pg_sleep(20)`)
		s.ErrorContains(err, "57014")
		s.True(database.Unavailable(err))
	})
	all.Go(func() {
		s.NoError(s.db.InTx(ctx, func(inTx context.Context) error {
			s.NoError(query(inTx, `LOCK TABLE accounts`))
			err := query(ctx, `SELECT * FROM accounts`)
			s.ErrorContains(err, "55P03")
			s.True(database.Unavailable(err))
			return nil
		}))
	})
	all.Go(func() {
		err := s.db.InTx(ctx, func(inTx context.Context) error {
			time.Sleep(5500 * time.Millisecond)
			return query(inTx, `SELECT 1`)
		})
		s.Error(err)
		s.True(database.Unavailable(err), err)
	})
	all.Wait()
	s.NoError(s.db.Ping(ctx))
}

func (s *PoolSuite) TestQueriesWorkRightAfterBackendsWereKilled() {
	h := open(s.T(), s.db.DSN, nil)
	ctx := s.T().Context()
	for range 3 {
		var work sync.WaitGroup
		for range 4 {
			work.Go(func() {
				_, err := h.Conn(ctx).ExecContext(ctx, "SELECT pg_sleep(0.05)")
				s.NoError(err)
			})
		}
		work.Wait()
		exec(s.T(), s.db.Handle, `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
			WHERE datname = current_database() AND application_name = 'tickr-test' AND pid <> pg_backend_pid()`)
		s.NoError(h.InTx(ctx, func(ctx context.Context) error {
			_, err := h.Conn(ctx).ExecContext(ctx, "SELECT 1")
			return err
		}))
		s.Equal("1", value(s.T(), h, "SELECT '1'"))
	}
}

func (s *PoolSuite) TestConnectionLostInsideATransaction() {
	err := s.db.InTx(s.T().Context(), func(ctx context.Context) error {
		_, err := s.db.Conn(ctx).ExecContext(ctx, "SELECT pg_terminate_backend(pg_backend_pid())")
		return err
	})
	s.Error(err)
	s.True(database.Unavailable(err), err)
	s.NoError(s.db.Ping(s.T().Context()))
}

func TestConnectTimeoutBoundsDialling(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0") // accepts in the kernel and never answers
	require.NoError(t, err)
	t.Cleanup(func() { _ = silent.Close() })
	dsn := "postgres://tickr:secret@" + silent.Addr().String() + "/tickr?sslmode=disable"
	h := open(t, dsn, func(o *database.Options) { o.ConnectTimeout = 200 * time.Millisecond })

	start := time.Now()
	err = h.Ping(t.Context())
	require.Error(t, err)
	require.True(t, database.Unavailable(err), err)
	require.Less(t, time.Since(start), 2*time.Second)
}

func TestOpenRefusesZeroes(t *testing.T) {
	t.Parallel()
	for _, o := range []database.Options{
		{ConnectTimeout: time.Second, IdleTimeout: time.Second},
		{PoolSize: 1, IdleTimeout: time.Second},
		{PoolSize: 1, ConnectTimeout: time.Second},
	} {
		_, err := database.Open(t.Context(), o)
		require.ErrorContains(t, err, "greater than zero")
	}
}

func TestOpenNeedsNoServer(t *testing.T) {
	t.Parallel()
	h := open(t, "postgres://tickr:secret@127.0.0.1:1/tickr", nil)
	err := h.Ping(t.Context())
	require.True(t, database.Unavailable(err), err)
	_, refused := database.Refused(err)
	require.False(t, refused)
	require.NotContains(t, err.Error(), "secret")
}
