package e2e

import "net/http"

// TestSessionsAndTheirTrail logs in on two devices, ends one from the other, and reads what an administrator is told of it.
func (s *Story) TestSessionsAndTheirTrail() {
	const email = "two-devices@example.com"
	s.tickr.account(s.env, email, password)
	logIn := func(userAgent string) (client, string) {
		login := s.client().do("POST", "/api/auth/login", object{"email": email, "password": password}, "User-Agent", userAgent).is(http.StatusOK)
		return s.client().as(login.text("accessToken")), login.text("user", "id")
	}
	phone, id := logIn("TickrApp/2.1")
	desk, _ := logIn("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
	s.client().do("POST", "/api/auth/login", object{"email": email, "password": password + "?"}, "X-Forwarded-For", "6.6.6.6").is(401)

	listed := desk.do("GET", "/api/users/me/sessions", nil).is(http.StatusOK).items()
	s.Require().Len(listed, 2)
	s.Equal("Firefox on Linux", listed[0]["device"])
	s.Equal(true, listed[0]["current"])
	s.Equal("TickrApp", listed[1]["device"])
	s.Equal("127.0.0.1", listed[1]["address"])
	desk.do("DELETE", "/api/users/me/sessions/"+listed[1]["id"].(string), nil).is(http.StatusNoContent)
	phone.do("GET", "/api/users/me", nil).is(401, "session_ended")
	desk.do("DELETE", "/api/users/me/sessions/"+listed[1]["id"].(string), nil).is(404, "not_found")

	trail := s.admin().do("GET", "/api/users/"+id+"/audit", nil).is(http.StatusOK)
	var acts []string
	for _, e := range trail.items() {
		acts = append(acts, e["act"].(string)+" "+e["outcome"].(string))
		s.Equal("127.0.0.1", e["address"], "X-Forwarded-For is nobody's word here")
	}
	s.Equal([]string{
		"end_sessions success", "login failure", "login success", "login success", "verify_email success", "register success",
	}, acts)
	s.NotContains(trail.Raw, email)
	s.admin().do("DELETE", "/api/users/"+id+"/sessions", nil).is(http.StatusNoContent)
	desk.do("GET", "/api/users/me", nil).is(401, "session_ended")
}
