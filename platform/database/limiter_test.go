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

type BudgetSuite struct {
	suite.Suite
	h *database.Handle
}

func TestBudget(t *testing.T) { suite.Run(t, new(BudgetSuite)) }

func (s *BudgetSuite) SetupTest() {
	db := dbtest.Empty(s.T())
	s.h = open(s.T(), db.DSN, func(o *database.Options) { o.PoolSize = 1 })
	s.Require().NoError(s.h.Ping(s.T().Context()))
}

func (s *BudgetSuite) sleep(ctx context.Context, seconds string) error {
	_, err := s.h.Conn(ctx).ExecContext(ctx, "SELECT pg_sleep("+seconds+")")
	return err
}

func (s *BudgetSuite) TestCutsARunningQuery() {
	start := time.Now()
	err := s.sleep(database.WithBudget(s.T().Context(), time.Second), "20")
	s.Less(time.Since(start), 10*time.Second)
	s.ErrorIs(err, context.DeadlineExceeded)
	s.True(database.Unavailable(err))
	s.NoError(s.h.Ping(s.T().Context()))
}

func (s *BudgetSuite) TestIsSpentByQueriesTogether() {
	ctx := database.WithBudget(s.T().Context(), 2*time.Second)
	s.NoError(s.sleep(ctx, "0.2"))
	s.True(database.Unavailable(s.sleep(ctx, "1.9")))
	s.True(database.Unavailable(s.sleep(ctx, "0")), "nothing is left")
	s.True(database.Unavailable(s.h.Ping(ctx)))
	_, err := s.h.Pool().Exec(ctx, "SELECT 1")
	s.True(database.Unavailable(err), "the pool's other door")
	s.NoError(s.sleep(s.T().Context(), "0"), "other requests have their own")
}

func (s *BudgetSuite) TestIsSpentByWaitingForAConnection() {
	s.NoError(s.h.InTx(s.T().Context(), func(context.Context) error {
		start := time.Now()
		err := s.sleep(database.WithBudget(s.T().Context(), time.Second), "0")
		s.Less(time.Since(start), 4*time.Second, "the pool's own limit is 5 s")
		s.True(database.Unavailable(err))
		return nil
	}))
}

func (s *BudgetSuite) TestIsNotSpentBetweenQueries() {
	ctx := database.WithBudget(s.T().Context(), 2*time.Second)
	s.NoError(s.h.InTx(ctx, func(ctx context.Context) error {
		s.NoError(s.sleep(ctx, "0.01"))
		time.Sleep(2200 * time.Millisecond)
		return s.sleep(ctx, "0.01")
	}))
}

func (s *BudgetSuite) TestRollbackWorksWithoutBudget() {
	exec(s.T(), s.h, `CREATE TABLE notes (id int)`)
	pid := value(s.T(), s.h, `SELECT pg_backend_pid()::text`)
	ctx := database.WithBudget(s.T().Context(), 1500*time.Millisecond)
	err := s.h.InTx(ctx, func(ctx context.Context) error {
		_, err := s.h.Conn(ctx).ExecContext(ctx, `INSERT INTO notes VALUES (1)`)
		s.NoError(err)
		rows, err := s.h.Conn(ctx).QueryContext(ctx, `SELECT 1`)
		s.Require().NoError(err)
		time.Sleep(2 * time.Second) // a result counts as long as it is read
		_ = rows.Close()
		s.NoError(ctx.Err())
		return s.sleep(ctx, "0")
	})
	s.True(database.Unavailable(err), err)
	s.Equal("0", value(s.T(), s.h, `SELECT count(*)::text FROM notes`))
	s.Equal(pid, value(s.T(), s.h, `SELECT pg_backend_pid()::text`), "the connection was kept")
}

func (s *BudgetSuite) TestIsSafeForConcurrentQueries() {
	ctx := database.WithBudget(s.T().Context(), 5*time.Second)
	var work sync.WaitGroup
	for range 20 {
		work.Go(func() { s.NoError(s.sleep(ctx, "0.001")) })
	}
	work.Wait()
}

func (s *BudgetSuite) TestIsSpentByWaitingForOthers() {
	ctx := database.WithBudget(s.T().Context(), 2*time.Second)
	_, done := database.Spend(ctx)
	time.Sleep(1500 * time.Millisecond)
	done()
	waiting, done := database.Spend(ctx)
	start := time.Now()
	<-waiting.Done()
	done()
	s.Less(time.Since(start), 1500*time.Millisecond, "the waits together")
	s.True(database.Unavailable(waiting.Err()))
	s.NoError(ctx.Err())
	s.True(database.Unavailable(s.sleep(ctx, "0")), "nothing is left")

	waiting, done = database.Spend(s.T().Context())
	defer done()
	s.Equal(s.T().Context(), waiting, "there is no budget")
}
