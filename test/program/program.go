// Package program runs the real binary for tests: `tickr serve` as a process that is watched and signalled, and the other commands
// to their end. The binary is built once for the tests of a package, by Main. It knows nothing of what the program does.
package program

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Patience bounds every wait for the program. Machines are shared: it is an upper bound, never an expectation.
const Patience = 60 * time.Second

// pollInterval is the wait between two looks at a condition.
const pollInterval = 20 * time.Millisecond

// Program is a running `tickr serve`, or another command that runs until it is stopped. It ends with its test at the latest.
type Program struct {
	// API is the address of the API, as http://host:port, once AwaitReady has returned.
	API string
	// Dir is its working directory.
	Dir string
	// Out and Logs are what the program has printed so far.
	Out, Logs *Lines

	t    testing.TB
	cmd  *exec.Cmd
	done chan struct{}
}

// Lines collects what a program prints, while it does.
type Lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (l *Lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// String returns everything so far.
func (l *Lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// Launch starts `tickr serve` without waiting for it, on free ports of the loopback address unless set says otherwise. Of the
// environment it sees what Environ keeps, and set: pairs of the form NAME=value, of which the last counts.
func Launch(t testing.TB, set ...string) *Program {
	t.Helper()
	return Spawn(t, append([]string{"HTTP_ADDR=127.0.0.1:0", "OPS_ADDR=127.0.0.1:0", "LOG_FORMAT=json"}, set...), "serve")
}

// Spawn starts a command of the program that runs until it is stopped, without waiting for it, in the environment that Launch describes.
func Spawn(t testing.TB, set []string, args ...string) *Program {
	t.Helper()
	p := &Program{Dir: t.TempDir(), Out: &Lines{}, Logs: &Lines{}, t: t, done: make(chan struct{})}
	// It is ended by the cleanup, after those that come with the test.
	p.cmd = exec.CommandContext(context.WithoutCancel(t.Context()), binary, args...)
	p.cmd.Dir = p.Dir
	p.cmd.Env = Environ(set...)
	p.cmd.Stdout, p.cmd.Stderr = p.Out, p.Logs
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("start the program: %v", err)
	}
	go func() {
		_ = p.cmd.Wait() // its exit code says it
		close(p.done)
	}()
	t.Cleanup(func() {
		p.Kill()
		if t.Failed() {
			t.Logf("the program printed:\n%s\nits faults:\n%s\nits last log lines:\n%s", p.Out, strings.Join(p.Faults(), ""), tail(p.Logs.String()))
		}
	})
	return p
}

// tail returns the last lines of a log, which may be that of a million requests.
func tail(logs string) string {
	const most = 200
	lines := strings.SplitAfter(logs, "\n")
	return strings.Join(lines[max(0, len(lines)-most):], "")
}

// Start starts `tickr serve` and waits until it is ready.
func Start(t testing.TB, set ...string) *Program {
	t.Helper()
	p := Launch(t, set...)
	p.AwaitReady()
	return p
}

// AwaitReady waits for the line that says where the API is.
func (p *Program) AwaitReady() {
	p.t.Helper()
	p.API = p.AwaitLog("ready")["api"].(string)
}

// AwaitLog waits for a log line with a message and returns it.
func (p *Program) AwaitLog(message string) map[string]any {
	p.t.Helper()
	var found map[string]any
	p.Await("log line "+message, func() bool {
		for line := range strings.Lines(p.Logs.String()) {
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

// Await waits for a condition, and fails when it does not come or the program ends before.
func (p *Program) Await(what string, met func() bool) {
	p.t.Helper()
	deadline := time.After(Patience)
	for !met() {
		select {
		case <-p.done:
			if met() {
				return
			}
			p.t.Fatalf("the program ended (exit %d) before: %s\n%s", p.code(), what, p.Logs)
		case <-deadline:
			p.t.Fatalf("waited in vain for: %s", what)
		case <-time.After(pollInterval):
		}
	}
}

// Records returns what the program has logged, and requires every line to be JSON.
func (p *Program) Records() []map[string]any {
	p.t.Helper()
	var found []map[string]any
	for line := range strings.Lines(p.Logs.String()) {
		var record map[string]any
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			p.t.Fatalf("log line %q: %v", line, err)
		}
		found = append(found, record)
	}
	return found
}

// Faults returns the lines that the program has logged as errors.
func (p *Program) Faults() []string {
	var found []string
	for line := range strings.Lines(p.Logs.String()) {
		if strings.Contains(line, `"level":"ERROR"`) {
			found = append(found, line)
		}
	}
	return found
}

// PID returns the process ID.
func (p *Program) PID() int { return p.cmd.Process.Pid }

// Running reports whether the program has not ended.
func (p *Program) Running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// Signal sends a signal, which fails when the program has ended.
func (p *Program) Signal(signal syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(signal); err != nil {
		p.t.Fatalf("send the program %v: %v", signal, err)
	}
}

// Stop sends a signal, waits for the end and returns the exit code.
func (p *Program) Stop(signal syscall.Signal) int {
	p.t.Helper()
	p.Signal(signal)
	return p.Wait()
}

// Wait waits for the end and returns the exit code, -1 after a signal that was not handled.
func (p *Program) Wait() int {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(Patience):
		p.t.Fatal("the program does not end")
	}
	return p.code()
}

// Kill ends the program at once (SIGKILL), unless it has ended, and waits for that.
func (p *Program) Kill() {
	_ = p.cmd.Process.Signal(os.Kill) // it may have ended by itself
	<-p.done
}

// code is valid once the program has ended.
func (p *Program) code() int { return p.cmd.ProcessState.ExitCode() }
