package postgres_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tickr/tickr/modules/users/internal/adapters/postgres"
	"github.com/tickr/tickr/modules/users/internal/application"
	"github.com/tickr/tickr/modules/users/internal/userstest"
	"github.com/tickr/tickr/platform/database/dbtest"
)

// open is a transaction that was begun and waits to be ended.
type open struct {
	announced uuid.UUID
	end       chan error // nil: commit
	ended     chan error
}

// TestChangesInAnyOrder begins, commits and rolls back transactions in every order that rapid thinks of: who follows hears of each
// commit once, at the next look.
func TestChangesInAnyOrder(t *testing.T) {
	db := dbtest.New(t, postgres.Migrations())
	changes := postgres.NewRepositories(db).Changes
	rapid.Check(t, func(t *rapid.T) {
		ctx := context.Background()
		moment, err := changes.Moment(ctx)
		require.NoError(t, err)
		var running []*open
		var unheard []uuid.UUID
		finish := func(why error) {
			if len(running) == 0 {
				t.Skip("none is open")
			}
			i := rapid.IntRange(0, len(running)-1).Draw(t, "which")
			tx := running[i]
			running = append(running[:i], running[i+1:]...)
			tx.end <- why
			require.ErrorIs(t, <-tx.ended, why)
			if why == nil {
				unheard = append(unheard, tx.announced)
			}
		}
		actions := map[string]func(*rapid.T){
			"begin": func(t *rapid.T) {
				if len(running) == 5 {
					t.Skip("connections are few")
				}
				tx := &open{announced: userstest.NewID(), end: make(chan error), ended: make(chan error, 1)}
				begun := make(chan error)
				go func() {
					tx.ended <- db.InTx(ctx, func(ctx context.Context) error {
						begun <- changes.Announce(ctx, uuid.Nil, time.Now(), []application.Change{
							{ID: userstest.NewID(), Kind: application.UserChanged, Subject: tx.announced},
						})
						return <-tx.end
					})
				}()
				require.NoError(t, <-begun)
				running = append(running, tx)
			},
			"commit":    func(*rapid.T) { finish(nil) },
			"roll back": func(*rapid.T) { finish(context.Canceled) },
			"look": func(t *rapid.T) {
				var heard []application.Change
				heard, moment, err = changes.Since(ctx, moment, uuid.Max)
				require.NoError(t, err)
				var subjects []uuid.UUID
				for _, change := range heard {
					subjects = append(subjects, change.Subject)
				}
				require.ElementsMatch(t, unheard, subjects)
				unheard = nil
			},
		}
		defer func() {
			for _, tx := range running {
				tx.end <- context.Canceled
				require.ErrorIs(t, <-tx.ended, context.Canceled)
			}
		}()
		t.Repeat(actions)
		actions["look"](t)
	})
}
