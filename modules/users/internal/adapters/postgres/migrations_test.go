package postgres_test

import (
	"github.com/tickr/tickr/modules/users/internal/adapters/postgres"
	"github.com/tickr/tickr/platform/database/dbtest"
	"github.com/tickr/tickr/platform/database/migrate"
)

// TestModelsAgreeWithMigrations: what a model has, a migration has made.
func (s *Schema) TestModelsAgreeWithMigrations() {
	db := dbtest.New(s.T(), postgres.Migrations())
	m, err := migrate.New(db.DSN, postgres.Migrations())
	s.Require().NoError(err)
	draft, err := m.Draft(s.T().Context(), "users", postgres.Models())
	s.NoError(err)
	s.Zero(draft)
}
