package migrate_test

import (
	"context"
	"os/exec"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

func (s *MigrateSuite) TestEightProcessesAtOnce() {
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			out, err := child(s.T(), s.db.DSN, "all").CombinedOutput()
			s.NoError(err, string(out))
		})
	}
	all.Wait()
	s.Equal("1,2,3", s.log())
	s.Equal("4", s.value(`SELECT count(*)::text FROM bun_migrations`))
	s.Equal("true", s.value(`SELECT indisvalid::text FROM pg_index WHERE indexrelid = 'shop.idx_items_price'::regclass`))
}

// killAsleep kills a migrating process, without a chance to clean up, once its statement sleeps.
func (s *MigrateSuite) killAsleep(cmd *exec.Cmd) {
	s.Require().NoError(cmd.Start())
	s.awaitSleep()
	s.Require().NoError(cmd.Process.Kill())
	s.Error(cmd.Wait())
}

// awaitSleep waits until a migration sleeps, and returns the process of its session.
func (s *MigrateSuite) awaitSleep() string {
	const asleep = `SELECT coalesce(max(pid), 0)::text FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'`
	s.Require().Eventually(func() bool { return s.value(asleep) != "0" }, 20*time.Second, 20*time.Millisecond)
	return s.value(asleep)
}

// TestTheMigratingSessionHoldsTheLock: with the lock in a session of its own, a second migrator could begin while the
// statement of the first still runs.
func (s *MigrateSuite) TestTheMigratingSessionHoldsTheLock() {
	slow := s.migrator(childSets["slow"])
	failed := make(chan error, 1)
	go func() {
		_, err := slow.Up(s.T().Context())
		failed <- err
	}()
	session := s.awaitSleep()
	s.Equal(session, s.value(`SELECT string_agg(pid::text, ' ') FROM pg_locks WHERE locktype = 'advisory'
		AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`))

	s.exec(`SELECT pg_terminate_backend(` + session + `)`)
	s.ErrorContains(<-failed, "20260102000000_add_price.tx.up.sql")
	s.Equal([]string{"20260102000000_add_price"}, s.up(shop, prices))
	s.Equal("1,2", s.log())
}

// TestALostSessionIsNotReplaced: its lock is somebody else's by then.
func (s *MigrateSuite) TestALostSessionIsNotReplaced() {
	dies := files(
		"20260102000000_die.tx.up.sql", `INSERT INTO shop.log VALUES (2)`,
		"20260102000000_die.tx.down.sql", ``,
		"20260102000001_after.tx.up.sql", `INSERT INTO shop.log VALUES (3)`,
		"20260102000001_after.tx.down.sql", ``)
	s.up(shop)
	s.exec(`CREATE FUNCTION shop.die() RETURNS trigger LANGUAGE plpgsql AS
		'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END';
		CREATE TRIGGER die AFTER UPDATE ON public.bun_migrations FOR EACH ROW EXECUTE FUNCTION shop.die()`)
	_, err := s.migrator(shop, dies).Up(s.T().Context())
	s.Error(err)
	s.Equal("1,2", s.log(), "the migration committed, its session died, and the next was left alone")
}

// TestAnIndexWaitsForOldSnapshots for longer than a migration may wait for a table.
func (s *MigrateSuite) TestAnIndexWaitsForOldSnapshots() {
	const longer = 6 * time.Second
	s.up(shop, prices)
	reader, err := s.db.Pool().BeginTx(s.T().Context(), pgx.TxOptions{IsoLevel: pgx.RepeatableRead})
	s.Require().NoError(err)
	_, err = reader.Exec(s.T().Context(), `SET LOCAL idle_in_transaction_session_timeout = 0; SELECT FROM shop.items`)
	s.Require().NoError(err)
	start, ended := time.Now(), make(chan error, 1)
	time.AfterFunc(longer, func() { ended <- reader.Rollback(context.Background()) })

	applied, err := s.migrator(shop, prices, index).Up(s.T().Context())
	s.NoError(err)
	s.Equal([]string{"20260103000000_index_price"}, applied)
	s.GreaterOrEqual(time.Since(start), longer, "it waited")
	s.NoError(<-ended)
}

func (s *MigrateSuite) TestKilledHalfWay() {
	s.killAsleep(child(s.T(), s.db.DSN, "slow"))
	start := time.Now()
	s.Equal([]string{"20260102000000_add_price"}, s.up(shop, prices))
	s.Less(time.Since(start), 10*time.Second)
	s.Equal("1,2", s.log())
}

func (s *MigrateSuite) TestKilledAfterCommit() {
	s.killAsleep(child(s.T(), s.db.DSN, "slow history"))
	s.Empty(s.up(childSets["slow history"]), "the entry came with the migration's own commit")
}
