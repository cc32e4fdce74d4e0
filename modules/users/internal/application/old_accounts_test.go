package application_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/application"
	"github.com/tickr/tickr/modules/users/internal/domain"
	"github.com/tickr/tickr/modules/users/internal/userstest"
)

func withHash(hash string) func(*domain.State) {
	return func(s *domain.State) { s.PasswordHash = &hash }
}

func (w *world) hashOf(id users.ID) string {
	w.t.Helper()
	u, err := w.memory.Ports().Users.ByID(w.t.Context(), id)
	require.NoError(w.t, err)
	return u.PasswordHash()
}

func TestLoginRehashesAnOldHash(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ana := w.account("ana@example.com", withHash("old:"+password))
	wrong := application.Credentials{Email: ana.Email, Password: newPassword}
	_, _, err := w.LogIn(t.Context(), userstest.Here, wrong)
	require.ErrorIs(t, err, users.ErrInvalidCredentials)
	require.Equal(t, "old:"+password, w.hashOf(ana.ID), "a wrong password changes nothing")

	w.login(ana.Email)
	fresh := w.hashOf(ana.ID)
	require.NotContains(t, fresh, "old")
	require.Equal(t, ana.Version, w.stored(ana.ID).Version, "the account did not change")
	hashes, _ := w.hasher.Calls()
	w.login(ana.Email)
	require.Equal(t, fresh, w.hashOf(ana.ID))
	again, _ := w.hasher.Calls()
	require.Equal(t, hashes, again, "once is enough")
}

// Two tabs log in to an old account: one is faster, and replaces the hash that the other is comparing with.
func TestLoginWhileAnotherRehashes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ana := w.account("ana@example.com", withHash("old:"+password))
	_, actor := w.login(w.account("bob@example.com").Email)
	actor.ID = ana.ID
	w.hasher.Meanwhile = func() {
		w.hasher.Meanwhile = nil
		_, _, err := w.LogIn(t.Context(), userstest.Here, application.Credentials{Email: ana.Email, Password: password})
		require.NoError(t, err)
	}
	_, _, err := w.LogIn(t.Context(), userstest.Here, application.Credentials{Email: ana.Email, Password: password})
	require.NoError(t, err)

	// Likewise a change of the password; one to another password meanwhile makes the old one wrong.
	require.NoError(t, w.ChangeOwnPassword(t.Context(), actor, application.PasswordChange{Current: password, New: newPassword}))
	_, _, err = w.LogIn(t.Context(), userstest.Here, application.Credentials{Email: ana.Email, Password: password})
	require.ErrorIs(t, err, users.ErrInvalidCredentials)
}

// A hash that cannot be used is the program's fault, but whoever asks sees a wrong pair.
func TestUnusableHashIsAWrongPair(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ana := w.account("ana@example.com", withHash("secret-canary"))
	_, actor := w.login(w.account("bob@example.com").Email)
	actor.ID = ana.ID
	w.hasher.Err = application.ErrBadHash

	_, _, err := w.LogIn(t.Context(), userstest.Here, application.Credentials{Email: ana.Email, Password: password})
	require.ErrorIs(t, err, users.ErrInvalidCredentials)
	err = w.ChangeOwnPassword(t.Context(), actor, application.PasswordChange{Current: password, New: newPassword})
	var invalid *domain.InvalidError
	require.ErrorAs(t, err, &invalid)
	require.Equal(t, "currentPassword", invalid.Fields[0].Field)
	require.Contains(t, w.log.String(), ana.ID.String())
	require.NotContains(t, w.log.String(), "canary")
	require.NotContains(t, w.log.String(), ana.Email)
}
