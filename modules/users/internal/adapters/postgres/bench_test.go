package postgres_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/adapters/postgres"
	"github.com/tickr/tickr/modules/users/internal/domain"
	"github.com/tickr/tickr/platform/database/dbtest"
)

type benchUser struct {
	bun.BaseModel `bun:"table:users.users,alias:u"`
	domain.State
}

type benchSession struct {
	bun.BaseModel `bun:"table:users.sessions,alias:s"`
	domain.SessionState
}

// BenchmarkHotReads reads the same rows in three ways, turn by turn, so that what else the machine does weighs on each alike: as bun
// reads them, with prepared statements, and without. x-prepared and x-unprepared say how many times as fast as bun those are.
func BenchmarkHotReads(b *testing.B) {
	db := dbtest.New(b, postgres.Migrations())
	prepared, unprepared := postgres.NewRepositories(db), postgres.NewUnprepared(db)
	ids := benchRows(b, db)
	batch := ids[:100]

	reads := map[string]struct {
		bun        func(ctx context.Context, id uuid.UUID) error
		repository func(ctx context.Context, r postgres.Repositories, id uuid.UUID) error
	}{
		"UserByID": {
			func(ctx context.Context, id uuid.UUID) error {
				return db.Conn(ctx).NewSelect().Model(new(benchUser)).Where("u.id = ?", id).Scan(ctx)
			},
			func(ctx context.Context, r postgres.Repositories, id uuid.UUID) error {
				_, err := r.Users.ByID(ctx, id)
				return err
			},
		},
		"UserByEmail": {
			func(ctx context.Context, id uuid.UUID) error {
				return db.Conn(ctx).NewSelect().Model(new(benchUser)).Where("u.email = ?", id.String()).Scan(ctx)
			},
			func(ctx context.Context, r postgres.Repositories, id uuid.UUID) error {
				_, err := r.Users.ByEmail(ctx, id.String())
				return err
			},
		},
		"SessionByID": {
			func(ctx context.Context, id uuid.UUID) error {
				return db.Conn(ctx).NewSelect().Model(new(benchSession)).Where("s.id = ?", id).Scan(ctx)
			},
			func(ctx context.Context, r postgres.Repositories, id uuid.UUID) error {
				_, err := r.Sessions.ByID(ctx, id)
				return err
			},
		},
		"UsersByIDs100": {
			func(ctx context.Context, _ uuid.UUID) error {
				var rows []benchUser
				return db.Conn(ctx).NewSelect().Model(&rows).ExcludeColumn("password_hash").Where("u.id IN (?)", bun.List(batch)).Scan(ctx)
			},
			func(ctx context.Context, r postgres.Repositories, _ uuid.UUID) error {
				_, err := r.Users.ByIDs(ctx, batch)
				return err
			},
		},
	}
	for name, read := range reads {
		b.Run(name, func(b *testing.B) {
			var spent [3]time.Duration
			for i := 0; b.Loop(); i++ {
				id := ids[i%len(ids)]
				for way, run := range []func() error{
					func() error { return read.bun(b.Context(), id) },
					func() error { return read.repository(b.Context(), prepared, id) },
					func() error { return read.repository(b.Context(), unprepared, id) },
				} {
					start := time.Now()
					require.NoError(b, run())
					spent[way] += time.Since(start)
				}
			}
			b.ReportMetric(0, "ns/op") // of all three together
			b.ReportMetric(float64(spent[0])/float64(spent[1]), "x-prepared")
			b.ReportMetric(float64(spent[0])/float64(spent[2]), "x-unprepared")
		})
	}
}

// benchRows stores users, each with a session of the same ID and the ID as address, and returns the IDs.
func benchRows(b *testing.B, db *dbtest.DB) []users.ID {
	b.Helper()
	stored := postgres.NewRepositories(db)
	ids := make([]users.ID, 2000)
	now := time.Now().UTC().Truncate(time.Microsecond)
	hash := fmt.Sprintf("%097d", 0)
	for i := range ids {
		ids[i] = uuid.Must(uuid.NewV7())
		require.NoError(b, stored.Users.Insert(b.Context(), domain.Restore(domain.State{
			ID: ids[i], Email: ids[i].String(), PasswordHash: &hash, FirstName: "Ana", LastName: "Trabelsi", Role: users.Participant, IsActive: true,
			CreatedAt: now, UpdatedAt: now, Version: 1,
		})))
		require.NoError(b, stored.Sessions.Insert(b.Context(), domain.RestoreSession(domain.SessionState{
			ID: ids[i], UserID: ids[i], TokenHash: ids[i][:], CreatedAt: now, ExpiresAt: now,
		})))
	}
	_, err := db.Pool().Exec(b.Context(), "ANALYZE users.users, users.sessions")
	require.NoError(b, err)
	return ids
}
