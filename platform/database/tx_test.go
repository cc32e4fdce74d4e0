package database_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/suite"

	"github.com/tickr/tickr/platform/database"
	"github.com/tickr/tickr/platform/database/dbtest"
)

type TxSuite struct {
	suite.Suite
	db *dbtest.DB
	h  *database.Handle // a pool of one: whatever forgets its transaction hangs
}

func TestTx(t *testing.T) { suite.Run(t, new(TxSuite)) }

func (s *TxSuite) SetupTest() {
	s.db = dbtest.Empty(s.T())
	s.h = open(s.T(), s.db.DSN, func(o *database.Options) { o.PoolSize = 1 })
	exec(s.T(), s.db.Handle, `CREATE TABLE notes (id int PRIMARY KEY, n int NOT NULL DEFAULT 0)`)
}

func (s *TxSuite) insert(ctx context.Context, id int) {
	_, err := s.h.Conn(ctx).NewRaw(`INSERT INTO notes (id) VALUES (?)`, id).Exec(ctx)
	s.Require().NoError(err)
}

func (s *TxSuite) notes() string {
	return value(s.T(), s.h, `SELECT coalesce(string_agg(id::text, ',' ORDER BY id), '') FROM notes`)
}

func (s *TxSuite) TestCommits() {
	s.NoError(s.h.InTx(s.T().Context(), func(ctx context.Context) error {
		s.insert(ctx, 1)
		s.Empty(value(s.T(), s.db.Handle, `SELECT coalesce(max(id)::text, '') FROM notes`), "not visible yet")
		return nil
	}))
	s.Equal("1", s.notes())
}

func (s *TxSuite) TestRollsBackAndPassesTheErrorOn() {
	want := errors.New("no")
	s.Equal(want, s.h.InTx(s.T().Context(), func(ctx context.Context) error {
		s.insert(ctx, 1)
		return want
	}))
	s.Empty(s.notes())
}

func (s *TxSuite) TestRollsBackOnPanic() {
	s.PanicsWithValue("boom", func() {
		_ = s.h.InTx(s.T().Context(), func(ctx context.Context) error {
			s.insert(ctx, 1)
			panic("boom")
		})
	})
	s.Empty(s.notes())
}

func (s *TxSuite) TestNestedJoins() {
	want := errors.New("no")
	nested := func(outcome error) error {
		return s.h.InTx(s.T().Context(), func(ctx context.Context) error {
			s.insert(ctx, 1)
			err := s.h.InTx(ctx, func(ctx context.Context) error {
				s.insert(ctx, 2)
				return nil
			})
			s.NoError(err)
			return outcome
		})
	}
	s.Equal(want, nested(want))
	s.Empty(s.notes(), "the inner call has not committed")
	s.NoError(nested(nil))
	s.Equal("1,2", s.notes())
}

func (s *TxSuite) TestAnotherHandleDoesNotJoin() {
	other := open(s.T(), s.db.DSN, nil)
	s.NoError(s.h.InTx(s.T().Context(), func(ctx context.Context) error {
		s.insert(ctx, 1)
		s.Equal("0", value(s.T(), other, `SELECT count(*)::text FROM notes`))
		return other.InTx(ctx, func(ctx context.Context) error {
			_, err := other.Conn(ctx).ExecContext(ctx, `INSERT INTO notes (id) VALUES (2)`)
			return err
		})
	}))
	s.Equal("1,2", s.notes())
}

func (s *TxSuite) TestSwallowedStatementErrorIsNotCommitted() {
	err := s.h.InTx(s.T().Context(), func(ctx context.Context) error {
		s.insert(ctx, 1)
		_, err := s.h.Conn(ctx).ExecContext(ctx, `INSERT INTO notes (id) VALUES (1)`)
		s.Error(err)
		return nil
	})
	s.ErrorContains(err, "commit transaction")
	s.Empty(s.notes())
}

func (s *TxSuite) TestDeadlockIsRepeated() {
	exec(s.T(), s.db.Handle, `INSERT INTO notes (id) VALUES (1), (2)`)
	h := open(s.T(), s.db.DSN, nil)
	var runs atomic.Int32
	var met, work sync.WaitGroup
	met.Add(2)
	transfer := func(from, to int) {
		meet := sync.OnceFunc(func() { met.Done(); met.Wait() }) // only in the first run
		s.NoError(h.InTx(s.T().Context(), func(ctx context.Context) error {
			runs.Add(1)
			for _, id := range []int{from, to} {
				if _, err := h.Conn(ctx).NewRaw(`UPDATE notes SET n = n + 1 WHERE id = ?`, id).Exec(ctx); err != nil {
					return err
				}
				meet()
			}
			return nil
		}))
	}
	work.Go(func() { transfer(1, 2) })
	work.Go(func() { transfer(2, 1) })
	work.Wait()
	s.GreaterOrEqual(runs.Load(), int32(3), "one of the two was the victim, and ran again")
	s.Equal("2,2", value(s.T(), h, `SELECT string_agg(n::text, ',') FROM notes`))
}

func (s *TxSuite) TestGivesUpAfterThreeRuns() {
	lost := &pgconn.PgError{Severity: "ERROR", Code: "40001"}
	runs := 0
	err := s.h.InTx(s.T().Context(), func(ctx context.Context) error {
		return s.h.InTx(ctx, func(ctx context.Context) error {
			runs++
			return lost
		})
	})
	s.ErrorIs(err, lost)
	s.True(database.Unavailable(err))
	s.Equal(3, runs, "only the outermost call repeats")
}

func (s *TxSuite) TestCancelledCallerIsToldSo() {
	statement := func(ctx context.Context, sql string) error {
		_, err := s.h.Conn(ctx).ExecContext(ctx, sql)
		return err
	}
	for name, fn := range map[string]func(context.Context) error{
		"during a statement": func(ctx context.Context) error { return statement(ctx, `SELECT pg_sleep(2)`) },
		"between statements": func(ctx context.Context) error {
			<-ctx.Done()
			return statement(ctx, `SELECT 1`)
		},
		"before the commit": func(ctx context.Context) error {
			<-ctx.Done()
			time.Sleep(20 * time.Millisecond) // database/sql rolls back by itself meanwhile
			return nil
		},
	} {
		ctx, cancel := context.WithCancel(s.T().Context())
		err := s.h.InTx(ctx, func(ctx context.Context) error {
			s.insert(ctx, 1)
			time.AfterFunc(50*time.Millisecond, cancel)
			return fn(ctx)
		})
		s.ErrorIs(err, context.Canceled, name)
		s.False(database.Unavailable(err), name)
		s.Empty(s.notes(), name)
	}
}
