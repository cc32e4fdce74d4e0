package application_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/application"
	"github.com/tickr/tickr/modules/users/internal/domain"
	"github.com/tickr/tickr/modules/users/internal/userstest"
)

// requestCode has a code sent to a number of the actor and returns it. An empty number is the one of the account.
func (w *world) requestCode(actor application.Actor, phone string) string {
	w.t.Helper()
	require.NoError(w.t, w.RequestPhoneCode(w.t.Context(), actor, application.PhoneNumber{Phone: phone}))
	before := len(w.texter.Sent())
	require.Empty(w.t, w.mails())
	sent := w.texter.Sent()
	require.Len(w.t, sent, before+1)
	require.Equal(w.t, number, sent[before].To)
	require.Regexp(w.t, `^\d{6}$`, sent[before].Code)
	return sent[before].Code
}

// another returns a code that is not this one.
func another(code string) string {
	if code[0] == '0' {
		return "1" + code[1:]
	}
	return "0" + code[1:]
}

func TestVerifyPhone(t *testing.T) {
	t.Parallel()
	for name, phone := range map[string]string{"number of the account": "", "given number": "20 123 456"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			ana := w.account("ana@example.com", withPhone(number, false))
			actor := actorOf(ana)
			w.requireLoginByPhone(users.ErrInvalidCredentials)
			code := w.requestCode(actor, phone)
			require.Equal(t, ana, w.stored(ana.ID), "nothing changes before the code comes back")

			w.clock.Advance(domain.CodeTTL - time.Microsecond)
			require.NoError(t, w.VerifyPhone(t.Context(), actor, code))
			require.True(t, w.stored(ana.ID).PhoneVerified)
			w.requireLoginByPhone(nil)
			w.requireUnchanged(func() {
				require.ErrorIs(t, w.VerifyPhone(t.Context(), actor, code), users.ErrTokenInvalid, "used")
			})
		})
	}
}

// requireLoginByPhone checks how a login with the number and the right password ends.
func (w *world) requireLoginByPhone(want error) {
	w.t.Helper()
	for _, typed := range []string{number, "20 123 456"} {
		_, _, err := w.LogIn(w.t.Context(), userstest.Here, application.Credentials{Email: typed, Password: password})
		require.ErrorIs(w.t, err, want)
	}
	_, _, err := w.LogIn(w.t.Context(), userstest.Here, application.Credentials{Email: number, Password: newPassword})
	require.ErrorIs(w.t, err, users.ErrInvalidCredentials)
}

func TestLoginByPhone(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		changes []func(*domain.State)
		want    error
	}{
		"nobody's":           {[]func(*domain.State){}, users.ErrInvalidCredentials},
		"unproven":           {[]func(*domain.State){withPhone(number, false)}, users.ErrInvalidCredentials},
		"proven":             {[]func(*domain.State){withPhone(number, true)}, nil},
		"deactivated holder": {[]func(*domain.State){withPhone(number, true), deactivated}, users.ErrDeactivated},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.account("ana@example.com", test.changes...)
			w.requireLoginByPhone(test.want)
			_, verifies := w.hasher.Calls()
			require.Equal(t, 3, verifies, "the same work in every case")
		})
	}
}

// A code proves who has the number now, whoever proved it before.
func TestCodeMovesANumber(t *testing.T) {
	t.Parallel()
	for name, verified := range map[string]bool{"proven": true, "unproven": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			holder, ana := w.account("holder@example.com", withPhone(number, verified)), actorOf(w.account("ana@example.com"))
			_, err := w.OwnProfile(t.Context(), actorOf(holder)) // now the cache knows
			require.NoError(t, err)
			code := w.requestCode(ana, number)
			require.Equal(t, holder, w.stored(holder.ID))
			require.NoError(t, w.VerifyPhone(t.Context(), ana, code))

			require.Equal(t, number, *w.stored(ana.ID).Phone)
			require.True(t, w.stored(ana.ID).PhoneVerified)
			after, err := w.OwnProfile(t.Context(), actorOf(holder))
			require.NoError(t, err)
			require.Nil(t, after.Phone)
			require.False(t, after.PhoneVerified)
			if verified {
				w.mailed(application.MailPhoneMoved, "holder@example.com")
			} else {
				require.Empty(t, w.mails(), "an unproven number yields without a word")
			}
		})
	}
}

func TestCodesEnd(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(w *world, ana application.Actor, code string){
		"expired": func(w *world, _ application.Actor, _ string) { w.clock.Advance(domain.CodeTTL) },
		"tried too often": func(w *world, ana application.Actor, code string) {
			for range domain.MaxCodeTries {
				require.ErrorIs(w.t, w.VerifyPhone(w.t.Context(), ana, another(code)), users.ErrTokenInvalid)
			}
		},
		"a newer one": func(w *world, ana application.Actor, code string) {
			for w.requestCode(ana, "") == code { // one in a million
			}
		},
		"password changed": func(w *world, ana application.Actor, _ string) {
			require.NoError(w.t, w.ChangeOwnPassword(w.t.Context(), ana, application.PasswordChange{Current: password, New: newPassword}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			ana := w.account("ana@example.com", withPhone(number, false))
			code := w.requestCode(actorOf(ana), "")
			end(w, actorOf(ana), code)
			require.ErrorIs(t, w.VerifyPhone(t.Context(), actorOf(ana), code), users.ErrTokenInvalid)
			require.False(t, w.stored(ana.ID).PhoneVerified)
		})
	}
}

func TestTheLastTryMayBeRight(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ana := actorOf(w.account("ana@example.com", withPhone(number, false)))
	code := w.requestCode(ana, "")
	for range domain.MaxCodeTries - 1 {
		require.ErrorIs(t, w.VerifyPhone(t.Context(), ana, another(code)), users.ErrTokenInvalid)
	}
	require.NoError(t, w.VerifyPhone(t.Context(), ana, code))
}

func TestParallelGuessesGetNoMoreTries(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ana := actorOf(w.account("ana@example.com", withPhone(number, false)))
	code := w.requestCode(ana, "")
	require.Equal(t, map[error]int{users.ErrTokenInvalid: racers}, together(func(int) error {
		return w.VerifyPhone(t.Context(), ana, another(code))
	}))
	require.ErrorIs(t, w.VerifyPhone(t.Context(), ana, code), users.ErrTokenInvalid)
}

func TestCodesAreTheirOwners(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ana, eve := actorOf(w.account("ana@example.com", withPhone(number, false))), actorOf(w.account("eve@example.com"))
	code := w.requestCode(ana, "")
	w.requireUnchanged(func() { require.ErrorIs(t, w.VerifyPhone(t.Context(), eve, code), users.ErrTokenInvalid) })
	// Nobody can move a row of the table to another user or number and use a code with it.
	token, err := w.OneTimeTokens.Try(t.Context(), ana.ID, w.clock.Now())
	require.NoError(t, err)
	require.True(t, token.IsCode(code, w.CodeKeys))
	token.UserID = eve.ID
	require.False(t, token.IsCode(code, w.CodeKeys))
}

func TestRequestPhoneCodeRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ana := actorOf(w.account("ana@example.com"))
	w.requireUnchanged(func() {
		requireFields(t, w.RequestPhoneCode(t.Context(), ana, application.PhoneNumber{}), "phone")
		requireFields(t, w.RequestPhoneCode(t.Context(), ana, application.PhoneNumber{Phone: "12"}), "phone")
		w.SMS = false
		require.ErrorIs(t, w.RequestPhoneCode(t.Context(), ana, application.PhoneNumber{Phone: number}), users.ErrSMSUnavailable)
		require.ErrorIs(t, w.VerifyPhone(t.Context(), ana, "012345"), users.ErrSMSUnavailable)
	})
	w.SMS = true
	_, err := w.Deactivate(t.Context(), w.admin(), ana.ID, "")
	require.NoError(t, err)
	w.requireUnchanged(func() {
		err := w.RequestPhoneCode(t.Context(), ana, application.PhoneNumber{Phone: number})
		require.ErrorIs(t, err, users.ErrSessionEnded, "since the actor was found")
	})
}

func TestStaleCodesAreNotSent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ana := actorOf(w.account("ana@example.com"))
	require.NoError(t, w.RequestPhoneCode(t.Context(), ana, application.PhoneNumber{Phone: number}))
	w.clock.Advance(domain.CodeTTL)
	require.Empty(t, w.mails())
	require.Empty(t, w.texter.Sent())
	w.clock.Advance(24 * time.Hour)
	require.Empty(t, w.due(), "dropped")
}

func TestBecomeOrganizer(t *testing.T) {
	t.Parallel()
	for role, want := range map[users.Role]users.Role{
		users.Participant: users.Organizer, users.Organizer: users.Organizer, users.Admin: users.Admin,
	} {
		w := newWorld(t)
		_, actor := w.login(w.account("ana@example.com", inRole(role)).Email)
		w.clock.Advance(time.Minute)
		u, err := w.BecomeOrganizer(t.Context(), actor)
		require.NoError(t, err)
		require.Equal(t, want, u.Role)
		require.True(t, u.IsOrganizer)
		require.Equal(t, u, w.stored(u.ID))
		again, err := w.BecomeOrganizer(t.Context(), actor)
		require.NoError(t, err)
		require.Equal(t, u, again, "doing it again changes nothing")
	}
}
