package application_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/application"
	"github.com/tickr/tickr/modules/users/internal/domain"
	"github.com/tickr/tickr/modules/users/internal/userstest"
)

// refusing limits everything to nothing.
type refusing struct{ application.Unlimited }

func (refusing) Take(context.Context, []application.Limit, time.Time) error {
	return &application.LimitedError{RetryAfter: time.Minute}
}

func TestLoginsThatAreSentAwayAreCounted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	leave, err := w.EnterToLogIn(t.Context(), userstest.Here)
	require.NoError(t, err)
	leave()
	require.Empty(t, w.meter.Logins(), "LogIn counts it")
	w.hasher.Full = users.ErrOverloaded
	_, err = w.EnterToLogIn(t.Context(), userstest.Here)
	require.ErrorIs(t, err, users.ErrOverloaded)
	require.Equal(t, []application.LoginOutcome{application.LoginOverloaded}, w.meter.Logins())
}

// TestEveryLoginIsCountedOnce, by what came of it.
func TestEveryLoginIsCountedOnce(t *testing.T) {
	t.Parallel()
	right := application.Credentials{Email: "ana@example.com", Password: password}
	tests := map[application.LoginOutcome]struct {
		credentials application.Credentials
		account     func(*domain.State)
		arrange     func(*world)
	}{
		application.LoginOK:          {credentials: right},
		application.LoginInvalid:     {credentials: application.Credentials{Email: "ana@example.com"}},
		application.LoginRefused:     {credentials: application.Credentials{Email: "ana@example.com", Password: newPassword}},
		application.LoginUnverified:  {credentials: right, account: func(s *domain.State) { s.EmailVerified = false }},
		application.LoginDeactivated: {credentials: right, account: deactivated},
		application.LoginLimited: {credentials: right, arrange: func(w *world) {
			w.Throttles = refusing{}
		}},
		application.LoginOverloaded: {credentials: right, arrange: func(w *world) { w.hasher.Err = users.ErrOverloaded }},
		application.LoginFailed:     {credentials: right, arrange: func(w *world) { w.memory.BreakIn(1) }},
	}
	require.Len(t, tests, len(application.LoginOutcomes()))
	for outcome, test := range tests {
		t.Run(string(outcome), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			if test.account == nil {
				test.account = func(*domain.State) {}
			}
			w.account("ana@example.com", test.account)
			if test.arrange != nil {
				test.arrange(w)
			}
			_, _, err := w.LogIn(t.Context(), userstest.Here, test.credentials)
			require.Equal(t, outcome == application.LoginOK, err == nil)
			require.Equal(t, []application.LoginOutcome{outcome}, w.meter.Logins())
		})
	}
}
