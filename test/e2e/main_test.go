// Package e2e runs the real program over HTTP and its commands over their exit codes, with real PostgreSQL and real files.
package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/platform/database/dbtest"
)

// binary is the program under test, built once.
var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "tickr-e2e-")
	if err != nil {
		panic(err)
	}
	binary = filepath.Join(dir, "tickr")
	build := exec.Command("go", "build", "-o", binary, "github.com/tickr/tickr/cmd/tickr")
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		panic(err)
	}
	// Main ends the process; the folder is removed by a cleanup of the last run, at the latest with the machine's temporary files.
	defer os.RemoveAll(dir)
	dbtest.Main(m)
}

// patience bounds every wait for the program. Machines are shared: it is an upper bound, never an expectation.
const patience = 60 * time.Second

// environ is a clean environment for the program: nothing of the developer's leaks in.
func environ(set ...string) []string {
	keep := []string{"PATH", "HOME", "TMPDIR", "PG_BIN_DIR", "LANG"}
	var env []string
	for _, name := range keep {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return append(env, set...)
}

// program is a running `tickr serve`.
type program struct {
	t    *testing.T
	cmd  *exec.Cmd
	api  string
	logs *lines
	out  *lines
	done chan struct{}
	code int
}

// lines collects what a program prints.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// launch starts `tickr serve` without waiting for it.
func launch(t *testing.T, set ...string) *program {
	t.Helper()
	p := &program{t: t, logs: &lines{}, out: &lines{}, done: make(chan struct{})}
	p.cmd = exec.Command(binary, "serve")
	p.cmd.Dir = t.TempDir()
	p.cmd.Env = append(environ("HTTP_ADDR=127.0.0.1:0", "OPS_ADDR=127.0.0.1:0", "LOG_FORMAT=json"), set...)
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.logs
	require.NoError(t, p.cmd.Start())
	go func() {
		_ = p.cmd.Wait()
		p.code = p.cmd.ProcessState.ExitCode()
		close(p.done)
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.done
		if t.Failed() {
			t.Logf("output of the program:\n%s\n%s", p.out, p.logs)
		}
	})
	return p
}

// start starts `tickr serve` and waits until it is ready.
func start(t *testing.T, set ...string) *program {
	t.Helper()
	p := launch(t, set...)
	p.awaitReady()
	return p
}

// awaitReady waits for the line that says where the API is.
func (p *program) awaitReady() {
	p.t.Helper()
	p.api = p.awaitLog("ready")["api"].(string)
}

// awaitLog waits for a log line with a message.
func (p *program) awaitLog(message string) map[string]any {
	p.t.Helper()
	var found map[string]any
	p.await("log line "+message, func() bool {
		for line := range strings.Lines(p.logs.String()) {
			var record map[string]any
			if json.Unmarshal([]byte(line), &record) == nil && record["msg"] == message {
				found = record
				return true
			}
		}
		return false
	})
	return found
}

// await waits for a condition, and fails when it does not come or the program ends before.
func (p *program) await(what string, met func() bool) {
	p.t.Helper()
	deadline := time.After(patience)
	for !met() {
		select {
		case <-p.done:
			if met() {
				return
			}
			p.t.Fatalf("the program ended (exit %d) before: %s\n%s", p.code, what, p.logs)
		case <-deadline:
			p.t.Fatalf("waited in vain for: %s", what)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// stop sends a signal and returns the exit code.
func (p *program) stop(signal syscall.Signal) int {
	p.t.Helper()
	require.NoError(p.t, p.cmd.Process.Signal(signal))
	return p.wait()
}

func (p *program) wait() int {
	p.t.Helper()
	select {
	case <-p.done:
		return p.code
	case <-time.After(patience):
		p.t.Fatal("the program does not end")
		return -1
	}
}

// result is what a command did.
type result struct {
	code        int
	out, errOut string
}

// tickr runs a command of the program to its end.
func tickr(t *testing.T, stdin string, set []string, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Dir = t.TempDir()
	cmd.Env = append(environ(), set...)
	cmd.Stdin = strings.NewReader(stdin)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err := cmd.Run()
	if err != nil && cmd.ProcessState == nil {
		t.Fatalf("run %v: %v", args, err)
	}
	return result{code: cmd.ProcessState.ExitCode(), out: out.String(), errOut: errOut.String()}
}

// admin is the bootstrap administrator of the tests.
const (
	adminEmail    = "root@tickr.test"
	adminPassword = "granite-meadow-parasol"
)

// dataDir returns a folder for data of the program that its PostgreSQL can reach, too, when root tests: else the data would go to
// /var/lib/tickr, and stay.
func dataDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o711))
	return filepath.Join(dir, "data")
}

// standard is the environment of a program over a test database.
func standard(t *testing.T, dsn string) []string {
	t.Helper()
	return []string{
		"DATABASE_URL=" + dsn,
		"DATA_DIR=" + dataDir(t),
		"BOOTSTRAP_ADMIN_EMAIL=" + adminEmail,
		"BOOTSTRAP_ADMIN_PASSWORD=" + adminPassword,
	}
}

// value returns a variable of an environment.
func value(set []string, name string) string {
	for _, pair := range set {
		if v, ok := strings.CutPrefix(pair, name+"="); ok {
			return v
		}
	}
	panic(fmt.Sprintf("%s is not set", name))
}
