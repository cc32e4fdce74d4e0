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

// invite makes an account of ana@example.com and returns the token of the invitation.
func (w *world) invite() string {
	w.t.Helper()
	_, err := w.CreateUser(w.t.Context(), w.admin(), application.NewAccount{
		Email: "ana@example.com", FirstName: "Ana", LastName: "Trabelsi", Role: "ORGANIZER",
	})
	require.NoError(w.t, err)
	return w.mailed(application.MailInvitation, "ana@example.com").Token
}

func TestInvitation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.invite()
	w.clock.Advance(domain.InvitationTTL - time.Microsecond)
	requireFields(t, w.ResetPassword(t.Context(), userstest.Here, application.Reset{Token: token, New: "trabelsi-TRABELSI"}), "newPassword")
	accept := application.Reset{Token: token, New: password}
	require.NoError(t, w.ResetPassword(t.Context(), userstest.Here, accept))
	require.True(t, w.ana().EmailVerified())
	require.Equal(t, users.Organizer, w.ana().Role())
	w.requireLogin(map[string]error{password: nil})
	w.requireUnchanged(func() {
		require.ErrorIs(t, w.ResetPassword(t.Context(), userstest.Here, accept), users.ErrTokenInvalid)
	})
}

func TestInvitationIsMailedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	old := w.invite()
	w.clock.Advance(domain.InvitationTTL)
	require.ErrorIs(t, w.ResetPassword(t.Context(), userstest.Here, application.Reset{Token: old, New: password}), users.ErrTokenInvalid, "expired")

	require.NoError(t, w.ResendVerification(t.Context(), userstest.Here, application.Address{Email: "ana@example.com"}))
	fresh := w.mailed(application.MailInvitation, "ana@example.com").Token
	require.ErrorIs(t, w.ResetPassword(t.Context(), userstest.Here, application.Reset{Token: old, New: password}), users.ErrTokenInvalid, "replaced")
	require.NoError(t, w.ResetPassword(t.Context(), userstest.Here, application.Reset{Token: fresh, New: password}))
	w.mailed(application.MailPasswordChanged, "ana@example.com")
	require.NoError(t, w.ResendVerification(t.Context(), userstest.Here, application.Address{Email: "ana@example.com"}))
	require.Empty(t, w.mails(), "accepted")
}

// Who was invited may register as well, as long as no role waits for them: the same mailbox, the same account.
func TestRegisteringAcceptsAnInvitation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, err := w.CreateUser(t.Context(), w.admin(), application.NewAccount{Email: "ana@example.com", FirstName: "Ana", LastName: "Trabelsi"})
	require.NoError(t, err)
	invitation := w.mailed(application.MailInvitation, "ana@example.com").Token
	verify := w.register(password, "Anna", "")
	require.NoError(t, w.ResendVerification(t.Context(), userstest.Here, application.Address{Email: "ana@example.com"}))
	sent := w.mails()
	require.Len(t, sent, 2, "either way is open")
	require.ErrorIs(t, w.VerifyEmail(t.Context(), userstest.Here, verify), users.ErrTokenInvalid)

	require.NoError(t, w.VerifyEmail(t.Context(), userstest.Here, sent[0].Token))
	for _, token := range []string{invitation, sent[1].Token} {
		require.ErrorIs(t, w.ResetPassword(t.Context(), userstest.Here, application.Reset{Token: token, New: newPassword}), users.ErrTokenInvalid)
	}
	w.requireLogin(map[string]error{password: nil})
}

// A stranger who registers the address of somebody invited plants no password that the role could be waiting for, before the invitation
// or after it.
func TestNobodyRegistersIntoARole(t *testing.T) {
	t.Parallel()
	theirs := application.Registration{Email: "ana@example.com", Password: newPassword, FirstName: "Eve", LastName: "Stranger"}
	for name, arrange := range map[string]func(w *world) (links []string){
		"after the invitation": func(w *world) []string {
			w.invite()
			require.NoError(t, w.Register(t.Context(), userstest.Here, theirs))
			w.mailed(application.MailAlreadyRegistered, "ana@example.com")
			return nil
		},
		"before the role": func(w *world) []string {
			require.NoError(t, w.Register(t.Context(), userstest.Here, theirs))
			link := w.mailed(application.MailVerifyEmail, "ana@example.com").Token
			_, err := w.UpdateUser(t.Context(), w.admin(), w.ana().ID(), application.UserChange{Role: new("ADMIN")}, nil)
			require.NoError(t, err)
			return []string{link}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			links := arrange(w)
			require.NoError(t, w.ResendVerification(t.Context(), userstest.Here, application.Address{Email: "ana@example.com"}))
			for _, m := range w.mails() {
				require.Equal(t, application.MailInvitation, m.Kind)
			}
			for _, link := range links {
				require.ErrorIs(t, w.VerifyEmail(t.Context(), userstest.Here, link), users.ErrTokenInvalid)
			}
			require.False(t, w.ana().EmailVerified())

			require.NoError(t, w.RequestReset(t.Context(), userstest.Here, application.Address{Email: "ana@example.com"}))
			token := w.mailed(application.MailResetPassword, "ana@example.com").Token
			require.NoError(t, w.ResetPassword(t.Context(), userstest.Here, application.Reset{Token: token, New: password}), "whoever reads the mail")
			w.requireLogin(map[string]error{password: nil, newPassword: users.ErrInvalidCredentials})
		})
	}
}

func TestBootstrapVoidsInvitations(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.invite()
	_, err := w.CreateAdmin(t.Context(), application.NewAdmin{
		Email: "ana@example.com", Password: newPassword, FirstName: "Ana", LastName: "Trabelsi",
	})
	require.NoError(t, err)
	w.requireUnchanged(func() {
		require.ErrorIs(t, w.ResetPassword(t.Context(), userstest.Here, application.Reset{Token: token, New: password}), users.ErrTokenInvalid)
	})
}
