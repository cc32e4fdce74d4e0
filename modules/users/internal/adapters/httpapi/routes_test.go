package httpapi_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/application"
	"github.com/tickr/tickr/modules/users/internal/domain"
)

// profileJSON is what the contract makes of a user, written down a second time.
func profileJSON(u users.User) string {
	quoted := func(text *string) string {
		if text == nil {
			return "null"
		}
		return `"` + *text + `"`
	}
	var login *string
	if u.LastLoginAt != nil {
		text := u.LastLoginAt.Format("2006-01-02T15:04:05.999999Z")
		login = &text
	}
	return fmt.Sprintf(
		`{"id":"%s","email":"%s","phone":%s,"firstName":"%s","lastName":"%s","role":"%s","isOrganizer":%t,"emailVerified":%t,
		"phoneVerified":%t,"isActive":%t,"lastLoginAt":%s,"createdAt":"%s","updatedAt":"%s"}`,
		u.ID, u.Email, quoted(u.Phone), u.FirstName, u.LastName, u.Role, u.IsOrganizer, u.EmailVerified,
		u.PhoneVerified, u.IsActive, quoted(login),
		u.CreatedAt.Format("2006-01-02T15:04:05.999999Z"), u.UpdatedAt.Format("2006-01-02T15:04:05.999999Z"),
	)
}

// requireProfile checks that an answer is the user as stored, and nothing else.
func (w *world) requireProfile(a answer, id users.ID) {
	w.t.Helper()
	require.JSONEq(w.t, profileJSON(domain.Restore(w.stored(id)).View()), a.Body.String())
}

func (a answer) requireMessage() {
	a.t.Helper()
	var members map[string]string
	a.into(&members)
	require.Len(a.t, members, 1)
	require.NotEmpty(a.t, members["message"])
}

func TestFromRegistrationToLogout(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.send("POST /api/auth/register", "", with(registration)).is(http.StatusAccepted).requireMessage()
	credentials := with(map[string]any{"email": registration["email"], "password": registration["password"]})
	w.send("POST /api/auth/login", "", credentials).problem(http.StatusForbidden, "email_not_verified")
	token := with(map[string]any{"token": w.mailedToken()})
	w.send("POST /api/auth/verify-email", "", token).is(http.StatusOK).requireMessage()
	w.send("POST /api/auth/verify-email", "", token).problem(http.StatusUnprocessableEntity, "token_invalid")

	answered := w.send("POST /api/auth/login", "", credentials).is(http.StatusOK)
	var login struct {
		AccessToken, RefreshToken string
		User                      struct{ ID users.ID }
	}
	answered.into(&login)
	require.JSONEq(t, with(map[string]any{
		"accessToken": login.AccessToken, "refreshToken": login.RefreshToken, "expiresIn": 900, "tokenType": "Bearer",
		"user": map[string]any{"id": login.User.ID, "email": "amira@example.com", "firstName": "Amira", "lastName": "Ben Salah", "role": "PARTICIPANT"},
	}), answered.Body.String())
	require.NotEmpty(t, login.AccessToken)

	own := w.send("GET /api/users/me", login.AccessToken, "").is(http.StatusOK)
	w.requireProfile(own, login.User.ID)
	require.Contains(t, own.Body.String(), `"phone":"+21620123456"`)
	require.Contains(t, own.Body.String(), `"lastLoginAt":"2026-11-01T09:00:00Z"`)

	for _, path := range []string{"/api/auth/refresh", "/api/auth/refresh-token"} {
		w.clock.Advance(time.Minute)
		refreshed := w.send("POST "+path, "", with(map[string]any{"refreshToken": login.RefreshToken})).is(http.StatusOK)
		refreshed.into(&login)
		require.JSONEq(t, with(map[string]any{
			"accessToken": login.AccessToken, "refreshToken": login.RefreshToken, "expiresIn": 900, "tokenType": "Bearer",
		}), refreshed.Body.String())
	}
	loggedOut := w.send("POST /api/auth/logout", "", with(map[string]any{"refreshToken": login.RefreshToken})).is(http.StatusNoContent)
	require.Empty(t, loggedOut.Body.String())
	w.send("GET /api/users/me", login.AccessToken, "").problem(http.StatusUnauthorized, "session_ended")
	w.send("POST /api/auth/refresh", "", with(map[string]any{"refreshToken": login.RefreshToken})).problem(http.StatusUnauthorized, "session_ended")
	w.send("POST /api/auth/logout", "", `{"refreshToken":"never issued"}`).is(http.StatusNoContent)
}

func TestRegisteringATakenAddressAnswersTheSame(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	fresh := w.send("POST /api/auth/register", "", with(registration)).is(http.StatusAccepted)
	w.send("POST /api/auth/verify-email", "", with(map[string]any{"token": w.mailedToken()})).is(http.StatusOK)
	taken := w.send("POST /api/auth/register", "", with(registration)).is(http.StatusAccepted)
	require.Equal(t, fresh.Body.String(), taken.Body.String())
	fresh.Header().Del("X-Request-Id")
	taken.Header().Del("X-Request-Id")
	require.Equal(t, fresh.Header(), taken.Header())
}

func TestOwnAccount(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	u, token := w.participant("ana@example.com")
	other := w.login("ana@example.com")

	w.clock.Advance(time.Minute)
	w.requireProfile(w.send("PUT /api/users/me", token, `{"firstName":" Zoë ","lastName":"Ben Salah","phone":"20 123 456"}`).is(http.StatusOK), u.ID)
	stored := w.stored(u.ID)
	require.Equal(t, "Zoë", stored.FirstName)
	require.Equal(t, number, *stored.Phone)

	change := with(map[string]any{"currentPassword": password, "newPassword": newPassword})
	w.send("PATCH /api/users/me/password", token, change).is(http.StatusOK).requireMessage()
	w.send("PATCH /api/users/me/password", token, change).names("currentPassword incorrect")
	w.send("GET /api/users/me", other.Access, "").problem(http.StatusUnauthorized, "session_ended")

	w.send("DELETE /api/users/me", token, "").is(http.StatusOK).requireMessage()
	require.False(t, w.stored(u.ID).IsActive)
	w.send("GET /api/users/me", token, "").problem(http.StatusUnauthorized, "session_ended")
	w.send("POST /api/auth/login", "", with(map[string]any{"email": u.Email, "password": newPassword})).
		problem(http.StatusForbidden, "account_deactivated")
	w.send("POST /api/auth/login", "", with(map[string]any{"email": u.Email, "password": password})).
		problem(http.StatusUnauthorized, "invalid_credentials")
}

func TestPhoneOfTheOwnProfile(t *testing.T) {
	t.Parallel()
	for name, phone := range map[string]any{"null": nil, "empty": "", "blank": " ", "absent": absent{}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			u, token := w.participant("ana@example.com", withNumber(true))
			w.send("PUT /api/users/me", token, with(names, map[string]any{"phone": phone})).is(http.StatusOK)
			require.Nil(t, w.stored(u.ID).Phone)
			require.False(t, w.stored(u.ID).PhoneVerified)
		})
	}
}

func TestAdministration(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.admin()

	created := w.send("POST /api/users", token, with(account)).is(http.StatusCreated)
	var u struct{ ID users.ID }
	created.into(&u)
	path := "/api/users/" + u.ID.String()
	require.Equal(t, path, created.Header().Get("Location"))
	require.Regexp(t, `^"\d+"$`, created.Header().Get("ETag"))
	w.requireProfile(created, u.ID)
	require.Equal(t, users.Organizer, w.stored(u.ID).Role)
	require.Nil(t, w.stored(u.ID).PasswordHash)

	got := w.send("GET "+path, token, "").is(http.StatusOK)
	require.Equal(t, created.Header().Get("ETag"), got.Header().Get("ETag"))
	w.requireProfile(got, u.ID)

	w.clock.Advance(time.Minute)
	changed := w.send("PATCH "+path, token, `{"lastName":"Trabelsi","role":"ADMIN"}`, "If-Match", got.Header().Get("ETag")).is(http.StatusOK)
	require.NotEqual(t, got.Header().Get("ETag"), changed.Header().Get("ETag"))
	w.requireProfile(changed, u.ID)

	w.requireProfile(w.send("POST "+path+"/deactivate", token, `{"reason":"asked to"}`).is(http.StatusOK), u.ID)
	require.Equal(t, "asked to", *w.stored(u.ID).DeactivationReason)
	w.requireProfile(w.send("POST "+path+"/reactivate", token, "").is(http.StatusOK), u.ID)
	require.True(t, w.stored(u.ID).IsActive)

	w.send("GET /api/users/stats", token, "").is(http.StatusOK)
	w.send("POST "+path+"/deactivate", token, "").is(http.StatusOK)
	stats := w.send("GET /api/users/stats", token, "").is(http.StatusOK)
	require.JSONEq(t, `{"total":2,"active":1,"inactive":1,"byRole":{"PARTICIPANT":0,"ORGANIZER":0,"ADMIN":2},"signups24h":2}`, stats.Body.String())
}

func TestBatch(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.admin()
	first, second := w.account("a@example.com"), w.account("b@example.com")
	batch := w.send("POST /api/users/batch", token, with(map[string]any{
		"ids": []any{second.ID, strings.ToUpper(unknownID.String()), first.ID, second.ID, unknownID},
	})).is(http.StatusOK)
	require.JSONEq(t, `{"data":[`+profileJSON(second)+`,`+profileJSON(first)+`],"missing":["`+unknownID.String()+`"]}`, batch.Body.String())
	require.JSONEq(t, `{"data":[],"missing":[]}`, w.send("POST /api/users/batch", token, `{"ids":[]}`).is(http.StatusOK).Body.String())
}

// Times are stored in microseconds and shown in full, whatever the zone of whoever made them.
func TestTimesAreUTC(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.clock.Advance(123456 * time.Microsecond)
	_, token := w.participant("ana@example.com")
	var p map[string]any
	w.send("GET /api/users/me", token, "").is(http.StatusOK).into(&p)
	for _, member := range []string{"createdAt", "updatedAt", "lastLoginAt"} {
		require.Equal(t, "2026-11-01T09:00:01.123456Z", p[member], member)
	}
}

func TestWithoutTextMessages(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(d *application.Deps) { d.SMS = false })
	_, token := w.participant("ana@example.com", withNumber(false))
	w.requireUnchanged(func() {
		for route, body := range map[string]string{"verification": "", "verify": `{"code":"012345"}`} {
			a := w.send("POST /api/users/me/phone/"+route, token, body)
			a.problem(http.StatusServiceUnavailable, "sms_unavailable")
			require.NotEmpty(t, a.Header().Get("Retry-After"))
		}
	})
}

// What is asked for by an address is answered alike, byte for byte, whatever there is at the address.
func TestAskingByAddressAnswersTheSame(t *testing.T) {
	t.Parallel()
	for _, route := range []string{"POST /api/auth/request-reset", "POST /api/auth/resend-verification"} {
		w := newWorld(t)
		w.account("verified@example.com")
		w.account("deactivated@example.com", deactivated)
		w.account("unverified@example.com", unverified)
		var first answer
		for _, who := range []string{"unknown", "verified", "deactivated", "unverified"} {
			a := w.send(route, "", with(map[string]any{"email": who + "@example.com"})).is(http.StatusAccepted)
			a.requireMessage()
			a.Header().Del("X-Request-Id")
			if first.ResponseRecorder == nil {
				first = a
			}
			require.Equal(t, first.Body.String(), a.Body.String(), who)
			require.Equal(t, first.Header(), a.Header(), who)
		}
	}
}
