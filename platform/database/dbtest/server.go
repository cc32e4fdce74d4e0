package dbtest

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/joho/godotenv"

	"github.com/tickr/tickr/platform/database/embedded"
	"github.com/tickr/tickr/platform/database/migrate"
)

// server is where the databases of the tests are.
type server struct {
	url  url.URL // of any database
	name string  // DB_NAME: what the names of all databases start with
}

// startPatience leaves time for a first download of PostgreSQL.
const startPatience = 5 * time.Minute

var logger = slog.New(slog.NewTextHandler(os.Stderr, nil))

// private is the server of this process, nil unless one was started.
var private *embedded.Server

// useMajor sets PG_BIN_DIR to the programs of one major version, whatever is installed.
func useMajor(text string) error {
	if text == "" {
		return nil
	}
	major, err := strconv.Atoi(text)
	if err != nil {
		return fmt.Errorf("TICKR_TEST_PG %q is no major version of PostgreSQL", text)
	}
	ctx, cancel := context.WithTimeout(context.Background(), startPatience)
	defer cancel()
	dir, err := embedded.Programs(ctx, major, logger)
	if err != nil {
		return err
	}
	return os.Setenv("PG_BIN_DIR", dir)
}

var sharedServer = sync.OnceValues(func() (*server, error) {
	env, err := environment()
	if err != nil {
		return nil, err
	}
	// The longest name is that of an unfinished template: 36 more, of 63.
	name := env("DB_NAME")
	if _, err := identifier(name); err != nil || len(name) > 27 {
		return nil, fmt.Errorf("DB_NAME %q is not a name for tests: want tickr_test or tickr_test_<a-z, 0-9, _>, at most 27 characters", name)
	}
	address, err := given(env)
	if err != nil {
		return nil, err
	}
	if address == nil {
		ctx, cancel := context.WithTimeout(context.Background(), startPatience)
		defer cancel()
		if private, err = embedded.Temporary(ctx, embedded.Options{BinDir: env("PG_BIN_DIR"), Logger: logger}); err != nil {
			return nil, err
		}
		if address, err = url.Parse(private.DSN()); err != nil {
			return nil, errors.New("the private PostgreSQL has no URL") // its text holds the password
		}
	}
	return &server{url: *address, name: name}, nil
})

// environment looks variables up in the real environment, then in configs/test.env.
func environment() (func(name string) string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return nil, fmt.Errorf("find configs/test.env: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			break
		}
		if dir == filepath.Dir(dir) {
			return nil, errors.New("find configs/test.env: no go.work in this folder or above")
		}
		dir = filepath.Dir(dir)
	}
	file, err := godotenv.Read(filepath.Join(dir, "configs", "test.env"))
	if err != nil {
		return nil, fmt.Errorf("read configs/test.env: %w", err)
	}
	return func(name string) string {
		if value := os.Getenv(name); value != "" {
			return value
		}
		return file[name]
	}, nil
}

// given returns the address of the server that the environment names, nil if it names none.
func given(env func(string) string) (*url.URL, error) {
	if text := env("DATABASE_URL"); text != "" {
		address, err := url.Parse(text)
		if err != nil || (address.Scheme != "postgres" && address.Scheme != "postgresql") {
			return nil, errors.New("DATABASE_URL must be a postgres:// URL for tests") // it may hold a password
		}
		return address, nil
	}
	if env("DB_HOST") == "" {
		return nil, nil
	}
	or := func(name, fallback string) string {
		if value := env(name); value != "" {
			return value
		}
		return fallback
	}
	return &url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(or("DB_USERNAME", "postgres"), or("DB_PASSWORD", "postgres")),
		Host:     net.JoinHostPort(env("DB_HOST"), or("DB_PORT", "5432")),
		RawQuery: url.Values{"sslmode": {or("DB_SSLMODE", "prefer")}}.Encode(),
	}, nil
}

func (s *server) dsn(database string) string {
	address := s.url
	address.Path = "/" + database
	return address.String()
}

// connect connects to the database that every server has.
func (s *server) connect(ctx context.Context) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.dsn("postgres"))
	if err != nil {
		return nil, fmt.Errorf("%w: start the server that DB_HOST or DATABASE_URL names, or unset both to use a private one", err)
	}
	return conn, nil
}

var ownName = regexp.MustCompile(`^tickr_test(_[a-z0-9_]*)?$`)

// identifier quotes the name of a database of tests, and refuses any other: the
// server may hold databases that matter.
func identifier(name string) (string, error) {
	if !ownName.MatchString(name) || len(name) > 63 {
		return "", fmt.Errorf("database %q is not named tickr_test*: it is neither created, emptied nor dropped here", name)
	}
	return pgx.Identifier{name}.Sanitize(), nil
}

func (s *server) create(ctx context.Context, name, template string) error {
	return s.execute(ctx, name, func(quoted string) string {
		// Without fsync a copy of the files takes half the time of the default.
		return "CREATE DATABASE " + quoted + " TEMPLATE " + pgx.Identifier{template}.Sanitize() + " STRATEGY FILE_COPY"
	})
}

func (s *server) drop(ctx context.Context, name string) error {
	return s.execute(ctx, name, func(quoted string) string {
		return "DROP DATABASE IF EXISTS " + quoted + " WITH (FORCE)"
	})
}

// execute runs the one statement about the database name.
func (s *server) execute(ctx context.Context, name string, statement func(quoted string) string) (err error) {
	quoted, err := identifier(name)
	if err != nil {
		return err
	}
	conn, err := s.connect(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	if _, err := conn.Exec(ctx, statement(quoted)); err != nil {
		return fmt.Errorf("%s: %w", statement(quoted), err)
	}
	return nil
}

// template returns the name of a database with exactly these migrations. One
// process makes it, the others on the server wait; it gets its name when it is
// complete, so what a killed process leaves is never cloned.
func (s *server) template(ctx context.Context, migrations []fs.FS) (name string, err error) {
	hash, err := hashOf(migrations)
	if err != nil {
		return "", fmt.Errorf("read migrations: %w", err)
	}
	name = s.name + "_template_" + hash
	conn, err := s.connect(ctx)
	if err != nil {
		return "", err
	}
	// Closing releases the lock as well.
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	if exists, err := s.exists(ctx, conn, name); err != nil || exists {
		return name, err
	}
	if _, err := conn.Exec(ctx, "SELECT pg_advisory_lock(hashtextextended($1, 0))", name); err != nil {
		return "", fmt.Errorf("lock template: %w", err)
	}
	if exists, err := s.exists(ctx, conn, name); err != nil || exists {
		return name, err
	}
	return name, s.build(ctx, name, migrations)
}

func (s *server) exists(ctx context.Context, conn *pgx.Conn, name string) (exists bool, err error) {
	err = conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", name).Scan(&exists)
	if err != nil {
		return false, fmt.Errorf("look for template: %w", err)
	}
	return exists, nil
}

// build makes the template under another name and renames it.
func (s *server) build(ctx context.Context, name string, migrations []fs.FS) error {
	unfinished := name + "_unfinished"
	if err := s.drop(ctx, unfinished); err != nil {
		return err
	}
	if err := s.create(ctx, unfinished, "template0"); err != nil {
		return err
	}
	migrator, err := migrate.New(s.dsn(unfinished), migrations...)
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	if _, err := migrator.Up(ctx); err != nil {
		return fmt.Errorf("migrate template: %w", err)
	}
	final, err := identifier(name)
	if err != nil {
		return err
	}
	return s.execute(ctx, unfinished, func(quoted string) string {
		return "ALTER DATABASE " + quoted + " RENAME TO " + final
	})
}

// hashOf names the content of all files of all sources.
func hashOf(sources []fs.FS) (string, error) {
	hash := sha256.New()
	for _, source := range sources {
		err := fs.WalkDir(source, ".", func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			text, err := fs.ReadFile(source, path)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(hash, "%q %q\n", path, text)
			return err
		})
		if err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(hash.Sum(nil)[:8]), nil
}

func random() string {
	text := make([]byte, 8)
	_, _ = rand.Read(text) // never fails
	return hex.EncodeToString(text)
}
