package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/suite"

	"github.com/tickr/tickr/platform/database/dbtest"
	"github.com/tickr/tickr/test/program"
)

// Story is what people do with accounts, against one running program.
type Story struct {
	suite.Suite

	env   []string
	tickr *instance
}

func TestStory(t *testing.T) { suite.Run(t, new(Story)) }

func (s *Story) SetupSuite() {
	s.env = program.Standard(s.T(), dbtest.Empty(s.T()).DSN)
	s.tickr = start(s.T(), s.env...)
}

func (s *Story) client() client {
	return client{t: s.T(), api: s.tickr.API}
}

func (s *Story) admin() client {
	access, _ := s.client().logIn(program.AdminEmail, program.AdminPassword)
	return s.client().as(access)
}

const password = "violet-canyon-umbrella"

func (s *Story) TestFromRegistrationToReactivation() {
	anyone := s.client()
	anyone.do("POST", "/api/auth/register", object{
		"email": " Amira@Example.COM ", "password": password, "firstName": " Amira ", "lastName": "Ben Salah", "phone": "20 123 456",
	}).is(http.StatusAccepted)
	anyone.do("POST", "/api/auth/login", object{"email": "amira@example.com", "password": password}).is(403, "email_not_verified")
	anyone.do("POST", "/api/auth/login", object{"email": "amira@example.com", "password": password + "?"}).is(401, "invalid_credentials")

	token := s.tickr.mailedToken(s.env, "amira@example.com")
	anyone.do("POST", "/api/auth/verify-email", object{"token": token}).is(200)
	anyone.do("POST", "/api/auth/verify-email", object{"token": token}).is(422, "token_invalid")

	login := anyone.do("POST", "/api/auth/login", object{"email": "AMIRA@example.com", "password": password}).is(200)
	s.Equal("Bearer", login.text("tokenType"))
	s.InDelta(900, login.JSON["expiresIn"], 0)
	s.Equal("PARTICIPANT", login.text("user", "role"))
	id := login.text("user", "id")
	amira := anyone.as(login.text("accessToken"))

	me := amira.do("GET", "/api/users/me", nil).is(200)
	s.Equal("+21620123456", me.text("phone"))
	s.Equal("Amira", me.text("firstName"))
	s.Len(me.JSON, 13, "a profile has exactly the published members: %s", me.Raw)
	me = amira.do("PUT", "/api/users/me", object{"firstName": "أميرة", "lastName": "Ben Salah", "phone": nil}).is(200)
	s.Equal("أميرة", me.text("firstName"))
	s.Nil(me.JSON["phone"])

	wrong := amira.do("PUT", "/api/users/me", object{"firstName": "", "lastName": strings.Repeat("x", 101), "phone": "12", "role": "ADMIN"}).is(422, "validation_failed")
	s.ElementsMatch([]string{"firstName", "lastName", "phone", "role"}, wrong.fields())
	amira.do("GET", "/api/users", nil).is(403, "forbidden")

	admin := s.admin()
	seen := admin.do("GET", "/api/users/"+id, nil).is(200)
	etag := seen.Header.Get("ETag")
	s.Regexp(`^"\d+"$`, etag)
	changed := admin.do("PATCH", "/api/users/"+id, object{"lastName": "Trabelsi"}, "If-Match", etag).is(200)
	s.NotEqual(etag, changed.Header.Get("ETag"))
	s.Equal("أميرة", changed.text("firstName"))
	admin.do("PATCH", "/api/users/"+id, object{"lastName": "Late"}, "If-Match", etag).is(412, "stale_version")

	// A changed role counts from the next request of the token that is already out.
	admin.do("PATCH", "/api/users/"+id, object{"role": "ADMIN"}).is(200)
	amira.do("GET", "/api/users/stats", nil).is(200)
	admin.do("PATCH", "/api/users/"+id, object{"role": "PARTICIPANT"}).is(200)
	amira.do("GET", "/api/users/stats", nil).is(403)

	gone := admin.do("POST", "/api/users/"+id+"/deactivate", object{"reason": "asked for it"}).is(200)
	s.Equal(false, gone.JSON["isActive"])
	amira.do("GET", "/api/users/me", nil).is(401, "session_ended")
	anyone.do("POST", "/api/auth/refresh", object{"refreshToken": login.text("refreshToken")}).is(401, "session_ended")
	anyone.do("POST", "/api/auth/login", object{"email": "amira@example.com", "password": password}).is(403, "account_deactivated")
	anyone.do("POST", "/api/auth/login", object{"email": "amira@example.com", "password": "not " + password}).is(401, "invalid_credentials")

	admin.do("POST", "/api/users/"+id+"/reactivate", object{}).is(200)
	amira.do("GET", "/api/users/me", nil).is(401, "session_ended")
	anyone.logIn("amira@example.com", password)
}

func (s *Story) TestTakenAddressAnswersTheSame() {
	s.tickr.account(s.env, "twice@example.com", password)
	first := s.client().do("POST", "/api/auth/register", object{
		"email": "new@example.com", "password": password, "firstName": "A", "lastName": "B",
	}).is(202)
	second := s.client().do("POST", "/api/auth/register", object{
		"email": "Twice@Example.com", "password": password, "firstName": "A", "lastName": "B",
	}).is(202)
	s.Equal(first.Raw, second.Raw)
	s.tickr.Await("mail to the owner", func() bool { return len(mails(s.T(), s.env, "twice@example.com")) == 2 })
}

func (s *Story) TestOneAttemptCannotPlantAPassword() {
	register := func(password, firstName string) string {
		before := len(mails(s.T(), s.env, "victim@example.com"))
		s.client().do("POST", "/api/auth/register", object{
			"email": "victim@example.com", "password": password, "firstName": firstName, "lastName": "B",
		}).is(202)
		s.tickr.Await("the mail of the attempt", func() bool { return len(mails(s.T(), s.env, "victim@example.com")) > before })
		return s.tickr.mailedToken(s.env, "victim@example.com")
	}
	planted := register("planted-by-somebody-else", "Mallory")
	own := register("chosen-by-the-owner-herself", "Owner")
	s.client().do("POST", "/api/auth/verify-email", object{"token": own}).is(200)
	s.client().do("POST", "/api/auth/verify-email", object{"token": planted}).is(422, "token_invalid")
	s.client().do("POST", "/api/auth/login", object{"email": "victim@example.com", "password": "planted-by-somebody-else"}).is(401)
	access, _ := s.client().logIn("victim@example.com", "chosen-by-the-owner-herself")
	s.Equal("Owner", s.client().as(access).do("GET", "/api/users/me", nil).is(200).text("firstName"))
}

func (s *Story) TestSessions() {
	s.tickr.account(s.env, "tabs@example.com", password)
	access, refresh := s.client().logIn("tabs@example.com", password)
	exchange := func(token string) answer {
		return s.client().do("POST", "/api/auth/refresh", object{"refreshToken": token})
	}
	first := exchange(refresh).is(200)
	again := exchange(refresh).is(200)
	s.Equal(first.text("refreshToken"), again.text("refreshToken"), "a lost answer is answered with the same successor")
	next := s.client().do("POST", "/api/auth/refresh-token", object{"refreshToken": first.text("refreshToken")}).is(200)

	// The successor was exchanged: the first token is now a sign of theft, and ends the family.
	exchange(refresh).is(401, "session_ended")
	exchange(next.text("refreshToken")).is(401, "session_ended")
	s.client().as(access).do("GET", "/api/users/me", nil).is(401, "session_ended")

	access, refresh = s.client().logIn("tabs@example.com", password)
	s.client().as(access).do("GET", "/api/users/me", nil).is(200)
	s.client().do("POST", "/api/auth/logout", object{"refreshToken": refresh}).is(204)
	s.client().as(access).do("GET", "/api/users/me", nil).is(401, "session_ended")
	exchange(refresh).is(401, "session_ended")
	exchange("nonsense").is(401, "unauthenticated")
	s.client().do("POST", "/api/auth/logout", object{"refreshToken": "nonsense"}).is(204)
	unsigned := s.client().do("GET", "/api/users/me", nil).is(401, "unauthenticated")
	s.Contains(unsigned.Header.Get("WWW-Authenticate"), "Bearer")
}

func (s *Story) TestPasswordChange() {
	s.tickr.account(s.env, "change@example.com", password)
	mine, _ := s.client().logIn("change@example.com", password)
	other, _ := s.client().logIn("change@example.com", password)
	me := s.client().as(mine)
	wrong := me.do("PATCH", "/api/users/me/password", object{"currentPassword": "not it at all", "newPassword": "maple-thunder-basket"}).is(422)
	s.Equal([]string{"currentPassword"}, wrong.fields())
	wrong = me.do("PATCH", "/api/users/me/password", object{"currentPassword": password, "newPassword": "password1234"}).is(422)
	s.Equal([]string{"newPassword"}, wrong.fields())
	me.do("PATCH", "/api/users/me/password", object{"currentPassword": password, "newPassword": "maple-thunder-basket"}).is(200)
	me.do("GET", "/api/users/me", nil).is(200)
	s.client().as(other).do("GET", "/api/users/me", nil).is(401, "session_ended")
	s.client().do("POST", "/api/auth/login", object{"email": "change@example.com", "password": password}).is(401)
	s.client().logIn("change@example.com", "maple-thunder-basket")

	me.do("DELETE", "/api/users/me", nil).is(200)
	me.do("GET", "/api/users/me", nil).is(401, "session_ended")
}

func (s *Story) TestPhonesYieldUntilProven() {
	s.tickr.account(s.env, "holder@example.com", password, "phone", "+21698765432")
	s.tickr.account(s.env, "claimant@example.com", password)
	holder, _ := s.client().logIn("holder@example.com", password)
	claimant, _ := s.client().logIn("claimant@example.com", password)
	s.Equal("+21698765432", s.client().as(holder).do("GET", "/api/users/me", nil).text("phone"))
	s.client().as(claimant).do("PUT", "/api/users/me", object{"firstName": "C", "lastName": "L", "phone": "98 765 432"}).is(200)
	s.Nil(s.client().as(holder).do("GET", "/api/users/me", nil).is(200).JSON["phone"], "an unverified number yields")
}

func (s *Story) TestAdministration() {
	admin := s.admin()
	ids := make([]string, 25)
	for i := range ids {
		made := admin.do("POST", "/api/users", object{
			"email": fmt.Sprintf("org%02d@example.com", i), "firstName": "Org", "lastName": fmt.Sprint(i), "role": "ORGANIZER",
		}).is(201)
		ids[i] = made.text("id")
		s.Equal("/api/users/"+ids[i], made.Header.Get("Location"))
		s.Equal(true, made.JSON["isOrganizer"])
	}
	admin.do("POST", "/api/users", object{"email": "ORG00@example.com", "firstName": "O", "lastName": "O"}).is(409, "email_taken")

	page := admin.do("GET", "/api/users?role=ORGANIZER&limit=10&page=2", nil).is(200)
	s.Len(page.items(), 10)
	meta := page.JSON["meta"].(map[string]any)
	s.InDelta(25, meta["total"], 0)
	s.InDelta(3, meta["totalPages"], 0)
	s.InDelta(2, meta["page"], 0)

	var walked []string
	path := "/api/users?role=ORGANIZER&limit=10"
	for path != "" {
		a := admin.do("GET", path, nil).is(200)
		for _, item := range a.items() {
			walked = append(walked, item["id"].(string))
		}
		next, more := a.JSON["meta"].(map[string]any)["nextCursor"].(string)
		path = ""
		if more {
			path = "/api/users?role=ORGANIZER&limit=10&cursor=" + next
		}
	}
	s.Len(walked, 25)
	for i, id := range walked {
		s.Equal(ids[len(ids)-1-i], id, "newest first, without gaps")
	}

	unknown := "00000000-0000-7000-8000-000000000000"
	batch := admin.do("POST", "/api/users/batch", object{"ids": []string{ids[3], unknown, ids[1]}}).is(200)
	s.Equal(ids[3], batch.items()[0]["id"])
	s.Equal(ids[1], batch.items()[1]["id"])
	s.Equal([]any{unknown}, batch.JSON["missing"])

	stats := admin.do("GET", "/api/users/stats", nil).is(200)
	s.GreaterOrEqual(stats.JSON["total"], 26.0)
	s.InDelta(25, stats.JSON["byRole"].(map[string]any)["ORGANIZER"], 0)

	for query, field := range map[string]string{
		"limit=101": "limit", "limit=0": "limit", "page=0": "page", "page=abc": "page", "sort=-phone": "sort", "sort=nonsense": "sort", "q=-": "q",
		"cursor=nonsense": "cursor", "role=admin": "role", "isActive=maybe": "isActive", "createdFrom=yesterday": "createdFrom",
	} {
		s.Equal([]string{field}, admin.do("GET", "/api/users?"+query, nil).is(422, "validation_failed").fields(), query)
	}
	for _, id := range []string{"nonsense", "{" + ids[0] + "}", unknown} {
		admin.do("GET", "/api/users/"+id, nil).is(404, "not_found")
	}

	self := admin.do("GET", "/api/users/me", nil).text("id")
	admin.do("POST", "/api/users/"+self+"/deactivate", nil).is(409, "last_admin")
	admin.do("PATCH", "/api/users/"+self, object{"role": "PARTICIPANT"}).is(409, "last_admin")
	admin.do("DELETE", "/api/users/me", nil).is(409, "last_admin")
}

func (s *Story) TestPages() {
	s.Contains(s.client().do("GET", "/docs", nil).is(200).Raw, "swagger")
	s.Equal("/docs", s.client().do("GET", "/api/docs", nil).Header.Get("Location"))
	s.Equal("/healthz", s.client().do("GET", "/api/health", nil).Header.Get("Location"))
	for _, path := range []string{"/livez", "/readyz", "/healthz"} {
		s.Equal("pass", s.client().do("GET", path, nil).is(200).text("status"))
	}
	s.client().do("GET", "/api/nothing", nil).is(404, "not_found")
	s.Contains(s.client().do("PUT", "/api/auth/login", nil).is(405, "method_not_allowed").Header.Get("Allow"), "POST")

	golden, err := os.ReadFile(filepath.Join("..", "..", "docs", "openapi.json"))
	s.Require().NoError(err)
	served := s.client().do("GET", "/openapi.json", nil).is(200)
	served.JSON["info"].(map[string]any)["version"] = "devel" // the rest does not depend on the build
	s.JSONEq(string(golden), encoded(served.JSON), "run `make openapi` after a change of the API")
}

func (s *Story) TestMailsCarryTheCurlLine() {
	s.tickr.account(s.env, "curl@example.com", password)
	mail := mails(s.T(), s.env, "curl@example.com")[0]
	s.Contains(mail, "/verify-email?token=")
	s.Contains(mail, "curl -X POST "+s.tickr.API+"/api/auth/verify-email")
}
