package embedded

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// ErrTargetNotReached says that the archive ends before the moment that was to be recovered.
var ErrTargetNotReached = errors.New("the archive ends before that moment")

// recoverySettings keep a server that recovers to itself: it archives nothing
// from a folder that is not yet the data folder, lets nobody in before it is
// done, and waits for no standby that followed its predecessor.
var recoverySettings = []string{"archive_command=", "hot_standby=off", "synchronous_standby_names="}

// Recovery is what Recover did.
type Recovery struct {
	// Last is the time of the last transaction that was recovered; zero when there was none after the base backup.
	Last time.Time
	// Aside is where the previous data folder is now; empty when there was none.
	Aside string
}

// Recover replaces the data folder by one that restore fills and PostgreSQL
// then recovers, as the files in it say, until it is promoted. The previous one
// is kept beside it. Until the last moment it is not touched: whatever fails,
// all is as it was. restore is given the new, empty folder as site.Data, and
// returns the password of the superuser in it.
//
// It fails at once with *InUseError while another process owns the server, and
// with ErrTargetNotReached.
func Recover(ctx context.Context, o Options, restore func(ctx context.Context, site Site) (password string, err error)) (r Recovery, err error) {
	f, err := openFolder(o.DataDir)
	if err != nil {
		return Recovery{}, err
	}
	owned, err := tryClaim(f.root, true)
	if err != nil {
		return Recovery{}, err
	}
	if owned == nil {
		owner := readNote(f.root)
		return Recovery{}, &InUseError{DataDir: f.root, PID: owner.PID, Text: owner.Text}
	}
	defer func() { err = errors.Join(err, owned.release()) }()
	owned.describe("recovering")

	c := persistent(f, o)
	c.name, c.settings = "data.recovered", recoverySettings
	if err := errors.Join(vacate(ctx, f.data()), vacate(ctx, c.data())); err != nil {
		return Recovery{}, err
	}
	if err := c.empty(); err != nil {
		return Recovery{}, err
	}
	password, err := restore(ctx, c.site())
	if err != nil {
		return Recovery{}, err
	}
	if err := c.account.writeFile(c.passwordFile(), password); err != nil {
		return Recovery{}, fmt.Errorf("keep password of the private PostgreSQL: %w", err)
	}
	if r.Last, err = c.replay(ctx, o.BinDir); err != nil {
		return Recovery{}, err
	}
	r.Aside, err = c.takePlaceOf(f)
	return r, err
}

// empty makes an empty data folder, and the folder that it is in.
func (f folder) empty() error {
	if err := f.create(); err != nil {
		return err
	}
	if err := errors.Join(os.RemoveAll(f.data()), os.Mkdir(f.data(), 0o700), f.account.takes(f.data())); err != nil {
		return fmt.Errorf("make folder to recover into: %w", err)
	}
	return nil
}

// replay runs the server until it is promoted, and returns the time of the last transaction.
func (c *cluster) replay(ctx context.Context, binDir string) (last time.Time, err error) {
	version, err := c.version()
	if err != nil {
		return time.Time{}, err
	}
	if c.programs, err = sourcesFor(c.account, c.log).find(ctx, binDir, version); err != nil {
		return time.Time{}, err
	}
	port, err := freePort(ctx)
	if err != nil {
		return time.Time{}, err
	}
	server, err := c.start(ctx, port)
	if err != nil {
		if strings.Contains(err.Error(), "recovery ended before configured recovery target was reached") {
			err = ErrTargetNotReached
		}
		return time.Time{}, err
	}
	last, err = c.settle(ctx, port)
	if err := errors.Join(err, server.end(syscall.SIGINT)); err != nil {
		return time.Time{}, fmt.Errorf("finish the recovery: %w", err)
	}
	return last, nil
}

// settle leaves nothing of the recovery to be done at the next start.
func (c *cluster) settle(ctx context.Context, port int) (last time.Time, err error) {
	conn, err := c.connect(ctx, port)
	if err != nil {
		return time.Time{}, err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	// The standby of the predecessor's last moments may be gone for good, and commits would wait for it.
	if _, err := conn.Exec(ctx, "ALTER SYSTEM RESET synchronous_standby_names"); err != nil {
		return time.Time{}, err
	}
	// The stop that follows is bounded, and so much may be unwritten.
	if _, err := conn.Exec(ctx, "CHECKPOINT"); err != nil {
		return time.Time{}, err
	}
	var replayed *time.Time
	if err := conn.QueryRow(ctx, "SELECT pg_last_xact_replay_timestamp()").Scan(&replayed); err != nil {
		return time.Time{}, err
	}
	if replayed != nil {
		last = replayed.UTC()
	}
	return last, nil
}

// takePlaceOf makes c's data folder that of f, whose own is kept beside it.
func (c *cluster) takePlaceOf(f folder) (aside string, err error) {
	aside = f.data() + ".before-" + time.Now().UTC().Format("20060102T150405.000Z")
	err = os.Rename(f.data(), aside)
	if errors.Is(err, fs.ErrNotExist) {
		aside, err = "", nil
	}
	if err == nil {
		err = errors.Join(os.Rename(c.data(), f.data()), os.Rename(c.passwordFile(), f.passwordFile()))
	}
	if err != nil {
		return "", fmt.Errorf("exchange the data folders in %s: %w", filepath.Dir(f.data()), err)
	}
	return aside, nil
}
