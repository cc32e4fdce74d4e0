package security

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/test/program"
)

// Row 8: an address is one account, however it is written and however many register it at once.
func (s *Defence) TestOneAddressRegisteredManyTimesAtOnce() {
	t, r := s.T(), s.rig
	for round := range inLong(50, 1) {
		local := fmt.Sprintf("crowd%d", round)
		forms := []string{
			local + "@b\u00fccher.example", "  " + local + "@bu\u0308cher.example\t", strings.ToUpper(local) + "@B\u00dcCHER.EXAMPLE",
			local + "@xn--bcher-kva.example", local + "@XN--BCHER-KVA.example", local + "@\uff42\u00fccher\u3002example",
		}
		atOnce(inLong(100, 12), func(i int) {
			a := r.insist(i%2, "POST /api/auth/register", "", encoded(object{
				"email": forms[i%len(forms)], "password": program.AdminPassword, "firstName": "A", "lastName": "B", "phone": "20 555 666",
			}))
			if a.Outcome != "202" {
				t.Errorf("%q: %s: %s", forms[i%len(forms)], a.Outcome, a.Body)
			}
		})
		require.Equal(t, 1, r.count("SELECT count(*) FROM users.users WHERE email ILIKE $1", local+"@%"))
	}
}

// refused requires that the tokens of a session work no more: on the instance that acknowledged its end at once, on the other soon.
func (r *rig) refused(held session, acknowledgedBy int) {
	r.t.Helper()
	for _, instance := range []int{acknowledgedBy, 1 - acknowledgedBy} {
		a := r.send(instance, "POST /api/auth/refresh", "", encoded(object{"refreshToken": held.RefreshToken}))
		require.Equal(r.t, "401 session_ended", a.Outcome)
	}
	ask := func(instance int) string { return r.send(instance, "GET /api/users/me", held.AccessToken, "").Outcome }
	require.Equal(r.t, "401 session_ended", ask(acknowledgedBy))
	require.Eventually(r.t, func() bool { return ask(1-acknowledgedBy) == "401 session_ended" }, inLong(time.Second, program.Patience), 5*time.Millisecond)
}

// Row 8: once a deactivation is acknowledged there is no live session, whatever was asked for meanwhile.
func (s *Defence) TestDeactivationWins() {
	t, r := s.T(), s.rig
	a := r.newAccount("PARTICIPANT")
	outcomes := map[string]int{}
	for round := range inLong(500, 4) {
		held := r.logIn(0, a.email)
		require.Equal(t, "202", r.send(1, "POST /api/auth/request-reset", "", encoded(object{"email": a.email})).Outcome)
		reset := r.sent(a.email+"/reset-password", round+1)
		here := round % 2
		deactivate := func() answer { return r.send(here, "DELETE /api/users/me", held.AccessToken, "") }
		if round%4 < 2 {
			deactivate = func() answer { return r.send(here, "POST /api/users/"+a.id+"/deactivate", r.root, "") }
		}
		credentials := encoded(object{"email": a.email, "password": program.AdminPassword})
		requests := []func() answer{
			deactivate,
			func() answer {
				return r.send(1, "POST /api/auth/refresh", "", encoded(object{"refreshToken": held.RefreshToken}))
			},
			func() answer { return r.insist(0, "POST /api/auth/login", "", credentials) },
			func() answer { return r.insist(1, "POST /api/auth/login", "", credentials) },
			func() answer {
				return r.insist(0, "POST /api/auth/reset-password", "", encoded(object{"token": reset, "newPassword": program.AdminPassword}))
			},
		}
		answers := make([]answer, len(requests))
		atOnce(len(requests), func(i int) {
			if i == 0 {
				time.Sleep(rand.N(500 * time.Millisecond)) // so that it may come before, among and after those who hash
			}
			answers[i] = requests[i]()
		})
		if answers[0].Outcome == "401 session_ended" { // the reset was first
			answers[0] = r.send(here, "POST /api/users/"+a.id+"/deactivate", r.root, "")
		}
		require.Equal(t, "200", answers[0].Outcome, "%s", answers[0].Body)
		require.Zero(t, r.count("SELECT count(*) FROM users.sessions WHERE user_id = $1 AND ended_at IS NULL", a.id))
		require.Zero(t, r.count("SELECT count(*) FROM users.one_time_tokens WHERE user_id = $1", a.id))
		r.refused(held, here)
		for i, got := range answers[1:4] {
			outcomes[[]string{"refresh ", "login ", "login "}[i]+got.Outcome]++
			if got.Outcome == "200" {
				r.refused(into[session](t, got), here)
			}
		}
		require.Contains(t, []string{"200", "422 token_invalid"}, answers[4].Outcome)
		outcomes["reset "+answers[4].Outcome]++
		require.Equal(t, "403 account_deactivated", r.insist(1-here, "POST /api/auth/login", "", credentials).Outcome)
		require.Equal(t, "200", r.send(here, "POST /api/users/"+a.id+"/reactivate", r.root, "").Outcome)
	}
	t.Log(outcomes)
}

// Row 8: once a change of the password is acknowledged the old one opens nothing, and what it opened meanwhile is closed.
func (s *Defence) TestOldPasswordLoses() {
	t, r := s.T(), s.rig
	a := r.newAccount("PARTICIPANT")
	own := r.logIn(0, a.email)
	old, next := program.AdminPassword, newPassword
	outcomes := map[string]int{}
	for round := range inLong(500, 6) {
		here := round % 2
		credentials := encoded(object{"email": a.email, "password": old})
		var changed answer
		var logins [4]answer
		atOnce(len(logins)+1, func(i int) {
			if i == len(logins) {
				changed = r.insist(here, "PATCH /api/users/me/password", own.AccessToken,
					encoded(object{"currentPassword": old, "newPassword": next}))
				return
			}
			time.Sleep(rand.N(100 * time.Millisecond)) // so that some compare with the hash that is being replaced
			logins[i] = r.insist(i%2, "POST /api/auth/login", "", credentials)
		})
		require.Equal(t, "200", changed.Outcome, "%s", changed.Body)
		for _, login := range logins {
			outcomes[login.Outcome]++
			if login.Outcome == "200" {
				r.refused(into[session](t, login), here)
				continue
			}
			require.Equal(t, "401 invalid_credentials", login.Outcome)
		}
		require.Equal(t, "401 invalid_credentials", r.insist(1-here, "POST /api/auth/login", "", credentials).Outcome)
		require.Equal(t, 1, r.count("SELECT count(*) FROM users.sessions WHERE user_id = $1 AND ended_at IS NULL", a.id))
		old, next = next, old
	}
	t.Log(outcomes)
}

// Row 8: of changes that start from the same version one is made, and changes of other fields are kept.
func (s *Defence) TestNoUpdateIsLost() {
	t, r := s.T(), s.rig
	a := r.newAccount("PARTICIPANT")
	own := r.logIn(0, a.email).AccessToken
	path := "/api/users/" + a.id
	type profile struct{ FirstName, LastName, Role string }
	var mu sync.Mutex
	refused := 0
	for round := range inLong(1000, 20) {
		before := r.send(round%2, "GET "+path, r.root, "")
		etag := before.Header.Get("ETag")
		var winners []string
		atOnce(4, func(i int) {
			name := fmt.Sprintf("R%dN%d", round, i)
			got := r.send(i%2, "PATCH "+path, r.root, encoded(object{"firstName": name}), "If-Match", etag)
			mu.Lock()
			defer mu.Unlock()
			switch got.Status {
			case http.StatusOK:
				winners = append(winners, name)
			case http.StatusPreconditionFailed:
				refused++
			default:
				t.Errorf("%s: %s", got.Outcome, got.Body)
			}
		})
		require.Len(t, winners, 1, "round %d: one change of a version", round)

		// Who replaces names and who changes the role do not undo each other.
		role := []string{"PARTICIPANT", "ORGANIZER"}[round%2]
		last := fmt.Sprintf("Owner %d", round)
		atOnce(2, func(i int) {
			got := answer{}
			if i == 0 {
				got = r.send(round%2, "PATCH "+path, r.root, encoded(object{"role": role}))
			} else {
				got = r.send(1-round%2, "PUT /api/users/me", own, encoded(object{"firstName": winners[0], "lastName": last}))
			}
			if got.Outcome != "200" {
				t.Errorf("%s: %s", got.Outcome, got.Body)
			}
		})
		var stored profile
		require.NoError(t, r.db.Pool().QueryRow(t.Context(), "SELECT first_name, last_name, role FROM users.users WHERE id = $1", a.id).
			Scan(&stored.FirstName, &stored.LastName, &stored.Role))
		require.Equal(t, profile{winners[0], last, role}, stored, "round %d", round)
	}
	t.Logf("%d stale changes were refused", refused)
}
