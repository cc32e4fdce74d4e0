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

// requestReset asks for a new password of ana@example.com and returns the token mailed.
func (w *world) requestReset() string {
	w.t.Helper()
	require.NoError(w.t, w.RequestReset(w.t.Context(), userstest.Here, application.Address{Email: " Ana@Example.com"}))
	return w.mailed(application.MailResetPassword, "ana@example.com").Token
}

// mailed sends what waits in the outbox: one mail of that kind to that address.
func (w *world) mailed(kind application.MessageKind, to string) application.Mail {
	w.t.Helper()
	sent := w.mails()
	require.Len(w.t, sent, 1)
	require.Equal(w.t, kind, sent[0].Kind)
	require.Equal(w.t, to, sent[0].To)
	return sent[0]
}

func TestResetPassword(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ana := w.account("ana@example.com")
	tokens, _ := w.login(ana.Email)
	token := w.requestReset()
	w.clock.Advance(domain.ResetTTL - time.Microsecond)
	reset := application.Reset{Token: token, New: newPassword}
	require.NoError(t, w.ResetPassword(t.Context(), userstest.Here, reset))
	require.Empty(t, w.mailed(application.MailPasswordChanged, ana.Email).Token)
	w.requireLogin(map[string]error{password: users.ErrInvalidCredentials, newPassword: nil})
	_, err := w.Refresh(t.Context(), userstest.Here, tokens.Refresh)
	require.ErrorIs(t, err, users.ErrSessionEnded)
	w.requireUnchanged(func() {
		require.ErrorIs(t, w.ResetPassword(t.Context(), userstest.Here, reset), users.ErrTokenInvalid, "used")
	})
}

// What the request path does is the same for each of these; the relay finds out.
func TestRequestsTellNothing(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		prepare             func(w *world)
		reset, verification []application.MessageKind
	}{
		"unknown": {prepare: func(*world) {}},
		"verified": {
			prepare: func(w *world) { w.account("ana@example.com") },
			reset:   []application.MessageKind{application.MailResetPassword},
		},
		"deactivated": {prepare: func(w *world) { w.account("ana@example.com", deactivated) }},
		"unverified": {
			prepare:      func(w *world) { w.register(password, "Ana", "") },
			reset:        []application.MessageKind{application.MailResetPassword},
			verification: []application.MessageKind{application.MailVerifyEmail},
		},
		"invited": {
			prepare:      func(w *world) { w.invite() },
			reset:        []application.MessageKind{application.MailResetPassword},
			verification: []application.MessageKind{application.MailInvitation},
		},
	} {
		for request, ask := range map[string]func(w *world) ([]application.MessageKind, error){
			"reset": func(w *world) ([]application.MessageKind, error) {
				return test.reset, w.RequestReset(t.Context(), userstest.Here, application.Address{Email: "ana@example.com"})
			},
			"resend": func(w *world) ([]application.MessageKind, error) {
				return test.verification, w.ResendVerification(t.Context(), userstest.Here, application.Address{Email: "ana@example.com"})
			},
		} {
			t.Run(name+" "+request, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				test.prepare(w)
				w.memory.BreakIn(4) // the act, the message and the commit: no fourth statement
				want, err := ask(w)
				require.NoError(t, err)
				w.memory.BreakIn(0)
				var kinds []application.MessageKind
				for _, m := range w.mails() {
					require.Equal(t, "ana@example.com", m.To)
					require.NotEmpty(t, m.Token)
					kinds = append(kinds, m.Kind)
				}
				require.Equal(t, want, kinds)
				w.clock.Advance(time.Hour)
				require.Empty(t, w.mails(), "what was asked for is done once")
			})
		}
	}
}

func TestRequestsNeedAnAddress(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, wrong := range []application.Address{{}, {Email: "ana"}, {Email: number}} {
		requireFields(t, wrong.Validate(), "email")
		w.requireUnchanged(func() {
			requireFields(t, w.RequestReset(t.Context(), userstest.Here, wrong), "email")
			requireFields(t, w.ResendVerification(t.Context(), userstest.Here, wrong), "email")
		})
	}
}

// A token is worth nothing once it is used, expired, replaced by a newer one, or once something happened to the account.
func TestResetTokensEnd(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(w *world, ana application.Actor){
		"expired":     func(w *world, _ application.Actor) { w.clock.Advance(domain.ResetTTL) },
		"a newer one": func(w *world, _ application.Actor) { w.requestReset() },
		"password changed": func(w *world, ana application.Actor) {
			require.NoError(w.t, w.ChangeOwnPassword(w.t.Context(), ana, application.PasswordChange{Current: password, New: "a third password"}))
		},
		"address changed": func(w *world, ana application.Actor) {
			require.NoError(w.t, w.ConfirmEmail(w.t.Context(), userstest.Here, w.changeEmail(ana, "new@example.com")))
		},
		"deactivated": func(w *world, ana application.Actor) { require.NoError(w.t, w.DeactivateOwn(w.t.Context(), ana)) },
		"and came back": func(w *world, ana application.Actor) {
			admin := w.admin()
			_, err := w.Deactivate(w.t.Context(), admin, ana.ID, "")
			require.NoError(w.t, err)
			_, err = w.Reactivate(w.t.Context(), admin, ana.ID)
			require.NoError(w.t, err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			ana := actorOf(w.account("ana@example.com"))
			token := w.requestReset()
			end(w, ana)
			w.requireUnchanged(func() {
				require.ErrorIs(t, w.ResetPassword(t.Context(), userstest.Here, application.Reset{Token: token, New: newPassword}), users.ErrTokenInvalid)
			})
		})
	}
}

func TestResetRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ana := actorOf(w.account("ana@example.com"))
	token := w.requestReset()
	foreign := w.changeEmail(ana, "new@example.com")
	for name, wrong := range map[string]string{
		"empty": "", "made up": domain.NewOneTimeToken(), "longer": token + "A", "of another purpose": foreign,
	} {
		w.requireUnchanged(func() {
			require.ErrorIs(t, w.ResetPassword(t.Context(), userstest.Here, application.Reset{Token: wrong, New: newPassword}), users.ErrTokenInvalid, name)
		})
	}
	hashes, _ := w.hasher.Calls()
	require.Zero(t, hashes, "a wrong token costs no hashing")

	for _, weak := range []string{"", "short", "trabelsi-TRABELSI"} {
		w.requireUnchanged(func() {
			requireFields(t, w.ResetPassword(t.Context(), userstest.Here, application.Reset{Token: token, New: weak}), "newPassword")
		})
	}
	w.hasher.Err = users.ErrOverloaded
	w.requireUnchanged(func() {
		require.ErrorIs(t, w.ResetPassword(t.Context(), userstest.Here, application.Reset{Token: token, New: newPassword}), users.ErrOverloaded)
	})
	w.hasher.Err = nil
	require.NoError(t, w.ResetPassword(t.Context(), userstest.Here, application.Reset{Token: token, New: newPassword}), "the token is still there")
}

// Whoever reads the mail of an address may have its account, whatever strangers registered there.
func TestResetProvesTheAddress(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	planted := w.register(password, "Eve", "")
	require.NoError(t, w.ResetPassword(t.Context(), userstest.Here, application.Reset{Token: w.requestReset(), New: newPassword}))
	require.True(t, w.ana().EmailVerified())
	w.requireLogin(map[string]error{password: users.ErrInvalidCredentials, newPassword: nil})
	w.requireUnchanged(func() { require.ErrorIs(t, w.VerifyEmail(t.Context(), userstest.Here, planted), users.ErrTokenInvalid) })
}

func TestVerifyingVoidsResets(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	verify := w.register(password, "Ana", "")
	reset := w.requestReset()
	require.NoError(t, w.VerifyEmail(t.Context(), userstest.Here, verify))
	require.ErrorIs(t, w.ResetPassword(t.Context(), userstest.Here, application.Reset{Token: reset, New: newPassword}), users.ErrTokenInvalid)
}

// Each attempt has a link of its own, before and after.
func TestResendVerification(t *testing.T) {
	t.Parallel()
	for opened, name := range []string{"Eve", "Ana"} {
		w := newWorld(t)
		passwords := []string{password, newPassword}
		old := []string{w.register(passwords[0], "Eve", ""), w.register(passwords[1], "Ana", "")}
		w.clock.Advance(domain.RegistrationTTL / 2)
		require.NoError(t, w.ResendVerification(t.Context(), userstest.Here, application.Address{Email: "ANA@example.com"}))
		sent := w.mails()
		require.Len(t, sent, 2)
		for _, token := range old {
			w.requireUnchanged(func() { require.ErrorIs(t, w.VerifyEmail(t.Context(), userstest.Here, token), users.ErrTokenInvalid) })
		}
		w.clock.Advance(domain.RegistrationTTL - time.Microsecond) // as the new mail promises
		require.NoError(t, w.VerifyEmail(t.Context(), userstest.Here, sent[opened].Token))
		require.Equal(t, name, w.ana().View().FirstName)
		w.requireLogin(map[string]error{passwords[opened]: nil, passwords[1-opened]: users.ErrInvalidCredentials})
	}
}

func TestExpiredAttemptsAreNotMailedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.register(password, "Ana", "")
	w.clock.Advance(domain.RegistrationTTL)
	require.NoError(t, w.ResendVerification(t.Context(), userstest.Here, application.Address{Email: "ana@example.com"}))
	require.Empty(t, w.mails())
}

func TestRedeemingAtOnceSucceedsOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ana := actorOf(w.account("ana@example.com"))
	once := map[error]int{nil: 1, users.ErrTokenInvalid: racers - 1}
	token := w.changeEmail(ana, "new@example.com")
	w.Cache, w.Wake = userstest.NoCache{}, func() {}
	require.Equal(t, once, together(func(int) error { return w.ConfirmEmail(t.Context(), userstest.Here, token) }))
	require.NoError(t, w.RequestReset(t.Context(), userstest.Here, application.Address{Email: "new@example.com"}))
	sent := w.mails()
	token = sent[len(sent)-1].Token
	require.Equal(t, once, together(func(int) error {
		return w.ResetPassword(t.Context(), userstest.Here, application.Reset{Token: token, New: newPassword})
	}))
}

// Whatever fails while the relay does what was asked for: it is done later, and once.
func TestWhatWasAskedForIsNotLost(t *testing.T) {
	t.Parallel()
	for statement := 1; ; statement++ {
		w := newWorld(t)
		w.account("ana@example.com")
		require.NoError(t, w.RequestReset(t.Context(), userstest.Here, application.Address{Email: "ana@example.com"}))
		w.memory.BreakIn(statement)
		err := w.relay.Drain(t.Context())
		w.memory.BreakIn(0)
		failed := err != nil || w.log.Len() > 0
		w.clock.Advance(domain.ResetTTL / 2) // past every lease and delay
		sent := w.mails()
		require.NotEmpty(t, sent, "statement %d", statement)
		// Only what was done and could not be noted is done again; then the newest link is the one that works.
		require.LessOrEqual(t, len(sent), 2)
		newest := sent[len(sent)-1].Token
		require.NoError(t, w.ResetPassword(t.Context(), userstest.Here, application.Reset{Token: newest, New: newPassword}))
		if !failed {
			require.Greater(t, statement, 8, "nothing was ever broken")
			return
		}
	}
}
