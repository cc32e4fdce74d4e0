package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/adapters/postgres"
	"github.com/tickr/tickr/modules/users/internal/application"
	"github.com/tickr/tickr/modules/users/internal/domain"
	"github.com/tickr/tickr/modules/users/internal/userstest"
	"github.com/tickr/tickr/platform/database/dbtest"
)

const (
	sessionPassword = "violet-canyon-umbrella"
	sessionTTL      = 720 * time.Hour
)

// sessionWorld is the use cases over PostgreSQL, with a clock that tests move.
func sessionWorld(t *testing.T) (*application.Service, *userstest.Clock) {
	t.Helper()
	clock := userstest.NewClock()
	return serviceOver(t, dbtest.New(t, postgres.Migrations()), clock), clock
}

// serviceOver is the use cases over a database.
func serviceOver(t *testing.T, db *dbtest.DB, clock *userstest.Clock) *application.Service {
	t.Helper()
	stored := postgres.NewRepositories(db)
	key, err := domain.NewRefreshKey("secret of the tests")
	require.NoError(t, err)
	sealer, err := domain.NewSealer("secret of the tests")
	require.NoError(t, err)
	pseudonyms, err := domain.NewPseudonymKey("secret of the tests")
	require.NoError(t, err)
	return application.New(application.Deps{
		Tx: db, Users: stored.Users, Registrations: stored.Registrations, OneTimeTokens: stored.OneTimeTokens, Sessions: stored.Sessions, Outbox: stored.Outbox,
		Audit: stored.Audit, Changes: stored.Changes, Throttles: application.Unlimited{}, Instance: application.NewInstance(userstest.NewID),
		Leftovers: stored.Leftovers, Months: postgres.NewTrailMonths(db),
		Cache: userstest.NoCache{}, Hasher: &userstest.Hasher{}, AccessTokens: userstest.AccessTokens{Now: clock.Now}, Meter: new(userstest.Meter),
		RefreshKeys: []domain.RefreshKey{key}, Sealer: sealer, Pseudonyms: pseudonyms, AccessTTL: 15 * time.Minute, RefreshTTL: sessionTTL,
		Wake: func() {}, Now: clock.Now, NewID: userstest.NewID, Logger: slog.New(slog.DiscardHandler),
	})
}

// session is the model: what a family of refresh tokens must do, said as plainly as the contract says it.
type session struct {
	access      string
	current     string   // exchanged next
	previous    string   // answered with the current one, for a while
	older       []string // a sign of theft
	exchangedAt time.Time
	expires     time.Time
	ended       bool
}

func (m *session) live(now time.Time) bool { return !m.ended && now.Before(m.expires) }

// exchanged is told that the newest token was exchanged.
func (m *session) exchanged(next application.Tokens, now time.Time) {
	if m.previous != "" {
		m.older = append(m.older, m.previous)
	}
	m.previous, m.current = m.current, next.Refresh
	m.access, m.exchangedAt, m.expires = next.Access, now, now.Add(sessionTTL)
}

// TestSessionsFollowTheModel drives a session through every order of exchanges, lost answers, racing tabs, reuse, logout and time
// that rapid thinks of, and holds each answer to the model.
func TestSessionsFollowTheModel(t *testing.T) {
	service, clock := sessionWorld(t)
	rapid.Check(t, func(t *rapid.T) {
		ctx := context.Background()
		email := fmt.Sprintf("u-%s@example.com", uuid.NewString())
		_, err := service.CreateAdmin(ctx, application.NewAdmin{Email: email, Password: sessionPassword, FirstName: "A", LastName: "B"})
		require.NoError(t, err)
		tokens, _, err := service.LogIn(ctx, userstest.Here, application.Credentials{Email: email, Password: sessionPassword})
		require.NoError(t, err)
		m := &session{access: tokens.Access, current: tokens.Refresh, expires: clock.Now().Add(sessionTTL)}

		refused := func(t *rapid.T, err error) { require.ErrorIs(t, err, users.ErrSessionEnded) }
		t.Repeat(map[string]func(*rapid.T){
			"exchange": func(t *rapid.T) {
				next, err := service.Refresh(ctx, userstest.Here, m.current)
				if !m.live(clock.Now()) {
					refused(t, err)
					return
				}
				require.NoError(t, err)
				m.exchanged(next, clock.Now())
			},
			"lose the answer and ask again": func(t *rapid.T) {
				if m.previous == "" {
					t.Skip("nothing was exchanged yet")
				}
				again, err := service.Refresh(ctx, userstest.Here, m.previous)
				if !m.live(clock.Now()) || clock.Now().After(m.exchangedAt.Add(10*time.Second)) {
					refused(t, err)
					m.ended = true // or was already
					return
				}
				require.NoError(t, err)
				require.Equal(t, m.current, again.Refresh, "the same successor")
			},
			"race in many tabs": func(t *rapid.T) {
				got, errs := race(8, func(int) (application.Tokens, error) { return service.Refresh(ctx, userstest.Here, m.current) })
				if !m.live(clock.Now()) {
					for _, err := range errs {
						refused(t, err)
					}
					return
				}
				for i := range got {
					require.NoError(t, errs[i], "a benign race never ends the session")
					require.Equal(t, got[0].Refresh, got[i].Refresh, "one successor")
				}
				m.exchanged(got[0], clock.Now())
			},
			"reuse an old token": func(t *rapid.T) {
				if len(m.older) == 0 {
					t.Skip("nothing is that old yet")
				}
				_, err := service.Refresh(ctx, userstest.Here, rapid.SampledFrom(m.older).Draw(t, "old token"))
				refused(t, err)
				m.ended = true
			},
			"forge a token": func(t *rapid.T) {
				forged := []byte(m.current)
				at := rapid.IntRange(22, len(forged)-2).Draw(t, "position") // behind the session's ID
				forged[at] = "AB"[b2i(forged[at] == 'A')]
				_, err := service.Refresh(ctx, userstest.Here, string(forged))
				require.ErrorIs(t, err, users.ErrUnauthenticated, "and nothing ends")
			},
			"log out": func(t *rapid.T) {
				if rapid.IntRange(0, 4).Draw(t, "rarely") > 0 {
					t.Skip("most sessions go on")
				}
				known := append([]string{m.current}, m.older...)
				require.NoError(t, service.LogOut(ctx, userstest.Here, rapid.SampledFrom(known).Draw(t, "token")))
				m.ended = true
			},
			"log out while tabs race": func(t *rapid.T) {
				if rapid.IntRange(0, 4).Draw(t, "rarely") > 0 {
					t.Skip("most sessions go on")
				}
				_, errs := race(6, func(i int) (application.Tokens, error) {
					if i == 3 {
						return application.Tokens{}, service.LogOut(ctx, userstest.Here, m.current)
					}
					return service.Refresh(ctx, userstest.Here, m.current)
				})
				require.NoError(t, errs[3])
				m.ended = true
			},
			"let time pass": func(t *rapid.T) {
				clock.Advance(rapid.SampledFrom([]time.Duration{
					time.Second, 9 * time.Second, 10*time.Second + time.Microsecond, time.Minute, 16 * time.Minute, 100 * time.Hour, sessionTTL,
				}).Draw(t, "duration"))
			},
			"": func(t *rapid.T) {
				_, err := service.Authenticate(ctx, userstest.Here, m.access)
				switch {
				case errors.Is(err, users.ErrTokenExpired): // its own time was over; that of the session is another matter
				case m.live(clock.Now()):
					require.NoError(t, err)
				default:
					refused(t, err)
				}
			},
		})
	})
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// race runs n calls at once and returns what each gave.
func race[T any](n int, call func(i int) (T, error)) ([]T, []error) {
	got, errs := make([]T, n), make([]error, n)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-start
			got[i], errs[i] = call(i)
		})
	}
	close(start)
	wg.Wait()
	return got, errs
}
