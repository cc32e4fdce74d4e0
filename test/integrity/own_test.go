package integrity

import (
	"fmt"
	"reflect"
	"time"

	"github.com/tickr/tickr/test/program"
)

// account is what its only client knows of it: everything.
type account struct {
	profile  // as it was told last
	password string
	former   string // password
	numbers  []number
	sessions []*session
	login    answer // the latest one

	changes int    // so far
	dated   int    // changes when UpdatedAt was told
	etag    string // told last
	tagged  int    // changes when etag was told
	stale   string // an etag of before, if there is one
}

// become notes what an answer said or must say from now on.
func (a *account) become(p profile) {
	if !reflect.DeepEqual(p, a.profile) {
		a.changes++
	}
	a.profile = p
}

// deactivate notes that nobody can use the account.
func (a *account) deactivate() {
	p := a.profile
	p.IsActive = false
	a.become(p)
	for _, s := range a.sessions {
		s.ended = true
	}
}

// settle makes the client's account.
func (c *client) settle() {
	c.account = &account{password: password(c.draw)}
	var digits int
	_, err := fmt.Sscanf(c.name, "client %d", &digits)
	c.NoError(err)
	c.account.numbers = []number{tunisian(fmt.Sprintf("5200000%d", digits)), tunisian(fmt.Sprintf("5200001%d", digits))}
	email := fmt.Sprintf("own-%d@%s", digits, domain)
	c.join(email, c.account.password)
	a := c.call("", "POST", "/api/auth/login", object{"email": email, "password": c.account.password})
	c.is(a, "200")
	p := c.paired(a)
	c.account.profile = profile{
		ID: p.User.ID, Email: email, FirstName: "Amira", LastName: "Ben Salah", Role: "PARTICIPANT", EmailVerified: true, IsActive: true,
	}
	c.account.login, c.account.sessions = a, []*session{newSession(p)}
	a = c.call(p.AccessToken, "GET", "/api/users/me", nil)
	told := decoded[profile](c, a)
	c.account.CreatedAt, c.account.UpdatedAt = told.CreatedAt, told.UpdatedAt
	c.recognise(told)
	a = c.asAdmin("GET", "/api/users/"+told.ID, nil)
	c.account.etag = a.etag
}

// join makes a verified account.
func (c *client) join(email, password string) {
	c.world.keep(password)
	c.is(c.call("", "POST", "/api/auth/register", object{
		"email": spelled(c.draw, email), "password": password, "firstName": "Amira", "lastName": "Ben Salah",
	}), "202")
	var token string
	for deadline := time.Now().Add(program.Patience); token == "" && time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		mails, err := c.world.post()
		c.NoError(err)
		for _, m := range mails {
			if m.to == email {
				token = m.token
			}
		}
	}
	c.is(c.call("", "POST", "/api/auth/verify-email", object{"token": token}), "200")
}

// recognise compares a profile of the client's own account with everything that is known of it.
func (c *client) recognise(told profile) {
	a := c.account
	if a.changes > a.dated {
		c.True(told.UpdatedAt.After(a.UpdatedAt), "a change shows in updatedAt")
		a.UpdatedAt, a.dated = told.UpdatedAt, a.changes
	}
	c.NotNil(told.LastLoginAt)
	c.WithinRange(*told.LastLoginAt, a.login.asked.Truncate(time.Microsecond), a.login.answered)
	a.LastLoginAt = told.LastLoginAt
	c.Equal(a.profile, told)
}

// recogniseTag requires that the version differs from that of before exactly when something was changed since.
func (c *client) recogniseTag(etag string) {
	a := c.account
	c.NotEmpty(etag)
	if a.changes == a.tagged {
		c.Equal(a.etag, etag)
		return
	}
	c.NotEqual(a.etag, etag)
	a.stale, a.etag, a.tagged = a.etag, etag, a.changes
}

// session returns one of the own account, mostly a live one.
func (c *client) session() *session {
	if live := alive(c.account.sessions); len(live) > 0 && chance(c.draw, 90) {
		return pick(c.draw, live...)
	}
	if chance(c.draw, 50) {
		c.logIn()
	}
	return pick(c.draw, c.account.sessions...)
}

// remembered is how many sessions of each kind a client goes on using.
const remembered = 6

func (c *client) logIn() {
	a, given := c.account, c.account.password
	if wrong := chance(c.draw, 20); wrong {
		given = pick(c.draw, a.former, a.password+" ", "nobody's password")
	}
	answer := c.call("", "POST", "/api/auth/login", object{"email": spelled(c.draw, a.Email), "password": given})
	switch {
	case given == "":
		c.refuses(answer, "password")
	case given != a.password:
		c.is(answer, "401 invalid_credentials")
	case !a.IsActive:
		c.is(answer, "403 account_deactivated")
	default:
		c.is(answer, "200")
		p := c.paired(answer)
		c.Equal([]string{a.ID, a.Email, a.FirstName, a.LastName, a.Role}, []string{p.User.ID, p.User.Email, p.User.FirstName, p.User.LastName, p.User.Role})
		a.login = answer
		a.sessions = append(a.sessions[max(0, len(a.sessions)-remembered):], newSession(p))
	}
}

func (c *client) viewProfile() {
	s := c.session()
	if a := c.call(s.access, "GET", "/api/users/me", nil); c.live(s, a, "200") {
		c.recognise(decoded[profile](c, a))
	}
}

func (c *client) replaceProfile() {
	s, first, last := c.session(), pick(c.draw, firstNames...), pick(c.draw, firstNames...)
	phone, stored := claim(c.draw, c.account.numbers)
	body := object{"firstName": first.written, "lastName": last.written, "phone": phone}
	if phone == nil && chance(c.draw, 50) {
		delete(body, "phone")
	}
	wrong := chance(c.draw, 20)
	if wrong {
		body["lastName"], body["phone"] = pick(c.draw, wrongNames...), pick(c.draw, "12", "+21620123456+", "phone", "١٢٣٤٥٦٧٨")
	}
	a := c.call(s.access, "PUT", "/api/users/me", body)
	switch {
	case s.ended:
		c.live(s, a)
	case wrong:
		c.refuses(a, "lastName", "phone")
	default:
		c.is(a, "200")
		p := c.account.profile
		p.FirstName, p.LastName, p.Phone = first.stored, last.stored, stored
		c.account.become(p)
		c.recognise(decoded[profile](c, a))
	}
}

func (c *client) changePassword() {
	s, own, next := c.session(), c.account, password(c.draw)
	c.world.keep(next)
	current, refused := own.password, ""
	switch c.draw.IntN(5) {
	case 0:
		current, refused = pick(c.draw, own.password+"x", "nobody's password"), "currentPassword"
	case 1:
		next, refused = pick(c.draw, weakPasswords...), "newPassword"
	}
	a := c.call(s.access, "PATCH", "/api/users/me/password", object{"currentPassword": current, "newPassword": next})
	switch {
	case s.ended:
		c.live(s, a)
	case refused != "":
		c.refuses(a, refused)
	default:
		c.is(a, "200")
		own.former, own.password = own.password, next
		own.changes++
		for _, other := range own.sessions {
			if other != s {
				c.over(other)
			}
		}
	}
}

func (c *client) leave() {
	s := c.session()
	if c.live(s, c.call(s.access, "DELETE", "/api/users/me", nil), "200") {
		c.account.deactivate()
	}
}

// registerAgain is somebody who tries to take the account over: nothing may come of it.
func (c *client) registerAgain() {
	c.is(c.call("", "POST", "/api/auth/register", object{
		"email": spelled(c.draw, c.account.Email), "password": password(c.draw), "firstName": "Mallory", "lastName": "M",
		"phone": pick(c.draw, c.account.numbers...).stored,
	}), "202")
}

// administerOwn changes the account as an administrator does, on condition of its newest version, of an old one, or of none.
func (c *client) administerOwn() {
	own, path := c.account, "/api/users/"+c.account.ID
	a := c.asAdmin("GET", path, nil)
	c.is(a, "200")
	c.recognise(decoded[profile](c, a))
	c.recogniseTag(a.etag)

	p, body := own.profile, object{}
	if chance(c.draw, 60) {
		name := pick(c.draw, firstNames...)
		p.FirstName, body["firstName"] = name.stored, name.written
	}
	if chance(c.draw, 30) {
		body["phone"], p.Phone = claim(c.draw, own.numbers)
	}
	var condition []string
	switch c.draw.IntN(3) {
	case 0:
		condition = []string{"If-Match", pick(c.draw, "*", own.etag, `"7", `+own.etag)}
	case 1:
		condition = []string{"If-Match", pick(c.draw, "", "nonsense", "W/"+own.etag, own.stale)}
		c.is(c.asAdmin("PATCH", path, body, condition...), "412 stale_version")
		return
	}
	a = c.asAdmin("PATCH", path, body, condition...)
	c.is(a, "200")
	own.become(p)
	c.recognise(decoded[profile](c, a))
	c.recogniseTag(a.etag)
}

func (c *client) changeOwnRole() {
	p := c.account.profile
	p.Role = pick(c.draw, "PARTICIPANT", "ORGANIZER")
	p.IsOrganizer = p.Role == "ORGANIZER"
	a := c.asAdmin("PATCH", "/api/users/"+p.ID, object{"role": p.Role})
	c.is(a, "200")
	c.account.become(p)
	c.recognise(decoded[profile](c, a))
	c.recogniseTag(a.etag)
}

func (c *client) deactivateOwn() {
	a := c.asAdmin("POST", "/api/users/"+c.account.ID+"/deactivate", pick[any](c.draw, nil, object{}, object{"reason": "asked for it"}))
	c.is(a, "200")
	c.account.deactivate()
	c.recognise(decoded[profile](c, a))
}

func (c *client) reactivateOwn() {
	a := c.asAdmin("POST", "/api/users/"+c.account.ID+"/reactivate", pick[any](c.draw, nil, object{}))
	c.is(a, "200")
	p := c.account.profile
	p.IsActive = true
	c.account.become(p)
	c.recognise(decoded[profile](c, a))
}

// lookOnceMore requires that each session lives or has ended as the client knows it.
func (c *client) lookOnceMore() {
	c.doing = "look once more"
	for _, s := range c.account.sessions {
		if a := c.call(s.access, "GET", "/api/users/me", nil); c.live(s, a, "200") {
			c.recognise(decoded[profile](c, a))
		}
	}
}
