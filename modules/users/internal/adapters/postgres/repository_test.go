package postgres_test

import (
	"testing"

	"github.com/stretchr/testify/suite"

	"github.com/tickr/tickr/modules/users/internal/adapters/postgres"
	"github.com/tickr/tickr/modules/users/internal/userstest"
	"github.com/tickr/tickr/platform/database/dbtest"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

func TestRepositories(t *testing.T) {
	suite.Run(t, repositories(postgres.NewRepositories))
}

func TestUnpreparedRepositories(t *testing.T) {
	suite.Run(t, repositories(postgres.NewUnprepared))
}

// repositories is the suite over one way to read.
func repositories(over func(postgres.DB) postgres.Repositories) *userstest.RepositorySuite {
	return &userstest.RepositorySuite{New: func(t *testing.T) userstest.Ports {
		t.Helper()
		db := dbtest.New(t, postgres.Migrations())
		stored := over(db)
		return userstest.Ports{
			Tx: db, Users: stored.Users, Registrations: stored.Registrations, OneTimeTokens: stored.OneTimeTokens,
			Sessions: stored.Sessions, Outbox: stored.Outbox, Audit: stored.Audit, Changes: stored.Changes, Throttles: stored.Throttles,
			Leftovers: stored.Leftovers, Months: postgres.NewTrailMonths(db),
		}
	}}
}
