package application_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/application"
	"github.com/tickr/tickr/modules/users/internal/domain"
	"github.com/tickr/tickr/modules/users/internal/userstest"
)

func TestCreateUser(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	admin := w.admin()
	for role, want := range map[string]users.Role{"": users.Participant, "ORGANIZER": users.Organizer, "ADMIN": users.Admin} {
		view, err := w.CreateUser(t.Context(), admin, application.NewAccount{
			Email: "New" + role + "@Example.com", FirstName: "Nour", LastName: "Ben Ali", Role: role,
		})
		require.NoError(t, err)
		require.Equal(t, view, w.stored(view.ID))
		require.Equal(t, users.User{
			ID: view.ID, Email: "new" + strings.ToLower(role) + "@example.com", FirstName: "Nour", LastName: "Ben Ali",
			Role: want, IsOrganizer: want == users.Organizer, IsActive: true,
			CreatedAt: w.clock.Now(), UpdatedAt: w.clock.Now(), Version: view.Version,
		}, view)
		require.NotEmpty(t, w.mailed(application.MailInvitation, view.Email).Token)
	}
	hashes, _ := w.hasher.Calls()
	require.Zero(t, hashes)
}

func TestCreateUserRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	admin := w.admin()
	w.account("ana@example.com", withPhone(number, true))
	free := w.account("bob@example.com", withPhone("+21620123457", false))
	account := application.NewAccount{Email: "new@example.com", FirstName: "Nour", LastName: "Ben Ali"}

	w.requireUnchanged(func() {
		wrong := application.NewAccount{Email: "x", Phone: "1", Role: "ROOT"}
		_, err := w.CreateUser(t.Context(), admin, wrong)
		requireFields(t, err, "email", "firstName", "lastName", "phone", "role")
		requireFields(t, wrong.Validate(), "email", "firstName", "lastName", "phone", "role")

		taken := account
		taken.Email = "ANA@example.com"
		_, err = w.CreateUser(t.Context(), admin, taken)
		require.ErrorIs(t, err, users.ErrEmailTaken)

		taken = account
		taken.Phone = number
		_, err = w.CreateUser(t.Context(), admin, taken)
		require.ErrorIs(t, err, users.ErrPhoneTaken)

		taken.Email, taken.Phone = "ana@example.com", *free.Phone
		_, err = w.CreateUser(t.Context(), admin, taken)
		require.ErrorIs(t, err, users.ErrEmailTaken, "and the number did not move")
	})

	account.Phone = *free.Phone
	view, err := w.CreateUser(t.Context(), admin, account)
	require.NoError(t, err)
	require.Equal(t, free.Phone, view.Phone)
	require.Nil(t, w.stored(free.ID).Phone)
}

func TestUser(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	admin, gone := w.admin(), w.account("gone@example.com", deactivated)
	view, err := w.User(t.Context(), admin, gone.ID)
	require.NoError(t, err)
	require.Equal(t, gone, view)
	for range 2 {
		_, err = w.User(t.Context(), admin, unknownID)
		require.ErrorIs(t, err, users.ErrNotFound)
	}
}

func TestUpdateUserChangesWhatIsGiven(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		change application.UserChange
		want   func(u *users.User)
	}{
		"nothing":     {application.UserChange{}, func(*users.User) {}},
		"first name":  {application.UserChange{FirstName: new(" Anna ")}, func(u *users.User) { u.FirstName = "Anna" }},
		"last name":   {application.UserChange{LastName: new("T.")}, func(u *users.User) { u.LastName = "T." }},
		"phone":       {application.UserChange{Phone: new("20123457")}, func(u *users.User) { u.Phone, u.PhoneVerified = new("+21620123457"), false }},
		"same phone":  {application.UserChange{Phone: new("20123456")}, func(*users.User) {}},
		"no phone":    {application.UserChange{Phone: new("")}, func(u *users.User) { u.Phone, u.PhoneVerified = nil, false }},
		"same role":   {application.UserChange{Role: new("PARTICIPANT")}, func(*users.User) {}},
		"role":        {application.UserChange{Role: new("ORGANIZER")}, func(u *users.User) { u.Role, u.IsOrganizer = users.Organizer, true }},
		"same values": {application.UserChange{FirstName: new("Ana"), LastName: new("Trabelsi")}, func(*users.User) {}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			admin, ana := w.admin(), w.account("ana@example.com", withPhone(number, true))
			_, err := w.User(t.Context(), admin, ana.ID) // now the cache knows
			require.NoError(t, err)
			w.clock.Advance(time.Hour)
			want := ana
			test.want(&want)
			if want != ana {
				want.Version, want.UpdatedAt = ana.Version+1, w.clock.Now()
			}
			view, err := w.UpdateUser(t.Context(), admin, ana.ID, test.change, nil)
			require.NoError(t, err)
			require.Equal(t, want, view)
			require.Equal(t, want, w.stored(ana.ID))
			cached, err := w.User(t.Context(), admin, ana.ID)
			require.NoError(t, err)
			require.Equal(t, want, cached)
		})
	}
}

func TestUpdateUserRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	admin, ana := w.admin(), w.account("ana@example.com")
	w.account("proven@example.com", withPhone(number, true))
	change := application.UserChange{FirstName: new("Anna")}
	w.requireUnchanged(func() {
		wrong := application.UserChange{FirstName: new(""), LastName: new("\x00"), Phone: new("1"), Role: new("")}
		_, err := w.UpdateUser(t.Context(), admin, ana.ID, wrong, nil)
		requireFields(t, err, "firstName", "lastName", "role", "phone")
		requireFields(t, wrong.Validate(), "firstName", "lastName", "role", "phone")

		_, err = w.UpdateUser(t.Context(), admin, unknownID, change, nil)
		require.ErrorIs(t, err, users.ErrNotFound)
		_, err = w.UpdateUser(t.Context(), admin, ana.ID, application.UserChange{FirstName: new("Anna"), Phone: new(number)}, nil)
		require.ErrorIs(t, err, users.ErrPhoneTaken)
		for _, stale := range [][]int64{{}, {0}, {2, 3}} {
			_, err = w.UpdateUser(t.Context(), admin, ana.ID, change, stale)
			require.ErrorIs(t, err, users.ErrStale)
		}
	})
	view, err := w.UpdateUser(t.Context(), admin, ana.ID, change, []int64{7, 1})
	require.NoError(t, err)
	require.Equal(t, int64(2), view.Version)
	w.login("ana@example.com")
	_, err = w.UpdateUser(t.Context(), admin, ana.ID, application.UserChange{}, []int64{2})
	require.NoError(t, err, "a login is no change")
}

func TestTheLastAdminStays(t *testing.T) {
	t.Parallel()
	removals := map[string]func(w *world, admin application.Actor) error{
		"deactivate": func(w *world, admin application.Actor) error {
			_, err := w.Deactivate(w.t.Context(), admin, admin.ID, "")
			return err
		},
		"deactivate own": func(w *world, admin application.Actor) error { return w.DeactivateOwn(w.t.Context(), admin) },
		"demote": func(w *world, admin application.Actor) error {
			_, err := w.UpdateUser(w.t.Context(), admin, admin.ID, application.UserChange{Role: new("PARTICIPANT")}, nil)
			return err
		},
	}
	for name, remove := range removals {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			admin := w.admin()
			w.account("retired@example.com", inRole(users.Admin), deactivated)
			w.requireUnchanged(func() { require.ErrorIs(t, remove(w, admin), users.ErrLastAdmin) })

			w.account("second@example.com", inRole(users.Admin))
			require.NoError(t, remove(w, admin))
		})
	}
}

func TestADeactivatedAdminMayBeDemoted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	admin, retired := w.admin(), w.account("retired@example.com", inRole(users.Admin), deactivated)
	_, err := w.UpdateUser(t.Context(), admin, retired.ID, application.UserChange{Role: new("PARTICIPANT")}, nil)
	require.NoError(t, err)
}

func TestDeactivateAndReactivate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	admin, ana := w.admin(), w.account("ana@example.com")
	w.login("ana@example.com")
	gone, err := w.Deactivate(t.Context(), admin, ana.ID, " spam ")
	require.NoError(t, err)
	require.False(t, gone.IsActive)
	state := w.ana().State()
	require.Equal(t, new("spam"), state.DeactivationReason)
	require.Equal(t, &admin.ID, state.DeactivatedBy)

	w.requireUnchanged(func() {
		again, err := w.Deactivate(t.Context(), admin, ana.ID, "another reason")
		require.NoError(t, err)
		require.Equal(t, gone, again)
		_, err = w.Deactivate(t.Context(), admin, ana.ID, strings.Repeat("x", 501))
		requireFields(t, err, "reason")
		_, err = w.Deactivate(t.Context(), admin, unknownID, "")
		require.ErrorIs(t, err, users.ErrNotFound)
		_, err = w.Reactivate(t.Context(), admin, unknownID)
		require.ErrorIs(t, err, users.ErrNotFound)
	})
	for range 2 {
		back, err := w.Reactivate(t.Context(), admin, ana.ID)
		require.NoError(t, err)
		require.True(t, back.IsActive)
		require.Equal(t, gone.Version+1, back.Version)
	}
}

func TestBatch(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	admin, a, b, c := w.admin(), w.account("a@x.io"), w.account("b@x.io", deactivated), w.account("c@x.io")
	unknown := userstest.NewID()
	found, missing, err := w.Batch(t.Context(), admin, []users.ID{c.ID, unknown, a.ID, c.ID, unknownID, b.ID, unknown})
	require.NoError(t, err)
	require.Equal(t, []users.User{c, a, b}, found, "in the asked order, each once")
	require.Equal(t, []users.ID{unknown, unknownID}, missing)

	loads := w.cache.Loads
	_, _, err = w.Batch(t.Context(), admin, []users.ID{a.ID, b.ID, c.ID})
	require.NoError(t, err)
	require.Equal(t, loads, w.cache.Loads)

	found, missing, err = w.Batch(t.Context(), admin, nil)
	require.NoError(t, err)
	require.Empty(t, found)
	require.Empty(t, missing)

	most := slices.Repeat([]users.ID{a.ID}, application.MaxBatch)
	found, _, err = w.Batch(t.Context(), admin, most)
	require.NoError(t, err)
	require.Equal(t, []users.User{a}, found)
	_, _, err = w.Batch(t.Context(), admin, append(most, b.ID))
	requireFields(t, err, "ids")
}

func TestStats(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	old := func(age time.Duration) func(*domain.State) {
		return func(s *domain.State) { s.CreatedAt = w.clock.Now().Add(-age) }
	}
	admin := w.admin()
	w.account("a@x.io", old(24*time.Hour), inRole(users.Organizer))
	w.account("b@x.io", old(24*time.Hour+time.Microsecond), deactivated)
	stats, err := w.Stats(t.Context(), admin)
	require.NoError(t, err)
	require.Equal(t, users.Stats{
		Total: 3, Active: 2, ByRole: map[users.Role]int64{users.Participant: 1, users.Organizer: 1, users.Admin: 1}, Signups24h: 2,
	}, stats)
	own, err := w.CountUsers(t.Context())
	require.NoError(t, err)
	require.Equal(t, stats, own)
}
