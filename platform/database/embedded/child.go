package embedded

import (
	"context"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// child is a running program of PostgreSQL.
type child struct {
	process *os.Process
	done    chan struct{} // closed when it has ended
	err     error         // how it ended; valid once done is closed
}

// command prepares a program that runs as a, in a process group of its own, so
// that Ctrl-C in a terminal is ours to handle, and in dir, which a can enter.
// It sees nothing of our environment: that may hold secrets, and PG variables.
func command(ctx context.Context, a *account, deathSignal syscall.Signal, dir, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = dir
	cmd.Env = []string{"LC_ALL=C", "TZ=UTC", "PATH=" + os.Getenv("PATH")}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: a.credential()}
	dieWithParent(cmd.SysProcAttr, deathSignal)
	return cmd
}

// spawn starts cmd from a thread that stays until cmd has ended: Linux sends
// the death signal when the thread that forked ends, not the process.
func spawn(cmd *exec.Cmd) (*child, error) {
	c := &child{done: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		c.process = cmd.Process
		started <- err
		if err == nil {
			c.err = cmd.Wait()
			close(c.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return c, nil
}

// end asks the server to stop with first, insists when it does not, and returns
// when it has ended.
func (c *child) end(first syscall.Signal) error {
	for _, step := range []struct {
		signal   syscall.Signal
		patience time.Duration
	}{{first, 10 * time.Second}, {syscall.SIGQUIT, 3 * time.Second}} {
		_ = c.process.Signal(step.signal) // it may have ended by itself
		select {
		case <-c.done:
			return c.err
		case <-time.After(step.patience):
		}
	}
	_ = c.process.Kill()
	<-c.done
	return c.err
}
