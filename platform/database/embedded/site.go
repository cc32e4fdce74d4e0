package embedded

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// stopPatience is how long a program of a Site has to end by itself when it is told to.
const stopPatience = 10 * time.Second

// Site is where a private PostgreSQL keeps its files, for programs that back
// them up and restore them.
type Site struct {
	// Data is PostgreSQL's data folder.
	Data string
	// Archive is the place for backups and archived WAL, beside the data. This package makes it only when asked to, and keeps
	// nothing in it.
	Archive string

	account *account
}

func (f folder) site() Site { return Site{Data: f.data(), Archive: f.archive(), account: f.account} }

// Command prepares a program that runs as the account of the server, in / and
// in a process group of its own. Of our environment it sees PATH alone. When
// ctx ends it is told to end, and killed 10 s later.
func (s Site) Command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := command(ctx, s.account, syscall.SIGTERM, "/", program, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopPatience
	return cmd
}

// MakeDir makes a folder that only the account of the server can enter, unless it exists.
func (s Site) MakeDir(path string) error {
	err := os.Mkdir(path, 0o700)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err == nil {
		err = s.account.takes(path)
	}
	if err != nil {
		return fmt.Errorf("make a folder for the archive: %w", err)
	}
	return nil
}

// WriteFile makes text the content of a file that only the account of the
// server can read, at once or not at all.
func (s Site) WriteFile(path, text string) error {
	if err := s.account.writeFile(path, text); err != nil {
		return fmt.Errorf("write a file of the archive: %w", err)
	}
	return nil
}

// ReadFile returns the content of a file that WriteFile wrote, of up to 8 KiB.
func (s Site) ReadFile(path string) (string, error) {
	text, err := readEnd(path, 0)
	if err != nil {
		return "", fmt.Errorf("read a file of the archive: %w", err)
	}
	return text, nil
}
