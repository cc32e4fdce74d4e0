// Package startup makes a database fit for use in the background, while the program already answers: it waits for the server,
// migrates, and runs what modules want done before their first request. It knows no module.
package startup

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tickr/tickr/platform/database"
	"github.com/tickr/tickr/platform/database/migrate"
)

// Task is something to be done once the schema is there. Run is called again after it failed because the database was unavailable,
// and never after it succeeded.
type Task struct {
	Name string
	Run  func(ctx context.Context) error
}

// MigrationError is a migration that failed for a reason that waiting does not mend.
type MigrationError struct{ Err error }

func (e *MigrationError) Error() string { return "migrate: " + e.Err.Error() }

// Unwrap returns the reason.
func (e *MigrationError) Unwrap() error { return e.Err }

// retryDelay is the wait between two looks at a database that is not ready.
const retryDelay = 500 * time.Millisecond

// Preparation is the way from an absent database to one that is ready.
type Preparation struct {
	db       *database.Handle
	migrator *migrate.Migrator
	migrate  bool   // else the schema is somebody else's step, and is waited for
	tasks    []Task // those still to be done
	logger   *slog.Logger
	done     atomic.Bool
}

// New returns a preparation that has not begun. Without migrate it waits for the schema.
func New(db *database.Handle, migrator *migrate.Migrator, migrate bool, tasks []Task, logger *slog.Logger) *Preparation {
	return &Preparation{db: db, migrator: migrator, migrate: migrate, tasks: tasks, logger: logger}
}

// Run returns nil once the database is ready. It waits, as long as ctx allows, for a server that is absent and for a schema that
// somebody else migrates. It fails with what waiting does not mend: a refused login or a missing database (see
// database.Refused), a *MigrationError, or the error of a task.
func (p *Preparation) Run(ctx context.Context) error {
	said := ""
	for {
		err := p.try(ctx)
		if err == nil {
			p.done.Store(true)
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		var pending pendingError
		if _, refused := database.Refused(err); refused || !database.Unavailable(err) && !errors.As(err, &pending) {
			return err
		}
		if text := err.Error(); text != said {
			p.logger.WarnContext(ctx, "the database is not ready, waiting", slog.String("reason", text))
			said = text
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(retryDelay):
		}
	}
}

// pendingError lists migrations that somebody else is to apply.
type pendingError []string

func (e pendingError) Error() string { return "pending migrations: " + strings.Join(e, ", ") }

func (p *Preparation) try(ctx context.Context) error {
	if err := p.db.Ping(ctx); err != nil {
		return err
	}
	if err := p.schema(ctx); err != nil {
		return err
	}
	for ; len(p.tasks) > 0; p.tasks = p.tasks[1:] {
		if err := p.tasks[0].Run(ctx); err != nil {
			return fmt.Errorf("%s: %w", p.tasks[0].Name, err)
		}
	}
	return nil
}

func (p *Preparation) schema(ctx context.Context) error {
	if !p.migrate {
		return p.pending(ctx)
	}
	applied, err := p.migrator.Up(ctx)
	for _, name := range applied {
		p.logger.InfoContext(ctx, "migration applied", slog.String("migration", name))
	}
	if err != nil && !database.Unavailable(err) {
		return &MigrationError{err}
	}
	return err
}

func (p *Preparation) pending(ctx context.Context) error {
	names, err := p.migrator.Pending(ctx, p.db)
	if err == nil && len(names) > 0 {
		return pendingError(names)
	}
	return err
}

// Done reports whether Run has succeeded.
func (p *Preparation) Done() bool { return p.done.Load() }

// Ready fails until Run has succeeded, and afterwards while the database does not answer or a migration is pending.
func (p *Preparation) Ready(ctx context.Context) error {
	if !p.Done() {
		return errors.New("the database is being prepared")
	}
	return p.pending(ctx)
}
