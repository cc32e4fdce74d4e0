package security

import (
	"crypto"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/test/program"
)

// Who may use a route.
const (
	anybody = "anybody"
	user    = "user"
	admin   = "admin"
)

// declared says who may use each route, once more than the program does. A route that is missing here fails.
var declared = map[string]string{
	"POST /api/auth/register":            anybody,
	"POST /api/auth/verify-email":        anybody,
	"POST /api/auth/resend-verification": anybody,
	"POST /api/auth/request-reset":       anybody,
	"POST /api/auth/reset-password":      anybody,
	"POST /api/auth/confirm-email":       anybody,
	"POST /api/auth/login":               anybody,
	"POST /api/auth/refresh":             anybody,
	"POST /api/auth/refresh-token":       anybody,
	"POST /api/auth/logout":              anybody,

	"GET /api/users/me":                     user,
	"PUT /api/users/me":                     user,
	"DELETE /api/users/me":                  user,
	"PATCH /api/users/me/password":          user,
	"POST /api/users/me/email":              user,
	"POST /api/users/me/phone/verification": user,
	"POST /api/users/me/phone/verify":       user,
	"POST /api/users/me/organizer":          user,
	"GET /api/users/me/sessions":            user,
	"DELETE /api/users/me/sessions/{id}":    user,
	"DELETE /api/users/me/sessions":         user,

	"GET /api/users":                  admin,
	"POST /api/users":                 admin,
	"POST /api/users/batch":           admin,
	"GET /api/users/stats":            admin,
	"GET /api/users/{id}":             admin,
	"PATCH /api/users/{id}":           admin,
	"POST /api/users/{id}/deactivate": admin,
	"POST /api/users/{id}/reactivate": admin,
	"DELETE /api/users/{id}/sessions": admin,
	"GET /api/users/{id}/audit":       admin,
}

// operation is what the OpenAPI document says of a route.
type operation struct {
	Security    []map[string][]string
	Description string
	RequestBody *struct{}
	Parameters  []struct{ Name, In string }
}

// operations returns the routes of the OpenAPI document.
func (r *rig) operations() map[string]operation {
	r.t.Helper()
	document := into[struct {
		Paths map[string]map[string]operation
	}](r.t, r.send(0, "GET /openapi.json", "", ""))
	found := map[string]operation{}
	for path, methods := range document.Paths {
		for method, o := range methods {
			found[strings.ToUpper(method)+" "+path] = o
		}
	}
	require.NotEmpty(r.t, found)
	return found
}

// caller is somebody who tries every route, and what becomes of that.
type caller struct {
	name, token string
	roles       []string // that let in
	refused     string   // the outcome where they do not
}

// callers returns every kind of caller, administrators last: they may end what the others must not touch.
func (r *rig) callers() []caller {
	r.t.Helper()
	known, all := []string{anybody, user}, []string{anybody, user, admin}
	enter := func(role string) (account, string) {
		a := r.newAccount(role)
		return a, r.logIn(0, a.email).AccessToken
	}
	is := func(outcome string, a answer) {
		r.t.Helper()
		require.Equal(r.t, outcome, a.Outcome, "%s", a.Body)
	}
	claims := func(token string) *forger { return newForger(r.t, token) }
	signed := func(f *forger, changes object) string {
		return forge(hmacOf(crypto.SHA256, secret), goodHeader, f.payload(changes))
	}

	participant, participantToken := enter("PARTICIPANT")
	_, organizerToken := enter("ORGANIZER")
	_, adminToken := enter("ADMIN")
	demoted, demotedToken := enter("ADMIN")
	is("200", r.send(0, "PATCH /api/users/"+demoted.id, r.root, `{"role":"PARTICIPANT"}`))
	promoted, promotedToken := enter("PARTICIPANT")
	is("200", r.send(0, "PATCH /api/users/"+promoted.id, r.root, `{"role":"ADMIN"}`))
	gone, goneToken := enter("ADMIN")
	is("200", r.send(0, "POST /api/users/"+gone.id+"/deactivate", r.root, ""))
	left, leftToken := enter("ADMIN")
	out := r.logIn(0, left.email)
	is("204", r.send(0, "POST /api/auth/logout", "", encoded(object{"refreshToken": out.RefreshToken})))

	unverified := r.newEmail()
	r.registers(unverified)
	is("403 email_not_verified", r.insist(0, "POST /api/auth/login", "", encoded(object{"email": unverified, "password": program.AdminPassword})))
	var unverifiedID string
	require.NoError(r.t, r.db.Pool().QueryRow(r.t.Context(), "SELECT id FROM users.users WHERE email = $1", unverified).Scan(&unverifiedID))
	return []caller{
		{"anonymous", "", []string{anybody}, "401 unauthenticated"},
		{"with nonsense", "nonsense", []string{anybody}, "401 unauthenticated"},
		{"expired", signed(claims(adminToken), object{"exp": time.Now().Unix() - 1}), []string{anybody}, "401 token_expired"},
		{"unverified", signed(claims(participantToken), object{"sub": unverifiedID, "sid": uuid.NewString()}), []string{anybody}, "401 session_ended"},
		{"in another's session", signed(claims(adminToken), object{"sub": participant.id}), []string{anybody}, "401 unauthenticated"},
		{"of an ended session", out.AccessToken, []string{anybody}, "401 session_ended"},
		{"deactivated", goneToken, []string{anybody}, "401 session_ended"},
		{"participant", participantToken, known, "403 forbidden"},
		{"organizer", organizerToken, known, "403 forbidden"},
		{"demoted administrator", demotedToken, known, "403 forbidden"},
		{"promoted participant", promotedToken, all, ""},
		{"administrator with another session ended", leftToken, all, ""},
		{"administrator", adminToken, all, ""},
	}
}

// Row 11: every kind of caller on every route of the OpenAPI document gets exactly what is declared.
func (s *Defence) TestEveryCallerOnEveryRoute() {
	t, r := s.T(), s.rig
	operations := r.operations()
	for route, o := range operations {
		require.Contains(t, declared, route, "declare who may use it")
		require.Equal(t, declared[route] == anybody, len(o.Security) == 0, "%s: the document says otherwise", route)
		require.Equal(t, declared[route] == admin, o.Description == "Allowed to: ADMIN.", route)
	}
	routes := make([]string, 0, len(declared))
	for route := range declared {
		require.Contains(t, operations, route)
		routes = append(routes, route)
	}

	const last = "DELETE /api/users/me" // it ends the account of its caller
	slices.Sort(routes)
	routes = append(slices.DeleteFunc(routes, func(route string) bool { return route == last }), last)

	asked := 0
	for _, c := range r.callers() {
		// What somebody else has: an account, and a session in which nothing must change unless an administrator does it.
		victim := r.newAccount("PARTICIPANT")
		theirs := r.logIn(0, victim.email).AccessToken
		sid := newForger(t, theirs).claims["sid"].(string)
		for _, route := range routes {
			target, body := strings.Replace(route, "/sessions/{id}", "/sessions/"+sid, 1), ""
			target = strings.Replace(target, "{id}", victim.id, 1)
			if operations[route].RequestBody != nil {
				body = "{not even JSON"
			}
			a := r.send(0, target, c.token, body)
			asked++
			switch {
			case !slices.Contains(c.roles, declared[route]):
				require.Equal(t, c.refused, a.Outcome, "%s: %s", c.name, route)
				require.Equal(t, a.Status == http.StatusUnauthorized, a.Header.Get("WWW-Authenticate") != "", "%s: %s", c.name, route)
			case body != "":
				require.Equal(t, "400 malformed_request", a.Outcome, "%s: %s", c.name, route)
			case strings.Contains(route, "/sessions/{id}"):
				require.Equal(t, "404 not_found", a.Outcome, "%s: %s", c.name, route)
			default:
				require.Less(t, a.Status, http.StatusBadRequest, "%s: %s: %s", c.name, route, a.Body)
			}
		}
		after := r.send(0, "GET /api/users/me", theirs, "")
		require.Equal(t, slices.Contains(c.roles, admin), after.Outcome == "401 session_ended", "%s: %s", c.name, after.Outcome)
	}
	t.Logf("%d callers on %d routes", asked/len(routes), len(routes))
}
