package security

import (
	"slices"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/test/program"
)

// newPassword replaces the one that all accounts share.
const newPassword = "copper-lantern-gravity"

// person is somebody with a session, who has asked both instances for something before.
type person struct {
	account
	session
	id string // of the session
}

// changes are what takes a person's rights away, or gives them others.
var changes = []struct {
	name string
	do   func(r *rig, p person) answer
	want string // the outcome for the person, from then on, of asking for what administrators may see
}{
	{"logout", func(r *rig, p person) answer {
		return r.send(0, "POST /api/auth/logout", "", encoded(object{"refreshToken": p.RefreshToken}))
	}, "401 session_ended"},
	{"deactivation by oneself", func(r *rig, p person) answer {
		return r.send(0, "DELETE /api/users/me", r.logIn(0, p.email).AccessToken, "")
	}, "401 session_ended"},
	{"deactivation by an administrator", func(r *rig, p person) answer {
		return r.send(0, "POST /api/users/"+p.account.id+"/deactivate", r.root, "")
	}, "401 session_ended"},
	{"password change", func(r *rig, p person) answer {
		return r.insist(0, "PATCH /api/users/me/password", r.logIn(0, p.email).AccessToken,
			encoded(object{"currentPassword": program.AdminPassword, "newPassword": newPassword}))
	}, "401 session_ended"},
	{"password reset", func(r *rig, p person) answer {
		require.Equal(r.t, "202", r.send(0, "POST /api/auth/request-reset", "", encoded(object{"email": p.email})).Outcome)
		token := r.sent(p.email+"/reset-password", 1)
		return r.insist(0, "POST /api/auth/reset-password", "", encoded(object{"token": token, "newPassword": newPassword}))
	}, "401 session_ended"},
	{"revoked session", func(r *rig, p person) answer {
		return r.send(0, "DELETE /api/users/me/sessions/"+p.id, r.logIn(0, p.email).AccessToken, "")
	}, "401 session_ended"},
	{"all other sessions revoked", func(r *rig, p person) answer {
		return r.send(0, "DELETE /api/users/me/sessions", r.logIn(0, p.email).AccessToken, "")
	}, "401 session_ended"},
	{"all sessions ended by an administrator", func(r *rig, p person) answer {
		return r.send(0, "DELETE /api/users/"+p.account.id+"/sessions", r.root, "")
	}, "401 session_ended"},
	{"reuse of a refresh token", func(r *rig, p person) answer {
		successor := into[session](r.t, r.send(0, "POST /api/auth/refresh", "", encoded(object{"refreshToken": p.RefreshToken})))
		require.Equal(r.t, "200", r.send(0, "POST /api/auth/refresh", "", encoded(object{"refreshToken": successor.RefreshToken})).Outcome)
		reused := r.send(0, "POST /api/auth/refresh", "", encoded(object{"refreshToken": p.RefreshToken}))
		require.Equal(r.t, "401 session_ended", reused.Outcome)
		return answer{Outcome: "200"}
	}, "401 session_ended"},
	{"another role", func(r *rig, p person) answer {
		return r.send(0, "PATCH /api/users/"+p.account.id, r.root, `{"role":"ADMIN"}`)
	}, "200"},
}

// Row 6: what ends a session or changes a role counts from the next request on the same instance, and within a second on the other,
// which has the old state in its cache.
func (s *Defence) TestTermination() {
	t, r := s.T(), s.rig
	rounds, bound := inLong(20, 1), inLong(time.Second, 15*time.Second)
	var took []time.Duration
	for range rounds {
		for _, c := range changes {
			p := person{account: r.newAccount("PARTICIPANT")}
			p.session = r.logIn(0, p.email)
			p.id = newForger(t, p.AccessToken).claims["sid"].(string)
			ask := func(instance int) string { return r.send(instance, "GET /api/users/stats", p.AccessToken, "").Outcome }
			require.Equal(t, "403 forbidden", ask(0))
			require.Equal(t, "403 forbidden", ask(1))

			done := c.do(r, p)
			acknowledged := time.Now()
			require.Contains(t, []string{"200", "204"}, done.Outcome, "%s: %s", c.name, done.Body)
			require.Equal(t, c.want, ask(0), "%s: the next request", c.name)
			for ask(1) != c.want {
				require.Less(t, time.Since(acknowledged), bound, "%s does not reach the other instance", c.name)
				time.Sleep(time.Millisecond)
			}
			took = append(took, time.Since(acknowledged))
			if c.want != "200" {
				for instance := range r.instances {
					a := r.send(instance, "POST /api/auth/refresh", "", encoded(object{"refreshToken": p.RefreshToken}))
					require.Equal(t, "401 session_ended", a.Outcome, c.name)
				}
			}
		}
	}
	slices.Sort(took)
	t.Logf("%d changes reached the other instance in %v at the median, %v at most", len(took), took[len(took)/2], took[len(took)-1])
}
