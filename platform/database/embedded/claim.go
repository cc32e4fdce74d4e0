package embedded

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/gofrs/flock"
)

// claim is the ownership of a data folder's server. The lock is the truth;
// what the file says is for people and for those who wait.
type claim struct {
	lock *flock.Flock

	mu   sync.Mutex
	note note
}

// note is the content of the lock file.
type note struct {
	PID    int    `json:"pid"`
	Serves bool   `json:"serves"` // stays until stopped, so there is no use in waiting
	Text   string `json:"text,omitempty"`
}

// tryClaim returns nil when another process owns the server.
func tryClaim(root string, serves bool) (*claim, error) {
	c := &claim{
		lock: flock.New(filepath.Join(root, "owner.lock")),
		note: note{PID: os.Getpid(), Serves: serves},
	}
	ok, err := c.lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock data folder: %w", err)
	}
	if !ok {
		return nil, nil
	}
	if err := c.write(c.note); err != nil {
		return nil, errors.Join(err, c.lock.Unlock())
	}
	return c, nil
}

// takeOver claims the folder for Serve.
func takeOver(ctx context.Context, root string) (*claim, error) {
	deadline := time.Now().Add(ownerPatience)
	for attempt := 0; ; attempt++ {
		c, err := tryClaim(root, true)
		if err != nil || c != nil {
			return c, err
		}
		owner := readNote(root)
		// An owner writes its note just after it gets the lock, so the first
		// look may still show the one before.
		if (owner.Serves && attempt > 0) || time.Now().After(deadline) {
			return nil, &InUseError{DataDir: root, PID: owner.PID, Text: owner.Text}
		}
		if err := pause(ctx, pollInterval); err != nil {
			return nil, fmt.Errorf("wait for the owner of data folder %s: %w", root, err)
		}
	}
}

// readNote returns what the owner said, or nothing while it is being written.
func readNote(root string) (n note) {
	text, err := os.ReadFile(filepath.Join(root, "owner.lock"))
	if err != nil || json.Unmarshal(text, &n) != nil {
		return note{}
	}
	return n
}

func (c *claim) write(n note) error {
	text, err := json.Marshal(n)
	if err != nil {
		return fmt.Errorf("encode owner: %w", err)
	}
	if err := os.WriteFile(c.lock.Path(), text, 0o600); err != nil {
		return fmt.Errorf("write owner: %w", err)
	}
	return nil
}

// describe is best effort, like all that is only read by people.
func (c *claim) describe(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.note.Text = text
	_ = c.write(c.note)
}

// yield tells a Serve that comes now to wait for the end of this one.
func (c *claim) yield() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.note.Serves = false
	_ = c.write(c.note)
}

func (c *claim) release() error {
	if err := c.lock.Unlock(); err != nil {
		return fmt.Errorf("unlock data folder: %w", err)
	}
	return nil
}
