package usersfx

import (
	"context"

	"github.com/tickr/tickr/modules/users/internal/adapters/postgres"
	"github.com/tickr/tickr/platform/database"
	"github.com/tickr/tickr/platform/database/inspect"
)

// Statements returns all that the module asks of PostgreSQL, with arguments that no row has.
func Statements() []inspect.Statement { return postgres.Catalogue(postgres.Example(now())) }

// newStatements returns the same with arguments that rows have, for operators to explain.
func newStatements(db *database.Handle) inspect.Catalogue {
	return func(ctx context.Context) ([]inspect.Statement, error) {
		sample, err := postgres.ReadSample(ctx, db, newID(), now())
		if err != nil {
			return nil, err
		}
		return postgres.Catalogue(sample), nil
	}
}
