// Package sibling is a sample of a module beside users: what any module of the monolith may do with users, and all it needs to know.
package sibling

import (
	"context"
	"embed"
	"fmt"
	"io/fs"

	"go.uber.org/fx"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/platform/database"
)

// Module provides *Desk and the migrations of its table. It needs users.Directory and *database.Handle.
var Module = fx.Module("sibling",
	fx.Provide(
		fx.Annotate(migrations, fx.ResultTags(`group:"migrations"`)),
		func(db *database.Handle, directory users.Directory) *Desk { return NewDesk(db, directory) },
	),
)

//go:embed migrations/*.sql
var files embed.FS

func migrations() fs.FS { return files }

// Accounts is what this module expects of users. users.Directory has it; a fake of it is five lines.
type Accounts interface {
	RequireActive(ctx context.Context, id users.ID) (users.User, error)
	GetMany(ctx context.Context, ids []users.ID) (map[users.ID]users.User, error)
}

// Desk registers users for events.
type Desk struct {
	db       *database.Handle
	accounts Accounts
}

// NewDesk returns a desk that keeps its registrations in db.
func NewDesk(db *database.Handle, accounts Accounts) *Desk { return &Desk{db, accounts} }

// Register signs a user up for an event. It fails with users.ErrNotFound or users.ErrDeactivated.
func (d *Desk) Register(ctx context.Context, event string, user users.ID) error {
	if _, err := d.accounts.RequireActive(ctx, user); err != nil {
		return err
	}
	_, err := d.db.Conn(ctx).ExecContext(ctx, "INSERT INTO sibling.registrations (event, user_id) VALUES (?, ?)", event, user)
	if err != nil {
		return fmt.Errorf("register user %s: %w", user, err)
	}
	return nil
}

// Attendees returns who is registered for an event, in the order of registration: first names, with "(gone)" behind those whose
// account is deactivated.
func (d *Desk) Attendees(ctx context.Context, event string) ([]string, error) {
	var ids []users.ID
	err := d.db.Conn(ctx).NewSelect().TableExpr("sibling.registrations").Column("user_id").
		Where("event = ?", event).Order("id").Scan(ctx, &ids)
	if err != nil {
		return nil, fmt.Errorf("list registrations: %w", err)
	}
	accounts, err := d.accounts.GetMany(ctx, ids)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(ids))
	for i, id := range ids {
		names[i] = accounts[id].FirstName
		if !accounts[id].IsActive {
			names[i] += " (gone)"
		}
	}
	return names, nil
}
