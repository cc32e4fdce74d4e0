package httpapi_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Bodies that every route accepts.
var (
	names        = map[string]any{"firstName": "Amira", "lastName": "Ben Salah"}
	registration = map[string]any{
		"email": "amira@example.com", "password": password, "firstName": "Amira", "lastName": "Ben Salah", "phone": number,
	}
	account = map[string]any{
		"email": "amira@example.com", "firstName": "Amira", "lastName": "Ben Salah", "phone": number, "role": "ORGANIZER",
	}
)

// routesWithBody are the routes that read a body, with one that is right by the schema and changes nothing.
func routesWithBody() map[string]map[string]any {
	id := unknownID.String()
	return map[string]map[string]any{
		"POST /api/auth/register":               {"email": "a@example.com", "password": "short", "firstName": "A", "lastName": "B"},
		"POST /api/auth/verify-email":           {"token": "unknown"},
		"POST /api/auth/login":                  {"email": "nobody@example.com", "password": "unknown"},
		"POST /api/auth/refresh":                {"refreshToken": "unknown"},
		"POST /api/auth/refresh-token":          {"refreshToken": "unknown"},
		"POST /api/auth/logout":                 {"refreshToken": "unknown"},
		"POST /api/auth/resend-verification":    {"email": "nobody"},
		"POST /api/auth/request-reset":          {"email": "nobody"},
		"POST /api/auth/reset-password":         {"token": "unknown", "newPassword": newPassword},
		"POST /api/auth/confirm-email":          {"token": "unknown"},
		"POST /api/users/me/email":              {"newEmail": "new@example.com", "password": "wrong"},
		"POST /api/users/me/phone/verification": {"phone": "12"},
		"POST /api/users/me/phone/verify":       {"code": "unknown"},
		"PUT /api/users/me":                     {"firstName": "", "lastName": "B"},
		"PATCH /api/users/me/password":          {"currentPassword": "wrong", "newPassword": newPassword},
		"POST /api/users":                       {"email": "nobody", "firstName": "A", "lastName": "B"},
		"POST /api/users/batch":                 {"ids": []any{id}},
		"PATCH /api/users/" + id:                {"firstName": "A"},
		"POST /api/users/" + id + "/deactivate": {"reason": "none"},
	}
}

// routesWithoutBody are the others.
var routesWithoutBody = []string{
	"GET /api/users/me", "DELETE /api/users/me", "GET /api/users", "GET /api/users/stats",
	"GET /api/users/" + unknownID.String(), "POST /api/users/" + unknownID.String() + "/reactivate", "POST /api/users/me/organizer",
	"GET /api/users/me/sessions", "DELETE /api/users/me/sessions", "DELETE /api/users/me/sessions/" + unknownID.String(),
	"DELETE /api/users/" + unknownID.String() + "/sessions", "GET /api/users/" + unknownID.String() + "/audit",
}

func TestUnreadableBodiesOnEveryRoute(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.admin()
	large := `"` + strings.Repeat("x", 1<<20) + `"`
	w.requireUnchanged(func() {
		for route, valid := range routesWithBody() {
			body := with(valid)
			require.Less(t, w.send(route, token, body).Code, http.StatusInternalServerError, route)
			inside := strings.TrimSuffix(body, "}")
			for name, unreadable := range map[string]string{
				"open":          inside,
				"comma":         inside + ",}",
				"trailing":      body + "x",
				"two documents": body + body,
				"duplicate":     inside + "," + body[1:],
				"escaped NUL":   inside + `,"x":"\u0000"}`,
				"raw NUL":       inside + ",\"x\":\"\x00\"}",
				"NUL in a name": inside + `,"\u0000":1}`,
				"invalid UTF-8": inside + ",\"x\":\"\xff\"}",
				"surrogate":     inside + `,"x":"\ud800"}`,
				"deep":          strings.Repeat("[", 100_000),
				"blank":         " ",
			} {
				require.Equal(t, http.StatusBadRequest, w.send(route, token, unreadable).Code, "%s: %s", route, name)
			}
			w.send(route, token, body, "Content-Type", "text/plain").problem(http.StatusUnsupportedMediaType, "unsupported_media_type")
			w.send(route, token, body, "Content-Type", "").problem(http.StatusUnsupportedMediaType, "unsupported_media_type")
			w.send(route, token, body, "Content-Encoding", "gzip").problem(http.StatusUnsupportedMediaType, "unsupported_media_type")
			w.send(route, token, large).problem(http.StatusRequestEntityTooLarge, "payload_too_large")
			for _, other := range []string{"null", "[]", "7", `"text"`, "true"} {
				requireNames(t, w.send(route, token, other), " invalid_type")
			}
		}
	})
}

// What no route takes, no route takes: among it what would raise a role, activate an account or choose an ID.
func TestUnknownFieldsOnEveryRoute(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.admin()
	unknown := map[string]any{
		"id": unknownID, "isActive": true, "isOrganizer": true, "emailVerified": true, "phoneVerified": true, "version": 9,
		"passwordHash": "x", "createdAt": "2026-01-01T00:00:00Z", "lastLoginAt": nil, "__proto__": map[string]any{},
	}
	w.requireUnchanged(func() {
		for route, valid := range routesWithBody() {
			for name, value := range unknown {
				requireNames(t, w.send(route, token, with(valid, map[string]any{name: value})), name+" unknown_field")
			}
			if route != "POST /api/users" && !strings.HasPrefix(route, "PATCH /api/users/"+unknownID.String()) {
				requireNames(t, w.send(route, token, with(valid, map[string]any{"role": "ADMIN"})), "role unknown_field")
			}
			for name, value := range valid {
				wrongCase := strings.ToUpper(name)
				requireNames(t, w.send(route, token, with(valid, map[string]any{name: absent{}, wrongCase: value})), wrongCase+" unknown_field")
			}
		}
	})
}

// requireNames checks that a 422 names a field, among others.
func requireNames(t *testing.T, a answer, want string) {
	t.Helper()
	var got []string
	for _, e := range a.problem(http.StatusUnprocessableEntity, "validation_failed").Errors {
		got = append(got, e.Field+" "+e.Code)
	}
	require.Contains(t, got, want)
}

func TestRoutesWithoutBody(t *testing.T) {
	t.Parallel()
	for _, body := range []string{"", "{}", " { } "} {
		w := newWorld(t)
		token := w.admin()
		w.account("second@example.com", inRole("ADMIN")) // so that the first may leave
		id := w.account("ana@example.com").ID.String()
		for _, route := range []string{
			"GET /api/users", "GET /api/users/stats", "GET /api/users/" + id, "POST /api/users/" + id + "/deactivate",
			"POST /api/users/" + id + "/reactivate", "GET /api/users/me", "POST /api/users/me/organizer", "DELETE /api/users/me",
		} {
			require.Equal(t, http.StatusOK, w.send(route, token, body).Code, "%s %q", route, body)
		}
		_, own := w.participant("holder@example.com", withNumber(false))
		require.Equal(t, http.StatusAccepted, w.send("POST /api/users/me/phone/verification", own, body).Code, body)
	}
	w := newWorld(t)
	token := w.admin()
	w.requireUnchanged(func() {
		for _, route := range routesWithoutBody {
			w.send(route, token, `{"role":"ADMIN"}`).names("role unknown_field")
			w.send(route, token, "[]").names(" invalid_type")
			w.send(route, token, "{").problem(http.StatusBadRequest, "malformed_request")
			w.send(route, token, `{"a":1,"a":2}`).problem(http.StatusBadRequest, "malformed_request")
		}
	})
}

// 1 MiB is a body that is read. What is in it is somebody's password.
func TestLargestBodies(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	fill := func(before, after string) string {
		return before + strings.Repeat("x", 1<<20-len(before)-len(after)) + after
	}
	w.send("POST /api/auth/login", "", fill(`{"email":"ana@example.com","password":"`, `"}`)).problem(http.StatusUnauthorized, "invalid_credentials")
	w.send("POST /api/auth/login", "", fill(`{"password":"x","email":"`, `"}`)).problem(http.StatusUnauthorized, "invalid_credentials")
	w.send("POST /api/auth/refresh", "", fill(`{"refreshToken":"`, `"}`)).problem(http.StatusUnauthorized, "unauthenticated")
	w.send("POST /api/auth/logout", "", fill(`{"refreshToken":"`, `"}`)).is(http.StatusNoContent)
	w.send("POST /api/auth/request-reset", "", fill(`{"email":"`, `"}`)).names("email too_long")
	w.send("POST /api/auth/reset-password", "", fill(`{"newPassword":"`+newPassword+`","token":"`, `"}`)).problem(http.StatusUnprocessableEntity, "token_invalid")
	w.send("POST /api/auth/verify-email", "", fill(`{"token":"`, `"}`)).problem(http.StatusUnprocessableEntity, "token_invalid")
	register := map[string]any{}
	for _, field := range []string{"email", "password", "firstName", "lastName", "phone"} {
		register[field] = strings.Repeat("x", 200_000)
	}
	w.send("POST /api/auth/register", "", with(register)).
		names("email too_long", "password too_long", "firstName too_long", "lastName too_long", "phone invalid")
}
