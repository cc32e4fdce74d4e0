package postgres_test

import (
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/suite"

	"github.com/tickr/tickr/modules/users/internal/adapters/postgres"
	"github.com/tickr/tickr/platform/database/dbtest"
	"github.com/tickr/tickr/platform/database/migrate"
)

// Counts holds the numbers that triggers keep to those of the rows.
type Counts struct {
	suite.Suite

	db *dbtest.DB
}

func TestCounts(t *testing.T) { suite.Run(t, new(Counts)) }

func (s *Counts) SetupTest() { s.db = dbtest.New(s.T(), postgres.Migrations()) }

func (s *Counts) exec(sql string, args ...any) {
	_, err := s.db.Pool().Exec(s.T().Context(), sql, args...)
	s.Require().NoError(err, sql)
}

// number returns the result of a query of one number.
func (s *Counts) number(sql string) (n int) {
	s.Require().NoError(s.db.Pool().QueryRow(s.T().Context(), sql).Scan(&n))
	return n
}

const insertUsers = `INSERT INTO users.users (email, first_name, last_name, role, is_active)
	SELECT $1 || i || '@example.com', 'A', 'B', (ARRAY['PARTICIPANT', 'ORGANIZER', 'ADMIN'])[1 + i % 3], i % 4 <> 0 FROM generate_series(1, $2::int) i`

// differences counts the kinds of which the numbers are not those of the rows.
const differences = `SELECT count(*) FROM (
	SELECT role, is_active, count(*) AS n FROM users.users GROUP BY role, is_active) counted
	FULL JOIN (SELECT role, is_active, sum(n) AS n FROM users.user_counts GROUP BY role, is_active) kept USING (role, is_active)
	WHERE coalesce(counted.n, 0) <> coalesce(kept.n, 0)`

func (s *Counts) TestEveryStatementCounts() {
	for _, statement := range []string{
		"INSERT INTO users.users (email, first_name, last_name) VALUES ('one@example.com', 'A', 'B')",
		"INSERT INTO users.users (email, first_name, last_name) VALUES ('one@example.com', 'A', 'B') ON CONFLICT DO NOTHING",
		"INSERT INTO users.users (email, first_name, last_name) VALUES ('one@example.com', 'A', 'B') ON CONFLICT (email) DO UPDATE SET role = 'ADMIN'",
		"UPDATE users.users SET role = 'ORGANIZER' WHERE is_active",
		"UPDATE users.users SET is_active = NOT is_active",
		"UPDATE users.users SET role = CASE role WHEN 'ADMIN' THEN 'PARTICIPANT' ELSE 'ADMIN' END WHERE id < 'f0000000-0000-4000-8000-000000000000'",
		"DELETE FROM users.users WHERE role = 'ADMIN'",
		"MERGE INTO users.users u USING (VALUES ('in1@example.com'), ('new@example.com')) v(email) ON u.email = v.email" +
			" WHEN MATCHED THEN UPDATE SET is_active = false WHEN NOT MATCHED THEN INSERT (email, first_name, last_name) VALUES (v.email, 'A', 'B')",
		"TRUNCATE users.users CASCADE",
		"INSERT INTO users.users (email, first_name, last_name) VALUES ('after@example.com', 'A', 'B')",
	} {
		s.exec("INSERT INTO users.users (email, first_name, last_name) SELECT gen_random_uuid() || '@example.com', 'A', 'B' FROM generate_series(1, 50)")
		s.exec(statement)
		s.Zero(s.number(differences), statement)
	}
	s.Positive(s.number("SELECT sum(n) FROM users.user_counts"))
}

func (s *Counts) TestWhatIsRolledBackDoesNotCount() {
	s.exec(insertUsers, "in", 10)
	tx, err := s.db.Pool().Begin(s.T().Context())
	s.Require().NoError(err)
	_, err = tx.Exec(s.T().Context(), "UPDATE users.users SET role = 'ADMIN', is_active = true")
	s.Require().NoError(err)
	s.Require().NoError(tx.Rollback(s.T().Context()))
	s.Zero(s.number(differences))
}

// TestALoginTouchesNoCount: what changes no number writes none.
func (s *Counts) TestALoginTouchesNoCount() {
	s.exec(insertUsers, "in", 10)
	before := s.number("SELECT sum(xmin::text::bigint) FROM users.user_counts")
	s.exec("UPDATE users.users SET last_login_at = now(), version = version + 1")
	s.Equal(before, s.number("SELECT sum(xmin::text::bigint) FROM users.user_counts"))
}

// TestNobodyWaits: a transaction that has counted and goes on holds up no other one.
func (s *Counts) TestNobodyWaits() {
	ctx := s.T().Context()
	for i := range 5 {
		tx, err := s.db.Pool().Begin(ctx)
		s.Require().NoError(err)
		defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
		_, err = tx.Exec(ctx, "SET LOCAL lock_timeout = '1ms'")
		s.Require().NoError(err)
		_, err = tx.Exec(ctx, insertUsers, fmt.Sprintf("tx%d-", i), 12)
		s.Require().NoError(err, "a row that another transaction holds was waited for")
	}
}

// TestExactUnderLoad: many at once insert, change, delete and give up, in one order or another.
func (s *Counts) TestExactUnderLoad() {
	s.exec(insertUsers, "in", 200)
	const workers, rounds = 12, 60
	errs := make(chan error, workers)
	var all sync.WaitGroup
	for worker := range workers {
		all.Go(func() {
			random := rand.New(rand.NewPCG(uint64(worker), 1))
			for round := range rounds {
				if err := s.randomTransaction(random, fmt.Sprintf("%d-%d-", worker, round)); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	all.Wait()
	close(errs)
	for err := range errs {
		s.NoError(err)
	}
	s.Zero(s.number(differences))
	s.LessOrEqual(s.number("SELECT count(*) FROM users.user_counts"), 6*workers, "a row for each kind and each that came at the same time")
}

// randomTransaction changes accounts in one transaction, which it commits more often than not. It has a share of the accounts to itself:
// a deadlock would be the fault of the counts.
func (s *Counts) randomTransaction(random *rand.Rand, prefix string) error {
	ctx := s.T().Context()
	tx, err := s.db.Pool().Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	share := random.IntN(40)
	if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", share); err != nil {
		return err
	}
	const own = " WHERE abs(hashtext(id::text)) % 40 = $1"
	for step := range 1 + random.IntN(3) {
		switch random.IntN(4) {
		case 0:
			_, err = tx.Exec(ctx, insertUsers, fmt.Sprint(prefix, step, "-"), 1+random.IntN(4))
		case 1:
			_, err = tx.Exec(ctx, "UPDATE users.users SET is_active = NOT is_active"+own, share)
		case 2:
			_, err = tx.Exec(ctx, "UPDATE users.users SET role = 'ORGANIZER'"+own, share)
		case 3:
			_, err = tx.Exec(ctx, "DELETE FROM users.users"+own, share)
		}
		if err != nil {
			return err
		}
	}
	if random.IntN(4) == 0 {
		return nil
	}
	return tx.Commit(ctx)
}

// TestExistingAccountsAreCountedWhileOthersWrite: each once, whatever happens meanwhile, and no more when it is done again.
func (s *Counts) TestExistingAccountsAreCountedWhileOthersWrite() {
	s.db = dbtest.New(s.T(), before("20261123130000"))
	s.exec(insertUsers, "old", 2000)
	ctx, stop := context.WithCancel(s.T().Context())
	var writers sync.WaitGroup
	for writer := range 3 {
		writers.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				s.exec(insertUsers, fmt.Sprint("new", writer, "-", i, "-"), 3)
				s.exec("UPDATE users.users SET is_active = NOT is_active WHERE email = $1", fmt.Sprintf("old%d@example.com", 1+i%2000))
			}
		})
	}
	m, err := migrate.New(s.db.DSN, postgres.Migrations())
	s.NoError(err)
	_, err = m.Up(s.T().Context())
	stop()
	writers.Wait()
	s.Require().NoError(err)
	s.Zero(s.number(differences))

	again, err := fs.ReadFile(postgres.Migrations(), "20261123130100_count_existing_users.tx.up.sql")
	s.Require().NoError(err)
	rows := s.number("SELECT count(*) FROM users.user_counts")
	s.exec(string(again))
	s.Equal(rows, s.number("SELECT count(*) FROM users.user_counts"))
}

// before returns the migrations up to a number.
func before(number string) fs.FS {
	all, older := postgres.Migrations(), fstest.MapFS{}
	names, err := fs.Glob(all, "*.sql")
	if err != nil {
		panic(err)
	}
	for _, name := range names {
		text, err := fs.ReadFile(all, name)
		if err != nil {
			panic(err)
		}
		if name < number {
			older[name] = &fstest.MapFile{Data: text}
		}
	}
	return older
}
