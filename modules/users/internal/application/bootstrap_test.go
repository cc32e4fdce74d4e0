package application_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/application"
	"github.com/tickr/tickr/modules/users/internal/userstest"
)

var root = application.NewAdmin{Email: "Root@Example.com", Password: password, FirstName: "Root", LastName: "Admin"}

func TestCreateAdmin(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	view, err := w.CreateAdmin(t.Context(), root)
	require.NoError(t, err)
	require.Equal(t, users.Admin, view.Role)
	require.True(t, view.EmailVerified)
	require.Equal(t, view, w.stored(view.ID))
	_, actor := w.login("root@example.com")
	require.NoError(t, actor.May(application.ListUsers))

	w.requireUnchanged(func() {
		_, err = w.CreateAdmin(t.Context(), root)
		require.ErrorIs(t, err, users.ErrEmailTaken)
		wrong := application.NewAdmin{Email: "x", Password: "short"}
		_, err = w.CreateAdmin(t.Context(), wrong)
		requireFields(t, err, "email", "password", "firstName", "lastName")
		requireFields(t, wrong.Validate(), "email", "password", "firstName", "lastName")
		w.hasher.Err = users.ErrOverloaded
		_, err = w.CreateAdmin(t.Context(), root)
		require.ErrorIs(t, err, users.ErrOverloaded)
	})
}

func TestBootstrap(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.account("ana@example.com")
	created, err := w.Bootstrap(t.Context(), root)
	require.NoError(t, err)
	require.True(t, created)
	w.login("root@example.com")

	other := root
	other.Email = "other@example.com"
	for _, again := range []application.NewAdmin{root, other, {}} {
		w.requireUnchanged(func() {
			created, err = w.Bootstrap(t.Context(), again)
			require.NoError(t, err)
			require.False(t, created, "there is one already")
		})
	}
}

func TestBootstrapRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.account("root@example.com")
	w.requireUnchanged(func() {
		created, err := w.Bootstrap(t.Context(), root)
		require.ErrorIs(t, err, users.ErrEmailTaken, "the address is of somebody who is no administrator")
		require.False(t, created)

		created, err = w.Bootstrap(t.Context(), application.NewAdmin{})
		requireFields(t, err, "email", "password", "firstName", "lastName")
		require.False(t, created)
	})
}

// Anybody can register the operator's address, but not keep the operator out by it.
func TestBootstrapTakesAnUnprovenAddress(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	planted := newPassword
	require.NoError(t, w.Register(t.Context(), userstest.Here, application.Registration{
		Email: "root@example.com", Password: planted, FirstName: "Mallory", LastName: "M",
	}))
	link := w.mails()[0].Token
	created, err := w.Bootstrap(t.Context(), root)
	require.NoError(t, err)
	require.True(t, created)
	require.ErrorIs(t, w.VerifyEmail(t.Context(), userstest.Here, link), users.ErrTokenInvalid)
	_, _, err = w.LogIn(t.Context(), userstest.Here, application.Credentials{Email: "root@example.com", Password: planted})
	require.ErrorIs(t, err, users.ErrInvalidCredentials)
	_, actor := w.login("root@example.com")
	require.Equal(t, users.Admin, actor.Role)
	require.Equal(t, "Root", w.stored(actor.ID).FirstName)
}

func TestBootstrapWhileADeactivatedAdminExists(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.account("retired@example.com", inRole(users.Admin), deactivated)
	created, err := w.Bootstrap(t.Context(), root)
	require.NoError(t, err)
	require.False(t, created)
}

// lateAdmins are users among whom the first administrator appears only after the first look.
type lateAdmins struct {
	application.Users
	looks int
	err   error // of the second look
}

func (l *lateAdmins) AdminExists(context.Context) (bool, error) {
	if l.looks++; l.looks == 1 {
		return false, nil
	}
	return true, l.err
}

func TestBootstrapOfTwoInstances(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, err := w.CreateAdmin(t.Context(), root)
	require.NoError(t, err)
	stored := w.Users
	w.requireUnchanged(func() {
		w.Users = &lateAdmins{Users: stored}
		created, err := w.Bootstrap(t.Context(), root)
		require.NoError(t, err)
		require.False(t, created, "the other instance was faster")

		broken := errors.New("broken")
		w.Users = &lateAdmins{Users: stored, err: broken}
		created, err = w.Bootstrap(t.Context(), root)
		require.ErrorIs(t, err, broken)
		require.False(t, created)
	})
}
