package application_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/application"
	"github.com/tickr/tickr/modules/users/internal/domain"
	"github.com/tickr/tickr/modules/users/internal/userstest"
)

// changeEmail asks for another address of the actor and returns the token mailed there.
func (w *world) changeEmail(actor application.Actor, email string) string {
	w.t.Helper()
	require.NoError(w.t, w.RequestEmailChange(w.t.Context(), actor, application.EmailChange{New: email, Password: password}))
	sent := w.mails()
	require.Len(w.t, sent, 2)
	require.Equal(w.t, application.MailEmailChangeRequested, sent[0].Kind)
	require.Empty(w.t, sent[0].Token)
	require.Equal(w.t, application.MailConfirmEmail, sent[1].Kind)
	require.Equal(w.t, email, sent[1].To)
	return sent[1].Token
}

func TestChangeEmail(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.account("ana@example.com")
	tokens, ana := w.login("ana@example.com")
	before := w.stored(ana.ID)
	w.clock.Advance(time.Minute)
	token := w.changeEmail(ana, "new@example.com")
	require.Equal(t, before, w.stored(ana.ID), "nothing changes before it is confirmed")

	w.clock.Advance(domain.ConfirmEmailTTL - time.Microsecond)
	require.NoError(t, w.ConfirmEmail(t.Context(), userstest.Here, token))
	after := w.stored(ana.ID)
	require.Equal(t, "new@example.com", after.Email)
	require.Equal(t, before.Version+1, after.Version)
	w.mailed(application.MailEmailChanged, "ana@example.com")
	own, err := w.OwnProfile(t.Context(), ana)
	require.NoError(t, err)
	require.Equal(t, after, own, "the cache forgot")
	_, err = w.Refresh(t.Context(), userstest.Here, tokens.Refresh)
	require.NoError(t, err, "sessions go on")
	w.requireLogin(map[string]error{password: users.ErrInvalidCredentials})
	w.login("new@example.com")
	w.requireUnchanged(func() {
		require.ErrorIs(t, w.ConfirmEmail(t.Context(), userstest.Here, token), users.ErrTokenInvalid, "used")
	})
}

// The notice that the address is about to change goes to whom it warns, however late.
func TestNoticesStayWithTheirAddress(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ana := actorOf(w.account("ana@example.com"))
	require.NoError(t, w.RequestEmailChange(t.Context(), ana, application.EmailChange{New: "thief@example.com", Password: password}))
	w.mailer.Fail = func(m application.Mail) error {
		if m.Kind == application.MailConfirmEmail {
			return nil
		}
		return errors.New("try again later")
	}
	require.NoError(t, w.ConfirmEmail(t.Context(), userstest.Here, w.mailed(application.MailConfirmEmail, "thief@example.com").Token))
	require.NoError(t, w.RequestReset(t.Context(), userstest.Here, application.Address{Email: "thief@example.com"}))
	w.mailer.Fail = nil
	w.clock.Advance(time.Hour)
	warned := 0
	for _, m := range w.mails() {
		if m.Kind == application.MailEmailChangeRequested {
			require.Equal(t, "ana@example.com", m.To)
			warned++
		}
	}
	require.Equal(t, 1, warned)
}

func TestRequestEmailChangeRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ana := actorOf(w.account("ana@example.com"))
	for name, test := range map[string]struct {
		change application.EmailChange
		fields []string
	}{
		"nothing":        {application.EmailChange{}, []string{"newEmail", "password"}},
		"no address":     {application.EmailChange{New: "new", Password: password}, []string{"newEmail"}},
		"wrong password": {application.EmailChange{New: "new@example.com", Password: newPassword}, []string{"password"}},
		"own address":    {application.EmailChange{New: "ANA@example.com", Password: password}, []string{"newEmail"}},
	} {
		t.Run(name, func(t *testing.T) {
			w.requireUnchanged(func() { requireFields(t, w.RequestEmailChange(t.Context(), ana, test.change), test.fields...) })
		})
	}
	_, err := w.Deactivate(t.Context(), w.admin(), ana.ID, "")
	require.NoError(t, err)
	w.requireUnchanged(func() {
		err := w.RequestEmailChange(t.Context(), ana, application.EmailChange{New: "new@example.com", Password: password})
		require.ErrorIs(t, err, users.ErrSessionEnded, "since the actor was found")
	})
}

// Whoever asks for the address of another account sees nothing of it; its owner does.
func TestTakenAddressTellsNothing(t *testing.T) {
	t.Parallel()
	for name, changes := range map[string][]func(*domain.State){"verified": nil, "unverified": {unverified}, "deactivated": {deactivated}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			ana := actorOf(w.account("ana@example.com"))
			w.account("taken@example.com", changes...)
			require.NoError(t, w.RequestEmailChange(t.Context(), ana, application.EmailChange{New: "taken@example.com", Password: password}))
			sent := w.mails()
			require.Len(t, sent, 2)
			require.Equal(t, "ana@example.com", sent[0].To)
			require.Equal(t, application.MailAddressTaken, sent[1].Kind)
			require.Equal(t, "taken@example.com", sent[1].To)
			require.Empty(t, sent[1].Token)
		})
	}
}

func TestAddressTakenMeanwhile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ana := actorOf(w.account("ana@example.com"))
	token := w.changeEmail(ana, "new@example.com")
	w.account("new@example.com")
	w.requireUnchanged(func() { require.ErrorIs(t, w.ConfirmEmail(t.Context(), userstest.Here, token), users.ErrTokenInvalid) })
}

// The token of a change is bound to the new address and to the one it replaces.
func TestEmailChangesEnd(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(w *world, ana application.Actor){
		"expired":     func(w *world, _ application.Actor) { w.clock.Advance(domain.ConfirmEmailTTL) },
		"another one": func(w *world, ana application.Actor) { w.changeEmail(ana, "third@example.com") },
		"confirmed another": func(w *world, ana application.Actor) {
			require.NoError(w.t, w.ConfirmEmail(w.t.Context(), userstest.Here, w.changeEmail(ana, "third@example.com")))
		},
		"password changed": func(w *world, ana application.Actor) {
			require.NoError(w.t, w.ChangeOwnPassword(w.t.Context(), ana, application.PasswordChange{Current: password, New: newPassword}))
		},
		"password reset": func(w *world, _ application.Actor) {
			require.NoError(w.t, w.ResetPassword(w.t.Context(), userstest.Here, application.Reset{Token: w.requestReset(), New: newPassword}))
		},
		"deactivated": func(w *world, ana application.Actor) { require.NoError(w.t, w.DeactivateOwn(w.t.Context(), ana)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			ana := actorOf(w.account("ana@example.com"))
			token := w.changeEmail(ana, "new@example.com")
			end(w, ana)
			w.requireUnchanged(func() { require.ErrorIs(t, w.ConfirmEmail(t.Context(), userstest.Here, token), users.ErrTokenInvalid) })
		})
	}
}
