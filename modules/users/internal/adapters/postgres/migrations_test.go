package postgres_test

import (
	"io/fs"
	"strings"

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

// TestListsAreServedWhileTheirIndexesChange, whatever part of the migration a crash comes after, and while it is repeated.
func (s *Schema) TestListsAreServedWhileTheirIndexesChange() {
	db := dbtest.New(s.T(), postgres.Migrations())
	before := s.describe(db)
	run := func(parts []string) {
		for _, part := range parts {
			_, err := db.Pool().Exec(s.T().Context(), part)
			s.Require().NoError(err)
			s.Require().Equal([]string{"active_role", "created_at", "role"}, s.lines(db, `
				SELECT DISTINCT list FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid,
					substring(relname::text, '^idx_users_(active_role|created_at|role)') AS list
				WHERE indrelid = 'users.users'::regclass AND indisvalid AND list <> '' ORDER BY list`), part)
		}
	}
	for _, direction := range []string{"down", "up"} {
		text, err := fs.ReadFile(postgres.Migrations(), "20261123100000_index_user_lists."+direction+".sql")
		s.Require().NoError(err)
		parts := strings.Split(string(text), "--bun:split\n")
		for done := range parts {
			run(parts[:done])
			run(parts)
		}
	}
	s.Equal(before, s.describe(db))
}
