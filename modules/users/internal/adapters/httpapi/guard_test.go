package httpapi_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/adapters/httpapi"
	"github.com/tickr/tickr/modules/users/internal/application"
)

// guardedRoutes are the routes that need a token, and those of them that only administrators may use.
func guardedRoutes() (all, admins []string) {
	id := unknownID.String()
	admins = []string{
		"GET /api/users", "POST /api/users", "POST /api/users/batch", "GET /api/users/stats", "GET /api/users/" + id,
		"PATCH /api/users/" + id, "POST /api/users/" + id + "/deactivate", "POST /api/users/" + id + "/reactivate",
		"DELETE /api/users/" + id + "/sessions", "GET /api/users/" + id + "/audit",
	}
	return append([]string{
		"GET /api/users/me", "PUT /api/users/me", "DELETE /api/users/me", "PATCH /api/users/me/password", "POST /api/users/me/email",
		"POST /api/users/me/phone/verification", "POST /api/users/me/phone/verify", "POST /api/users/me/organizer",
		"GET /api/users/me/sessions", "DELETE /api/users/me/sessions", "DELETE /api/users/me/sessions/" + id,
	}, admins...), admins
}

func TestAuthorizationHeader(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, token := w.participant("ana@example.com")
	for _, header := range []string{"Bearer " + token, "bearer " + token, "BEARER " + token} {
		w.send("GET /api/users/me", "", "", "Authorization", header).is(http.StatusOK)
	}
	all, _ := guardedRoutes()
	w.requireUnchanged(func() {
		for _, route := range all {
			for _, header := range []string{
				"", "Bearer", "Bearer ", "Basic " + token, "Token " + token, token, "Bearer garbage", "Bearer " + token + ",",
				"Bearer\t" + token,
			} {
				w.send(route, "", "", "Authorization", header).problem(http.StatusUnauthorized, "unauthenticated")
			}
		}
	})
}

// Of two headers a proxy may have looked at one, and the program would look at the other.
func TestTwoAuthorizationHeaders(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, token := w.participant("ana@example.com")
	for _, second := range []string{"Bearer " + token, "Bearer garbage", "Basic eDp5", ""} {
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/api/users/me", nil)
		r.Header["Authorization"] = []string{"Bearer " + token, second}
		a := answer{httptest.NewRecorder(), t, r.URL.Path}
		w.Handler().ServeHTTP(a, r)
		a.problem(http.StatusUnauthorized, "unauthenticated")
	}
}

func TestTokensThatWork(t *testing.T) {
	t.Parallel()
	issue := func(w *world, claims application.AccessClaims) string {
		t.Helper()
		token, err := w.service.AccessTokens.Issue(claims)
		require.NoError(t, err)
		return token
	}
	for name, test := range map[string]struct {
		// token returns what is sent after the world has changed. The participant's own token still works before.
		token func(w *world, u users.User, own application.Tokens) string
		code  string
	}{
		"expired": {func(w *world, _ users.User, own application.Tokens) string {
			w.clock.Advance(15 * time.Minute)
			return own.Access
		}, "token_expired"},
		"logged out": {func(w *world, _ users.User, own application.Tokens) string {
			w.send("POST /api/auth/logout", "", with(map[string]any{"refreshToken": own.Refresh})).is(http.StatusNoContent)
			return own.Access
		}, "session_ended"},
		"refresh token reused": {func(w *world, _ users.User, own application.Tokens) string {
			used := with(map[string]any{"refreshToken": own.Refresh})
			w.send("POST /api/auth/refresh", "", used).is(http.StatusOK)
			w.clock.Advance(time.Minute)
			w.send("POST /api/auth/refresh", "", used).problem(http.StatusUnauthorized, "session_ended")
			return own.Access
		}, "session_ended"},
		"deactivated": {func(w *world, u users.User, own application.Tokens) string {
			w.send("POST /api/users/"+u.ID.String()+"/deactivate", w.admin(), "").is(http.StatusOK)
			return own.Access
		}, "session_ended"},
		"reactivated": {func(w *world, u users.User, own application.Tokens) string {
			admin := w.admin()
			w.send("POST /api/users/"+u.ID.String()+"/deactivate", admin, "").is(http.StatusOK)
			w.send("POST /api/users/"+u.ID.String()+"/reactivate", admin, "").is(http.StatusOK)
			return own.Access
		}, "session_ended"},
		"of no session": {func(w *world, u users.User, _ application.Tokens) string {
			return issue(w, application.AccessClaims{User: u.ID, Session: unknownID, ExpiresAt: w.clock.Now().Add(time.Minute)})
		}, "session_ended"},
		"of another's session": {func(w *world, _ users.User, own application.Tokens) string {
			claims, err := w.service.AccessTokens.Verify(own.Access)
			require.NoError(t, err)
			claims.User = w.account("other@example.com").ID
			return issue(w, claims)
		}, "unauthenticated"},
		"refresh token as access token": {func(_ *world, _ users.User, own application.Tokens) string { return own.Refresh }, "unauthenticated"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			u := w.account("ana@example.com")
			own := w.login(u.Email)
			w.send("GET /api/users/me", own.Access, "").is(http.StatusOK)
			w.send("GET /api/users/me", test.token(w, u, own), "").problem(http.StatusUnauthorized, test.code)
		})
	}
}

func TestChangedRoleCountsFromTheNextRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	admin := w.admin()
	u, token := w.participant("ana@example.com")
	w.send("GET /api/users/stats", token, "").problem(http.StatusForbidden, "forbidden")
	w.send("PATCH /api/users/"+u.ID.String(), admin, `{"role":"ADMIN"}`).is(http.StatusOK)
	w.send("GET /api/users/stats", token, "").is(http.StatusOK)
	w.send("PATCH /api/users/"+u.ID.String(), admin, `{"role":"PARTICIPANT"}`).is(http.StatusOK)
	w.send("GET /api/users/stats", token, "").problem(http.StatusForbidden, "forbidden")
}

// Who may not ask does not learn from the answer what would have been a good question.
func TestForbiddenComesBeforeTheBody(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, token := w.participant("ana@example.com")
	_, organizer := w.participant("org@example.com", inRole(users.Organizer))
	_, admins := guardedRoutes()
	w.requireUnchanged(func() {
		for _, route := range admins {
			w.send(route, token, "").problem(http.StatusForbidden, "forbidden")
			w.send(route, organizer, "").problem(http.StatusForbidden, "forbidden")
			w.send(route+"?unknown=1&limit=x", token, "").problem(http.StatusForbidden, "forbidden")
			if _, takesBody := routesWithBody()[route]; takesBody {
				w.send(route, token, `{"x":`).problem(http.StatusForbidden, "forbidden")
				w.send(route, token, `{"x":1}`).problem(http.StatusForbidden, "forbidden")
				w.send(route, "", `{"x":`).problem(http.StatusUnauthorized, "unauthenticated")
			}
		}
	})
}

func TestActorOfNeedsTheGuard(t *testing.T) {
	t.Parallel()
	require.Panics(t, func() { httpapi.ActorOf(context.Background()) })
}
