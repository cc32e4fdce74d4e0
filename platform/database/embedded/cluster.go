package embedded

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	superuser = "postgres"
	// maintenance is the database that every cluster has.
	maintenance = "postgres"

	cannotConnectNow  = "57P03"
	duplicateDatabase = "42P04"
	uniqueViolation   = "23505"

	readyInterval = 20 * time.Millisecond
	pingTimeout   = 2 * time.Second
	// answerPatience bounds the wait for a server that says it is ready.
	answerPatience = 10 * time.Second

	startAttempts = 5
	maxLogSize    = 10 << 20
)

// cluster is a folder together with how to serve it.
type cluster struct {
	folder
	programs
	log                     *slog.Logger
	initOptions             []string // further options of initdb
	settings                []string // further settings of the server, name=value
	stopSignal, deathSignal syscall.Signal
}

// launch starts the server, for the first time in a new folder, and keeps it running.
func (c *cluster) launch(ctx context.Context, binDir string) (*supervisor, error) {
	version, err := c.version()
	if err != nil {
		return nil, err
	}
	if c.programs, err = sourcesFor(c.account, c.log).find(ctx, binDir, version); err != nil {
		if version != 0 {
			err = fmt.Errorf("data folder %s: %w", c.data(), err)
		}
		return nil, err
	}
	if version == 0 {
		if err := c.init(ctx); err != nil {
			return nil, err
		}
	}
	if _, err := c.password(); err != nil {
		return nil, err
	}
	if err := c.rotateLog(); err != nil {
		return nil, err
	}
	// A port that was free a moment ago may be lost.
	for attempt := 1; ; attempt++ {
		port, err := freePort(ctx)
		if err != nil {
			return nil, err
		}
		server, err := c.start(ctx, port)
		if err == nil {
			return supervise(c, server, port), nil
		}
		if attempt == startAttempts || ctx.Err() != nil {
			return nil, err
		}
		c.log.Debug("starting PostgreSQL again", slog.Any("error", err))
	}
}

// init creates the cluster under another name first, so that what a killed
// initdb leaves is never taken for a data folder.
func (c *cluster) init(ctx context.Context) error {
	if err := c.create(); err != nil {
		return err
	}
	err := c.initdb(ctx, "--locale=C.UTF-8")
	if err != nil && ctx.Err() == nil { // not every system has that locale
		err = c.initdb(ctx, "--no-locale")
	}
	if err != nil {
		return err
	}
	if err := os.Rename(c.unfinished(), c.data()); err != nil {
		return fmt.Errorf("finish data folder: %w", err)
	}
	return nil
}

func (c *cluster) initdb(ctx context.Context, locale string) error {
	if err := vacate(ctx, c.unfinished()); err != nil {
		return err
	}
	if err := os.RemoveAll(c.unfinished()); err != nil {
		return fmt.Errorf("remove unfinished data folder: %w", err)
	}
	args := append([]string{
		"--pgdata=" + c.unfinished(), "--username=" + superuser, "--pwfile=" + c.passwordFile(),
		"--auth=scram-sha-256", "--encoding=UTF8", locale,
	}, c.initOptions...)
	run, said, err := c.run(command(ctx, c.account, syscall.SIGKILL, c.base, c.path("initdb"), args...))
	if err != nil {
		return fmt.Errorf("run initdb: %w", err)
	}
	<-run.done
	if run.err != nil {
		return fmt.Errorf("run initdb: %w: %s", run.err, said())
	}
	return nil
}

// start starts the server and returns when it answers. A server that recovers
// from a crash is given the time it needs, as long as ctx lives.
func (c *cluster) start(ctx context.Context, port int) (*child, error) {
	if err := vacate(ctx, c.data()); err != nil {
		return nil, err
	}
	args := []string{"-D", c.data()}
	for _, setting := range append([]string{
		"listen_addresses=127.0.0.1",
		"port=" + strconv.Itoa(port),
		"unix_socket_directories=",
		// Statements and details carry e-mails and phone numbers.
		"log_min_error_statement=panic",
		"log_error_verbosity=terse",
	}, c.settings...) {
		args = append(args, "-c", setting)
	}
	// The server outlives ctx, which bounds its start.
	cmd := command(context.WithoutCancel(ctx), c.account, c.deathSignal, c.base, c.path("postgres"), args...)
	server, said, err := c.run(cmd)
	if err != nil {
		return nil, fmt.Errorf("start PostgreSQL: %w", err)
	}
	if err := c.awaitReady(ctx, server, port); err != nil {
		_ = server.end(syscall.SIGQUIT) // err says what went wrong
		return nil, fmt.Errorf("start PostgreSQL: %w: %s", err, said())
	}
	// The checkpointer of a server that has just started sleeps for checkpoint_timeout, five minutes, before it thinks of
	// archive_timeout. Told to read its settings again, it thinks at once.
	_ = server.process.Signal(syscall.SIGHUP) // it may have ended just now, which others notice
	return server, nil
}

func (c *cluster) awaitReady(ctx context.Context, server *child, port int) error {
	var mute <-chan time.Time // nil until the server says that it is ready
	for {
		select {
		case <-mute:
			return errors.New("it does not answer on the loopback address")
		case <-server.done:
			return fmt.Errorf("it ended at once: %w", server.err)
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(readyInterval):
		}
		if p := readPidFile(c.data()); p.pid != server.process.Pid || !p.ready {
			continue
		}
		if mute == nil {
			mute = time.After(answerPatience)
		}
		err := c.ping(ctx, port)
		if err == nil {
			return nil
		}
		// Refused by the server itself: waiting will not help.
		if refused, ok := errors.AsType[*pgconn.PgError](err); ok && refused.Code != cannotConnectNow {
			return err
		}
	}
}

// running finds the server that another process owns.
func (c *cluster) running(ctx context.Context) (port int, ok bool) {
	p := readPidFile(c.data())
	return p.port, p.ready && c.ping(ctx, p.port) == nil
}

func (c *cluster) ping(ctx context.Context, port int) error {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	conn, err := c.connect(ctx, port)
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

func (c *cluster) connect(ctx context.Context, port int) (*pgx.Conn, error) {
	dsn, err := c.dsn(port, maintenance)
	if err != nil {
		return nil, err
	}
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return nil, fmt.Errorf("connect to the private PostgreSQL: %w", err)
	}
	return conn, nil
}

// database makes sure that the database is there and returns its DSN.
func (c *cluster) database(ctx context.Context, port int, name string) (dsn string, err error) {
	if name == "" {
		name = maintenance
	}
	conn, err := c.connect(ctx, port)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	var exists bool
	if err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", name).Scan(&exists); err != nil {
		return "", fmt.Errorf("look for database %s: %w", name, err)
	}
	if !exists {
		if _, err := conn.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{name}.Sanitize()); err != nil && !createdMeanwhile(err) {
			return "", fmt.Errorf("create database %s: %w", name, err)
		}
	}
	return c.dsn(port, name)
}

// createdMeanwhile says that somebody else made the database between our look and our try.
func createdMeanwhile(err error) bool {
	refused, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (refused.Code == duplicateDatabase || refused.Code == uniqueViolation)
}

func (c *cluster) dsn(port int, database string) (string, error) {
	password, err := c.password()
	if err != nil {
		return "", err
	}
	return (&url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(superuser, password),
		Host:     net.JoinHostPort("127.0.0.1", strconv.Itoa(port)),
		Path:     "/" + database,
		RawQuery: "sslmode=disable",
	}).String(), nil
}

// run starts cmd with its output appended to the log. said returns the last
// lines of that, for an error.
func (c *cluster) run(cmd *exec.Cmd) (run *child, said func() string, err error) {
	// The folder belongs to another account, whose links root must not follow.
	log, err := os.OpenFile(c.logFile(), os.O_WRONLY|os.O_CREATE|os.O_APPEND|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, nil, fmt.Errorf("open log: %w", err)
	}
	defer func() { _ = log.Close() }() // the program has its own
	if err := c.account.owns(log); err != nil {
		return nil, nil, fmt.Errorf("hand over log: %w", err)
	}
	offset, err := log.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, nil, fmt.Errorf("read log: %w", err)
	}
	cmd.Stdout, cmd.Stderr = log, log
	run, err = spawn(cmd)
	return run, func() string { return tail(c.logFile(), offset) }, err
}

// tail returns the last lines of a file as one, from offset at the earliest.
func tail(path string, offset int64) string {
	const most = 5
	text, err := readEnd(path, offset)
	if err != nil {
		return "no log"
	}
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-most):], "; ")
}

// rotateLog keeps one older log beside the present one.
func (c *cluster) rotateLog() error {
	stat, err := os.Lstat(c.logFile())
	if errors.Is(err, fs.ErrNotExist) || (err == nil && stat.Size() < maxLogSize) {
		return nil
	}
	if err == nil {
		err = os.Rename(c.logFile(), c.logFile()+".1")
	}
	if err != nil {
		return fmt.Errorf("rotate log: %w", err)
	}
	return nil
}

// freePort asks the kernel for a port. Somebody else may get it before the server does.
func freePort(ctx context.Context) (int, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	if err := listener.Close(); err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	return port, nil
}
