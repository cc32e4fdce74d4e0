// Package postgres keeps users in PostgreSQL, in the schema users. It owns the SQL and the migrations, and begins no transaction:
// it takes part in the one of its ctx.
package postgres

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/uptrace/bun"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/application"
	"github.com/tickr/tickr/platform/database"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations returns the module's part of the migration history.
func Migrations() fs.FS {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		panic(err) // the folder is compiled in
	}
	return files
}

// DB is a database and its two doors: Conn gives the transaction of a ctx or the pool, to bun; Pool knows nothing of transactions.
type DB interface {
	Conn(ctx context.Context) bun.IDB
	Pool() *pgxpool.Pool
}

// Repositories is the module's storage.
type Repositories struct {
	Users         Users
	Registrations Registrations
	OneTimeTokens OneTimeTokens
	Sessions      Sessions
	Outbox        Outbox
	Audit         Audit
	Changes       Changes
	Throttles     Throttles
	Leftovers     Leftovers
}

// NewRepositories returns the storage behind a database. It keeps prepared statements in connections.
func NewRepositories(db DB) Repositories {
	return newRepositories(store{db, pgx.QueryExecModeCacheStatement})
}

// NewUnprepared returns the storage behind a pooler that gives each transaction another connection, as PgBouncer does: it keeps
// nothing in one, and each read costs more.
func NewUnprepared(db DB) Repositories { return newRepositories(store{db, pgx.QueryExecModeExec}) }

func newRepositories(s store) Repositories {
	return Repositories{
		Users: Users{s}, Registrations: Registrations{s}, OneTimeTokens: OneTimeTokens{s}, Sessions: Sessions{s}, Outbox: Outbox{s},
		Audit: Audit{s}, Changes: Changes{s}, Throttles: Throttles{s}, Leftovers: Leftovers{s},
	}
}

var (
	_ application.Users         = Users{}
	_ application.Registrations = Registrations{}
	_ application.OneTimeTokens = OneTimeTokens{}
	_ application.Sessions      = Sessions{}
	_ application.Outbox        = Outbox{}
	_ application.Audit         = Audit{}
	_ application.Changes       = Changes{}
	_ application.Throttles     = Throttles{}
	_ application.Leftovers     = Leftovers{}
	_ application.TrailMonths   = TrailMonths{}
)

// fault says what was attempted when a statement failed, and names the failures that callers know by their constraint.
func fault(attempt string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, sql.ErrNoRows) {
		return users.ErrNotFound
	}
	if constraint, ok := database.UniqueViolation(err); ok {
		switch constraint {
		case "UQ_users_email", "idx_users_email":
			return users.ErrEmailTaken
		case "UQ_users_phone", "idx_users_phone":
			return application.ErrPhoneClaimed
		}
	}
	return fmt.Errorf("%s: %w", attempt, err)
}
