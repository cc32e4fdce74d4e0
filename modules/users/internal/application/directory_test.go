package application_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/application"
	"github.com/tickr/tickr/modules/users/internal/userstest"
)

func TestDirectory(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	directory := application.NewDirectory(w.Service)
	ana, gone := w.account("ana@example.com"), w.account("gone@example.com", deactivated)

	t.Run("Get", func(t *testing.T) {
		for _, want := range []users.User{ana, gone} {
			got, err := directory.Get(t.Context(), want.ID)
			require.NoError(t, err)
			require.Equal(t, want, got)
		}
		_, err := directory.Get(t.Context(), unknownID)
		require.ErrorIs(t, err, users.ErrNotFound)
	})
	t.Run("GetMany", func(t *testing.T) {
		got, err := directory.GetMany(t.Context(), []users.ID{gone.ID, unknownID, ana.ID, gone.ID})
		require.NoError(t, err)
		require.Equal(t, map[users.ID]users.User{ana.ID: ana, gone.ID: gone}, got)
		got, err = directory.GetMany(t.Context(), nil)
		require.NoError(t, err)
		require.Empty(t, got)
	})
	t.Run("ByEmail", func(t *testing.T) {
		got, err := directory.ByEmail(t.Context(), " ANA@Example.COM ")
		require.NoError(t, err)
		require.Equal(t, ana, got)
		for _, unknown := range []string{"", "ana", "eve@example.com", "anа@example.com"} {
			_, err = directory.ByEmail(t.Context(), unknown)
			require.ErrorIs(t, err, users.ErrNotFound)
		}
	})
	t.Run("ExistsByEmail", func(t *testing.T) {
		for email, want := range map[string]bool{"Ana@example.com": true, "gone@example.com": true, "eve@example.com": false, "ana": false} {
			exists, err := directory.ExistsByEmail(t.Context(), email)
			require.NoError(t, err)
			require.Equal(t, want, exists, email)
		}
	})
	t.Run("RequireActive", func(t *testing.T) {
		got, err := directory.RequireActive(t.Context(), ana.ID)
		require.NoError(t, err)
		require.Equal(t, ana, got)
		_, err = directory.RequireActive(t.Context(), gone.ID)
		require.ErrorIs(t, err, users.ErrDeactivated)
		_, err = directory.RequireActive(t.Context(), unknownID)
		require.ErrorIs(t, err, users.ErrNotFound)
	})
}

func TestDirectoryAsksOnceForMany(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	directory := application.NewDirectory(w.Service)
	ids := []users.ID{w.account("a@x.io").ID, w.account("b@x.io").ID, w.account("c@x.io").ID}
	for _, want := range []int{1, 1} { // cold, warm
		_, err := directory.GetMany(t.Context(), ids)
		require.NoError(t, err)
		require.Equal(t, want, w.cache.Loads)
	}
}

func TestDirectorySeesChangesAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	directory, admin, ana := application.NewDirectory(w.Service), w.admin(), w.account("ana@example.com")
	_, err := directory.RequireActive(t.Context(), ana.ID)
	require.NoError(t, err)
	_, err = w.Deactivate(t.Context(), admin, ana.ID, "")
	require.NoError(t, err)
	_, err = directory.RequireActive(t.Context(), ana.ID)
	require.ErrorIs(t, err, users.ErrDeactivated)
}

// A question that could not be answered is not answered with no.
func TestDirectoryPassesFaultsOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	directory, ana := application.NewDirectory(w.Service), w.account("ana@example.com")
	for name, ask := range map[string]func() error{
		"Get":           func() error { _, err := directory.Get(t.Context(), ana.ID); return err },
		"GetMany":       func() error { _, err := directory.GetMany(t.Context(), []users.ID{ana.ID}); return err },
		"ByEmail":       func() error { _, err := directory.ByEmail(t.Context(), ana.Email); return err },
		"ExistsByEmail": func() error { _, err := directory.ExistsByEmail(t.Context(), ana.Email); return err },
		"RequireActive": func() error { _, err := directory.RequireActive(t.Context(), ana.ID); return err },
	} {
		w.memory.BreakIn(1)
		require.ErrorIs(t, ask(), userstest.ErrBroken, name)
		require.NoError(t, ask(), "%s: an error is not remembered", name)
		w.cache.ForgetUser(ana.ID)
	}
}
