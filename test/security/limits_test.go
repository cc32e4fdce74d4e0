package security

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/test/program"
)

// newLimitedRig starts n instances that limit how often anybody may ask.
func newLimitedRig(t *testing.T, n int, set ...string) *rig {
	t.Helper()
	return newRig(t, n, append([]string{"RATE_LIMITS=on"}, set...)...)
}

// from returns the rig as somebody sees it whose connections come from the n-th loopback address.
func (r *rig) from(n int) *rig {
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(n))}}
	elsewhere := &rig{t: r.t, instances: r.instances, http: &http.Client{
		Timeout: program.Patience,
		Transport: &http.Transport{MaxIdleConnsPerHost: 16, DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, address)
		}},
	}}
	r.t.Cleanup(elsewhere.http.CloseIdleConnections)
	return elsewhere
}

// ask sends a request again for as long as the program is too busy for it, which no limit counts. It takes a refusal for an answer.
func (r *rig) ask(instance int, route, token, body string, headers ...string) answer {
	deadline := time.Now().Add(program.Patience)
	for {
		a := r.send(instance, route, token, body, headers...)
		if a.Status != http.StatusServiceUnavailable || time.Now().After(deadline) {
			return a
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// tally counts answers by outcome.
func tally(answers []answer) map[string]int {
	counts := map[string]int{}
	for _, a := range answers {
		counts[a.Outcome]++
	}
	return counts
}

func guess(email, password string) string {
	return encoded(object{"email": email, "password": password})
}

// TestGuessingInParallel is row 3: wrong guesses at one account, all at once, from many addresses and through two instances.
func TestGuessingInParallel(t *testing.T) {
	const perAccount, addresses = 20, 100
	guesses := inLong(500, 200)
	r := newLimitedRig(t, 2)
	owner := r.newAccount("PARTICIPANT")
	home, elsewhere := r.from(200), r.from(201)
	require.Equal(t, "200", home.ask(0, "POST /api/auth/login", "", guess(owner.email, program.AdminPassword)).Outcome)

	var strangers []*rig
	for n := range addresses {
		strangers = append(strangers, r.from(n+1))
	}
	for _, email := range []string{owner.email, "nobody@example.com"} {
		answers := make([]answer, guesses)
		atOnce(guesses, func(i int) {
			answers[i] = strangers[i%addresses].ask(i%2, "POST /api/auth/login", "", guess(email, "wrong "+strconv.Itoa(i)+" guess"))
		})
		counts := tally(answers)
		t.Logf("%s: %v", email, counts)
		require.Equal(t, perAccount, counts["401 invalid_credentials"], "guesses that were compared")
		require.Equal(t, guesses, counts["401 invalid_credentials"]+counts["429 rate_limited"])
	}

	require.Equal(t, "200", home.ask(1, "POST /api/auth/login", "", guess(owner.email, program.AdminPassword)).Outcome, "the owner gets in")
	require.Equal(t, "429 rate_limited", elsewhere.ask(0, "POST /api/auth/login", "", guess(owner.email, program.AdminPassword)).Outcome)
	require.Equal(t, "202", elsewhere.ask(0, "POST /api/auth/request-reset", "", encoded(object{"email": owner.email})).Outcome)
	token := r.sent(owner.email+"/reset-password", 1)
	require.Equal(t, "200", elsewhere.ask(1, "POST /api/auth/reset-password", "", encoded(object{"token": token, "newPassword": "violet-canyon-umbrella"})).Outcome)
	require.Equal(t, "200", elsewhere.ask(0, "POST /api/auth/login", "", guess(owner.email, "violet-canyon-umbrella")).Outcome, "or by a reset")
}

// TestLimitsAreExact is row 4: as much is accepted as may be, however it is asked for at once.
func TestLimitsAreExact(t *testing.T) {
	r := newLimitedRig(t, 2)
	claims := []string{
		"X-Forwarded-For", "Forwarded", "X-Real-Ip", "True-Client-Ip", "Cf-Connecting-Ip", "X-Client-Ip", "X-Forwarded", "X-Cluster-Client-Ip",
	}
	for name, test := range map[string]struct {
		most, asked int
		ask         func(r *rig, i int) answer
		accepted    string
	}{
		"register": {3, 12, func(r *rig, i int) answer {
			return r.ask(i%2, "POST /api/auth/register", "", encoded(object{
				"email": fmt.Sprintf("new%d@example.com", i), "password": "violet-canyon-umbrella", "firstName": "Amira", "lastName": "Ben Salah",
			}), claims[i%len(claims)], "203.0.113."+strconv.Itoa(i))
		}, "202"},
		"guesses of one address at one account": {5, 20, func(r *rig, i int) answer {
			return r.ask(i%2, "POST /api/auth/login", "", guess("somebody@example.com", "wrong guess it is"), claims[i%len(claims)], "203.0.113."+strconv.Itoa(i))
		}, "401 invalid_credentials"},
		"guesses of one address": {100, inLong(130, 110), func(r *rig, i int) answer {
			return r.ask(i%2, "POST /api/auth/login", "", guess(fmt.Sprintf("user%d@example.com", i), "wrong guess it is"))
		}, "401 invalid_credentials"},
		"resets": {3, 12, func(r *rig, i int) answer {
			return r.ask(i%2, "POST /api/auth/request-reset", "", encoded(object{"email": []string{"anybody@example.com", " ANYBODY@example.com"}[i%2]}))
		}, "202"},
		"verifications": {3, 12, func(r *rig, i int) answer {
			return r.ask(i%2, "POST /api/auth/resend-verification", "", `{"email":"anybody@example.com"}`)
		}, "202"},
	} {
		t.Run(name, func(t *testing.T) {
			there := r.from(100 + len(name))
			answers := make([]answer, test.asked)
			atOnce(test.asked, func(i int) { answers[i] = test.ask(there, i) })
			require.Equal(t, map[string]int{test.accepted: test.most, "429 rate_limited": test.asked - test.most}, tally(answers))
			for _, a := range answers {
				if a.Status == http.StatusTooManyRequests {
					wait, err := strconv.Atoi(a.Header.Get("Retry-After"))
					require.NoError(t, err)
					require.Positive(t, wait)
					require.LessOrEqual(t, wait, int(time.Hour/time.Second)+1, "the window may have begun a moment later than the request that it refuses")
				}
			}
		})
	}

	t.Run("codes for a user and for a number", func(t *testing.T) {
		var people []string
		for range 3 {
			people = append(people, r.logIn(0, r.newAccount("PARTICIPANT").email).AccessToken)
		}
		code := func(i int, token, number string) answer {
			return r.ask(i%2, "POST /api/users/me/phone/verification", token, encoded(object{"phone": number}))
		}
		answers := make([]answer, 12)
		atOnce(12, func(i int) { answers[i] = code(i, people[0], fmt.Sprintf("+216201234%02d", i)) })
		require.Equal(t, map[string]int{"202": 5, "429 rate_limited": 7}, tally(answers))
		for i := range 5 {
			answers[i] = code(i, people[1], "+21620123499")
		}
		require.Equal(t, map[string]int{"202": 5}, tally(answers[:5]))
		require.Equal(t, "429 rate_limited", code(0, people[2], "+21620123499").Outcome, "five a number, whoever asks")
	})

	t.Run("requests of a user and of an address", func(t *testing.T) {
		token := r.logIn(0, r.newAccount("PARTICIPANT").email).AccessToken
		answers := make([]answer, 130)
		atOnce(130, func(i int) {
			answers[i] = r.ask(0, "GET /api/users/me", token, "", "X-Forwarded-For", "203.0.113."+strconv.Itoa(i))
		})
		require.Equal(t, map[string]int{"200": 100, "429 rate_limited": 30}, tally(answers))
		there := r.from(99)
		atOnce(130, func(i int) {
			answers[i] = there.ask(0, "POST /api/auth/verify-email", "", `{"token":"x"}`, "X-Forwarded-For", "203.0.113."+strconv.Itoa(i))
		})
		require.Equal(t, map[string]int{"422 token_invalid": 100, "429 rate_limited": 30}, tally(answers))
	})
}

// TestTrustedProxySaysWhoAsks: behind a proxy that is trusted, its word counts, and only that.
func TestTrustedProxySaysWhoAsks(t *testing.T) {
	r := newLimitedRig(t, 1, "HTTP_TRUSTED_PROXIES=127.0.1.7")
	proxy, stranger := r.from(7), r.from(8)
	var served atomic.Int32
	for i := range 8 { // of eight clients, 5 guesses each
		for range 6 {
			a := proxy.ask(0, "POST /api/auth/login", "", guess(fmt.Sprintf("user%d@example.com", i), "wrong guess it is"),
				"X-Forwarded-For", strings.Join([]string{"6.6.6.6", "203.0.113." + strconv.Itoa(i)}, ", "))
			if a.Outcome == "401 invalid_credentials" {
				served.Add(1)
			}
		}
	}
	require.EqualValues(t, 40, served.Load())
	for i := range 6 {
		a := stranger.ask(0, "POST /api/auth/login", "", guess("user@example.com", "wrong guess it is"), "X-Forwarded-For", "203.0.113."+strconv.Itoa(i))
		require.Equal(t, i == 5, a.Outcome == "429 rate_limited", "what a stranger says of himself changes nothing")
	}
}
