package application_test

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/application"
	"github.com/tickr/tickr/modules/users/internal/domain"
	"github.com/tickr/tickr/modules/users/internal/userstest"
)

// Whichever statement fails, a use case reports it and has changed nothing.
func TestUseCasesAreAllOrNothing(t *testing.T) {
	t.Parallel()
	registration := application.Registration{
		Email: "ana@example.com", Password: password, FirstName: "Ana", LastName: "Trabelsi", Phone: number,
	}
	// Each prepares a world and returns the call to be broken.
	calls := map[string]func(w *world) func() error{
		"register": func(w *world) func() error {
			return func() error { return w.Register(w.t.Context(), userstest.Here, registration) }
		},
		"register again": func(w *world) func() error {
			w.register(password, "Ana", "")
			return func() error { return w.Register(w.t.Context(), userstest.Here, registration) }
		},
		"register a taken address": func(w *world) func() error {
			w.account("ana@example.com")
			return func() error { return w.Register(w.t.Context(), userstest.Here, registration) }
		},
		"verify e-mail": func(w *world) func() error {
			w.account("holder@example.com", withPhone(number, false))
			token := w.register(password, "Ana", number)
			return func() error { return w.VerifyEmail(w.t.Context(), userstest.Here, token) }
		},
		"log in": func(w *world) func() error {
			w.account("ana@example.com")
			return func() error {
				_, _, err := w.LogIn(w.t.Context(), userstest.Here, application.Credentials{Email: "ana@example.com", Password: password})
				return err
			}
		},
		"refresh": func(w *world) func() error {
			w.account("ana@example.com")
			tokens, _ := w.login("ana@example.com")
			return func() error { _, err := w.Refresh(w.t.Context(), userstest.Here, tokens.Refresh); return err }
		},
		"log out": func(w *world) func() error {
			w.account("ana@example.com")
			tokens, _ := w.login("ana@example.com")
			return func() error { return w.LogOut(w.t.Context(), userstest.Here, tokens.Refresh) }
		},
		"authenticate": func(w *world) func() error {
			w.account("ana@example.com")
			tokens, _ := w.login("ana@example.com")
			w.Cache = userstest.NoCache{}
			return func() error { _, err := w.Authenticate(w.t.Context(), userstest.Here, tokens.Access); return err }
		},
		"claim a phone": func(w *world) func() error {
			w.account("holder@example.com", withPhone(number, false))
			actor := actorOf(w.account("ana@example.com"))
			return func() error {
				_, err := w.UpdateOwnProfile(w.t.Context(), actor, application.Profile{FirstName: "A", LastName: "B", Phone: number})
				return err
			}
		},
		"bootstrap": func(w *world) func() error {
			return func() error { _, err := w.Bootstrap(w.t.Context(), root); return err }
		},
	}
	for uc, row := range matrix() {
		calls[string(uc)] = func(w *world) func() error {
			w.account("second@example.com", inRole(users.Admin))
			w.account("actor@example.com", inRole(users.Admin))
			_, actor := w.login("actor@example.com")
			target := w.account("target@example.com")
			return func() error { return row.call(w.t.Context(), w, actor, target.ID) }
		}
	}
	for name, prepare := range calls {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for statement := 1; ; statement++ {
				w := newWorld(t)
				call := prepare(w)
				before, trail, wakes := w.memory.Snapshot(), w.memory.Trail(), w.wakes
				w.cache.ForgetAll()
				w.memory.BreakIn(statement)
				err := call()
				w.memory.BreakIn(0)
				if err == nil {
					require.Greater(t, statement, 1, "nothing was ever broken")
					return
				}
				require.ErrorIs(t, err, userstest.ErrBroken)
				require.Equal(t, before, w.memory.Snapshot(), "statement %d", statement)
				require.Equal(t, trail, w.memory.Trail(), "statement %d", statement)
				require.Equal(t, wakes, w.wakes)
			}
		})
	}
}

const racers = 8

// together runs fn in all racers at once and returns how often it returned each error.
func together(fn func(i int) error) map[error]int {
	errs := make([]error, racers)
	var all sync.WaitGroup
	for i := range racers {
		all.Go(func() { errs[i] = fn(i) })
	}
	all.Wait()
	counts := map[error]int{}
	for _, err := range errs {
		counts[err]++
	}
	return counts
}

func TestRegisteringAtOnceMakesOneAccount(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Cache, w.Wake = userstest.NoCache{}, func() {}
	require.Equal(t, map[error]int{nil: racers}, together(func(int) error {
		return w.Register(t.Context(), userstest.Here, application.Registration{
			Email: "ana@example.com", Password: password, FirstName: "Ana", LastName: "Trabelsi",
		})
	}))
	n, err := w.Users.Count(t.Context(), application.Filter{})
	require.NoError(t, err)
	require.Equal(t, int64(1), n)

	sent := w.mails()
	require.Len(t, sent, racers)
	require.Equal(t, map[error]int{nil: 1, users.ErrTokenInvalid: racers - 1}, together(func(i int) error {
		return w.VerifyEmail(t.Context(), userstest.Here, sent[i].Token)
	}))
}

func TestRefreshingAtOnceGivesOneSuccessor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.account("ana@example.com")
	tokens, _ := w.login("ana@example.com")
	w.Cache = userstest.NoCache{}
	successors := make([]string, racers)
	require.Equal(t, map[error]int{nil: racers}, together(func(i int) error {
		next, err := w.Refresh(t.Context(), userstest.Here, tokens.Refresh)
		successors[i] = next.Refresh
		return err
	}))
	for _, successor := range successors {
		require.Equal(t, successors[0], successor)
	}
	w.clock.Advance(domain.RefreshGrace + time.Microsecond)
	require.Equal(t, map[error]int{users.ErrSessionEnded: racers}, together(func(int) error {
		_, err := w.Refresh(t.Context(), userstest.Here, tokens.Refresh)
		return err
	}))
}
