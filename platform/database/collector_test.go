package database_test

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/tickr/tickr/platform/database"
)

func (s *PoolSuite) TestMetricsTellWhoWaits() {
	h := open(s.T(), s.db.DSN, func(o *database.Options) { o.PoolSize = 2 })
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(database.NewCollector(h))
	shows := func(inUse, idle, waiting string) bool {
		return testutil.GatherAndCompare(registry, strings.NewReader(`
# HELP tickr_db_pool_connections_idle Connections that wait for work.
# TYPE tickr_db_pool_connections_idle gauge
tickr_db_pool_connections_idle `+idle+`
# HELP tickr_db_pool_connections_in_use Connections that are working.
# TYPE tickr_db_pool_connections_in_use gauge
tickr_db_pool_connections_in_use `+inUse+`
# HELP tickr_db_pool_waiting Callers that want a connection and have none yet.
# TYPE tickr_db_pool_waiting gauge
tickr_db_pool_waiting `+waiting+`
`), "tickr_db_pool_connections_in_use", "tickr_db_pool_connections_idle", "tickr_db_pool_waiting") == nil
	}
	s.True(shows("0", "0", "0"))
	ctx, giveUp := context.WithCancel(s.T().Context())
	first, err := h.Pool().Acquire(ctx)
	s.Require().NoError(err)
	second, err := h.Pool().Acquire(ctx)
	s.Require().NoError(err)
	for range 3 {
		go func() { _ = h.Ping(ctx) }()
	}
	s.Eventually(func() bool { return shows("2", "0", "3") }, 5*time.Second, 10*time.Millisecond)
	giveUp()
	s.Eventually(func() bool { return shows("2", "0", "0") }, 5*time.Second, 10*time.Millisecond)
	first.Release()
	second.Release()
	s.Eventually(func() bool { return shows("0", "2", "0") }, 5*time.Second, 10*time.Millisecond)
}

func (s *PoolSuite) TestServerWithoutArchive() {
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(database.NewServerReading(s.db.Handle, slog.New(slog.DiscardHandler)))
	s.NoError(testutil.GatherAndCompare(registry, strings.NewReader(`
# HELP tickr_postgres_archive_enabled Whether the server archives its WAL.
# TYPE tickr_postgres_archive_enabled gauge
tickr_postgres_archive_enabled 0
# HELP tickr_postgres_archive_failing Whether the last try to archive a WAL file failed.
# TYPE tickr_postgres_archive_failing gauge
tickr_postgres_archive_failing 0
# HELP tickr_postgres_archive_lag_seconds Age of the oldest WAL file to be archived, 0 when none is; shown to members of pg_monitor.
# TYPE tickr_postgres_archive_lag_seconds gauge
tickr_postgres_archive_lag_seconds 0
# HELP tickr_postgres_archive_waiting_files WAL files to be archived; shown to members of pg_monitor.
# TYPE tickr_postgres_archive_waiting_files gauge
tickr_postgres_archive_waiting_files 0
`), "tickr_postgres_archive_enabled", "tickr_postgres_archive_failing", "tickr_postgres_archive_lag_seconds", "tickr_postgres_archive_waiting_files"))
	problems, err := testutil.GatherAndLint(registry)
	s.NoError(err)
	s.Empty(problems)
}

// TestServerTellsAnybody: an account with no rights but to connect sees all but the queue of the archive.
func (s *PoolSuite) TestServerTellsAnybody() {
	ctx := s.T().Context()
	role := s.db.Name + "_watcher"
	for _, sql := range []string{"CREATE ROLE " + role, "GRANT CONNECT ON DATABASE " + s.db.Name + " TO " + role} {
		exec(s.T(), s.db.Handle, sql)
	}
	s.T().Cleanup(func() {
		_, err := s.db.Pool().Exec(context.WithoutCancel(ctx), "REVOKE ALL ON DATABASE "+s.db.Name+" FROM "+role+"; DROP ROLE "+role)
		s.NoError(err)
	})
	h := open(s.T(), s.db.DSN, func(o *database.Options) { o.PoolSize = 1 })
	exec(s.T(), h, "SET ROLE "+role)
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(database.NewServerReading(h, slog.New(slog.DiscardHandler)))
	s.NoError(testutil.GatherAndCompare(registry, strings.NewReader(`
# HELP tickr_postgres_archive_enabled Whether the server archives its WAL.
# TYPE tickr_postgres_archive_enabled gauge
tickr_postgres_archive_enabled 0
`), "tickr_postgres_archive_enabled", "tickr_postgres_archive_waiting_files"))
}
