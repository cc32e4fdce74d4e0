package postgres_test

import (
	"context"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/adapters/postgres"
	"github.com/tickr/tickr/platform/database/dbtest"
)

// TestWhatStaysInAConnection: the hot reads and nothing else; nothing at all where a pooler may hand the connection to somebody else.
func TestWhatStaysInAConnection(t *testing.T) {
	db := dbtest.New(t, postgres.Migrations())
	id := uuid.New()
	readAll := func(ctx context.Context, stored postgres.Repositories) {
		for range 2 {
			_, err := stored.Users.ByID(ctx, id)
			require.ErrorIs(t, err, users.ErrNotFound)
			_, err = stored.Users.ByEmail(ctx, "nobody@example.com")
			require.ErrorIs(t, err, users.ErrNotFound)
			_, err = stored.Users.ByPhone(ctx, "+21620123456")
			require.ErrorIs(t, err, users.ErrNotFound)
			_, err = stored.Users.ByIDs(ctx, []users.ID{id, uuid.New()})
			require.NoError(t, err)
			_, err = stored.Sessions.ByID(ctx, id)
			require.ErrorIs(t, err, users.ErrNotFound)
			_, err = stored.Registrations.Newest(ctx, id)
			require.ErrorIs(t, err, users.ErrNotFound)
		}
	}
	// In a transaction all of this is one connection.
	kept := func(over func(postgres.DB) postgres.Repositories) (n int) {
		require.NoError(t, db.InTx(t.Context(), func(ctx context.Context) error {
			readAll(ctx, over(db))
			return db.Conn(ctx).QueryRowContext(ctx, "SELECT count(*) FROM pg_prepared_statements").Scan(&n)
		}))
		return n
	}
	require.Equal(t, 0, kept(postgres.NewUnprepared))
	require.Equal(t, 5, kept(postgres.NewRepositories))
	require.Equal(t, 5, kept(postgres.NewRepositories), "prepared once for a connection")
}
