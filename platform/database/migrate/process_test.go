package migrate_test

import (
	"os/exec"
	"sync"
	"time"
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
	s.Require().Eventually(func() bool {
		return s.value(`SELECT count(*)::text FROM pg_stat_activity
			WHERE datname = current_database() AND wait_event = 'PgSleep'`) == "1"
	}, 20*time.Second, 20*time.Millisecond)
	s.Require().NoError(cmd.Process.Kill())
	s.Error(cmd.Wait())
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
