package postgres_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/application"
	"github.com/tickr/tickr/modules/users/internal/userstest"
)

// TestClockOfTheDatabaseDoesNotMatter: every time is the program's, so it may be ten minutes apart from the database's, and step.
func TestClockOfTheDatabaseDoesNotMatter(t *testing.T) {
	for name, apart := range map[string]time.Duration{"ahead": 10 * time.Minute, "behind": -10 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			service, clock := sessionWorld(t)
			clock.Advance(time.Since(clock.Now()).Truncate(time.Microsecond)) // to the time of this machine, and of the database
			clock.Advance(apart)
			made := clock.Now()
			ctx := t.Context()
			_, err := service.CreateAdmin(ctx, application.NewAdmin{
				Email: "admin@example.com", Password: sessionPassword, FirstName: "A", LastName: "B",
			})
			require.NoError(t, err)
			credentials := application.Credentials{Email: "admin@example.com", Password: sessionPassword}
			tokens, u, err := service.LogIn(ctx, userstest.Here, credentials)
			require.NoError(t, err)
			require.Equal(t, made, u.CreatedAt)
			actor, err := service.Authenticate(ctx, userstest.Here, tokens.Access)
			require.NoError(t, err)
			stats, err := service.Stats(ctx, actor)
			require.NoError(t, err)
			require.EqualValues(t, 1, stats.Signups24h)

			// What expires does so by the program's clock, to the microsecond.
			clock.Advance(15*time.Minute - time.Microsecond)
			_, err = service.Authenticate(ctx, userstest.Here, tokens.Access)
			require.NoError(t, err)
			clock.Advance(time.Microsecond)
			_, err = service.Authenticate(ctx, userstest.Here, tokens.Access)
			require.ErrorIs(t, err, users.ErrTokenExpired)
			tokens, err = service.Refresh(ctx, userstest.Here, tokens.Refresh)
			require.NoError(t, err)

			// A clock that is set back ends nothing and turns no time around.
			clock.Advance(-10 * time.Minute)
			_, err = service.Authenticate(ctx, userstest.Here, tokens.Access)
			require.NoError(t, err)
			first := "Later"
			changed, err := service.UpdateUser(ctx, actor, actor.ID, application.UserChange{FirstName: &first}, nil)
			require.NoError(t, err)
			require.False(t, changed.UpdatedAt.Before(changed.CreatedAt))
			clock.Advance(sessionTTL + 10*time.Minute)
			_, err = service.Refresh(ctx, userstest.Here, tokens.Refresh)
			require.ErrorIs(t, err, users.ErrSessionEnded)
		})
	}
}
