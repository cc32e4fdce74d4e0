package usersfx_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/adapters/cache"
	"github.com/tickr/tickr/modules/users/internal/adapters/postgres"
	"github.com/tickr/tickr/modules/users/internal/application"
	"github.com/tickr/tickr/modules/users/internal/domain"
	"github.com/tickr/tickr/modules/users/internal/userstest"
	"github.com/tickr/tickr/platform/database"
	"github.com/tickr/tickr/platform/database/dbtest"
)

// instance is the use cases of one process, with a cache of its own and what keeps it fresh.
type instance struct {
	*application.Service
	directory application.Directory
	follower  *application.Follower
}

func newInstance(t *testing.T, db *dbtest.DB) instance {
	t.Helper()
	now := func() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }
	c, err := cache.New(cache.Options{TTL: time.Hour, MaxMB: 1, LoadTime: database.RequestBudget, Spend: database.Spend, Now: now})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	key, err := domain.NewRefreshKey("secret")
	require.NoError(t, err)
	pseudonyms, err := domain.NewPseudonymKey("secret")
	require.NoError(t, err)
	stored, self := postgres.NewRepositories(db), application.NewInstance(userstest.NewID)
	service := application.New(application.Deps{
		Tx: db, Users: stored.Users, Registrations: stored.Registrations, OneTimeTokens: stored.OneTimeTokens, Sessions: stored.Sessions, Outbox: stored.Outbox,
		Audit: stored.Audit, Changes: stored.Changes, Throttles: application.Unlimited{}, Instance: self, Cache: c, Hasher: &userstest.Hasher{},
		AccessTokens: userstest.AccessTokens{Now: now}, Meter: new(userstest.Meter), RefreshKeys: []domain.RefreshKey{key}, Pseudonyms: pseudonyms,
		AccessTTL: time.Hour, RefreshTTL: time.Hour, Wake: func() {}, Now: now, NewID: userstest.NewID, Logger: slog.New(slog.DiscardHandler),
	})
	return instance{
		service, application.NewDirectory(service), application.NewFollower(stored.Changes, c, self, now, slog.New(slog.DiscardHandler)),
	}
}

// TestInstancesAgreeInTheEnd lets three instances change and read the same accounts and sessions at random and all at once: once they
// rest, and have looked once more, each answers as the database does. TICKR_LONG=1 plays 200 rounds.
func TestInstancesAgreeInTheEnd(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t, postgres.Migrations())
	instances := []instance{newInstance(t, db), newInstance(t, db), newInstance(t, db)}
	ctx := t.Context()
	root, err := instances[0].CreateAdmin(ctx, application.NewAdmin{Email: "root@example.com", Password: adminPassword, FirstName: "A", LastName: "B"})
	require.NoError(t, err)
	admin := application.Actor{ID: root.ID, Role: users.Admin}
	var crowd []users.User
	for n := range 5 {
		u, err := instances[0].CreateAdmin(ctx, application.NewAdmin{
			Email: fmt.Sprintf("u%d@example.com", n), Password: adminPassword, FirstName: "A", LastName: "B",
		})
		require.NoError(t, err)
		crowd = append(crowd, u)
	}
	rounds := 2
	if os.Getenv("TICKR_LONG") != "" {
		rounds = 200
	}
	for round := range rounds {
		following, stop := context.WithCancel(ctx)
		var followers, workers sync.WaitGroup
		for _, on := range instances {
			followers.Go(func() { on.follower.Run(following) })
		}
		var mu sync.Mutex
		var known []string // access tokens
		for worker := range 4 {
			draw := rand.New(rand.NewPCG(uint64(round), uint64(worker)))
			workers.Go(func() {
				for range 25 {
					token := work(t, draw, instances[draw.IntN(len(instances))], admin, crowd[draw.IntN(len(crowd))])
					mu.Lock()
					if token != "" {
						known = append(known, token)
					}
					read := known
					mu.Unlock()
					if len(read) > 0 {
						_, _ = instances[draw.IntN(len(instances))].Authenticate(ctx, userstest.Here, read[draw.IntN(len(read))])
					}
				}
			})
		}
		workers.Wait()
		stop()
		followers.Wait()
		truth := newInstance(t, db)
		for i, on := range instances {
			require.NoError(t, on.follower.Look(ctx))
			for _, u := range crowd {
				want, err := truth.directory.Get(ctx, u.ID)
				require.NoError(t, err)
				got, err := on.directory.Get(ctx, u.ID)
				require.NoError(t, err)
				require.Equal(t, want, got, "round %d, instance %d", round, i)
			}
			for _, token := range known {
				_, want := truth.Authenticate(ctx, userstest.Here, token)
				_, got := on.Authenticate(ctx, userstest.Here, token)
				require.Equal(t, want, got, "round %d, instance %d", round, i)
			}
		}
	}
}

// work does one thing at random to a user, and returns the access token of a login.
func work(t *testing.T, draw *rand.Rand, on instance, admin application.Actor, u users.User) (token string) {
	t.Helper()
	ctx := t.Context()
	logIn := func() application.Tokens {
		tokens, _, err := on.LogIn(ctx, userstest.Here, application.Credentials{Email: u.Email, Password: adminPassword})
		if !errors.Is(err, users.ErrDeactivated) {
			assert.NoError(t, err)
		}
		return tokens
	}
	var err error
	switch draw.IntN(8) {
	case 0:
		_, err = on.UpdateUser(ctx, admin, u.ID, application.UserChange{FirstName: new(uuid.NewString())}, nil)
	case 1:
		role := users.Roles()[draw.IntN(3)]
		_, err = on.UpdateUser(ctx, admin, u.ID, application.UserChange{Role: new(string(role))}, nil)
	case 2:
		_, err = on.Deactivate(ctx, admin, u.ID, "")
	case 3:
		_, err = on.Reactivate(ctx, admin, u.ID)
	case 4:
		err = on.EndSessions(ctx, admin, u.ID)
	case 5:
		if tokens := logIn(); tokens.Refresh != "" {
			err, token = on.LogOut(ctx, userstest.Here, tokens.Refresh), tokens.Access
		}
	case 6:
		_, err = on.directory.Get(ctx, u.ID)
	default:
		token = logIn().Access
	}
	assert.NoError(t, err)
	return token
}
