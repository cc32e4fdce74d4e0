// Package migrate brings a database to the schema of this binary with bun's migrations, made safe for several
// processes at once and for processes that die half-way. It knows no table but its history, public.bun_migrations.
package migrate

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/migrate"

	"github.com/tickr/tickr/platform/database"
)

// ErrNothingApplied says that there is no migration to undo.
var ErrNothingApplied = errors.New("no migration is applied")

// Migrator applies and undoes the migrations of all modules as one history, in the order of their numbers. It
// uses connections of its own, never the pool, and may be used by any number of processes at once: they take
// turns. It keeps no connection between calls.
type Migrator struct {
	config     *pgx.ConnConfig
	migrations *migrate.Migrations
	files      map[string]pair // by number
}

// New reads the migrations in sources without connecting. A migration is a pair of files
// <14-digit UTC time>_<name>.tx.up.sql and .tx.down.sql, which run in one transaction together with their entry in
// the history. Without ".tx" they run statement by statement, as CREATE INDEX CONCURRENTLY must: one statement
// per part, parts separated by a line "--bun:split", and repeatable, since a crash leaves what was done. They wait for
// locks without a limit, the others for 5 s. bun drops blank lines, also within string literals. Wrong names, numbers used twice and missing halves are errors,
// all reported at once; so is a dsn that does not parse.
func New(dsn string, sources ...fs.FS) (*Migrator, error) {
	config, err := connConfig(dsn)
	if err != nil {
		return nil, err
	}
	files, err := pairs(sources)
	if err != nil {
		return nil, err
	}
	// Without the option bun looks for the directory of its caller's source, which a trimmed binary has not.
	migrations := migrate.NewMigrations(migrate.WithMigrationsDirectory("."))
	for _, source := range sources {
		if err := migrations.Discover(source); err != nil {
			return nil, fmt.Errorf("discover migrations: %w", err)
		}
	}
	return &Migrator{config: config, migrations: migrations, files: files}, nil
}

// Up applies what is pending, oldest first, and returns the names of what it applied, also beside an error. A
// migration that fails leaves no entry in the history, and nothing in the schema if it is transactional; the
// error is one line with its file, and the message and SQLSTATE of the server. Up waits, as long as ctx allows,
// for another process that is migrating. Applied migrations that this binary does not know are left alone; when the
// file of one that it knows is not the file that was applied, Up applies nothing and fails.
func (m *Migrator) Up(ctx context.Context) (applied []string, err error) {
	if len(m.files) == 0 {
		return nil, nil
	}
	err = m.alone(ctx, m.recordApplied, func(bm *migrate.Migrator) error {
		if err := bm.Init(ctx); err != nil {
			return fmt.Errorf("create migration history: %w", err)
		}
		if err := m.prepareHistory(ctx, bm.DB()); err != nil {
			return err
		}
		group, err := bm.Migrate(ctx)
		done := group.Migrations
		if err != nil && len(done) > 0 {
			last := len(done) - 1
			err, done = &fileError{file: m.files[done[last].Name].up.name, err: err}, done[:last]
		}
		for _, migration := range done {
			applied = append(applied, migration.String())
		}
		return err
	})
	return applied, err
}

// Down undoes the migration that was applied last, one only, and returns its name. Its errors are those of Up,
// and ErrNothingApplied; it refuses when this binary does not know that migration.
func (m *Migrator) Down(ctx context.Context) (undone string, err error) {
	err = m.alone(ctx, recordUndone, func(bm *migrate.Migrator) error {
		entries, err := history(ctx, bm.DB())
		if err != nil {
			return err
		}
		if len(entries) == 0 {
			return ErrNothingApplied
		}
		number := entries[len(entries)-1].Name
		known := m.migrations.Sorted()
		i := slices.IndexFunc(known, func(k migrate.Migration) bool { return k.Name == number })
		if i < 0 {
			return fmt.Errorf("undo migration %s: not part of this program, which is older than the database", number)
		}
		if err := known[i].Down(ctx, bm, &known[i]); err != nil {
			return &fileError{file: m.files[number].down.name, err: err}
		}
		undone = known[i].String()
		return nil
	})
	return undone, err
}

// Status is where a database stands.
type Status struct {
	// Applied is what this binary knows and the database has, in the order of application.
	Applied []Applied
	// Pending is what Up would apply, oldest first.
	Pending []string
	// Unknown is what the database has and this binary has not, by number: a newer binary was here.
	Unknown []string
}

// Applied is one entry of the history.
type Applied struct {
	Name    string
	At      time.Time // UTC
	Changed bool      // the up file is another than the one that was applied, not only in white space at line ends
}

// Status reads where the database stands. It takes no lock and creates nothing, also in an empty database.
func (m *Migrator) Status(ctx context.Context) (Status, error) {
	db := open(m.config)
	defer func() { _ = db.Close() }()
	return m.status(ctx, db)
}

// StatusOn is Status, read on the pool of h. It is one small query.
func (m *Migrator) StatusOn(ctx context.Context, h *database.Handle) (Status, error) {
	return m.status(ctx, h.Conn(ctx))
}

// Pending returns the names of what Up would apply, oldest first. It is one small query on the pool of h, fit
// for a readiness check.
func (m *Migrator) Pending(ctx context.Context, h *database.Handle) ([]string, error) {
	status, err := m.StatusOn(ctx, h)
	return status.Pending, err
}

// Unknown returns which of some numbers of migrations this binary has not.
func (m *Migrator) Unknown(numbers []string) []string {
	return slices.DeleteFunc(slices.Clone(numbers), func(number string) bool {
		_, known := m.files[number]
		return known
	})
}

func (m *Migrator) status(ctx context.Context, db bun.IDB) (Status, error) {
	entries, err := history(ctx, db)
	if err != nil {
		return Status{}, err
	}
	var status Status
	applied := make(map[string]bool, len(entries))
	for _, e := range entries {
		applied[e.Name] = true
		if p, ok := m.files[e.Name]; ok {
			status.Applied = append(status.Applied, Applied{Name: p.up.label(), At: e.MigratedAt.UTC(), Changed: p.changedSince(e)})
		} else {
			status.Unknown = append(status.Unknown, e.Name)
		}
	}
	for _, migration := range m.migrations.Sorted() {
		if !applied[migration.Name] {
			status.Pending = append(status.Pending, migration.String())
		}
	}
	return status, nil
}
