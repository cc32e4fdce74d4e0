package database_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/suite"

	"github.com/tickr/tickr/platform/database"
	"github.com/tickr/tickr/platform/database/dbtest"
)

// RereadSuite ends sessions under statements. Each statement counts in a sequence, which no rollback takes back, how often it was
// executed.
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

const (
	slowRead  = "SELECT nextval('executed') FROM pg_sleep(0.5)"
	slowWrite = "INSERT INTO notes SELECT nextval('executed') FROM pg_sleep(0.5)"
)

// interrupted runs a statement and ends its session while it is executed, so many times.
func (s *RereadSuite) interrupted(times int, run func(ctx context.Context) error) error {
	result := make(chan error, 1)
	go func() { result <- run(s.T().Context()) }()
	for range times {
		s.Require().Eventually(func() bool {
			return value(s.T(), s.db.Handle, `SELECT count(pg_terminate_backend(pid))::text FROM pg_stat_activity
				WHERE application_name = 'reread' AND state = 'active' AND query LIKE '%pg_sleep%'`) == "1"
		}, 5*time.Second, 10*time.Millisecond)
	}
	return <-result
}

// executed is how often statements have come to their end, besides those that were interrupted in their sleep.
func (s *RereadSuite) executed() string {
	return value(s.T(), s.db.Handle, "SELECT CASE WHEN is_called THEN last_value ELSE 0 END::text FROM executed")
}

func (s *RereadSuite) readBun(ctx context.Context) error {
	var n int
	return s.h.Conn(ctx).NewRaw(slowRead).Scan(ctx, &n)
}

func (s *RereadSuite) readPgx(ctx context.Context) error {
	_, err := database.Read(func() (n int, err error) {
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
	time.Sleep(700 * time.Millisecond) // in which another try would come to its end
	s.Equal("0", s.executed())
	s.Equal("0", value(s.T(), s.db.Handle, "SELECT count(*)::text FROM notes"))
}
