package integrity

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"runtime"
	"strconv"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/test/program"
)

// client is somebody who has an account of their own and meddles with those of others. It does one thing at a time. A check of it
// that fails ends what it does and fails the test.
type client struct {
	*require.Assertions

	world   *world
	name    string
	draw    *rand.Rand
	doing   string
	did     map[string]int // outcomes of requests so far
	account *account
	held    []*session        // of contested accounts
	seats   map[string]string // access tokens as members of the council
}

func newClient(w *world, name string, draw *rand.Rand) *client {
	c := &client{world: w, name: name, draw: draw, doing: "settle", did: map[string]int{}, seats: map[string]string{}}
	c.Assertions = require.New(c)
	return c
}

// Errorf implements require.TestingT.
func (c *client) Errorf(format string, args ...any) {
	c.world.t.Errorf("%s, %s: %s", c.name, c.doing, fmt.Sprintf(format, args...))
}

// FailNow implements require.TestingT: it ends the client's goroutine, as that of testing.T may not be called there.
func (c *client) FailNow() { runtime.Goexit() }

// acts are the things a client may do, and how often among 100.
var acts = []struct {
	name   string
	weight int
	do     func(*client)
}{
	{"log in", 6, (*client).logIn},
	{"view the own profile", 4, (*client).viewProfile},
	{"replace the own profile", 6, (*client).replaceProfile},
	{"change the own password", 3, (*client).changePassword},
	{"refresh", 6, func(c *client) { c.refresh(c.session()) }},
	{"refresh twice at once", 3, func(c *client) { c.refreshTwice(c.session()) }},
	{"log out", 1, func(c *client) { c.logOut(c.session()) }},
	{"log out while refreshing", 2, func(c *client) { c.logOutWhileRefreshing(c.session()) }},
	{"deactivate the own account", 1, (*client).leave},
	{"register the own address again", 1, (*client).registerAgain},

	{"administer the own account", 5, (*client).administerOwn},
	{"change the own role", 2, (*client).changeOwnRole},
	{"deactivate the own account as an administrator", 2, (*client).deactivateOwn},
	{"reactivate the own account", 3, (*client).reactivateOwn},
	{"list", 3, (*client).list},
	{"batch", 2, (*client).batch},
	{"change the council", 8, (*client).changeCouncil},

	{"register a contested address", 8, (*client).register},
	{"verify", 8, (*client).verify},
	{"log in to a contested account", 5, (*client).intrude},
	{"use a contested account", 7, (*client).useHeld},
	{"create a contested account", 3, (*client).create},
	{"administer a contested account", 7, (*client).administer},
	{"deactivate or reactivate a contested account", 4, (*client).toggle},
}

// act does one random thing.
func (c *client) act(round int) {
	n := c.draw.IntN(100)
	for _, a := range acts {
		if n -= a.weight; n < 0 {
			c.doing = fmt.Sprintf("round %d, %s", round, a.name)
			a.do(c)
			return
		}
	}
	panic("the weights are less than 100")
}

type object map[string]any

// answer is what the program said. Its outcome is the status, and the code if it is a problem: "200", "401 session_ended".
type answer struct {
	outcome         string
	etag            string
	body            []byte
	asked, answered time.Time
}

// call sends a request to either instance.
func (c *client) call(token, method, path string, body any, headers ...string) answer {
	return c.send(pick(c.draw, c.world.programs...), token, method, path, body, headers...)
}

// send sends a request, again when the program had no processor free for a password: nothing has happened then. headers come in
// pairs.
func (c *client) send(to *program.Program, token, method, path string, body any, headers ...string) answer {
	deadline := time.Now().Add(program.Patience)
	for {
		a := c.sendOnce(to, token, method, path, body, headers...)
		if a.outcome != "503 overloaded" || time.Now().After(deadline) {
			return a
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func (c *client) sendOnce(to *program.Program, token, method, path string, body any, headers ...string) answer {
	var content io.Reader = http.NoBody
	if body != nil {
		raw, err := json.Marshal(body)
		c.NoError(err)
		content = bytes.NewReader(raw)
	}
	request, err := http.NewRequestWithContext(c.world.t.Context(), method, to.API+path, content)
	c.NoError(err)
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	a := answer{asked: time.Now()}
	response, err := http.DefaultClient.Do(request)
	c.NoError(err)
	defer response.Body.Close()
	a.body, err = io.ReadAll(response.Body)
	c.NoError(err)
	a.answered = time.Now()
	a.outcome, a.etag = strconv.Itoa(response.StatusCode), response.Header.Get("ETag")
	if response.StatusCode >= http.StatusBadRequest {
		a.outcome += " " + decoded[problem](c, a).Code
	}
	return a
}

// problem is an answer that is an error.
type problem struct {
	Code   string
	Errors []struct{ Field string }
}

func decoded[T any](c *client, a answer) T {
	var value T
	c.NoError(json.Unmarshal(a.body, &value), "%s", a.body)
	return value
}

// is requires one of these outcomes, and tells whether it is the first.
func (c *client) is(a answer, outcomes ...string) bool {
	c.Contains(outcomes, a.outcome, "%s", a.body)
	c.did[a.outcome]++
	return a.outcome == outcomes[0]
}

// refuses requires that exactly these fields are called wrong.
func (c *client) refuses(a answer, fields ...string) {
	c.is(a, "422 validation_failed")
	var named []string
	for _, e := range decoded[problem](c, a).Errors {
		named = append(named, e.Field)
	}
	c.ElementsMatch(fields, named)
}

// profile is what is published of an account.
type profile struct {
	ID, Email, FirstName, LastName, Role                string
	Phone                                               *string
	IsOrganizer, EmailVerified, PhoneVerified, IsActive bool
	LastLoginAt                                         *time.Time
	CreatedAt, UpdatedAt                                time.Time
}

// pair is what is handed out at a login, and at each refresh without the user.
type pair struct {
	AccessToken, RefreshToken, TokenType string
	User                                 struct{ ID, Email, FirstName, LastName, Role string }
}

func (c *client) paired(a answer) pair {
	p := decoded[pair](c, a)
	c.Equal("Bearer", p.TokenType)
	c.world.keep(p.AccessToken, p.RefreshToken)
	return p
}
