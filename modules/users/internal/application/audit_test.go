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

// acts returns what was recorded since the last call, each as "act outcome actor subject details", where the two are named by people.
func (w *world) acts(people map[string]users.ID) []string {
	w.t.Helper()
	name := func(id *users.ID) string {
		if id == nil {
			return "-"
		}
		for who, known := range people {
			if known == *id {
				return who
			}
		}
		return "?"
	}
	var lines []string
	trail := w.memory.Trail()
	for _, e := range trail[w.audited:] {
		line := string(e.Act) + " " + string(e.Outcome) + " " + name(e.ActorID) + " " + name(e.SubjectID)
		for _, detail := range []string{"reason", "role", "from", "to", "changed", "purpose"} {
			if text, ok := e.Details[detail]; ok {
				line += " " + detail + "=" + text
			}
		}
		require.Equal(w.t, w.clock.Now(), e.CreatedAt)
		lines = append(lines, line)
	}
	w.audited = len(trail)
	return lines
}

func TestEveryActIsRecorded(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), t.Context()
	people := map[string]users.ID{}
	admin := w.admin()
	people["admin"] = admin.ID
	require.NoError(t, w.Register(ctx, userstest.Here, application.Registration{
		Email: "ana@example.com", Password: password, FirstName: "Ana", LastName: "Trabelsi", Phone: number,
	}))
	registered, err := w.Users.ByEmail(ctx, "ana@example.com")
	require.NoError(t, err)
	people["ana"] = registered.ID()
	require.Equal(t, []string{"register success - ana"}, w.acts(people))

	credentials := application.Credentials{Email: "ana@example.com", Password: password}
	_, _, err = w.LogIn(ctx, userstest.Here, credentials)
	require.ErrorIs(t, err, users.ErrEmailNotVerified)
	require.NoError(t, w.VerifyEmail(ctx, userstest.Here, w.mails()[0].Token))
	require.NoError(t, w.Register(ctx, userstest.Here, application.Registration{
		Email: "ana@example.com", Password: password, FirstName: "Eve", LastName: "Trabelsi",
	}))
	require.Equal(t, []string{
		"login failure - ana reason=not_verified", "verify_email success - ana", "register failure - ana reason=taken",
	}, w.acts(people))

	wrong := credentials
	wrong.Password = newPassword
	_, _, err = w.LogIn(ctx, userstest.Here, wrong)
	require.ErrorIs(t, err, users.ErrInvalidCredentials)
	_, _, err = w.LogIn(ctx, userstest.Here, application.Credentials{Email: "nobody@example.com", Password: password})
	require.ErrorIs(t, err, users.ErrInvalidCredentials)
	tokens, actor := w.login("ana@example.com")
	require.Equal(t, []string{
		"login failure - ana reason=credentials", "login failure - - reason=credentials", "login success ana ana",
	}, w.acts(people))

	_, err = w.Refresh(ctx, userstest.Here, tokens.Refresh)
	require.NoError(t, err)
	require.Empty(t, w.acts(people), "an exchange is no event of its own")
	w.clock.Advance(time.Minute)
	for range 2 {
		_, err = w.Refresh(ctx, userstest.Here, tokens.Refresh)
		require.ErrorIs(t, err, users.ErrSessionEnded)
	}
	require.Equal(t, []string{"reuse_token failure - ana"}, w.acts(people), "once")

	other, _ := w.login("ana@example.com")
	for range 2 {
		require.NoError(t, w.LogOut(ctx, userstest.Here, other.Refresh))
	}
	require.Equal(t, []string{"login success ana ana", "logout success ana ana"}, w.acts(people))

	require.Error(t, w.ChangeOwnPassword(ctx, actor, application.PasswordChange{Current: newPassword, New: "purple donkey charger"}))
	require.NoError(t, w.ChangeOwnPassword(ctx, actor, application.PasswordChange{Current: password, New: newPassword}))
	require.Equal(t, []string{"change_password failure ana ana reason=credentials", "change_password success ana ana"}, w.acts(people))

	_, err = w.UpdateOwnProfile(ctx, actor, application.Profile{FirstName: "Ana", LastName: "Trabelsi", Phone: number})
	require.NoError(t, err)
	require.Empty(t, w.acts(people), "nothing has changed")
	ben, err := w.CreateUser(ctx, admin, application.NewAccount{
		Email: "ben@example.com", FirstName: "Ben", LastName: "Salah", Phone: number, Role: "ORGANIZER",
	})
	require.NoError(t, err)
	people["ben"] = ben.ID
	require.Equal(t, []string{"yield_phone success admin ana", "create success admin ben role=ORGANIZER", "issue_token success admin ben purpose=accept_invitation"}, w.acts(people))
	_, err = w.UpdateUser(ctx, admin, ben.ID, application.UserChange{FirstName: new("B."), Phone: new(""), Role: new("ADMIN")}, nil)
	require.NoError(t, err)
	require.Equal(t, []string{
		"change_role success admin ben from=ORGANIZER to=ADMIN", "change_profile success admin ben changed=firstName,phone",
	}, w.acts(people))

	for range 2 {
		_, err = w.Deactivate(ctx, admin, ben.ID, "asked to")
		require.NoError(t, err)
	}
	for range 2 {
		_, err = w.Reactivate(ctx, admin, ben.ID)
		require.NoError(t, err)
	}
	require.NoError(t, w.DeactivateOwn(ctx, actor))
	require.Equal(t, []string{
		"deactivate success admin ben reason=asked to", "reactivate success admin ben", "deactivate success ana ana",
	}, w.acts(people))

	boss, err := w.CreateAdmin(ctx, root)
	require.NoError(t, err)
	people["boss"] = boss.ID
	require.Equal(t, []string{"create success - boss role=ADMIN"}, w.acts(people))

	for _, e := range w.memory.Trail() {
		if e.SubjectID != nil && *e.SubjectID == boss.ID {
			require.Equal(t, domain.Origin{}, e.Origin, "an operator's command comes from nowhere")
			continue
		}
		require.Equal(t, userstest.Here, e.Origin)
	}
}

// What is recorded of a login in vain is as much for an account that is not there, and names it so that only the program knows it.
func TestFailedLoginsRecordTheSame(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.account("ana@example.com")
	for _, email := range []string{"ana@example.com", "nobody@example.com", " Ana@EXAMPLE.com ", "no address", "ana@example.com"} {
		_, _, err := w.LogIn(t.Context(), userstest.Here, application.Credentials{Email: email, Password: newPassword})
		require.ErrorIs(t, err, users.ErrInvalidCredentials)
	}
	trail := w.memory.Trail()
	require.Len(t, trail, 5)
	pseudonyms := map[string]int{}
	for _, e := range trail {
		require.Equal(t, application.Failure, e.Outcome)
		require.Len(t, e.Details, 2)
		require.Regexp(t, "^[0-9a-f]{32}$", e.Details["account"])
		pseudonyms[e.Details["account"]]++
	}
	require.Len(t, pseudonyms, 3)
	require.Equal(t, 3, pseudonyms[trail[0].Details["account"]], "every form of the address")
}

func TestEveryActOfALifeIsRecorded(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), t.Context()
	ana, holder := w.account("ana@example.com"), w.account("holder@example.com", withPhone(number, true))
	people, actor := map[string]users.ID{"ana": ana.ID, "holder": holder.ID}, actorOf(ana)

	token := w.requestReset()
	require.NoError(t, w.RequestReset(ctx, userstest.Here, application.Address{Email: "nobody@example.com"}))
	require.NoError(t, w.ResetPassword(ctx, userstest.Here, application.Reset{Token: token, New: password}))
	require.NoError(t, w.ResendVerification(ctx, userstest.Here, application.Address{Email: "ana@example.com"}))
	require.Equal(t, []string{
		"request_reset success - -", "issue_token success - ana purpose=reset_password", "request_reset success - -",
		"reset_password success - ana purpose=reset_password", "request_verification success - -",
	}, w.acts(people))
	w.mails()

	require.Error(t, w.RequestEmailChange(ctx, actor, application.EmailChange{New: "new@example.com", Password: newPassword}))
	require.NoError(t, w.ConfirmEmail(ctx, userstest.Here, w.changeEmail(actor, "new@example.com")))
	require.Equal(t, []string{
		"request_email_change failure ana ana reason=credentials", "request_email_change success ana ana", "change_email success - ana",
	}, w.acts(people))
	w.mails()

	code := w.requestCode(actor, number)
	require.Error(t, w.VerifyPhone(ctx, actor, another(code)))
	require.NoError(t, w.VerifyPhone(ctx, actor, code))
	for range 2 {
		_, err := w.BecomeOrganizer(ctx, actor)
		require.NoError(t, err)
	}
	require.Equal(t, []string{
		"request_phone_code success ana ana", "verify_phone failure ana ana", "verify_phone success ana ana", "yield_phone success ana holder",
		"become_organizer success ana ana",
	}, w.acts(people))
}
