package security

import (
	"fmt"
	"slices"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/test/program"
)

// purposes are what one-time tokens are for: how somebody gets one, and how it is redeemed.
var purposes = []struct {
	name string
	// issue returns the request that redeems a new token.
	issue func(r *rig) (route, token, body string)
}{
	{"verify an address", func(r *rig) (route, token, body string) {
		email := r.newEmail()
		r.registers(email)
		return "POST /api/auth/verify-email", "", encoded(object{"token": r.sent(email+"/verify-email", 1)})
	}},
	{"reset a password", func(r *rig) (route, token, body string) {
		a := r.newAccount("PARTICIPANT")
		require.Equal(r.t, "202", r.send(1, "POST /api/auth/request-reset", "", encoded(object{"email": a.email})).Outcome)
		return "POST /api/auth/reset-password", "", encoded(object{"token": r.sent(a.email+"/reset-password", 1), "newPassword": newPassword})
	}},
	{"accept an invitation", func(r *rig) (route, token, body string) {
		email := r.newEmail()
		made := r.send(1, "POST /api/users", r.root, encoded(object{"email": email, "firstName": "A", "lastName": "B"}))
		require.Equal(r.t, "201", made.Outcome, "%s", made.Body)
		return "POST /api/auth/reset-password", "", encoded(object{"token": r.sent(email+"/accept-invitation", 1), "newPassword": newPassword})
	}},
	{"confirm another address", func(r *rig) (route, token, body string) {
		a := r.newAccount("PARTICIPANT")
		email := r.newEmail()
		asked := r.insist(1, "POST /api/users/me/email", r.logIn(0, a.email).AccessToken,
			encoded(object{"newEmail": email, "password": program.AdminPassword}))
		require.Equal(r.t, "202", asked.Outcome, "%s", asked.Body)
		return "POST /api/auth/confirm-email", "", encoded(object{"token": r.sent(email+"/confirm-email", 1)})
	}},
	{"verify a number", func(r *rig) (route, token, body string) {
		access := r.logIn(0, r.newAccount("PARTICIPANT").email).AccessToken
		return "POST /api/users/me/phone/verify", access, encoded(object{"code": r.code(access)})
	}},
}

// registers somebody who has not verified the address.
func (r *rig) registers(email string) {
	r.t.Helper()
	a := r.insist(0, "POST /api/auth/register", "",
		encoded(object{"email": email, "password": program.AdminPassword, "firstName": "Amira", "lastName": "Ben Salah"}))
	require.Equal(r.t, "202", a.Outcome, "%s", a.Body)
}

// code has a code sent to a number of its own.
func (r *rig) code(access string) string {
	r.t.Helper()
	number := r.newNumber()
	a := r.send(1, "POST /api/users/me/phone/verification", access, encoded(object{"phone": number}))
	require.Equal(r.t, "202", a.Outcome, "%s", a.Body)
	return r.sent(number, 1)
}

// Row 7: however many redeem a token at once, through whichever instance, one does.
func (s *Defence) TestOneTimeTokensWorkOnce() {
	t, r := s.T(), s.rig
	rounds, consumers := inLong(100, 2), inLong(16, 4)
	for _, p := range purposes {
		for round := range rounds {
			route, token, body := p.issue(r)
			outcomes := make([]string, consumers)
			atOnce(consumers, func(i int) { outcomes[i] = r.insist(i%2, route, token, body).Outcome })
			slices.Sort(outcomes)
			require.Equal(t, "200", outcomes[0], "%s, round %d: %v", p.name, round, outcomes)
			require.Equal(t, slices.Repeat([]string{"422 token_invalid"}, consumers-1), outcomes[1:], "%s, round %d", p.name, round)
		}
		t.Logf("%s: %d rounds of %d consumers, one success each", p.name, rounds, consumers)
	}
}

// A token is worth nothing for another purpose, to somebody else, and once a newer one was issued.
func (s *Defence) TestOneTimeTokensAreBound() {
	t, r := s.T(), s.rig
	mailed := []string{"POST /api/auth/verify-email", "POST /api/auth/reset-password", "POST /api/auth/confirm-email"}
	for _, p := range purposes {
		route, token, body := p.issue(r)
		secret := into[map[string]string](t, answer{Body: []byte(body)})
		for _, other := range mailed {
			if other == route {
				continue
			}
			wrong := object{"token": secret["token"]}
			if strings.HasSuffix(other, "reset-password") {
				wrong["newPassword"] = newPassword
			}
			require.Equal(t, "422 token_invalid", r.insist(0, other, token, encoded(wrong)).Outcome, "%s redeemed at %s", p.name, other)
		}
		require.Equal(t, "200", r.insist(1, route, token, body).Outcome, "%s: looking for it must not have cost it", p.name)
	}

	a := r.newAccount("PARTICIPANT")
	reset := func(n int) string {
		require.Equal(t, "202", r.send(0, "POST /api/auth/request-reset", "", encoded(object{"email": a.email})).Outcome)
		return r.sent(a.email+"/reset-password", n) // before the next is asked for: mails may pass each other
	}
	older, newer := reset(1), reset(2)
	for secret, outcome := range map[string]string{older: "422 token_invalid", newer: "200"} {
		got := r.insist(0, "POST /api/auth/reset-password", "", encoded(object{"token": secret, "newPassword": newPassword})).Outcome
		require.Equal(t, outcome, got)
	}
}

// However many guess a code at once, five guesses count and the code is void.
func (s *Defence) TestGuessedCodes() {
	t, r := s.T(), s.rig
	for range inLong(100, 3) {
		access := r.logIn(0, r.newAccount("PARTICIPANT").email).AccessToken
		code := r.code(access)
		atOnce(16, func(i int) {
			guess := fmt.Sprintf("%06d", i)
			if guess == code {
				guess = "999999"
			}
			if a := r.send(i%2, "POST /api/users/me/phone/verify", access, encoded(object{"code": guess})); a.Outcome != "422 token_invalid" {
				t.Errorf("a wrong code: %s", a.Outcome)
			}
		})
		require.Equal(t, "422 token_invalid",
			r.send(0, "POST /api/users/me/phone/verify", access, encoded(object{"code": code})).Outcome, "16 guesses left the code as it was")
	}
}

// Row 7: tabs that refresh at once get the same successor, and the session goes on; a token that comes back later ends it.
func (s *Defence) TestRefreshTokens() {
	t, r := s.T(), s.rig
	a := r.newAccount("PARTICIPANT")
	held := r.logIn(0, a.email)
	refresh := func(instance int, token string) answer {
		return r.send(instance, "POST /api/auth/refresh", "", encoded(object{"refreshToken": token}))
	}
	rounds, tabs := inLong(50, 3), 20
	used := []string{}
	for range rounds {
		answers := make([]answer, tabs)
		atOnce(tabs, func(i int) { answers[i] = refresh(i%2, held.RefreshToken) })
		successors := map[string]bool{}
		for _, a := range answers {
			require.Equal(t, "200", a.Outcome, "%s", a.Body)
			next := into[session](t, a)
			successors[next.RefreshToken] = true
			require.Equal(t, "200", r.send(1, "GET /api/users/me", next.AccessToken, "").Outcome)
		}
		require.Len(t, successors, 1, "a token has one successor")
		used = append(used, held.RefreshToken)
		held = into[session](t, answers[0])
		require.NotContains(t, used, held.RefreshToken)
	}
	require.Equal(t, 1, r.count("SELECT count(*) FROM users.sessions WHERE user_id = $1 AND ended_at IS NULL", a.id))

	require.Equal(t, "401 session_ended", refresh(1, used[len(used)-2]).Outcome)
	require.Equal(t, "401 session_ended", refresh(0, held.RefreshToken).Outcome, "the family of a token that was stolen ends")
	require.Zero(t, r.count("SELECT count(*) FROM users.sessions WHERE user_id = $1 AND ended_at IS NULL", a.id))
	t.Logf("%d rounds of %d tabs, one successor each", rounds, tabs)
}
