package faults

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/platform/database"
	"github.com/tickr/tickr/platform/database/embedded"
	"github.com/tickr/tickr/test/program"
)

// cluster is a PostgreSQL that a test has for itself. What it acknowledges it keeps, and when it dies it is started again, on the
// same port: it is the one that a newcomer gets.
type cluster struct {
	*embedded.Server
	t *testing.T
}

func newCluster(t *testing.T, dataDir string) cluster {
	t.Helper()
	server, err := embedded.Serve(t.Context(), embedded.Options{
		DataDir: dataDir, BinDir: os.Getenv("PG_BIN_DIR"), Database: "tickr",
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop()) })
	return cluster{server, t}
}

// open returns a way to the database past everything that stands between it and the program.
func (c cluster) open() *database.Handle {
	c.t.Helper()
	db, err := database.Open(c.t.Context(), database.Options{
		DSN: c.DSN(), PoolSize: 20, ConnectTimeout: program.Patience, IdleTimeout: program.Patience, ApplicationName: "fault",
	})
	require.NoError(c.t, err)
	c.t.Cleanup(db.Close)
	return db
}

// postmaster returns the process that all others of the server descend from, 0 when there is none.
func (c cluster) postmaster() int {
	raw, err := os.ReadFile(filepath.Join(c.DataDir(), "postmaster.pid"))
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(raw), "\n")
	pid, _ := strconv.Atoi(first)
	return pid
}

// crash ends the server with a signal, SIGQUIT being what `pg_ctl stop -m immediate` sends, and returns when another one has
// recovered and answers.
func (c cluster) crash(db *database.Handle, signal syscall.Signal) (ready time.Time) {
	c.t.Helper()
	dead := c.postmaster()
	require.NoError(c.t, syscall.Kill(dead, signal))
	require.Eventually(c.t, func() bool {
		pid := c.postmaster()
		return pid != 0 && pid != dead && db.Ping(c.t.Context()) == nil
	}, program.Patience, 10*time.Millisecond, "PostgreSQL does not come back")
	return time.Now()
}

// halt stops every process of the server where it is (SIGSTOP), for as long as it is not released.
func (c cluster) halt(db *database.Handle) (release func()) {
	c.t.Helper()
	var pids []int
	require.NoError(c.t, db.Pool().QueryRow(c.t.Context(), "SELECT array_agg(pid) FROM pg_stat_activity").Scan(&pids))
	pids = append([]int{c.postmaster()}, pids...) // first, so that it starts no others
	signal := func(s syscall.Signal) {
		for _, pid := range pids {
			_ = syscall.Kill(pid, s) // it may have ended meanwhile
		}
	}
	c.t.Cleanup(func() { signal(syscall.SIGCONT) }) // else it could not be stopped
	signal(syscall.SIGSTOP)
	return func() { signal(syscall.SIGCONT) }
}
