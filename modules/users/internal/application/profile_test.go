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

func TestOwnProfile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ana := w.account("ana@example.com", withPhone(number, true))
	view, err := w.OwnProfile(t.Context(), actorOf(ana))
	require.NoError(t, err)
	require.Equal(t, ana, view)
	_, err = w.OwnProfile(t.Context(), application.Actor{ID: unknownID, Role: users.Participant})
	require.ErrorIs(t, err, users.ErrNotFound)
}

func TestUpdateOwnProfileReplaces(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ana := w.account("ana@example.com")
	actor := actorOf(ana)
	_, err := w.OwnProfile(t.Context(), actor) // now the cache knows
	require.NoError(t, err)
	w.clock.Advance(time.Hour)

	for _, phone := range []struct {
		given string
		want  *string
	}{{"20 123 456", new(number)}, {"", nil}, {" ", nil}} {
		view, err := w.UpdateOwnProfile(t.Context(), actor, application.Profile{FirstName: " Zoe\u0308 ", LastName: "Ben Ali", Phone: phone.given})
		require.NoError(t, err)
		require.Equal(t, "Zoë", view.FirstName)
		require.Equal(t, "Ben Ali", view.LastName)
		require.Equal(t, phone.want, view.Phone)
		require.Equal(t, w.clock.Now(), view.UpdatedAt)
		require.Equal(t, view, w.stored(ana.ID))
		cached, err := w.OwnProfile(t.Context(), actor)
		require.NoError(t, err)
		require.Equal(t, view, cached)
	}
	before := w.stored(ana.ID)
	w.clock.Advance(time.Hour)
	same, err := w.UpdateOwnProfile(t.Context(), actor, application.Profile{FirstName: "Zoë", LastName: "Ben Ali"})
	require.NoError(t, err)
	require.Equal(t, before, same, "the same again is no change")
}

func TestUpdateOwnProfileNamesEveryWrongField(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	actor := actorOf(w.account("ana@example.com"))
	wrong := application.Profile{FirstName: "", LastName: "\x7f", Phone: "+1"}
	w.requireUnchanged(func() {
		_, err := w.UpdateOwnProfile(t.Context(), actor, wrong)
		requireFields(t, err, "firstName", "lastName", "phone")
	})
	requireFields(t, wrong.Validate(), "firstName", "lastName", "phone")
	require.NoError(t, application.Profile{FirstName: "A", LastName: "B"}.Validate())
}

func TestUpdateOwnProfileOfTheDeactivated(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	actor := actorOf(w.account("ana@example.com", deactivated))
	w.requireUnchanged(func() {
		_, err := w.UpdateOwnProfile(t.Context(), actor, application.Profile{FirstName: "A", LastName: "B"})
		require.ErrorIs(t, err, users.ErrSessionEnded)
	})
}

func TestClaimingAPhone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ana := w.account("ana@example.com")
	proven := w.account("proven@example.com", withPhone(number, true))
	unproven := w.account("unproven@example.com", withPhone("+21620123457", false))
	claim := func(phone string) error {
		_, err := w.UpdateOwnProfile(t.Context(), actorOf(ana), application.Profile{FirstName: "Ana", LastName: "Trabelsi", Phone: phone})
		return err
	}
	w.requireUnchanged(func() { require.ErrorIs(t, claim(number), users.ErrPhoneTaken) })

	require.NoError(t, claim(*unproven.Phone))
	require.Equal(t, unproven.Phone, w.stored(ana.ID).Phone)
	require.Nil(t, w.stored(unproven.ID).Phone)
	require.Equal(t, unproven.Version+1, w.stored(unproven.ID).Version)

	kept, err := w.UpdateOwnProfile(t.Context(), actorOf(proven), application.Profile{FirstName: "P", LastName: "P", Phone: number})
	require.NoError(t, err)
	require.True(t, kept.PhoneVerified, "one's own number stays proven")
}

// racingUsers are users among whom somebody else claims a number just before it is saved, a number of times.
type racingUsers struct {
	application.Users
	races int
}

func (r *racingUsers) Save(ctx context.Context, u *domain.User) error {
	if r.races > 0 {
		r.races--
		return application.ErrPhoneClaimed
	}
	return r.Users.Save(ctx, u)
}

func TestClaimingAPhoneStartsAgain(t *testing.T) {
	t.Parallel()
	for races, want := range []error{nil, nil, nil, users.ErrPhoneTaken} {
		w := newWorld(t)
		ana := w.account("ana@example.com")
		w.Users = &racingUsers{w.Users, races}
		_, err := w.UpdateOwnProfile(t.Context(), actorOf(ana), application.Profile{FirstName: "Ana", LastName: "T.", Phone: number})
		require.ErrorIs(t, err, want, "%d races", races)
		require.Equal(t, want == nil, w.stored(ana.ID).Phone != nil)
	}
}

func TestChangeOwnPassword(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ana := w.account("ana@example.com")
	mine, actor := w.login("ana@example.com")
	other, _ := w.login("ana@example.com")
	w.account("eve@example.com")
	eves, _ := w.login("eve@example.com")
	before := w.stored(ana.ID)

	require.NoError(t, w.ChangeOwnPassword(t.Context(), actor, application.PasswordChange{Current: password, New: newPassword}))
	require.Equal(t, before.Version+1, w.stored(ana.ID).Version)
	w.requireLogin(map[string]error{password: users.ErrInvalidCredentials, newPassword: nil})
	for token, want := range map[string]error{mine.Access: nil, other.Access: users.ErrSessionEnded, eves.Access: nil} {
		_, err := w.Authenticate(t.Context(), userstest.Here, token)
		require.ErrorIs(t, err, want)
	}
}

func TestChangeOwnPasswordRefuses(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		change application.PasswordChange
		fields []string
	}{
		"nothing given":    {application.PasswordChange{}, []string{"currentPassword", "newPassword"}},
		"wrong current":    {application.PasswordChange{Current: newPassword, New: newPassword}, []string{"currentPassword"}},
		"current trimmed":  {application.PasswordChange{Current: " " + password, New: newPassword}, []string{"currentPassword"}},
		"short new":        {application.PasswordChange{Current: password, New: "short"}, []string{"newPassword"}},
		"common new":       {application.PasswordChange{Current: password, New: "passwordpassword"}, []string{"newPassword"}},
		"personal new":     {application.PasswordChange{Current: password, New: "Trabelsi-Trabelsi"}, []string{"newPassword"}},
		"both wrong":       {application.PasswordChange{Current: "", New: "short"}, []string{"currentPassword", "newPassword"}},
		"weak and unknown": {application.PasswordChange{Current: "x", New: "short"}, []string{"newPassword"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			actor := actorOf(w.account("ana@example.com"))
			w.requireUnchanged(func() {
				requireFields(t, w.ChangeOwnPassword(t.Context(), actor, test.change), test.fields...)
			})
		})
	}
}

func TestChangeOwnPasswordLosesToWhatHappensMeanwhile(t *testing.T) {
	t.Parallel()
	change := application.PasswordChange{Current: password, New: newPassword}
	start := func(t *testing.T, meanwhile func(u *domain.User, now time.Time)) (*world, application.Actor) {
		t.Helper()
		w := newWorld(t)
		actor := actorOf(w.account("ana@example.com"))
		w.hasher.Meanwhile = func() {
			u := w.ana()
			meanwhile(u, w.clock.Now())
			require.NoError(t, w.Users.Save(t.Context(), u))
		}
		return w, actor
	}
	w, actor := start(t, func(u *domain.User, now time.Time) { u.SetPassword("9:somebody was faster", now) })
	requireFields(t, w.ChangeOwnPassword(t.Context(), actor, change), "currentPassword")
	require.Equal(t, "9:somebody was faster", w.ana().PasswordHash())

	w, actor = start(t, func(u *domain.User, now time.Time) { u.Deactivate(u.ID(), "", now) })
	require.ErrorIs(t, w.ChangeOwnPassword(t.Context(), actor, change), users.ErrSessionEnded)

	w, actor = start(t, func(*domain.User, time.Time) {})
	w.hasher.Err = users.ErrOverloaded
	require.ErrorIs(t, w.ChangeOwnPassword(t.Context(), actor, change), users.ErrOverloaded)
	require.Equal(t, "0:"+password, w.ana().PasswordHash())

	require.ErrorIs(t, w.ChangeOwnPassword(t.Context(), application.Actor{ID: unknownID, Role: users.Admin}, change), users.ErrNotFound)
}

func TestDeactivateOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ana := w.account("ana@example.com")
	tokens, actor := w.login("ana@example.com")
	require.NoError(t, w.DeactivateOwn(t.Context(), actor))
	state := w.ana().State()
	require.False(t, state.IsActive)
	require.Equal(t, &ana.ID, state.DeactivatedBy)
	require.Nil(t, state.DeactivationReason)
	_, err := w.Authenticate(t.Context(), userstest.Here, tokens.Access)
	require.ErrorIs(t, err, users.ErrSessionEnded)
	w.requireLogin(map[string]error{password: users.ErrDeactivated, newPassword: users.ErrInvalidCredentials})
}
