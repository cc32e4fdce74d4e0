package program

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tickr/tickr/platform/database/dbtest"
)

// binary is the program under test, from Main on.
var binary string

// Main builds the program, runs the tests of a package over dbtest.Main, and exits. Every package that uses Launch, Start or Run
// calls it from TestMain.
func Main(m dbtest.Tests) { dbtest.Main(built{m}) }

// built runs tests with the program in a folder that goes with them.
type built struct{ tests dbtest.Tests }

// Run implements dbtest.Tests.
func (b built) Run() int {
	dir, err := os.MkdirTemp("", "tickr-binary-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "make a folder for the program:", err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	binary = filepath.Join(dir, "tickr")
	build := exec.CommandContext(context.Background(), "go", "build", "-o", binary, "github.com/tickr/tickr/cmd/tickr")
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "build the program:", err)
		return 1
	}
	return b.tests.Run()
}

// Environ returns a clean environment for the program, and set: nothing of the developer's leaks in. Limits are off: they are the subject
// of tests of their own.
func Environ(set ...string) []string {
	var env []string
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "PG_BIN_DIR", "LANG"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return append(append(env, "RATE_LIMITS=off"), set...)
}

// The bootstrap administrator of Standard.
const (
	AdminEmail    = "root@tickr.test"
	AdminPassword = "granite-meadow-parasol"
)

// Standard returns what to set for a program over a database, with an administrator and a data folder that goes with the test.
func Standard(t testing.TB, dsn string) []string {
	t.Helper()
	return []string{
		"DATABASE_URL=" + dsn,
		"DATA_DIR=" + DataDir(t),
		"BOOTSTRAP_ADMIN_EMAIL=" + AdminEmail,
		"BOOTSTRAP_ADMIN_PASSWORD=" + AdminPassword,
	}
}

// DataDir returns a folder for data of the program that its PostgreSQL can reach, too, when root tests: else the data would go to
// /var/lib/tickr, and stay.
func DataDir(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o711); err != nil { //nolint:gosec // other accounts pass through, and see nothing
		t.Fatalf("open the way to the data folder: %v", err)
	}
	return filepath.Join(dir, "data")
}

// FreePort returns a TCP port of the loopback address that was free a moment ago.
func FreePort(t testing.TB) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("find a free port: %v", err)
	}
	defer func() { _ = listener.Close() }()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatalf("find a free port: %v", err)
	}
	return port
}

// Result is what a command did.
type Result struct {
	Code        int
	Out, ErrOut string
}

// Run runs a command of the program to its end, with stdin as its input and the environment that Launch describes.
func Run(t testing.TB, stdin string, set []string, args ...string) Result {
	t.Helper()
	return RunWithin(t, Patience, stdin, set, args...)
}

// RunWithin is Run for a command that may take its time.
func RunWithin(t testing.TB, patience time.Duration, stdin string, set []string, args ...string) Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Dir = t.TempDir()
	cmd.Env = Environ(set...)
	cmd.Stdin = strings.NewReader(stdin)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatalf("run %v: %v", args, err)
	}
	return Result{Code: cmd.ProcessState.ExitCode(), Out: out.String(), ErrOut: errOut.String()}
}
