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
	"github.com/tickr/tickr/test/program"
)

// private is the environment of a program with a PostgreSQL of its own in dir.
func private(dir string) []string {
	return []string{
		"DATA_DIR=" + dir, "BOOTSTRAP_ADMIN_EMAIL=" + program.AdminEmail, "BOOTSTRAP_ADMIN_PASSWORD=" + program.AdminPassword,
	}
}

// postmaster returns the process ID of the private PostgreSQL whose data the program printed.
func postmaster(t *testing.T, p *instance) (pid int, data string) {
	t.Helper()
	p.Await("the welcome", func() bool { return strings.Contains(p.Out.String(), "data in ") })
	_, after, _ := strings.Cut(p.Out.String(), "data in ")
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
	dir := program.DataDir(t)
	env := private(dir)

	first := start(t, env...)
	for _, said := range []string{first.API + "/api", first.API + "/docs", filepath.Join(dir, "mail"), program.AdminEmail, "Ctrl-C"} {
		require.Contains(t, first.Out.String(), said)
	}
	pid, data := postmaster(t, first)
	group, err := syscall.Getpgid(pid)
	require.NoError(t, err)
	require.Equal(t, pid, group, "PostgreSQL is in a process group of its own, out of Ctrl-C's way")
	first.account(env, "kept@example.com", password)

	second := launch(t, env...)
	require.Equal(t, 1, second.Wait(), "one data folder, one server")
	require.Contains(t, second.Logs.String(), first.API, "it says what is running")
	elsewhere := start(t, private(program.DataDir(t))...)
	require.Equal(t, 0, elsewhere.Stop(syscall.SIGTERM), "another folder is another matter")

	stats := program.Run(t, "", env, "users", "stats")
	require.Equal(t, 0, stats.Code, stats.ErrOut)
	require.Regexp(t, `total +2\n`, stats.Out, "a command attaches to the running server")

	require.Equal(t, 0, first.Stop(syscall.SIGINT))
	require.False(t, alive(pid))

	stats = program.Run(t, "", env, "users", "stats")
	require.Equal(t, 0, stats.Code, stats.ErrOut)
	require.Regexp(t, `total +2\n`, stats.Out, "a command starts the server itself")

	again := start(t, env...)
	again.client().logIn("kept@example.com", password)
	pid, _ = postmaster(t, again)
	again.Kill()
	eventually(t, "PostgreSQL ends with its owner", func() bool { return !alive(pid) })

	after := start(t, env...)
	after.client().logIn("kept@example.com", password)
	_, same := postmaster(t, after)
	require.Equal(t, data, same)
	require.Equal(t, 0, after.Stop(syscall.SIGTERM))
}

func TestClosedTerminalStopsEverything(t *testing.T) {
	t.Parallel()
	p := start(t, private(program.DataDir(t))...)
	pid, _ := postmaster(t, p)
	require.Equal(t, 0, p.Stop(syscall.SIGHUP))
	require.False(t, alive(pid))
}

func TestKillLosesNothingAcknowledged(t *testing.T) {
	t.Parallel()
	env := private(program.DataDir(t))
	p := start(t, env...)
	access, _ := p.client().logIn(program.AdminEmail, program.AdminPassword)
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
	p.Await("some writes", func() bool { mu.Lock(); defer mu.Unlock(); return len(acknowledged) >= 40 })
	p.Kill()
	writers.Wait()

	p = start(t, env...)
	access, _ = p.client().logIn(program.AdminEmail, program.AdminPassword)
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
	env := program.Standard(t, dsn)
	address := "127.0.0.1:" + program.FreePort(t)
	p := launch(t, append(env, "HTTP_ADDR="+address)...)
	p.API = "http://" + address
	p.Await("the listener", func() bool {
		a, err := p.client().try("GET", "/livez", nil)
		return err == nil && a.Status == 200
	})
	p.client().do("GET", "/readyz", nil).isStatus(503)
	refused := p.client().do("POST", "/api/auth/login", object{"email": program.AdminEmail, "password": program.AdminPassword}).is(503, "unavailable")
	require.NotEmpty(t, refused.Header.Get("Retry-After"))

	g.serve(t)
	p.AwaitReady()
	p.client().do("GET", "/readyz", nil).is(200)
	p.client().logIn(program.AdminEmail, program.AdminPassword)
	require.Equal(t, 0, p.Stop(syscall.SIGTERM))
}

func TestRequestsInFlightFinish(t *testing.T) {
	t.Parallel()
	env := append(program.Standard(t, dbtest.Empty(t).DSN), "SHUTDOWN_DELAY=500ms")
	p := start(t, env...)
	var wg sync.WaitGroup
	statuses := make(chan int, 64)
	var stopping sync.Once
	for range 8 {
		wg.Go(func() {
			for {
				a, err := p.client().try("POST", "/api/auth/login", object{"email": program.AdminEmail, "password": program.AdminPassword})
				if err != nil {
					return // the listener is closed: nothing was cut, nothing was accepted
				}
				statuses <- a.Status
				stopping.Do(func() { p.Signal(syscall.SIGTERM) })
			}
		})
	}
	go func() { wg.Wait(); close(statuses) }()
	for status := range statuses {
		require.Equal(t, http.StatusOK, status)
	}
	require.Equal(t, 0, p.Wait())
}

func TestDrainsBeforeItCloses(t *testing.T) {
	t.Parallel()
	p := start(t, append(program.Standard(t, dbtest.Empty(t).DSN), "SHUTDOWN_DELAY=3s")...)
	p.Signal(syscall.SIGTERM)
	p.Await("readyz says no while the API answers", func() bool {
		ready, err := p.client().try("GET", "/readyz", nil)
		if err != nil || ready.Status != 503 {
			return false
		}
		live, err := p.client().try("GET", "/livez", nil)
		return err == nil && live.Status == 200
	})
	require.Equal(t, 0, p.Wait())
}

func TestPostgresThatDiesComesBack(t *testing.T) {
	t.Parallel()
	p := start(t, private(program.DataDir(t))...)
	pid, _ := postmaster(t, p)
	p.client().logIn(program.AdminEmail, program.AdminPassword)
	require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
	deadline := time.Now().Add(program.Patience)
	for {
		a := p.client().do("POST", "/api/auth/login", object{"email": program.AdminEmail, "password": program.AdminPassword})
		if a.Status == http.StatusOK {
			break
		}
		require.Equal(t, http.StatusServiceUnavailable, a.Status, a.Raw)
		require.True(t, time.Now().Before(deadline), "it never came back")
		time.Sleep(50 * time.Millisecond)
	}
}
