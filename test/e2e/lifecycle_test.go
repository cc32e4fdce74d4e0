package e2e

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/platform/database/dbtest"
)

// private is the environment of a program with a PostgreSQL of its own in dir.
func private(dir string) []string {
	return []string{
		"DATA_DIR=" + dir, "BOOTSTRAP_ADMIN_EMAIL=" + adminEmail, "BOOTSTRAP_ADMIN_PASSWORD=" + adminPassword,
	}
}

// postmaster returns the process ID of the private PostgreSQL whose data the program printed.
func postmaster(t *testing.T, p *program) (pid int, data string) {
	t.Helper()
	p.await("the welcome", func() bool { return strings.Contains(p.out.String(), "data in ") })
	_, after, _ := strings.Cut(p.out.String(), "data in ")
	data, _, _ = strings.Cut(after, "\n")
	raw, err := os.ReadFile(filepath.Join(data, "postmaster.pid"))
	require.NoError(t, err)
	line, _, _ := strings.Cut(string(raw), "\n")
	pid, err = strconv.Atoi(line)
	require.NoError(t, err)
	return pid, data
}

func alive(pid int) bool { return syscall.Kill(pid, 0) == nil }

func TestPrivatePostgres(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	env := private(dir)

	first := start(t, env...)
	for _, said := range []string{first.api + "/api", first.api + "/docs", filepath.Join(dir, "mail"), adminEmail, "Ctrl-C"} {
		require.Contains(t, first.out.String(), said)
	}
	pid, data := postmaster(t, first)
	group, err := syscall.Getpgid(pid)
	require.NoError(t, err)
	require.Equal(t, pid, group, "PostgreSQL is in a process group of its own, out of Ctrl-C's way")
	first.account(env, "kept@example.com", password)

	second := launch(t, env...)
	require.Equal(t, 1, second.wait(), "one data folder, one server")
	require.Contains(t, second.logs.String(), first.api, "it says what is running")
	elsewhere := start(t, private(dataDir(t))...)
	require.Equal(t, 0, elsewhere.stop(syscall.SIGTERM), "another folder is another matter")

	stats := tickr(t, "", env, "users", "stats")
	require.Equal(t, 0, stats.code, stats.errOut)
	require.Regexp(t, `total +2\n`, stats.out, "a command attaches to the running server")

	require.Equal(t, 0, first.stop(syscall.SIGINT))
	require.False(t, alive(pid))

	stats = tickr(t, "", env, "users", "stats")
	require.Equal(t, 0, stats.code, stats.errOut)
	require.Regexp(t, `total +2\n`, stats.out, "a command starts the server itself")

	again := start(t, env...)
	again.client().logIn("kept@example.com", password)
	pid, _ = postmaster(t, again)
	require.NoError(t, again.cmd.Process.Kill())
	again.wait()
	eventually(t, "PostgreSQL ends with its owner", func() bool { return !alive(pid) })

	after := start(t, env...)
	after.client().logIn("kept@example.com", password)
	_, same := postmaster(t, after)
	require.Equal(t, data, same)
	require.Equal(t, 0, after.stop(syscall.SIGTERM))
}

func TestClosedTerminalStopsEverything(t *testing.T) {
	t.Parallel()
	p := start(t, private(dataDir(t))...)
	pid, _ := postmaster(t, p)
	require.Equal(t, 0, p.stop(syscall.SIGHUP))
	require.False(t, alive(pid))
}

func TestKillLosesNothingAcknowledged(t *testing.T) {
	t.Parallel()
	env := private(dataDir(t))
	p := start(t, env...)
	access, _ := p.client().logIn(adminEmail, adminPassword)
	admin := p.client().as(access)

	var mu sync.Mutex
	var acknowledged []string
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			for i := 0; ; i++ {
				email := fmt.Sprintf("w%d-%d@example.com", w, i)
				a, err := admin.try("POST", "/api/users", object{"email": email, "firstName": "W", "lastName": "W"})
				if err != nil {
					return
				}
				if a.Status == http.StatusCreated {
					mu.Lock()
					acknowledged = append(acknowledged, a.JSON["id"].(string))
					mu.Unlock()
				}
			}
		})
	}
	p.await("some writes", func() bool { mu.Lock(); defer mu.Unlock(); return len(acknowledged) >= 40 })
	require.NoError(t, p.cmd.Process.Kill())
	writers.Wait()

	p = start(t, env...)
	access, _ = p.client().logIn(adminEmail, adminPassword)
	for batch := range slicesOf(acknowledged, 500) {
		a := p.client().as(access).do("POST", "/api/users/batch", object{"ids": batch}).is(200)
		require.Empty(t, a.JSON["missing"])
	}
}

// slicesOf yields parts of at most n.
func slicesOf(all []string, n int) func(func([]string) bool) {
	return func(yield func([]string) bool) {
		for len(all) > 0 {
			part := all[:min(n, len(all))]
			all = all[len(part):]
			if !yield(part) {
				return
			}
		}
	}
}

// gate forwards TCP connections to a server once it is opened: a database that comes late.
type gate struct {
	address string
	target  string
	open    chan struct{}
}

func newGate(t *testing.T, dsn string) (g *gate, through string) {
	t.Helper()
	u, err := url.Parse(dsn)
	require.NoError(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	g = &gate{address: listener.Addr().String(), target: u.Host, open: make(chan struct{})}
	// The port is known and closed until the gate opens: connections are refused.
	require.NoError(t, listener.Close())
	u.Host = g.address
	return g, u.String()
}

func (g *gate) serve(t *testing.T) {
	t.Helper()
	listener, err := net.Listen("tcp", g.address)
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				server, err := net.Dial("tcp", g.target)
				if err != nil {
					_ = client.Close()
					return
				}
				go func() { _, _ = io.Copy(server, client); _ = server.Close() }()
				_, _ = io.Copy(client, server)
				_ = client.Close()
			}()
		}
	}()
}

func TestDatabaseThatComesLate(t *testing.T) {
	t.Parallel()
	g, dsn := newGate(t, dbtest.Empty(t).DSN)
	env := standard(t, dsn)
	p := launch(t, append(env, "HTTP_ADDR=127.0.0.1:"+freePort(t))...)
	p.api = "http://" + value(p.cmd.Env[len(p.cmd.Env)-1:], "HTTP_ADDR")
	p.await("the listener", func() bool {
		a, err := p.client().try("GET", "/livez", nil)
		return err == nil && a.Status == 200
	})
	p.client().do("GET", "/readyz", nil).isStatus(503)
	refused := p.client().do("POST", "/api/auth/login", object{"email": adminEmail, "password": adminPassword}).is(503, "unavailable")
	require.NotEmpty(t, refused.Header.Get("Retry-After"))

	g.serve(t)
	p.awaitReady()
	p.client().do("GET", "/readyz", nil).is(200)
	p.client().logIn(adminEmail, adminPassword)
	require.Equal(t, 0, p.stop(syscall.SIGTERM))
}

// freePort returns a port that was free a moment ago.
func freePort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	require.NoError(t, err)
	return port
}

func TestRequestsInFlightFinish(t *testing.T) {
	t.Parallel()
	env := append(standard(t, dbtest.Empty(t).DSN), "SHUTDOWN_DELAY=500ms")
	p := start(t, env...)
	var wg sync.WaitGroup
	statuses := make(chan int, 64)
	var stopping sync.Once
	for range 8 {
		wg.Go(func() {
			for {
				a, err := p.client().try("POST", "/api/auth/login", object{"email": adminEmail, "password": adminPassword})
				if err != nil {
					return // the listener is closed: nothing was cut, nothing was accepted
				}
				statuses <- a.Status
				stopping.Do(func() { _ = p.cmd.Process.Signal(syscall.SIGTERM) })
			}
		})
	}
	go func() { wg.Wait(); close(statuses) }()
	for status := range statuses {
		require.Equal(t, http.StatusOK, status)
	}
	require.Equal(t, 0, p.wait())
}

func TestDrainsBeforeItCloses(t *testing.T) {
	t.Parallel()
	p := start(t, append(standard(t, dbtest.Empty(t).DSN), "SHUTDOWN_DELAY=3s")...)
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	p.await("readyz says no while the API answers", func() bool {
		ready, err := p.client().try("GET", "/readyz", nil)
		if err != nil || ready.Status != 503 {
			return false
		}
		live, err := p.client().try("GET", "/livez", nil)
		return err == nil && live.Status == 200
	})
	require.Equal(t, 0, p.wait())
}

func TestPostgresThatDiesComesBack(t *testing.T) {
	t.Parallel()
	p := start(t, private(dataDir(t))...)
	pid, _ := postmaster(t, p)
	p.client().logIn(adminEmail, adminPassword)
	require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
	deadline := time.Now().Add(patience)
	for {
		a := p.client().do("POST", "/api/auth/login", object{"email": adminEmail, "password": adminPassword})
		if a.Status == http.StatusOK {
			break
		}
		require.Equal(t, http.StatusServiceUnavailable, a.Status, a.Raw)
		require.True(t, time.Now().Before(deadline), "it never came back")
		time.Sleep(50 * time.Millisecond)
	}
}
