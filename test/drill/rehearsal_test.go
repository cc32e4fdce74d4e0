//go:build system

package drill

import (
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/platform/database"
	"github.com/tickr/tickr/test/load"
	"github.com/tickr/tickr/test/program"
)

// patience bounds what an operator waits for.
const patience = 15 * time.Minute

// rehearsal is a private PostgreSQL with an archive, and the program that serves it.
type rehearsal struct {
	t       *testing.T
	dir     string // DATA_DIR
	set     []string
	serving *program.Program
	ops     string // http://host:port of the operations port, while serving
}

// rehearse gives the test a private PostgreSQL that archives.
func rehearse(t *testing.T) *rehearsal {
	t.Helper()
	dir := program.DataDir(t)
	r := &rehearsal{t: t, dir: dir, set: []string{
		"DATA_DIR=" + dir, "BOOTSTRAP_ADMIN_EMAIL=" + program.AdminEmail, "BOOTSTRAP_ADMIN_PASSWORD=" + program.AdminPassword,
		"ACCESS_TOKEN_TTL=24h", "RATE_LIMITS=off",
	}}
	r.command("migrate", "up")
	require.Contains(t, r.command("backup", "archive", "on"), "archiving is on")
	return r
}

// command runs a command that is to succeed, and returns what it printed.
func (r *rehearsal) command(args ...string) string {
	r.t.Helper()
	result := program.RunWithin(r.t, patience, "", r.set, args...)
	require.Equal(r.t, 0, result.Code, "tickr %s: %s", strings.Join(args, " "), result.ErrOut)
	return result.Out
}

// refused runs a command that is to fail with exit code 1, and returns what it complained about.
func (r *rehearsal) refused(args ...string) string {
	r.t.Helper()
	result := program.RunWithin(r.t, patience, "", r.set, args...)
	require.Equal(r.t, 1, result.Code, "tickr %s: %s", strings.Join(args, " "), result.Out)
	return result.ErrOut
}

// serve starts the program and waits until it is ready.
func (r *rehearsal) serve() {
	r.t.Helper()
	ops := "127.0.0.1:" + program.FreePort(r.t)
	r.ops = "http://" + ops
	serving := program.Start(r.t, append(r.set, "OPS_ADDR="+ops)...)
	// In order, before the folder goes: PostgreSQL would end a moment after a program that is killed.
	r.t.Cleanup(func() {
		if serving.Running() {
			serving.Stop(syscall.SIGTERM)
		}
	})
	r.serving = serving
}

// stop ends the program and its server in order.
func (r *rehearsal) stop() {
	r.t.Helper()
	require.Equal(r.t, 0, r.serving.Stop(syscall.SIGTERM))
}

// destroy loses the machine but for the archive: at the time that it returns everything halts, and the data is gone.
func (r *rehearsal) destroy(others ...*program.Program) time.Time {
	r.t.Helper()
	r.serving.Signal(syscall.SIGSTOP) // it would start PostgreSQL again, and answer meanwhile
	lost := time.Now()
	for _, other := range others {
		other.Kill()
	}
	require.NoError(r.t, syscall.Kill(r.postmaster(), syscall.SIGKILL)) // its processes follow it, and archive nothing more
	r.removeData()
	r.serving.Kill()
	return lost
}

func (r *rehearsal) removeData() {
	r.t.Helper()
	// Processes that are about to end may still write.
	require.Eventually(r.t, func() bool { return os.RemoveAll(filepath.Join(r.dir, "postgres")) == nil }, program.Patience, 10*time.Millisecond)
}

func (r *rehearsal) postmaster() int {
	r.t.Helper()
	pid, err := strconv.Atoi(r.pidLine(0))
	require.NoError(r.t, err)
	return pid
}

// pidLine returns a line of postmaster.pid: 0 is the process, 3 the port.
func (r *rehearsal) pidLine(n int) string {
	r.t.Helper()
	text, err := os.ReadFile(filepath.Join(r.dir, "postgres", "data", "postmaster.pid"))
	require.NoError(r.t, err)
	return strings.Split(string(text), "\n")[n]
}

// dsn is the address of the server while it runs.
func (r *rehearsal) dsn() string {
	r.t.Helper()
	password, err := os.ReadFile(filepath.Join(r.dir, "postgres", "password"))
	require.NoError(r.t, err)
	return (&url.URL{
		Scheme: "postgres", User: url.UserPassword("postgres", string(password)),
		Host: net.JoinHostPort("127.0.0.1", r.pidLine(3)), Path: "/tickr", RawQuery: "sslmode=disable",
	}).String()
}

// sql runs a statement past the program.
func (r *rehearsal) sql(statement string) {
	r.t.Helper()
	conn := r.connect()
	defer conn.Close(r.t.Context())
	_, err := conn.Exec(r.t.Context(), statement)
	require.NoError(r.t, err)
}

func (r *rehearsal) connect() *pgx.Conn {
	r.t.Helper()
	conn, err := pgx.Connect(r.t.Context(), r.dsn())
	require.NoError(r.t, err)
	return conn
}

// ask returns the rows of a query.
func ask[T any](r *rehearsal, query string) []T {
	r.t.Helper()
	conn := r.connect()
	defer conn.Close(r.t.Context())
	rows, err := conn.Query(r.t.Context(), query)
	require.NoError(r.t, err)
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[T])
	require.NoError(r.t, err)
	return found
}

// handle is for package load. It must be closed before the server stops.
func (r *rehearsal) handle() *database.Handle {
	r.t.Helper()
	db, err := database.Open(r.t.Context(), database.Options{
		DSN: r.dsn(), PoolSize: 2, ConnectTimeout: program.Patience, IdleTimeout: program.Patience, ApplicationName: "drill",
	})
	require.NoError(r.t, err)
	return db
}

// load asks the program for things, writes of a hundred requests being writes.
func (r *rehearsal) load(o load.Options) *load.Load {
	r.t.Helper()
	db := r.handle()
	defer db.Close()
	o.API, o.Email, o.Password = r.serving.API, program.AdminEmail, program.AdminPassword
	return load.Start(r.t, db, o)
}

// verdict compares what clients were told with what is there.
func (r *rehearsal) verdict(log load.Log) load.Verdict {
	r.t.Helper()
	db := r.handle()
	defer db.Close()
	return load.Check(r.t, db, log)
}
