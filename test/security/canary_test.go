package security

import (
	"encoding/hex"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/platform/database/embedded"
	"github.com/tickr/tickr/test/otlp"
	"github.com/tickr/tickr/test/program"
)

// What is looked for, besides what the program hands out: the parts of personal data that every one of its spellings has.
var (
	personal = []string{"canary", "Canaria", "20555777", "20 555 777", "20555778"}
	chosen   = []string{"velvet-lantern-orchid", "marble-saffron-compass", "copper-juniper-anchor", "wrong-amber-thicket"}
)

// homes are the columns that personal data may be in.
var homes = []string{
	"users.users.email", "users.users.phone", "users.users.first_name", "users.users.last_name",
	"users.registrations.first_name", "users.registrations.last_name", "users.registrations.phone",
	"users.one_time_tokens.email", "users.one_time_tokens.target",
}

// tale is a story that touches every route, and what came of it.
type tale struct {
	*rig

	told     map[string]bool
	secrets  []string // that were chosen or handed out
	problems strings.Builder
}

// tell asks for something and notes it. {id} in a route is id.
func (s *tale) tell(route, id, token string, body object, outcome string) answer {
	s.t.Helper()
	s.told[route] = true
	text := ""
	if body != nil {
		text = encoded(body)
	}
	a := s.insist(0, strings.ReplaceAll(route, "{id}", id), token, text,
		"User-Agent", "canary", "Referer", "https://example.com/canary", "Baggage", "who=canary", "Tracestate", "canary=canary")
	require.Equal(s.t, outcome, a.Outcome, "%s: %s", route, a.Body)
	if a.Status >= http.StatusBadRequest {
		s.problems.Write(a.Body)
	}
	return a
}

// enter logs in, and notes what that hands out.
func (s *tale) enter(login, password string) session {
	s.t.Helper()
	pair := into[session](s.t, s.tell("POST /api/auth/login", "", "", object{"email": login, "password": password}, "200"))
	s.secrets = append(s.secrets, pair.AccessToken, pair.RefreshToken)
	return pair
}

// handed waits for what is sent by mail or text message.
func (s *tale) handed(key string, n int) string {
	s.t.Helper()
	secret := s.sent(key, n)
	s.secrets = append(s.secrets, secret)
	return secret
}

// TestNothingSpills: after a story on every route, with marked names, addresses, numbers, passwords, tokens and codes, those are found
// where they belong and nowhere else: not in logs, traces, metrics or problems, and of secrets nothing in the database.
func TestNothingSpills(t *testing.T) {
	t.Parallel()
	c := otlp.Start(t)
	s := &tale{rig: newRig(t, 1, append(c.Environ(), "LOG_LEVEL=debug")...), told: map[string]bool{}}
	s.secrets = append(slices.Clone(chosen), s.root, program.AdminPassword, secret)
	s.ownStory()
	s.administratorsStory()
	s.malformed()
	for route := range s.operations() {
		require.True(t, s.told[route], "the story leaves out %s", route)
	}

	s.searchDatabase()
	metrics := s.metrics()
	var hash string
	require.NoError(t, s.db.Pool().QueryRow(t.Context(), "SELECT password_hash FROM users.users WHERE email = $1", program.AdminEmail).Scan(&hash))
	require.Equal(t, 0, s.instances[0].Stop(syscall.SIGTERM))
	require.Empty(t, c.Refused())
	require.NotEmpty(t, c.Named("POST /api/auth/reset-password"))
	for place, text := range map[string]string{
		"the log":        s.instances[0].Logs.String(),
		"what it prints": s.instances[0].Out.String(),
		"the traces":     c.Uploaded(),
		"the metrics":    metrics,
		"a problem":      s.problems.String(),
	} {
		require.NotEmpty(t, text, place)
		require.Empty(t, found(text, append(personal, append(s.secrets, hash, otlp.Key)...)...), "in %s", place)
	}
}

// found returns which of the texts are in another, as they are, in an address, or in the octets of a column.
func found(in string, texts ...string) []string {
	return slices.DeleteFunc(slices.Clone(texts), func(text string) bool {
		return !strings.Contains(in, text) && !strings.Contains(in, url.QueryEscape(text)) && !strings.Contains(in, hex.EncodeToString([]byte(text)))
	})
}

// ownStory is the life of an account as its owner leads it.
func (s *tale) ownStory() {
	const first, second = "canary.first@example.com", "canary.second@example.com"
	s.tell("POST /api/auth/register", "", "", object{"email": first, "password": "canary", "firstName": "Canaria", "lastName": "Canaria"}, "422 validation_failed")
	s.tell("POST /api/auth/register", "", "", object{
		"email": first, "password": chosen[0], "firstName": "Canaria", "lastName": "O'Canaria; --", "phone": "20 555 777",
	}, "202")
	s.handed(first+"/verify-email", 1)
	s.tell("POST /api/auth/login", "", "", object{"email": first, "password": chosen[0]}, "403 email_not_verified")
	s.tell("POST /api/auth/resend-verification", "", "", object{"email": first}, "202")
	s.tell("POST /api/auth/verify-email", "", "", object{"token": s.secrets[len(s.secrets)-1] + "x"}, "422 token_invalid")
	s.tell("POST /api/auth/verify-email", "", "", object{"token": s.handed(first+"/verify-email", 2)}, "200")
	s.tell("POST /api/auth/login", "", "", object{"email": first, "password": chosen[3]}, "401 invalid_credentials")
	me := s.enter(first, chosen[0]).AccessToken
	s.tell("GET /api/users/me", "", me, nil, "200")
	s.tell("PUT /api/users/me", "", me, object{"firstName": "Canaria", "lastName": "Canaria", "phone": "+21620555777"}, "200")
	s.tell("POST /api/users/me/phone/verification", "", me, object{}, "202")
	code := s.handed("+21620555777", 1)
	s.tell("POST /api/users/me/phone/verify", "", me, object{"code": "000000"}, "422 token_invalid")
	s.tell("POST /api/users/me/phone/verify", "", me, object{"code": code}, "200")
	s.enter("20 555 777", chosen[0])
	s.tell("POST /api/users/me/email", "", me, object{"newEmail": second, "password": chosen[3]}, "422 validation_failed")
	s.tell("POST /api/users/me/email", "", me, object{"newEmail": second, "password": chosen[0]}, "202")
	s.tell("POST /api/auth/confirm-email", "", "", object{"token": s.handed(second+"/confirm-email", 1)}, "200")
	me = s.enter(second, chosen[0]).AccessToken
	s.tell("PATCH /api/users/me/password", "", me, object{"currentPassword": chosen[3], "newPassword": chosen[1]}, "422 validation_failed")
	s.tell("PATCH /api/users/me/password", "", me, object{"currentPassword": chosen[0], "newPassword": chosen[1]}, "200")
	s.tell("POST /api/auth/request-reset", "", "", object{"email": second}, "202")
	reset := s.handed(second+"/reset-password", 1)
	s.tell("POST /api/auth/reset-password", "", "", object{"token": reset, "newPassword": "canary.second"}, "422 validation_failed")
	s.tell("POST /api/auth/reset-password", "", "", object{"token": reset, "newPassword": chosen[2]}, "200")
	s.tell("GET /api/users/me", "", me, nil, "401 session_ended")
	for _, route := range []string{"POST /api/auth/refresh", "POST /api/auth/refresh-token"} {
		old := object{"refreshToken": s.enter(second, chosen[2]).RefreshToken}
		next := into[session](s.t, s.tell(route, "", "", old, "200"))
		again := into[session](s.t, s.tell(route, "", "", object{"refreshToken": next.RefreshToken}, "200"))
		s.secrets = append(s.secrets, next.AccessToken, next.RefreshToken, again.AccessToken, again.RefreshToken)
		s.tell(route, "", "", old, "401 session_ended") // it was stolen
	}
	s.tell("POST /api/auth/logout", "", "", object{"refreshToken": s.enter(second, chosen[2]).RefreshToken}, "204")
	s.enter(second, chosen[2])
	me = s.enter(second, chosen[2]).AccessToken
	sessions := into[struct{ Data []struct{ ID string } }](s.t, s.tell("GET /api/users/me/sessions", "", me, nil, "200"))
	s.tell("DELETE /api/users/me/sessions/{id}", sessions.Data[len(sessions.Data)-1].ID, me, nil, "204")
	s.tell("DELETE /api/users/me/sessions", "", me, nil, "204")
	s.tell("POST /api/users/me/organizer", "", me, object{}, "200")
	s.tell("DELETE /api/users/me", "", me, nil, "200")
}

// administratorsStory is the life of an account as administrators lead it, with one request of every kind that is refused.
func (s *tale) administratorsStory() {
	const email = "canary.guest@example.com"
	guest := object{"email": email, "firstName": "Canaria", "lastName": "Canaria", "phone": "20 555 778"}
	made := s.tell("POST /api/users", "", s.root, guest, "201")
	id := into[struct{ ID string }](s.t, made).ID
	s.tell("POST /api/users", "", s.root, guest, "409 email_taken")
	s.handed(email+"/accept-invitation", 1)
	s.tell("GET /api/users", "", s.root, nil, "200")
	s.tell("GET /api/users?q=canary.guest+Canaria&sort=email", "", s.root, nil, "200")
	s.tell("GET /api/users/{id}", id, s.root, nil, "200")
	s.tell("GET /api/users/{id}", "none", s.root, nil, "404 not_found")
	s.tell("PATCH /api/users/{id}", id, s.root, object{"firstName": "Canaria II", "role": "ORGANIZER"}, "200")
	s.tell("POST /api/users/batch", "", s.root, object{"ids": []string{id}}, "200")
	s.tell("GET /api/users/stats", "", s.root, nil, "200")
	s.tell("POST /api/users/{id}/deactivate", id, s.root, object{"reason": "left"}, "200")
	s.tell("POST /api/users/{id}/reactivate", id, s.root, object{}, "200")
	s.tell("DELETE /api/users/{id}/sessions", id, s.root, nil, "204")
	s.tell("GET /api/users/{id}/audit", id, s.root, nil, "200")
	s.tell("GET /api/users/me", "", chosen[0]+".canary.canary", nil, "401 unauthenticated")
}

// malformed sends every route what it has to refuse, with a mark in every value.
func (s *tale) malformed() {
	for route := range s.operations() {
		for _, body := range []string{
			`{"email": "canary@", "password": ["` + chosen[0] + `"], "token": {"canary": 1}, "newPassword": "canary", "code": "canary", "ids": ["canary"]}`,
			`{"email": "canary@example.com", "email": "canary"}`, `{"firstName": "canary`, `"canary"`, "canary \xff",
		} {
			path := strings.ReplaceAll(route, "{id}", "none") + "?limit=canary&cursor=canary&role=canary&createdFrom=canary&q=canary&canary=" + chosen[0]
			a := s.send(0, path, s.root, body, "If-Match", "canary", "X-Request-Id", "canary canary")
			require.Less(s.t, a.Status, http.StatusInternalServerError, "%s: %s", route, a.Body)
			if a.Status >= http.StatusBadRequest {
				s.problems.Write(a.Body)
			}
		}
	}
}

// searchDatabase looks into every column of every table, and into a dump.
func (s *tale) searchDatabase() {
	s.t.Helper()
	rows, err := s.db.Pool().Query(s.t.Context(), `
		SELECT format('%s.%s.%s', table_schema, table_name, column_name), format('SELECT coalesce(string_agg(%I::text, chr(10)), '''') FROM %I.%I', column_name, table_schema, table_name)
		FROM information_schema.columns WHERE table_schema NOT IN ('pg_catalog', 'information_schema')`)
	require.NoError(s.t, err)
	columns := map[string]string{}
	for rows.Next() {
		var name, query string
		require.NoError(s.t, rows.Scan(&name, &query))
		columns[name] = query
	}
	require.NoError(s.t, rows.Err())
	for name, query := range columns {
		var text string
		require.NoError(s.t, s.db.Pool().QueryRow(s.t.Context(), query).Scan(&text), name)
		require.Empty(s.t, found(text, s.secrets...), "in %s", name)
		agent := strings.HasSuffix(name, ".user_agent") // the device, as it calls itself
		if !agent && !slices.Contains(homes, name) {
			require.Empty(s.t, found(text, personal...), "in %s", name)
		}
	}

	bin, err := embedded.Clients(s.t.Context(), "", 15, "pg_dump")
	require.NoError(s.t, err)
	dump, err := exec.CommandContext(s.t.Context(), filepath.Join(bin, "pg_dump"), s.db.DSN).Output()
	require.NoError(s.t, err)
	require.Contains(s.t, string(dump), "Canaria", "it holds what it should")
	require.Empty(s.t, found(string(dump), s.secrets...), "in a dump")
}

var metricsAt = regexp.MustCompile(`(?m)^  Metrics +(http://\S+)$`)

// metrics returns those of the first instance.
func (s *tale) metrics() string {
	s.t.Helper()
	at := metricsAt.FindStringSubmatch(s.instances[0].Out.String())
	require.NotNil(s.t, at)
	request, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, at[1], http.NoBody)
	require.NoError(s.t, err)
	a, err := s.do(request)
	require.NoError(s.t, err)
	require.Equal(s.t, http.StatusOK, a.Status)
	return string(a.Body)
}
