package httpapi_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/modules/users"
)

func TestIfMatch(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.admin()
	u := w.account("ana@example.com")
	route := "PATCH /api/users/" + u.ID.String()
	for name, test := range map[string]struct {
		header string // v stands for the version
		status int
	}{
		"empty":             {"", http.StatusPreconditionFailed},
		"blank":             {"  ", http.StatusPreconditionFailed},
		"any":               {"*", http.StatusOK},
		"exact":             {`"v"`, http.StatusOK},
		"space around":      {` "v" `, http.StatusOK},
		"list":              {`"0", "v" ,"x"`, http.StatusOK},
		"stale":             {`"0"`, http.StatusPreconditionFailed},
		"list of stale":     {`"0","1v"`, http.StatusPreconditionFailed},
		"weak":              {`W/"v"`, http.StatusPreconditionFailed},
		"no quotes":         {`v`, http.StatusPreconditionFailed},
		"one quote":         {`"v`, http.StatusPreconditionFailed},
		"two quotes":        {`""v""`, http.StatusPreconditionFailed},
		"leading zero":      {`"0v"`, http.StatusPreconditionFailed},
		"sign":              {`"+v"`, http.StatusPreconditionFailed},
		"space within":      {`" v"`, http.StatusPreconditionFailed},
		"empty tag":         {`""`, http.StatusPreconditionFailed},
		"garbage":           {`garbage`, http.StatusPreconditionFailed},
		"comma":             {`,`, http.StatusPreconditionFailed},
		"beyond 64 bits":    {`"99999999999999999999"`, http.StatusPreconditionFailed},
		"any, but quoted":   {`"*"`, http.StatusPreconditionFailed},
		"somebody's string": {`"33a64df551425fcc55e4d42a148795d9f25f89d4"`, http.StatusPreconditionFailed},
	} {
		t.Run(name, func(t *testing.T) {
			before := w.stored(u.ID)
			version := strconv.FormatInt(before.Version, 10)
			name := "Ana " + version
			a := w.send(route, token, `{"firstName":"`+name+`"}`, "If-Match", strings.ReplaceAll(test.header, "v", version))
			if test.status != http.StatusOK {
				a.problem(test.status, "stale_version")
				require.Equal(t, before, w.stored(u.ID))
				return
			}
			a.is(http.StatusOK)
			require.Equal(t, name, w.stored(u.ID).FirstName)
			require.Equal(t, strconv.Quote(strconv.FormatInt(w.stored(u.ID).Version, 10)), a.Header().Get("ETag"))
		})
	}
	w.send(route, token, `{"firstName":"Unconditional"}`).is(http.StatusOK)
	w.send("PATCH /api/users/"+unknownID.String(), token, `{}`, "If-Match", `"1"`).problem(http.StatusNotFound, "not_found")
}

func TestPathsOfUsers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.admin()
	id := w.account("ana@example.com").ID.String()
	routes := []string{
		"GET /api/users/{id}", "PATCH /api/users/{id}", "POST /api/users/{id}/deactivate", "POST /api/users/{id}/reactivate",
	}
	w.requireUnchanged(func() {
		for name, malformed := range map[string]string{
			"unknown": unknownID.String(), "nil": "00000000-0000-0000-0000-000000000000", "word": "amira", "number": "1",
			"braces": "%7B" + id + "%7D", "URN": "urn:uuid:" + id, "without hyphens": strings.ReplaceAll(id, "-", ""),
			"one less": id[:35], "one more": id + "0", "no hexadecimal": "g" + id[1:], "space": "%20" + id[1:], "NUL": "%00",
			"hyphens moved": strings.Replace(id, "-", "", 1) + "-", "not UTF-8": "%ff", "quote": "'%20or%201=1--", "long": strings.Repeat("a", 8000),
			"36 others": strings.Repeat("x", 36),
		} {
			for _, route := range routes {
				body := ""
				if strings.HasPrefix(route, "PATCH") {
					body = `{"firstName":"Zoe"}`
				}
				require.Equal(t, http.StatusNotFound, w.send(strings.Replace(route, "{id}", malformed, 1), token, body).Code, "%s: %s", route, name)
				if body != "" && name != "unknown" && name != "nil" {
					require.Equal(t, http.StatusNotFound, w.send(strings.Replace(route, "{id}", malformed, 1), token, `{"x":`).Code, "whatever the body")
				}
			}
		}
	})
	for _, route := range routes {
		body := ""
		if strings.HasPrefix(route, "PATCH") {
			body = `{"firstName":"Zoe"}`
		}
		w.send(strings.Replace(route, "{id}", strings.ToUpper(id), 1), token, body).is(http.StatusOK)
	}
}

func TestTakenAddressesAndNumbers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.admin()
	holder := w.account("holder@example.com", withNumber(true))
	u, own := w.participant("ana@example.com")
	w.requireUnchanged(func() {
		w.send("POST /api/users", token, with(account, map[string]any{"email": " ANA@Example.com", "phone": nil})).
			problem(http.StatusConflict, "email_taken")
		w.send("POST /api/users", token, with(account)).problem(http.StatusConflict, "phone_taken")
		w.send("PATCH /api/users/"+u.ID.String(), token, `{"phone":"20123456"}`).problem(http.StatusConflict, "phone_taken")
		w.send("PUT /api/users/me", own, with(names, map[string]any{"phone": "0021620123456"})).problem(http.StatusConflict, "phone_taken")
	})

	w.send("PATCH /api/users/"+holder.ID.String(), token, `{"phone":"98 123 456"}`).is(http.StatusOK)
	w.send("PATCH /api/users/"+u.ID.String(), token, `{"phone":"98 123 456"}`).is(http.StatusOK)
	require.Equal(t, "+21698123456", *w.stored(u.ID).Phone)
	require.Nil(t, w.stored(holder.ID).Phone, "an unverified number yields")
}

func TestTheLastAdministratorStays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	admin, token := w.participant("admin@example.com", inRole(users.Admin))
	w.account("former@example.com", inRole(users.Admin), deactivated)
	path := "/api/users/" + admin.ID.String()
	w.requireUnchanged(func() {
		w.send("POST "+path+"/deactivate", token, "").problem(http.StatusConflict, "last_admin")
		w.send("PATCH "+path, token, `{"role":"ORGANIZER"}`).problem(http.StatusConflict, "last_admin")
		w.send("DELETE /api/users/me", token, "").problem(http.StatusConflict, "last_admin")
	})
	w.account("second@example.com", inRole(users.Admin))
	w.send("PATCH "+path, token, `{"role":"ORGANIZER"}`).is(http.StatusOK)
	w.send("GET /api/users", token, "").problem(http.StatusForbidden, "forbidden")
}
