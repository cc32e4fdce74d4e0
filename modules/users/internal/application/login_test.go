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

func TestLogIn(t *testing.T) {
	t.Parallel()
	passwordless := func(s *domain.State) { s.PasswordHash = nil }
	tests := map[string]struct {
		account  []func(*domain.State)
		email    string
		password string
		want     error
	}{
		"right":                           {email: "ana@example.com", password: password},
		"another form of the address":     {email: " ANA@Example.com ", password: password},
		"wrong password":                  {email: "ana@example.com", password: newPassword, want: users.ErrInvalidCredentials},
		"password with a space more":      {email: "ana@example.com", password: password + " ", want: users.ErrInvalidCredentials},
		"unknown address":                 {email: "eve@example.com", password: password, want: users.ErrInvalidCredentials},
		"no address":                      {email: "ana", password: password, want: users.ErrInvalidCredentials},
		"almost her address":              {email: "ana@example.com.", password: password, want: users.ErrInvalidCredentials},
		"only space":                      {email: " ", password: password, want: users.ErrInvalidCredentials},
		"NUL":                             {email: "ana@example.com\x00", password: "\x00", want: users.ErrInvalidCredentials},
		"deactivated":                     {[]func(*domain.State){deactivated}, "ana@example.com", password, users.ErrDeactivated},
		"deactivated, wrong password":     {[]func(*domain.State){deactivated}, "ana@example.com", newPassword, users.ErrInvalidCredentials},
		"no password was ever set":        {[]func(*domain.State){passwordless}, "ana@example.com", password, users.ErrInvalidCredentials},
		"unverified, without attempts":    {[]func(*domain.State){unverified}, "ana@example.com", password, users.ErrInvalidCredentials},
		"an organizer is nothing special": {[]func(*domain.State){inRole(users.Organizer)}, "ana@example.com", password, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			ana := w.account("ana@example.com", test.account...)
			before := w.memory.Snapshot()
			tokens, view, err := w.LogIn(t.Context(), userstest.Here, application.Credentials{Email: test.email, Password: test.password})
			_, verifies := w.hasher.Calls()
			require.Equal(t, 1, verifies, "the same work whoever asks")
			if test.want != nil {
				require.ErrorIs(t, err, test.want)
				require.Zero(t, tokens)
				require.Zero(t, view)
				require.Equal(t, before, w.memory.Snapshot())
				return
			}
			require.NoError(t, err)
			now := w.clock.Now()
			ana.LastLoginAt = &now
			require.Equal(t, ana, view)
			require.Equal(t, ana, w.stored(ana.ID))
			require.Equal(t, 15*time.Minute, tokens.ExpiresIn)

			actor, err := w.Authenticate(t.Context(), userstest.Here, tokens.Access)
			require.NoError(t, err)
			require.Equal(t, application.Actor{ID: ana.ID, Role: ana.Role, Session: actor.Session, Origin: userstest.Here}, actor)
			refresh, ok := domain.ParseRefreshToken(tokens.Refresh)
			require.True(t, ok)
			require.Equal(t, actor.Session, refresh.Session())
		})
	}
}

func TestLogInNamesMissingFields(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, _, err := w.LogIn(t.Context(), userstest.Here, application.Credentials{})
	requireFields(t, err, "email", "password")
	_, _, err = w.LogIn(t.Context(), userstest.Here, application.Credentials{Email: "ana@example.com"})
	requireFields(t, err, "password")
	_, verifies := w.hasher.Calls()
	require.Zero(t, verifies)
}

// Comparing a password takes time. What happens meanwhile counts.
func TestLogInLosesToWhatHappensMeanwhile(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		meanwhile func(u *domain.User, now time.Time)
		want      error
	}{
		"password changed": {func(u *domain.User, now time.Time) { u.SetPassword("9:"+newPassword, now) }, users.ErrInvalidCredentials},
		"deactivated":      {func(u *domain.User, now time.Time) { u.Deactivate(u.ID(), "", now) }, users.ErrDeactivated},
		"role changed":     {func(u *domain.User, now time.Time) { u.SetRole(users.Organizer, now) }, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.account("ana@example.com")
			w.hasher.Meanwhile = func() {
				u := w.ana()
				test.meanwhile(u, w.clock.Now())
				require.NoError(t, w.Users.Save(t.Context(), u))
			}
			_, _, err := w.LogIn(t.Context(), userstest.Here, application.Credentials{Email: "ana@example.com", Password: password})
			require.ErrorIs(t, err, test.want)
			if test.want != nil {
				ended, err := w.Sessions.EndAll(t.Context(), w.ana().ID(), unknownID, "", w.clock.Now())
				require.NoError(t, err)
				require.Empty(t, ended, "no session was started")
			}
		})
	}
}

func TestLogInOverloaded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.account("ana@example.com")
	w.hasher.Err = users.ErrOverloaded
	for _, email := range []string{"ana@example.com", "eve@example.com"} {
		_, _, err := w.LogIn(t.Context(), userstest.Here, application.Credentials{Email: email, Password: password})
		require.ErrorIs(t, err, users.ErrOverloaded)
	}
}

// untouched is storage that nobody may ask for anything.
type untouched struct {
	application.Transactor
	application.Throttles
	application.Users
}

func TestWhoDoesNotEnterCostsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.hasher.Full = users.ErrOverloaded
	w.Tx, w.Throttles, w.Users = untouched{}, untouched{}, untouched{}
	for _, enter := range []func(context.Context, domain.Origin) (func(), error){w.Enter, w.EnterToLogIn} {
		from := at("198.51.100.7")
		_, err := enter(t.Context(), from)
		require.ErrorIs(t, err, users.ErrOverloaded)
		require.Equal(t, from.Network(), w.hasher.Network())
		_, err = enter(t.Context(), stranger(1))
		require.ErrorIs(t, err, users.ErrOverloaded)
		require.Equal(t, stranger(1).Network(), w.hasher.Network())
	}
}

func TestAccessTokenDoesNotOutliveItsSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.RefreshTTL = 5 * time.Minute
	w.account("ana@example.com")
	tokens, _ := w.login("ana@example.com")
	require.Equal(t, 5*time.Minute, tokens.ExpiresIn)

	w.clock.Advance(5*time.Minute - time.Microsecond)
	_, err := w.Authenticate(t.Context(), userstest.Here, tokens.Access)
	require.NoError(t, err)
	w.clock.Advance(time.Microsecond)
	_, err = w.Authenticate(t.Context(), userstest.Here, tokens.Access)
	require.ErrorIs(t, err, users.ErrTokenExpired)
}
