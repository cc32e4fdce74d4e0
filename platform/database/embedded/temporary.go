package embedded

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/gofrs/flock"
)

// throwAwaySettings trade every guarantee about crashes for speed.
var throwAwaySettings = []string{
	"fsync=off", "synchronous_commit=off", "full_page_writes=off",
	"wal_level=minimal", "max_wal_senders=0", "max_connections=200",
}

// Temporary owns a server for tests, whose cluster is made for the occasion, in
// memory where possible, and removed by Stop. It ignores Options.DataDir. What
// a killed process leaves is removed by the next Temporary of the same account.
func Temporary(ctx context.Context, o Options) (*Server, error) {
	dir, owned, err := claimScratch(ctx)
	if err != nil {
		return nil, fmt.Errorf("make temporary data folder: %w", err)
	}
	c := &cluster{
		folder:      folder{root: dir, base: filepath.Join(dir, "postgres")},
		log:         loggerOf(o),
		initOptions: []string{"--no-sync"},
		settings:    throwAwaySettings,
		stopSignal:  syscall.SIGQUIT,
		deathSignal: syscall.SIGQUIT,
	}
	if isRoot() {
		if c.account, err = unprivileged(); err != nil {
			return nil, errors.Join(err, os.RemoveAll(dir), owned.release())
		}
	}
	s, err := launch(ctx, o, c, owned, func(sup *supervisor) error {
		return errors.Join(sup.stop(), os.RemoveAll(dir), owned.release())
	})
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return s, nil
}

// claimScratch makes and claims a folder, after removing those of the dead.
func claimScratch(ctx context.Context) (dir string, owned *claim, err error) {
	parent, err := scratchParent()
	if err != nil {
		return "", nil, err
	}
	// Nobody may take a folder for a dead one's before it is claimed.
	gate := flock.New(filepath.Join(parent, "gate.lock"))
	if _, err := gate.TryLockContext(ctx, pollInterval); err != nil {
		return "", nil, fmt.Errorf("lock %s: %w", gate.Path(), err)
	}
	defer func() { err = errors.Join(err, gate.Unlock()) }()
	if err := sweep(parent); err != nil {
		return "", nil, err
	}
	if dir, err = os.MkdirTemp(parent, "cluster-"); err != nil {
		return "", nil, err
	}
	if err := os.Chmod(dir, 0o711); err != nil { // the server's account passes through
		return "", nil, err
	}
	owned, err = tryClaim(dir, true)
	return dir, owned, err
}

// scratchParent is one folder for each account, in a place open to all.
func scratchParent() (string, error) {
	uid := os.Geteuid()
	parent := filepath.Join(scratchDir(), "tickr-postgres-"+strconv.Itoa(uid))
	if err := os.Mkdir(parent, 0o711); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	stat, err := os.Lstat(parent)
	if err != nil {
		return "", err
	}
	if !stat.IsDir() || int(ownerOf(stat).uid) != uid || stat.Mode().Perm()&0o022 != 0 {
		return "", fmt.Errorf("%s is not a folder of our own", parent)
	}
	return parent, nil
}

// sweep removes the clusters that nobody claims any more.
func sweep(parent string) error {
	dirs, err := filepath.Glob(filepath.Join(parent, "cluster-*"))
	if err != nil {
		return err
	}
	for _, dir := range dirs {
		abandoned, err := tryClaim(dir, true)
		if errors.Is(err, fs.ErrNotExist) || (err == nil && abandoned == nil) {
			continue // stopped just now, or alive
		}
		if err != nil {
			return err
		}
		// A server that is about to follow its owner is left to the next sweep.
		if len(residents(filepath.Join(dir, "postgres", "data"))) == 0 {
			err = os.RemoveAll(dir)
		}
		if err := errors.Join(err, abandoned.release()); err != nil {
			return err
		}
	}
	return nil
}
