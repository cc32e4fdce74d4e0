package application_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/application"
	"github.com/tickr/tickr/modules/users/internal/domain"
	"github.com/tickr/tickr/modules/users/internal/userstest"
)

// register asks for an account of ana@example.com and returns the token mailed.
func (w *world) register(password, firstName, phone string) string {
	w.t.Helper()
	require.NoError(w.t, w.Register(w.t.Context(), userstest.Here, application.Registration{
		Email: " Ana@Example.com", Password: password, FirstName: firstName, LastName: "Trabelsi", Phone: phone,
	}))
	sent := w.mails()
	require.Len(w.t, sent, 1)
	require.Equal(w.t, application.MailVerifyEmail, sent[0].Kind)
	require.Equal(w.t, "ana@example.com", sent[0].To)
	return sent[0].Token
}

// ana returns the account that register asks for, as stored.
func (w *world) ana() *domain.User {
	w.t.Helper()
	u, err := w.Users.ByEmail(w.t.Context(), "ana@example.com")
	require.NoError(w.t, err)
	return u
}

// requireLogin checks how a login of ana ends with each password.
func (w *world) requireLogin(want map[string]error) {
	w.t.Helper()
	for password, wanted := range want {
		_, _, err := w.LogIn(w.t.Context(), userstest.Here, application.Credentials{Email: "ana@example.com", Password: password})
		require.ErrorIs(w.t, err, wanted, password)
	}
}

func TestRegisterVerifyLogIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.register(password, "Ana", number)
	require.Equal(t, 1, w.wakes)
	now := w.clock.Now()
	require.Equal(t, domain.State{
		ID: w.ana().ID(), Email: "ana@example.com", FirstName: "Ana", LastName: "Trabelsi", Role: users.Participant, IsActive: true,
		CreatedAt: now, UpdatedAt: now, Version: 1,
	}, w.ana().State(), "no password, no phone yet")

	w.clock.Advance(domain.RegistrationTTL - time.Microsecond)
	require.NoError(t, w.VerifyEmail(t.Context(), userstest.Here, token))
	require.True(t, w.ana().EmailVerified())
	require.Equal(t, number, *w.ana().Phone())
	require.False(t, w.ana().State().PhoneVerified)
	w.requireLogin(map[string]error{password: nil, newPassword: users.ErrInvalidCredentials})

	w.requireUnchanged(func() {
		require.ErrorIs(t, w.VerifyEmail(t.Context(), userstest.Here, token), users.ErrTokenInvalid, "used")
	})
}

func TestRegisterNamesEveryWrongField(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	wrong := application.Registration{Email: "ana", Password: "short", FirstName: " ", LastName: "\x00", Phone: "12"}
	w.requireUnchanged(func() {
		requireFields(t, w.Register(t.Context(), userstest.Here, wrong), "email", "firstName", "lastName", "phone", "password")
	})
	requireFields(t, wrong.Validate(), "email", "firstName", "lastName", "phone", "password")
	hashes, _ := w.hasher.Calls()
	require.Zero(t, hashes)

	personal := application.Registration{Email: "x@example.com", Password: "trabelsi-TRABELSI", FirstName: "Ana", LastName: "Trabelsi"}
	requireFields(t, personal.Validate(), "password")
	personal.Password = password
	require.NoError(t, personal.Validate())
}

func TestRegisterTellsNothing(t *testing.T) {
	t.Parallel()
	tests := map[string][]func(*domain.State){
		"verified":                   nil,
		"deactivated":                {deactivated},
		"deactivated and unverified": {unverified, deactivated},
	}
	for name, changes := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.account("ana@example.com", changes...)
			before := w.ana()
			require.NoError(t, w.Register(t.Context(), userstest.Here, application.Registration{
				Email: "ANA@example.com", Password: newPassword, FirstName: "Eve", LastName: "E", Phone: number,
			}))
			require.Equal(t, before, w.ana())
			hashes, _ := w.hasher.Calls()
			require.Equal(t, 1, hashes, "the same work as for a new address")
			require.Equal(t, 1, w.wakes)
			sent := w.mails()
			require.Len(t, sent, 1)
			if before.IsActive() {
				require.Equal(t, application.MailAlreadyRegistered, sent[0].Kind)
			} else {
				require.Equal(t, application.MailDeactivated, sent[0].Kind)
			}
			require.Equal(t, "Ana", sent[0].FirstName, "not the name the stranger gave")
			require.Empty(t, sent[0].Token)
			_, err := w.Registrations.Newest(t.Context(), before.ID())
			require.ErrorIs(t, err, users.ErrNotFound)
		})
	}
}

// Nobody can plant a password in an account that is not theirs, whoever comes first and whichever link is opened.
func TestEachAttemptActivatesItself(t *testing.T) {
	t.Parallel()
	passwords, firstNames := []string{password, newPassword}, []string{"Eve", "Ana"}
	for opened, other := range []int{1, 0} {
		w := newWorld(t)
		tokens := []string{w.register(passwords[0], firstNames[0], ""), w.register(passwords[1], firstNames[1], "")}
		require.Equal(t, "Eve", w.ana().View().FirstName)

		// Until one is opened, a login compares with the newest.
		w.requireLogin(map[string]error{
			passwords[0]: users.ErrInvalidCredentials, passwords[1]: users.ErrEmailNotVerified, "something else": users.ErrInvalidCredentials,
		})

		require.NoError(t, w.VerifyEmail(t.Context(), userstest.Here, tokens[opened]))
		require.Equal(t, firstNames[opened], w.ana().View().FirstName)
		w.requireLogin(map[string]error{passwords[opened]: nil, passwords[other]: users.ErrInvalidCredentials})
		w.requireUnchanged(func() {
			require.ErrorIs(t, w.VerifyEmail(t.Context(), userstest.Here, tokens[other]), users.ErrTokenInvalid)
		})
		_, err := w.Registrations.Newest(t.Context(), w.ana().ID())
		require.ErrorIs(t, err, users.ErrNotFound, "the others are void")
	}
}

func TestVerifyEmailRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.register(password, "Ana", "")
	for _, wrong := range []string{"", "x", strings.ToUpper(token), token + "A", domain.NewOneTimeToken()} {
		w.requireUnchanged(func() { require.ErrorIs(t, w.VerifyEmail(t.Context(), userstest.Here, wrong), users.ErrTokenInvalid) })
	}
	w.clock.Advance(domain.RegistrationTTL)
	w.requireUnchanged(func() {
		require.ErrorIs(t, w.VerifyEmail(t.Context(), userstest.Here, token), users.ErrTokenInvalid, "expired")
	})

	fresh := w.register(newPassword, "Ana", "")
	_, err := w.Registrations.Owner(t.Context(), domain.HashToken(token))
	require.ErrorIs(t, err, users.ErrTokenInvalid, "an expired attempt is cleared away by the next")
	require.NoError(t, w.VerifyEmail(t.Context(), userstest.Here, fresh))
}

func TestVerifyEmailOfADeactivatedAccount(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.register(password, "Ana", "")
	_, err := w.Deactivate(t.Context(), w.admin(), w.ana().ID(), "")
	require.NoError(t, err)
	w.requireUnchanged(func() { require.ErrorIs(t, w.VerifyEmail(t.Context(), userstest.Here, token), users.ErrTokenInvalid) })
}

func TestRegisterWhatAnAdministratorEntered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	made, err := w.CreateUser(t.Context(), w.admin(), application.NewAccount{
		Email: "ana@example.com", FirstName: "A.", LastName: "T.",
	})
	require.NoError(t, err)
	w.mailed(application.MailInvitation, "ana@example.com")
	w.requireLogin(map[string]error{password: users.ErrInvalidCredentials})

	require.NoError(t, w.VerifyEmail(t.Context(), userstest.Here, w.register(password, "Ana", "")))
	require.Equal(t, made.ID, w.ana().ID())
	w.requireLogin(map[string]error{password: nil})
}

func TestPhoneIsClaimedByVerifying(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		verified bool // the holder has proven the number
		want     *string
	}{
		"an unproven number yields": {verified: false, want: new(number)},
		"a proven one does not":     {verified: true, want: nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			holder := w.account("holder@example.com", withPhone(number, test.verified))
			_, err := w.OwnProfile(t.Context(), actorOf(holder)) // now the cache knows
			require.NoError(t, err)
			token := w.register(password, "Ana", number)
			require.Equal(t, holder, w.stored(holder.ID), "registering claims nothing")

			require.NoError(t, w.VerifyEmail(t.Context(), userstest.Here, token))
			require.Equal(t, test.want, w.ana().Phone())
			after, err := w.OwnProfile(t.Context(), actorOf(holder))
			require.NoError(t, err)
			require.Equal(t, w.stored(holder.ID), after, "the cache forgot the holder")
			require.Equal(t, test.verified, after.Phone != nil)
		})
	}
}

func TestRegisterOverloaded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.hasher.Err = users.ErrOverloaded
	w.requireUnchanged(func() {
		require.ErrorIs(t, w.Register(t.Context(), userstest.Here, application.Registration{
			Email: "ana@example.com", Password: password, FirstName: "Ana", LastName: "Trabelsi",
		}), users.ErrOverloaded)
	})
	require.Zero(t, w.wakes)
}

// vanishing is storage from which an account is removed between the two statements that look for it, once.
type vanishing struct {
	application.Users
	once bool
}

func (v *vanishing) LockByEmail(ctx context.Context, email string) (*domain.User, error) {
	if v.once {
		v.once = false
		return nil, users.ErrNotFound
	}
	return v.Users.LockByEmail(ctx, email)
}

func TestRegisteringWhatIsJustCleanedUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Users = &vanishing{w.Users, true}
	require.NotEmpty(t, w.register(password, "Ana", ""))
}
