package integrity

import (
	"cmp"
	"fmt"
	"strings"
	"sync"
)

// contested is an address that all clients fight for. What holds of it in any order is checked at every answer.
type contested struct {
	email string

	mu       sync.Mutex
	attempts []attempt
	taken    bool // an answer said so, to a registration or to an administrator
	made     int  // times an administrator was told to have made the account
	verified int  // times a token was accepted
	id       string
	winner   string   // attempt that the account was activated with
	replaced []string // versions that a change was made on condition of
	last     profile  // when nobody was doing anything
}

// attempt is a registration. Its name is the last name in it, which nobody changes later: it tells whose account this became.
type attempt struct{ name, password string }

// contest begins a scene.
func (w *world) contest(name string) {
	w.crowd = nil
	for _, local := range []string{"a", "b.c", "d+e", "!#$%&'*/=?^_`{|}~-"} {
		x := &contested{email: name + "." + local + "@" + domain}
		w.crowd = append(w.crowd, x)
		w.known[x.email] = x
	}
}

// meet compares a profile of a contested account with what everybody has seen of it. Of another account it says nothing.
func (c *client) meet(p profile) {
	x := c.world.known[p.Email]
	if x == nil {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.id = cmp.Or(x.id, p.ID)
	c.Equal(x.id, p.ID, "one account an address")
	if !p.EmailVerified {
		return
	}
	x.winner = cmp.Or(x.winner, p.LastName)
	c.Equal(x.winner, p.LastName, "one attempt activates")
}

func (c *client) register() {
	x := pick(c.draw, c.world.crowd...)
	a := attempt{name: fmt.Sprintf("%s, %s", c.name, c.doing), password: password(c.draw)}
	phone, _ := claim(c.draw, contestedNumbers)
	body := object{"email": spelled(c.draw, x.email), "password": a.password, "firstName": "Amira", "lastName": a.name, "phone": phone}
	if chance(c.draw, 15) {
		body["email"], body["firstName"], body["password"] = "adm\u0130n@"+domain, pick(c.draw, wrongNames...), pick(c.draw, weakPasswords...)
		c.refuses(c.call("", "POST", "/api/auth/register", body), "email", "firstName", "password")
		return
	}
	c.world.keep(a.password)
	x.mu.Lock()
	x.attempts = append(x.attempts, a)
	x.mu.Unlock()
	c.is(c.call("", "POST", "/api/auth/register", body), "202")
	x.mu.Lock()
	x.taken = true
	x.mu.Unlock()
}

// verify redeems any token that was mailed, mostly one of the newest.
func (c *client) verify() {
	mails, err := c.world.post()
	c.NoError(err)
	if chance(c.draw, 80) {
		mails = mails[max(0, len(mails)-8):]
	}
	m := pick(c.draw, mails...)
	if chance(c.draw, 5) {
		m.token = strings.ToUpper(m.token)
	}
	owner := c.ownerOf(m.token)
	a := c.call("", "POST", "/api/auth/verify-email", object{"token": m.token})
	if owner == "" {
		c.is(a, "422 token_invalid")
		return
	}
	if !c.is(a, "200", "422 token_invalid") {
		return
	}
	x := c.world.known[m.to]
	x.mu.Lock()
	defer x.mu.Unlock()
	x.verified++
	c.Equal(1, x.verified, "an address is verified once")
	x.winner = cmp.Or(x.winner, owner)
	c.Equal(x.winner, owner, "the attempt whose mail it was activates")
}

// ownerOf returns the name of the attempt that a token was mailed for, empty if it can be redeemed no more. Mails do not tell.
func (c *client) ownerOf(token string) (name string) {
	c.NoError(c.world.db.Pool().QueryRow(c.world.t.Context(),
		"SELECT coalesce(max(last_name), '') FROM users.registrations WHERE token_hash = sha256(convert_to($1, 'UTF8'))", token).Scan(&name))
	return name
}

// intrude logs in with the password of any attempt, rather with that which opens the account.
func (c *client) intrude() {
	x := pick(c.draw, c.world.crowd...)
	x.mu.Lock()
	winner, a := x.winner, pick(c.draw, append(x.attempts, attempt{"nobody", "nobody's password"})...)
	for _, known := range x.attempts {
		if known.name == winner && chance(c.draw, 50) {
			a = known
		}
	}
	x.mu.Unlock()
	answer := c.call("", "POST", "/api/auth/login", object{"email": spelled(c.draw, x.email), "password": a.password})
	switch winner {
	case "":
		c.is(answer, "200", "401 invalid_credentials", "403 email_not_verified", "403 account_deactivated")
	case a.name:
		c.is(answer, "200", "403 account_deactivated")
	default:
		c.is(answer, "401 invalid_credentials")
	}
	if answer.outcome != "200" {
		return
	}
	p := c.paired(answer)
	c.Equal(a.name, p.User.LastName, "only the password of the attempt that was verified opens the account")
	c.meet(profile{ID: p.User.ID, Email: p.User.Email, LastName: p.User.LastName, EmailVerified: true})
	s := newSession(p)
	s.contested, s.attempt = x, a.name
	c.held = append(c.held[max(0, len(c.held)-remembered):], s)
}

// useHeld does something with the session of a contested account.
func (c *client) useHeld() {
	live := alive(c.held)
	if len(live) == 0 {
		c.intrude()
		return
	}
	if chance(c.draw, 10) {
		live = c.held
	}
	s := pick(c.draw, live...)
	switch c.draw.IntN(10) {
	case 0:
		c.logOut(s)
	case 1:
		c.refreshTwice(s)
	case 2, 3:
		c.refresh(s)
	case 4:
		if c.live(s, c.call(s.access, "DELETE", "/api/users/me", nil), "200") {
			s.ended = true
		}
	case 5, 6:
		if a := c.call(s.access, "GET", "/api/users/me", nil); c.live(s, a, "200") {
			p := decoded[profile](c, a)
			c.Equal([]any{s.contested.email, s.attempt, true}, []any{p.Email, p.LastName, p.EmailVerified})
			c.meet(p)
		}
	default:
		name := pick(c.draw, firstNames...)
		phone, stored := claim(c.draw, contestedNumbers)
		a := c.call(s.access, "PUT", "/api/users/me", object{"firstName": name.written, "lastName": s.attempt, "phone": phone})
		if c.live(s, a, "200", "409 phone_taken") {
			p := decoded[profile](c, a)
			c.Equal([]any{name.stored, s.attempt, stored}, []any{p.FirstName, p.LastName, p.Phone})
			c.meet(p)
		}
	}
}

// create makes the account as an administrator does, when nobody was faster.
func (c *client) create() {
	x, role := pick(c.draw, c.world.crowd...), pick(c.draw, "PARTICIPANT", "ORGANIZER")
	phone, stored := claim(c.draw, contestedNumbers)
	x.mu.Lock()
	taken := x.taken
	x.mu.Unlock()
	a := c.asAdmin("POST", "/api/users", object{
		"email": spelled(c.draw, x.email), "firstName": "Made", "lastName": "by an administrator", "phone": phone, "role": role,
	})
	if taken {
		c.is(a, "409 email_taken", "409 phone_taken")
		return
	}
	if !c.is(a, "201", "409 email_taken", "409 phone_taken") {
		return
	}
	p := decoded[profile](c, a)
	c.Equal([]any{x.email, role, role == "ORGANIZER", false, stored}, []any{p.Email, p.Role, p.IsOrganizer, p.EmailVerified, p.Phone})
	c.meet(p)
	x.mu.Lock()
	defer x.mu.Unlock()
	x.taken = true
	x.made++
	c.Equal(1, x.made, "an account is made once")
}

// anybody returns a contested account and its ID, if that is known.
func (c *client) anybody() (x *contested, id string) {
	x = pick(c.draw, c.world.crowd...)
	x.mu.Lock()
	defer x.mu.Unlock()
	return x, x.id
}

func (c *client) administer() {
	x, id := c.anybody()
	if id == "" {
		c.list()
		return
	}
	seen := c.asAdmin("GET", "/api/users/"+id, nil)
	c.is(seen, "200")
	c.meet(decoded[profile](c, seen))
	name, role := pick(c.draw, firstNames...), pick(c.draw, "PARTICIPANT", "ORGANIZER")
	phone, stored := claim(c.draw, contestedNumbers)
	body := object{"firstName": name.written, "role": role, "phone": phone}
	conditional := chance(c.draw, 50)
	outcomes, headers := []string{"200", "409 phone_taken"}, []string{}
	if conditional {
		outcomes, headers = append(outcomes, "412 stale_version"), []string{"If-Match", seen.etag}
	}
	a := c.asAdmin("PATCH", "/api/users/"+id, body, headers...)
	if !c.is(a, outcomes...) {
		return
	}
	p := decoded[profile](c, a)
	c.Equal([]any{id, name.stored, role, role == "ORGANIZER", stored}, []any{p.ID, p.FirstName, p.Role, p.IsOrganizer, p.Phone})
	c.meet(p)
	if conditional && a.etag != seen.etag {
		x.mu.Lock()
		defer x.mu.Unlock()
		c.NotContains(x.replaced, seen.etag, "a version is replaced once")
		x.replaced = append(x.replaced, seen.etag)
	}
}

// toggle deactivates or reactivates a contested account.
func (c *client) toggle() {
	_, id := c.anybody()
	if id == "" {
		c.list()
		return
	}
	verb := pick(c.draw, "deactivate", "reactivate")
	a := c.asAdmin("POST", "/api/users/"+id+"/"+verb, nil)
	c.is(a, "200")
	p := decoded[profile](c, a)
	c.Equal(verb == "reactivate", p.IsActive)
	c.meet(p)
}

// tryEveryPassword logs in with that of every attempt of the client in this scene, once nobody changes anything any more.
func (c *client) tryEveryPassword() {
	c.doing = "try every password"
	for _, x := range c.world.crowd {
		for _, tried := range x.attempts {
			if !strings.HasPrefix(tried.name, c.name+",") {
				continue
			}
			inside := "200"
			switch {
			case !x.last.IsActive:
				inside = "403 account_deactivated"
			case !x.last.EmailVerified:
				inside = "403 email_not_verified"
			}
			a := c.call("", "POST", "/api/auth/login", object{"email": x.email, "password": tried.password})
			switch {
			case !x.last.EmailVerified: // the newest attempt counts, and which that is nobody knows
				c.is(a, inside, "401 invalid_credentials")
			case x.last.LastName == tried.name:
				c.is(a, inside)
			default:
				c.is(a, "401 invalid_credentials")
			}
		}
	}
}
