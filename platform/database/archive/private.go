package archive

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tickr/tickr/platform/database/embedded"
)

// stanza is the name that the private PostgreSQL has in its repository.
const stanza = "tickr"

// archiveTimeout is the age at which WAL goes to the archive though its segment is not full. Before a minute has passed a loss is to
// be bounded, and an archive that fails to have shown in the metrics, which may be 15 s old.
const archiveTimeout = "40s"

// ErrOff says that the private PostgreSQL has no archive.
var ErrOff = errors.New("the private PostgreSQL has no archive: `tickr backup archive on` gives it one")

// private is the archive of a private PostgreSQL. Everything in it belongs to the account of the server.
type private struct{ embedded.Site }

func (p private) config() string   { return filepath.Join(p.Archive, "pgbackrest.conf") }
func (p private) passfile() string { return filepath.Join(p.Archive, "pgpass") }
func (p private) received() string { return filepath.Join(p.Archive, "received") }

func (p private) exists() error {
	if _, err := os.Lstat(p.config()); errors.Is(err, fs.ErrNotExist) {
		return ErrOff
	}
	return nil
}

func (p private) stanza() Stanza {
	return Stanza{config: p.config(), name: stanza, command: p.Command}
}

// stanzaOf is the stanza of a server that runs.
func (p private) stanzaOf(conn *pgx.Conn) Stanza {
	s := p.stanza()
	// pgBackRest knows sockets only: the address is libpq's to take.
	s.environ = p.login(conn)
	s.server = []string{"--pg1-port=" + strconv.Itoa(int(conn.Config().Port))}
	return s
}

// login is the environment in which libpq reaches the server.
func (p private) login(conn *pgx.Conn) []string {
	return []string{
		"PGHOST=" + conn.Config().Host, "PGPORT=" + strconv.Itoa(int(conn.Config().Port)),
		"PGUSER=" + conn.Config().User, "PGPASSFILE=" + p.passfile(),
	}
}

// WithPrivate runs fn with the stanza of the private PostgreSQL, whose server runs meanwhile. It fails with ErrOff when that has
// no archive.
func WithPrivate(ctx context.Context, o embedded.Options, fn func(ctx context.Context, s Stanza) error) error {
	return withServer(ctx, o, embedded.Attach, func(ctx context.Context, p private, conn *pgx.Conn) error {
		if err := p.exists(); err != nil {
			return err
		}
		return fn(ctx, p.stanzaOf(conn))
	})
}

type starter func(context.Context, embedded.Options) (*embedded.Server, error)

func withServer(ctx context.Context, o embedded.Options, start starter, fn func(context.Context, private, *pgx.Conn) error) (err error) {
	server, err := start(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Stop()) }()
	conn, err := pgx.Connect(ctx, server.DSN())
	if err != nil {
		return fmt.Errorf("connect to the private PostgreSQL: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	return fn(ctx, private{server.Site()}, conn)
}

// TurnOn gives the private PostgreSQL an archive and makes the first base
// backup. From its end on, every moment can be recovered. The server must not
// run (*embedded.InUseError): archiving begins with its start. Turning on again
// follows a data folder that was moved, and keeps the backups.
func TurnOn(ctx context.Context, o embedded.Options) (Base, error) {
	err := withServer(ctx, o, embedded.Serve, func(ctx context.Context, p private, conn *pgx.Conn) error {
		settings, err := p.setUp(conn)
		if err != nil {
			return err
		}
		if _, err := p.stanzaOf(conn).ask(ctx, "stanza-create"); err != nil {
			return err
		}
		return alter(ctx, conn, settings)
	})
	if err != nil {
		return Base{}, err
	}
	var first Base
	err = withServer(ctx, o, embedded.Serve, func(ctx context.Context, p private, conn *pgx.Conn) error {
		s := p.stanzaOf(conn)
		if err := s.Check(ctx); err != nil {
			return err
		}
		first, err = s.Backup(ctx, Full)
		return err
	})
	return first, err
}

// TurnOff ends archiving at the next start of the server, and keeps what was archived. No moment after that can be recovered.
func TurnOff(ctx context.Context, o embedded.Options) error {
	return withServer(ctx, o, embedded.Attach, func(ctx context.Context, p private, conn *pgx.Conn) error {
		if err := p.exists(); err != nil {
			return err
		}
		return alter(ctx, conn, []setting{{name: "archive_mode"}, {name: "archive_command"}, {name: "archive_timeout"}})
	})
}

// setUp writes what pgBackRest and libpq read, and returns the settings of a server that archives.
func (p private) setUp(conn *pgx.Conn) ([]setting, error) {
	program, err := exec.LookPath("pgbackrest")
	if err != nil {
		return nil, ErrNotInstalled
	}
	// These have a meaning to the shell, to PostgreSQL or to pgBackRest.
	if path := p.Archive + p.Data; strings.ContainsAny(path, "'\"\\$`%\n") {
		return nil, fmt.Errorf("archiving does not work in a folder with quotes, $, %% or \\ in its name: %s", p.Archive)
	}
	if err := p.MakeDir(p.Archive); err != nil {
		return nil, err
	}
	for _, name := range []string{"repo", "log", "lock", "spool"} {
		if err := p.MakeDir(filepath.Join(p.Archive, name)); err != nil {
			return nil, err
		}
	}
	key, err := p.key()
	if err != nil {
		return nil, err
	}
	config := fmt.Sprintf(configuration, p.Archive, key, stanza, p.Data, conn.Config().User)
	login := "*:*:*:" + conn.Config().User + ":" + conn.Config().Password + "\n"
	if err := errors.Join(p.WriteFile(p.config(), config), p.WriteFile(p.passfile(), login)); err != nil {
		return nil, err
	}
	return []setting{
		{"archive_mode", "on"},
		{"archive_command", fmt.Sprintf(`%q --config=%q --stanza=%s archive-push "%%p"`, program, p.config(), stanza)},
		{"archive_timeout", archiveTimeout},
		{"wal_level", "replica"},
		{"track_commit_timestamp", "on"},
	}, nil
}

// configuration of pgBackRest. Encryption also makes a changed byte show where compression alone would not care for it. In bundles the
// thousand small files of a small database cost a few waits for the disk, which the server's commits wait for, too.
const configuration = `[global]
repo1-path=%[1]s/repo
repo1-cipher-type=aes-256-cbc
repo1-cipher-pass=%[2]s
repo1-retention-full-type=time
repo1-retention-full=30
repo1-bundle=y
log-path=%[1]s/log
lock-path=%[1]s/lock
spool-path=%[1]s/spool
log-level-file=info
compress-type=lz4
start-fast=y

[%[3]s]
pg1-path=%[4]s
pg1-user=%[5]s
`

var keyLine = regexp.MustCompile(`(?m)^repo1-cipher-pass=(\w+)$`)

// key is the one that the repository is encrypted with, or a new one.
func (p private) key() (string, error) {
	text, err := p.ReadFile(p.config())
	if match := keyLine.FindStringSubmatch(text); err == nil && match != nil {
		return match[1], nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // never fails
	return hex.EncodeToString(secret), nil
}

// setting of the server; an empty value is the default.
type setting struct{ name, value string }

// alter changes settings, at once where they do not need a start of the server.
func alter(ctx context.Context, conn *pgx.Conn, settings []setting) error {
	for _, s := range settings {
		statement := "ALTER SYSTEM RESET " + s.name
		if s.value != "" {
			statement = "ALTER SYSTEM SET " + s.name + " = '" + strings.ReplaceAll(s.value, "'", "''") + "'"
		}
		if _, err := conn.Exec(ctx, statement); err != nil {
			return fmt.Errorf("set %s: %w", s.name, err)
		}
	}
	if _, err := conn.Exec(ctx, "SELECT pg_reload_conf()"); err != nil {
		return fmt.Errorf("reload the settings: %w", err)
	}
	return nil
}

// Target is the moment to recover, and by which road.
type Target struct {
	To       time.Time // transactions that were committed up to then, exactly then included; zero: all that there are
	Base     string    // label of the base backup; empty: the newest that To can be recovered from
	Timeline string    // a number, "current" for that of the base backup; empty: the newest
}

// Recover brings the private PostgreSQL, whose server must not run, to a moment
// of its past, and returns as embedded.Recover does, whose promises hold. The
// repository and what was received by streaming is read; the latter is put
// aside with the previous data. Nothing is archived before the next start.
func Recover(ctx context.Context, o embedded.Options, target Target) (embedded.Recovery, error) {
	var p private
	recovery, err := embedded.Recover(ctx, o, func(ctx context.Context, site embedded.Site) (password string, err error) {
		p = private{site}
		if err := p.exists(); err != nil {
			return "", err
		}
		login, err := p.ReadFile(p.passfile())
		if err != nil {
			return "", err
		}
		return strings.TrimSpace(login[strings.LastIndex(login, ":")+1:]), p.restore(ctx, target)
	})
	if err != nil {
		return recovery, err
	}
	err = os.Rename(p.received(), p.received()+".before-"+time.Now().UTC().Format("20060102T150405.000Z"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return recovery, fmt.Errorf("put aside what was received before the recovery: %w", err)
	}
	return recovery, nil
}

// restore makes site.Data a copy of a base backup that goes on to the target when it is started.
func (p private) restore(ctx context.Context, target Target) error {
	s := p.stanza()
	bases, err := s.Bases(ctx)
	if err != nil {
		return err
	}
	if target.Base == "" {
		if target.Base, err = before(bases, target.To); err != nil {
			return err
		}
	}
	program, err := exec.LookPath("pgbackrest")
	if err != nil {
		return ErrNotInstalled
	}
	options := []string{
		"--pg1-path=" + p.Data, "--set=" + target.Base,
		"--recovery-option=restore_command=" + fmt.Sprintf(fetch, program, p.config(), stanza, p.received(), p.Data),
	}
	if target.Timeline != "" {
		options = append(options, "--target-timeline="+target.Timeline)
	}
	if !target.To.IsZero() {
		options = append(options, "--type=time", "--target-action=promote", "--target="+target.To.UTC().Format("2006-01-02 15:04:05.999999-07"))
	}
	_, err = s.run(ctx, "restore", options...)
	return err
}

// fetch gets a WAL segment from the repository or, when that has none, from what was received by streaming, of which the last one
// is not complete. PostgreSQL takes a failure for the end of all WAL, unless it is above 125: damage must not pass for the end.
const fetch = `%[1]q --config=%[2]q --stanza=%[3]s --pg1-path=%[5]q archive-get %%f "%%p"; ` +
	`case $? in 0) ;; 1) cp "%[4]s/%%f" "%%p" || cp "%[4]s/%%f.partial" "%%p";; *) exit 255;; esac`

// before returns the newest base backup that a moment can be recovered from; of all when it is zero.
func before(bases []Base, moment time.Time) (label string, err error) {
	if len(bases) == 0 {
		return "", errors.New("the repository holds no base backup")
	}
	for _, b := range bases {
		if moment.IsZero() || !moment.Before(b.Since()) {
			label = b.Label
		}
	}
	if label == "" {
		return "", fmt.Errorf("the first moment that can be recovered is %s", bases[0].Since().Format(time.RFC3339))
	}
	return label, nil
}
