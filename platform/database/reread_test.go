package database_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/suite"

	"github.com/tickr/tickr/platform/database"
	"github.com/tickr/tickr/platform/database/dbtest"
)

// RereadSuite ends sessions under statements. A sequence, which no rollback takes back, counts those that were executed.
type RereadSuite struct {
	suite.Suite
	db *dbtest.DB
	h  *database.Handle
}

func TestReread(t *testing.T) { suite.Run(t, new(RereadSuite)) }

func (s *RereadSuite) SetupTest() {
	s.db = dbtest.Empty(s.T())
	s.h = open(s.T(), s.db.DSN, func(o *database.Options) { o.ApplicationName = "reread" })
	exec(s.T(), s.db.Handle, "CREATE SEQUENCE executed")
	exec(s.T(), s.db.Handle, "CREATE TABLE notes (id int)")
}

// Statements that wait for interrupted to let them pass.
const (
	slowRead  = "SELECT nextval('executed') FROM pg_advisory_xact_lock_shared(1)"
	slowWrite = "INSERT INTO notes SELECT nextval('executed') FROM pg_advisory_xact_lock_shared(1)"
)

// interrupted runs a slow statement, ends its session so many times, and lets pass what comes then.
func (s *RereadSuite) interrupted(times int, run func(ctx context.Context) error) (err error) {
	var running sync.WaitGroup
	s.Require().NoError(s.db.InTx(s.T().Context(), func(ctx context.Context) error {
		if _, err := s.db.Conn(ctx).ExecContext(ctx, "SELECT pg_advisory_xact_lock(1)"); err != nil {
			return err
		}
		running.Go(func() { err = run(s.T().Context()) })
		ended := "0"
		for range times {
			s.Require().Eventually(func() bool {
				found := value(s.T(), s.db.Handle, `SELECT coalesce(max(pid), 0)::text FROM pg_stat_activity
					WHERE application_name = 'reread' AND wait_event = 'advisory' AND pid <> `+ended)
				if found == "0" {
					return false
				}
				ended = found
				return true
			}, 5*time.Second, 10*time.Millisecond)
			exec(s.T(), s.db.Handle, "SELECT pg_terminate_backend("+ended+")")
		}
		return nil
	}))
	running.Wait()
	return err
}

// executed is how often slow statements have passed.
func (s *RereadSuite) executed() string {
	return value(s.T(), s.db.Handle, "SELECT CASE WHEN is_called THEN last_value ELSE 0 END::text FROM executed")
}

func (s *RereadSuite) readBun(ctx context.Context) error {
	var n int
	return s.h.Conn(ctx).NewRaw(slowRead).Scan(ctx, &n)
}

func (s *RereadSuite) readPgx(ctx context.Context) error {
	_, err := database.Read(s.h.Pool(), func() (n int, err error) {
		err = s.h.Pool().QueryRow(ctx, slowRead).Scan(&n)
		return n, err
	})
	return err
}

func (s *RereadSuite) TestReadsAreSentAgain() {
	s.NoError(s.interrupted(1, s.readBun))
	s.Equal("1", s.executed())
	s.NoError(s.interrupted(2, s.readPgx))
	s.Equal("2", s.executed())
}

// Sessions that wait in the pool end with the one that is lost, a moment later: none of them is tried.
func (s *RereadSuite) TestReadsLeaveTheSessionsThatWait() {
	ctx := s.T().Context()
	for _, read := range []func(context.Context) error{s.readBun, s.readPgx} {
		var waiting sync.WaitGroup
		for range 4 {
			waiting.Go(func() {
				_, err := s.h.Pool().Exec(ctx, "SELECT pg_sleep(0.1)")
				s.NoError(err)
			})
		}
		waiting.Wait()
		s.EqualValues(4, s.h.Pool().Stat().IdleConns())
		begun := s.h.Pool().Stat().NewConnsCount()
		s.NoError(s.interrupted(1, read))
		s.Equal(begun+1, s.h.Pool().Stat().NewConnsCount())
		s.LessOrEqual(s.h.Pool().Stat().IdleConns(), int32(1))
	}
}

func (s *RereadSuite) TestReadsAreGivenUp() {
	for _, read := range []func(context.Context) error{s.readBun, s.readPgx} {
		err := s.interrupted(3, read)
		s.ErrorContains(err, "terminating connection due to administrator command")
		s.True(database.Unavailable(err))
	}
	s.Equal("0", s.executed())
}

func (s *RereadSuite) TestWritesAreSentOnce() {
	for name, write := range map[string]func(context.Context) error{
		"statement": func(ctx context.Context) error {
			_, err := s.h.Conn(ctx).ExecContext(ctx, slowWrite)
			return err
		},
		"with an answer": func(ctx context.Context) error {
			var n int
			return s.h.Conn(ctx).NewRaw(slowWrite+" RETURNING id").Scan(ctx, &n)
		},
		"transaction": func(ctx context.Context) error {
			return s.h.InTx(ctx, func(ctx context.Context) error {
				_, err := s.h.Conn(ctx).ExecContext(ctx, slowWrite)
				return err
			})
		},
		"read in a transaction": func(ctx context.Context) error { return s.h.InTx(ctx, s.readBun) },
	} {
		s.True(database.Unavailable(s.interrupted(1, write)), name)
	}
	s.Equal("0", s.executed())
	s.Equal("0", value(s.T(), s.db.Handle, "SELECT count(*)::text FROM notes"))
}
