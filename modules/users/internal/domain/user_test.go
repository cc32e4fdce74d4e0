package domain_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/domain"
)

var adminID = uuid.MustParse("0199c0de-0000-7000-8000-0000000000ad")

func parsed[T any](t require.TestingT, raw string, parse func(string) (T, *domain.Violation)) T {
	value, violation := parse(raw)
	require.Nil(t, violation, raw)
	return value
}

func names(t require.TestingT, first, last string) domain.Names {
	return domain.Names{First: parsed(t, first, domain.ParseName), Last: parsed(t, last, domain.ParseName)}
}

// ana returns a new user, made at start.
func ana(t require.TestingT) *domain.User {
	return domain.NewUser(userID, parsed(t, "ana@example.com", domain.ParseEmail), names(t, "Ana", "Trabelsi"), start)
}

func TestNewUser(t *testing.T) {
	t.Parallel()
	u := ana(t)
	require.Equal(t, domain.State{
		ID: userID, Email: "ana@example.com", FirstName: "Ana", LastName: "Trabelsi", Role: users.Participant, IsActive: true,
		CreatedAt: start, UpdatedAt: start, Version: 1,
	}, u.State())
	require.Equal(t, u, domain.Restore(u.State()))
	require.Equal(t, userID, u.ID())
	require.Equal(t, "ana@example.com", u.Email())
	require.Equal(t, names(t, "Ana", "Trabelsi"), u.Names())
	require.Equal(t, users.Participant, u.Role())
	require.Nil(t, u.Phone())
	require.Empty(t, u.PasswordHash())
	require.False(t, u.EmailVerified())
	require.True(t, u.IsActive())
}

// Each verb, once where it changes something and once where it does not.
func TestVerbsRaiseTheVersionOncePerChange(t *testing.T) {
	t.Parallel()
	phone, other := parsed(t, "20123456", domain.ParsePhone), parsed(t, "20123457", domain.ParsePhone)
	set := func(phone *domain.Phone) func(*domain.User, time.Time) {
		return func(u *domain.User, now time.Time) { u.SetPhone(phone, now) }
	}
	address := parsed(t, "new@example.com", domain.ParseEmail)
	prove := func(u *domain.User, now time.Time) { u.ProvePhone(phone, now) }
	deactivate := func(u *domain.User, now time.Time) { u.Deactivate(adminID, "spam", now) }
	tests := map[string]struct {
		before, verb func(u *domain.User, now time.Time)
		changes      bool
	}{
		"activate": {verb: func(u *domain.User, now time.Time) { u.Activate(u.Names(), "hash", now) }, changes: true},
		"rename":   {verb: func(u *domain.User, now time.Time) { u.Rename(names(t, "Ana", "Ben Ali"), now) }, changes: true},
		"rename to the same": {
			verb: func(u *domain.User, now time.Time) { u.Rename(u.Names(), now) },
		},
		"claim a phone":            {verb: set(&phone), changes: true},
		"claim the same phone":     {before: set(&phone), verb: set(&phone)},
		"claim another phone":      {before: set(&phone), verb: set(&other), changes: true},
		"give the phone up":        {before: set(&phone), verb: set(nil), changes: true},
		"give no phone up":         {verb: set(nil)},
		"set the password":         {verb: func(u *domain.User, now time.Time) { u.SetPassword("hash", now) }, changes: true},
		"reset the password":       {verb: func(u *domain.User, now time.Time) { u.ResetPassword("hash", now) }, changes: true},
		"change the address":       {verb: func(u *domain.User, now time.Time) { u.ChangeEmail(address, now) }, changes: true},
		"prove a phone":            {verb: prove, changes: true},
		"prove the phone claimed":  {before: set(&phone), verb: prove, changes: true},
		"become an organizer":      {verb: (*domain.User).BecomeOrganizer, changes: true},
		"stay an organizer":        {before: (*domain.User).BecomeOrganizer, verb: (*domain.User).BecomeOrganizer},
		"change the role":          {verb: func(u *domain.User, now time.Time) { u.SetRole(users.Admin, now) }, changes: true},
		"keep the role":            {verb: func(u *domain.User, now time.Time) { u.SetRole(users.Participant, now) }},
		"deactivate":               {verb: deactivate, changes: true},
		"deactivate again":         {before: deactivate, verb: deactivate},
		"reactivate":               {before: deactivate, verb: (*domain.User).Reactivate, changes: true},
		"reactivate what is alive": {verb: (*domain.User).Reactivate},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := ana(t)
			if test.before != nil {
				test.before(u, start.Add(time.Second))
			}
			before, now := u.State(), start.Add(time.Minute)
			test.verb(u, now)
			if !test.changes {
				require.Equal(t, before, u.State())
				return
			}
			require.Equal(t, before.Version+1, u.Version())
			require.Equal(t, now, u.State().UpdatedAt)
			require.Equal(t, start, u.State().CreatedAt)
		})
	}
}

func TestLoginIsNoChange(t *testing.T) {
	t.Parallel()
	u, now := ana(t), start.Add(time.Minute)
	want := u.State()
	want.LastLoginAt = &now
	u.LoggedIn(now)
	require.Equal(t, want, u.State())
}

func TestUpdatedAtNeverGoesBack(t *testing.T) {
	t.Parallel()
	u := ana(t)
	u.SetPassword("hash", start.Add(-time.Hour))
	require.Equal(t, start, u.State().UpdatedAt)
	require.Equal(t, int64(2), u.Version())
}

func TestActivateTakesOverTheAttempt(t *testing.T) {
	t.Parallel()
	u := ana(t)
	attempt := domain.Registration{FirstName: "Anna", LastName: "T."}
	u.Activate(attempt.Names(), "hash", start)
	require.True(t, u.EmailVerified())
	require.Equal(t, "hash", u.PasswordHash())
	require.Equal(t, names(t, "Anna", "T."), u.Names())
}

func TestWhatIsProven(t *testing.T) {
	t.Parallel()
	u, number := ana(t), parsed(t, "20123456", domain.ParsePhone)
	require.Nil(t, u.ClaimedPhone())
	u.ResetPassword("hash", start)
	require.True(t, u.EmailVerified())
	require.Equal(t, "hash", u.PasswordHash())
	u.ChangeEmail(parsed(t, "new@example.com", domain.ParseEmail), start)
	require.Equal(t, "new@example.com", u.Email())
	require.True(t, u.EmailVerified())
	u.ProvePhone(number, start)
	require.Equal(t, number, *u.ClaimedPhone())
	require.True(t, u.PhoneVerified())
	require.ErrorIs(t, u.YieldPhone(start), users.ErrPhoneTaken)
}

func TestRegistrationPhone(t *testing.T) {
	t.Parallel()
	require.Nil(t, domain.Registration{}.ClaimedPhone())
	number := "+21620123456"
	require.Equal(t, number, domain.Registration{Phone: &number}.ClaimedPhone().String())
}

func TestMayLogIn(t *testing.T) {
	t.Parallel()
	u := ana(t)
	require.ErrorIs(t, u.MayLogIn(), users.ErrEmailNotVerified)
	u.Activate(u.Names(), "hash", start)
	require.NoError(t, u.MayLogIn())
	u.Deactivate(adminID, "", start)
	require.ErrorIs(t, u.MayLogIn(), users.ErrDeactivated)
	u.Reactivate(start)
	require.NoError(t, u.MayLogIn())
}

func TestRolesAndOrganizers(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		roles []users.Role // given one after the other
		want  bool         // is an organizer at the end
	}{
		"participant":                     {want: false},
		"organizer":                       {roles: []users.Role{users.Organizer}, want: true},
		"admin":                           {roles: []users.Role{users.Admin}, want: false},
		"an organizer made admin":         {roles: []users.Role{users.Organizer, users.Admin}, want: true},
		"an organizer demoted":            {roles: []users.Role{users.Organizer, users.Participant}, want: false},
		"an admin demoted to organizer":   {roles: []users.Role{users.Admin, users.Organizer}, want: true},
		"an organizing admin demoted":     {roles: []users.Role{users.Organizer, users.Admin, users.Participant}, want: false},
		"an admin demoted to participant": {roles: []users.Role{users.Admin, users.Participant}, want: false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := ana(t)
			for _, role := range test.roles {
				u.SetRole(role, start)
				require.Equal(t, role, u.Role())
			}
			require.Equal(t, test.want, u.State().IsOrganizer)
		})
	}
}

func TestDeactivation(t *testing.T) {
	t.Parallel()
	u, at, reason := ana(t), start.Add(time.Hour), "spam"
	u.Deactivate(adminID, reason, at)
	u.Deactivate(userID, "again", at.Add(time.Hour))
	s := u.State()
	require.False(t, u.IsActive())
	require.Equal(t, &at, s.DeactivatedAt)
	require.Equal(t, adminID, *s.DeactivatedBy)
	require.Equal(t, &reason, s.DeactivationReason)

	u.Reactivate(at)
	s = u.State()
	require.True(t, u.IsActive())
	require.Nil(t, s.DeactivatedAt)
	require.Nil(t, s.DeactivatedBy)
	require.Nil(t, s.DeactivationReason)

	u.Deactivate(adminID, "", at)
	require.Nil(t, u.State().DeactivationReason)
}

func TestPhoneClaims(t *testing.T) {
	t.Parallel()
	phone, other := parsed(t, "20123456", domain.ParsePhone), parsed(t, "20123457", domain.ParsePhone)
	u := ana(t)
	require.NoError(t, u.YieldPhone(start), "nothing to yield")
	require.Equal(t, int64(1), u.Version())

	u.SetPhone(&phone, start)
	require.Equal(t, "+21620123456", *u.Phone())
	require.NoError(t, u.YieldPhone(start))
	require.Nil(t, u.Phone())

	proven := u.State()
	number := phone.String()
	proven.Phone, proven.PhoneVerified = &number, true
	u = domain.Restore(proven)
	require.ErrorIs(t, u.YieldPhone(start), users.ErrPhoneTaken)
	u.SetPhone(&phone, start)
	require.True(t, u.State().PhoneVerified, "claiming one's own number again loses nothing")
	u.SetPhone(&other, start)
	require.False(t, u.State().PhoneVerified, "another number is not proven yet")

	u = domain.Restore(proven)
	u.SetPhone(nil, start)
	require.False(t, u.State().PhoneVerified)
}

func TestViewPublishesWhatItMay(t *testing.T) {
	t.Parallel()
	number, hash, login := "+21620123456", "hash", start.Add(time.Hour)
	u := domain.Restore(domain.State{
		ID: userID, Email: "ana@example.com", Phone: &number, PasswordHash: &hash, FirstName: "Ana", LastName: "Trabelsi",
		Role: users.Organizer, IsOrganizer: true, EmailVerified: true, PhoneVerified: true, IsActive: true, LastLoginAt: &login,
		CreatedAt: start, UpdatedAt: login, Version: 7,
	})
	require.Equal(t, users.User{
		ID: userID, Email: "ana@example.com", Phone: &number, FirstName: "Ana", LastName: "Trabelsi",
		Role: users.Organizer, IsOrganizer: true, EmailVerified: true, PhoneVerified: true, IsActive: true, LastLoginAt: &login,
		CreatedAt: start, UpdatedAt: login, Version: 7,
	}, u.View())
}
