package application_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/application"
	"github.com/tickr/tickr/modules/users/internal/domain"
	"github.com/tickr/tickr/modules/users/internal/userstest"
)

func TestRefresh(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.account("ana@example.com")
	first, actor := w.login("ana@example.com")
	w.clock.Advance(time.Hour)

	second, err := w.Refresh(t.Context(), userstest.Here, first.Refresh)
	require.NoError(t, err)
	require.NotEqual(t, first.Refresh, second.Refresh)
	again, err := w.Authenticate(t.Context(), userstest.Here, second.Access)
	require.NoError(t, err)
	require.Equal(t, actor, again)

	w.clock.Advance(domain.RefreshGrace)
	lost, err := w.Refresh(t.Context(), userstest.Here, first.Refresh)
	require.NoError(t, err)
	require.Equal(t, second.Refresh, lost.Refresh, "the answer was lost: the same successor")

	third, err := w.Refresh(t.Context(), userstest.Here, second.Refresh)
	require.NoError(t, err)
	require.Equal(t, 15*time.Minute, third.ExpiresIn)
}

func TestRefreshReuseEndsTheSessionAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.account("ana@example.com")
	first, _ := w.login("ana@example.com")
	second, err := w.Refresh(t.Context(), userstest.Here, first.Refresh)
	require.NoError(t, err)
	elsewhere, _ := w.login("ana@example.com")

	w.clock.Advance(domain.RefreshGrace + time.Microsecond)
	_, err = w.Refresh(t.Context(), userstest.Here, first.Refresh)
	require.ErrorIs(t, err, users.ErrSessionEnded)
	_, err = w.Refresh(t.Context(), userstest.Here, second.Refresh)
	require.ErrorIs(t, err, users.ErrSessionEnded, "the end is stored")
	_, err = w.Authenticate(t.Context(), userstest.Here, second.Access)
	require.ErrorIs(t, err, users.ErrSessionEnded, "the cache forgot it")
	_, err = w.Authenticate(t.Context(), userstest.Here, elsewhere.Access)
	require.NoError(t, err, "another login is another family")
}

func TestRefreshRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.account("ana@example.com")
	tokens, actor := w.login("ana@example.com")
	foreign, err := domain.NewRefreshKey("another")
	require.NoError(t, err)
	for name, token := range map[string]string{
		"empty":           "",
		"malformed":       "x",
		"unknown session": w.RefreshKeys[0].First(unknownID).Reveal(),
		"forged":          foreign.First(actor.Session).Reveal(),
	} {
		w.requireUnchanged(func() {
			_, err := w.Refresh(t.Context(), userstest.Here, token)
			require.ErrorIs(t, err, users.ErrUnauthenticated, name)
		})
	}
	w.clock.Advance(w.RefreshTTL)
	_, err = w.Refresh(t.Context(), userstest.Here, tokens.Refresh)
	require.ErrorIs(t, err, users.ErrSessionEnded, "expired")
}

func TestRefreshWithARotatedKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.account("ana@example.com")
	tokens, _ := w.login("ana@example.com")
	key, err := domain.NewRefreshKey("new")
	require.NoError(t, err)
	w.RefreshKeys = append([]domain.RefreshKey{key}, w.RefreshKeys...)
	next, err := w.Refresh(t.Context(), userstest.Here, tokens.Refresh)
	require.NoError(t, err)
	_, err = w.Refresh(t.Context(), userstest.Here, next.Refresh)
	require.NoError(t, err)
}

func TestLogOut(t *testing.T) {
	t.Parallel()
	for name, exchanges := range map[string]int{"by the newest token": 0, "by the one before": 1, "by an old one": 3} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.AccessTTL = 24 * time.Hour
			w.account("ana@example.com")
			tokens, _ := w.login("ana@example.com")
			other, _ := w.login("ana@example.com")
			newest := tokens
			for range exchanges {
				var err error
				newest, err = w.Refresh(t.Context(), userstest.Here, newest.Refresh)
				require.NoError(t, err)
				w.clock.Advance(time.Hour)
			}

			require.NoError(t, w.LogOut(t.Context(), userstest.Here, tokens.Refresh))
			_, err := w.Authenticate(t.Context(), userstest.Here, tokens.Access)
			require.ErrorIs(t, err, users.ErrSessionEnded)
			_, err = w.Refresh(t.Context(), userstest.Here, newest.Refresh)
			require.ErrorIs(t, err, users.ErrSessionEnded)
			w.requireUnchanged(func() { require.NoError(t, w.LogOut(t.Context(), userstest.Here, tokens.Refresh), "again") })
			_, err = w.Authenticate(t.Context(), userstest.Here, other.Access)
			require.NoError(t, err)
		})
	}
}

func TestLogOutOfNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.account("ana@example.com")
	_, actor := w.login("ana@example.com")
	foreign, err := domain.NewRefreshKey("another")
	require.NoError(t, err)
	for _, token := range []string{"", "x", w.RefreshKeys[0].First(unknownID).Reveal(), foreign.First(actor.Session).Reveal()} {
		w.requireUnchanged(func() { require.NoError(t, w.LogOut(t.Context(), userstest.Here, token)) })
	}
}

func TestAuthenticateRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ana, eve := w.account("ana@example.com"), w.account("eve@example.com")
	_, actor := w.login("ana@example.com")
	issue := func(user users.ID, session uuid.UUID) string {
		now := w.clock.Now()
		token, err := w.AccessTokens.Issue(application.AccessClaims{User: user, Session: session, IssuedAt: now, ExpiresAt: now.Add(time.Hour)})
		require.NoError(t, err)
		return token
	}
	orphan, _ := domain.StartSession(userstest.NewID(), unknownID, w.RefreshKeys[0], userstest.Here, w.clock.Now(), time.Hour)
	require.NoError(t, w.Sessions.Insert(t.Context(), orphan))

	for name, test := range map[string]struct {
		token string
		want  error
	}{
		"no token":               {"", users.ErrUnauthenticated},
		"garbage":                {"x", users.ErrUnauthenticated},
		"unknown session":        {issue(ana.ID, unknownID), users.ErrSessionEnded},
		"somebody else's":        {issue(eve.ID, actor.Session), users.ErrUnauthenticated},
		"user no longer stored":  {issue(unknownID, orphan.State().ID), users.ErrSessionEnded},
		"right, to be sure":      {issue(ana.ID, actor.Session), nil},
		"and right a second one": {issue(ana.ID, actor.Session), nil},
	} {
		_, err := w.Authenticate(t.Context(), userstest.Here, test.token)
		require.ErrorIs(t, err, test.want, name)
	}
	token := issue(ana.ID, actor.Session)
	w.clock.Advance(time.Hour)
	_, err := w.Authenticate(t.Context(), userstest.Here, token)
	require.ErrorIs(t, err, users.ErrTokenExpired)
}

func TestAuthenticateAsksOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.account("ana@example.com")
	tokens, actor := w.login("ana@example.com")
	loads := w.cache.Loads
	for range 3 {
		again, err := w.Authenticate(t.Context(), userstest.Here, tokens.Access)
		require.NoError(t, err)
		require.Equal(t, actor, again)
	}
	require.Equal(t, loads, w.cache.Loads)
}

// What an administrator does counts at the next request, with the cache and without.
func TestAuthenticateSeesChangesAtOnce(t *testing.T) {
	t.Parallel()
	for name, cached := range map[string]bool{"cached": true, "cache off": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			if !cached {
				w.Cache = userstest.NoCache{}
			}
			admin, ana := w.admin(), w.account("ana@example.com")
			tokens, actor := w.login("ana@example.com")
			require.Equal(t, users.Participant, actor.Role)

			_, err := w.UpdateUser(t.Context(), admin, ana.ID, application.UserChange{Role: new("ORGANIZER")}, nil)
			require.NoError(t, err)
			actor, err = w.Authenticate(t.Context(), userstest.Here, tokens.Access)
			require.NoError(t, err)
			require.Equal(t, users.Organizer, actor.Role)

			_, err = w.Deactivate(t.Context(), admin, ana.ID, "")
			require.NoError(t, err)
			_, err = w.Authenticate(t.Context(), userstest.Here, tokens.Access)
			require.ErrorIs(t, err, users.ErrSessionEnded)
			_, err = w.Refresh(t.Context(), userstest.Here, tokens.Refresh)
			require.ErrorIs(t, err, users.ErrSessionEnded)

			_, err = w.Reactivate(t.Context(), admin, ana.ID)
			require.NoError(t, err)
			_, err = w.Authenticate(t.Context(), userstest.Here, tokens.Access)
			require.ErrorIs(t, err, users.ErrSessionEnded, "old sessions stay ended")
			w.login("ana@example.com")
		})
	}
}

// A deactivated user is refused even when a session of theirs was left alive.
func TestAuthenticateRefusesTheDeactivated(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ana := w.account("ana@example.com")
	tokens, _ := w.login("ana@example.com")
	u, err := w.Users.ByID(t.Context(), ana.ID)
	require.NoError(t, err)
	u.Deactivate(ana.ID, "", w.clock.Now())
	require.NoError(t, w.Users.Save(t.Context(), u))
	w.cache.ForgetUser(ana.ID)
	_, err = w.Authenticate(t.Context(), userstest.Here, tokens.Access)
	require.ErrorIs(t, err, users.ErrSessionEnded)
}
