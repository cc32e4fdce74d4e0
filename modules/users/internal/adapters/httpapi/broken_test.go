package httpapi_test

import (
	"context"
	"database/sql/driver"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/application"
	"github.com/tickr/tickr/modules/users/internal/userstest"
)

// crowd is a world in which every route can succeed: two administrators, of whom Ana asks, somebody who has registered, and
// somebody who holds the number that others want without having proven it. Ana has asked for everything that can be asked for.
type crowd struct {
	*world
	ana users.User
	own application.Tokens

	verify, reset, confirm, code string // what was mailed, and texted
}

func newCrowd(t *testing.T, changes ...func(*application.Deps)) crowd {
	t.Helper()
	w := newWorld(t, changes...)
	w.account("admin@example.com", inRole(users.Admin))
	w.account("holder@example.com", withNumber(false))
	ana := w.account("ana@example.com", inRole(users.Admin))
	w.send("POST /api/auth/register", "", with(registration, map[string]any{"email": "new@example.com"})).is(http.StatusAccepted)
	c := crowd{world: w, ana: ana, own: w.login(ana.Email), verify: w.mailedToken()}
	w.send("POST /api/auth/request-reset", "", with(map[string]any{"email": ana.Email})).is(http.StatusAccepted)
	c.reset = w.mailedToken()
	w.send("POST /api/users/me/email", c.own.Access, with(map[string]any{"newEmail": "ana@example.org", "password": password})).is(http.StatusAccepted)
	c.confirm = w.mailedToken()
	w.send("POST /api/users/me/phone/verification", c.own.Access, with(map[string]any{"phone": number})).is(http.StatusAccepted)
	c.code = w.textedCode()
	return c
}

// requests returns the body of a request to every route that succeeds; {id} stands for Ana, or her session.
func (c crowd) requests() map[string]string {
	refresh := with(map[string]any{"refreshToken": c.own.Refresh})
	return map[string]string{
		"POST /api/auth/register":               with(registration),
		"POST /api/auth/verify-email":           with(map[string]any{"token": c.verify}),
		"POST /api/auth/login":                  with(map[string]any{"email": c.ana.Email, "password": password}),
		"POST /api/auth/refresh":                refresh,
		"POST /api/auth/refresh-token":          refresh,
		"POST /api/auth/logout":                 refresh,
		"POST /api/auth/resend-verification":    with(map[string]any{"email": "new@example.com"}),
		"POST /api/auth/request-reset":          with(map[string]any{"email": c.ana.Email}),
		"POST /api/auth/reset-password":         with(map[string]any{"token": c.reset, "newPassword": newPassword}),
		"POST /api/auth/confirm-email":          with(map[string]any{"token": c.confirm}),
		"POST /api/users/me/email":              with(map[string]any{"newEmail": "new@example.com", "password": password}),
		"POST /api/users/me/phone/verification": with(map[string]any{"phone": number}),
		"POST /api/users/me/phone/verify":       with(map[string]any{"code": c.code}),
		"POST /api/users/me/organizer":          "",
		"GET /api/users/me":                     "",
		"PUT /api/users/me":                     with(names, map[string]any{"phone": number}),
		"DELETE /api/users/me":                  "",
		"PATCH /api/users/me/password":          with(map[string]any{"currentPassword": password, "newPassword": newPassword}),
		"GET /api/users":                        "",
		"POST /api/users":                       with(account),
		"POST /api/users/batch":                 with(map[string]any{"ids": []any{c.ana.ID}}),
		"GET /api/users/stats":                  "",
		"GET /api/users/{id}":                   "",
		"PATCH /api/users/{id}":                 `{"firstName":"Zoe","role":"PARTICIPANT","phone":"` + number + `"}`,
		"POST /api/users/{id}/deactivate":       "",
		"POST /api/users/{id}/reactivate":       "",
		"GET /api/users/me/sessions":            "",
		"DELETE /api/users/me/sessions":         "",
		"DELETE /api/users/me/sessions/{id}":    "",
		"DELETE /api/users/{id}/sessions":       "",
		"GET /api/users/{id}/audit":             "",
	}
}

// ask makes the request of a route in Ana's name.
func (c crowd) ask(route string) answer {
	c.t.Helper()
	id := c.ana.ID
	if strings.HasSuffix(route, "/sessions/{id}") {
		claims, err := c.service.AccessTokens.Verify(c.own.Access)
		require.NoError(c.t, err)
		id = claims.Session
	}
	return c.send(strings.Replace(route, "{id}", id.String(), 1), c.own.Access, c.requests()[route])
}

// Whichever statement fails, the answer is a 500 that says nothing, and nothing is stored.
func TestBrokenStorage(t *testing.T) {
	t.Parallel()
	uncached := func(d *application.Deps) { d.Cache = userstest.NoCache{} }
	for route := range newCrowd(t).requests() {
		t.Run(route, func(t *testing.T) {
			t.Parallel()
			c := newCrowd(t, uncached)
			statement, answered := 0, false
			for !answered {
				statement++
				before := c.memory.Snapshot()
				c.memory.BreakIn(statement)
				a := c.ask(route)
				c.memory.BreakIn(0)
				if answered = a.Code < http.StatusBadRequest; !answered {
					require.NotContains(t, a.Body.String(), userstest.ErrBroken.Error())
					a.problem(http.StatusInternalServerError, "internal_error")
					require.Equal(t, before, c.memory.Snapshot(), "statement %d", statement)
				}
			}
			require.Greater(t, statement, 1, "a route that asks no storage")
		})
	}
}

// unavailable is a database that nobody can connect to at this moment.
type unavailable struct{}

func (unavailable) InTx(context.Context, func(context.Context) error) error {
	return fmt.Errorf("begin: %w", driver.ErrBadConn)
}

func TestUnavailableDatabase(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(d *application.Deps) { d.Tx = unavailable{} })
	a := w.send("POST /api/auth/register", "", with(registration))
	a.problem(http.StatusServiceUnavailable, "unavailable")
	require.Equal(t, "2", a.Header().Get("Retry-After"))
}

func TestOverload(t *testing.T) {
	t.Parallel()
	c := newCrowd(t)
	c.hasher.Err = fmt.Errorf("wait for a processor: %w", users.ErrOverloaded)
	for _, route := range []string{
		"POST /api/auth/register", "POST /api/auth/login", "PATCH /api/users/me/password", "POST /api/auth/reset-password", "POST /api/users/me/email",
	} {
		c.requireUnchanged(func() {
			a := c.ask(route)
			a.problem(http.StatusServiceUnavailable, "overloaded")
			require.Equal(t, "2", a.Header().Get("Retry-After"))
		})
	}
}

// Those for whom there is no place are sent away before anything is done for them: their body is not looked at.
func TestFull(t *testing.T) {
	t.Parallel()
	c := newCrowd(t)
	c.hasher.Full = fmt.Errorf("wait for a place: %w", users.ErrOverloaded)
	for _, route := range []string{"POST /api/auth/register", "POST /api/auth/login"} {
		for _, body := range []string{"{}", "no JSON"} {
			a := c.send(route, "", body)
			a.problem(http.StatusServiceUnavailable, "overloaded")
			require.Equal(t, "2", a.Header().Get("Retry-After"))
		}
	}
	require.Zero(t, c.hasher.Inside())
	c.hasher.Full = nil
	require.Equal(t, http.StatusUnprocessableEntity, c.send("POST /api/auth/login", "", "{}").Code)
	require.Equal(t, http.StatusBadRequest, c.send("POST /api/auth/register", "", "no JSON").Code)
	require.Zero(t, c.hasher.Inside(), "everybody has left")
}
