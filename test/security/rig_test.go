package security

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/platform/database/dbtest"
	"github.com/tickr/tickr/test/program"
)

// secret signs the access tokens of a rig: a test that knows it can forge whatever could be forged.
const secret = "the secret of the attacked instances, 32 octets or more"

// rig is some instances of the program over one database, without limits on how often anybody may ask.
type rig struct {
	t         *testing.T
	db        *dbtest.DB
	set       []string // of the environment of the instances
	instances []*program.Program
	http      *http.Client
	post      *post
	root      string // access token of the first administrator
	serial    atomic.Int64
}

// newRig starts n instances, with set in their environment besides what they need.
func newRig(t *testing.T, n int, set ...string) *rig {
	t.Helper()
	r := &rig{t: t, db: dbtest.Empty(t), http: &http.Client{
		Transport:     &http.Transport{MaxIdleConnsPerHost: 256},
		Timeout:       program.Patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	t.Cleanup(r.http.CloseIdleConnections)
	r.set = append(program.Standard(t, r.db.DSN), "RATE_LIMITS=off", "JWT_SECRET="+secret)
	r.set = append(r.set, set...)
	data := slices.IndexFunc(r.set, func(pair string) bool { return strings.HasPrefix(pair, "DATA_DIR=") })
	r.post = newPost(strings.TrimPrefix(r.set[data], "DATA_DIR="))
	for range n {
		r.instances = append(r.instances, program.Launch(t, r.set...))
	}
	for _, p := range r.instances {
		p.AwaitReady()
	}
	r.root = r.logIn(0, program.AdminEmail).AccessToken
	return r
}

// noFaults requires that no instance has ended or failed. That one had no time for a request (503) says something about the machine.
func (r *rig) noFaults() {
	r.t.Helper()
	for _, p := range r.instances {
		require.True(r.t, p.Running())
		require.Empty(r.t, slices.DeleteFunc(p.Faults(), func(line string) bool { return strings.Contains(line, `"status":503`) }))
	}
}

type object map[string]any

// encoded is a value as JSON.
func encoded(value any) string {
	raw, err := json.Marshal(value)
	if err != nil {
		panic(err) // tests encode texts, numbers and truths
	}
	return string(raw)
}

// answer is what the program said. Its outcome is the status, and the code if it is a problem: "200", "401 session_ended".
type answer struct {
	Status  int
	Outcome string
	Header  http.Header
	Body    []byte
	Took    time.Duration
}

// into decodes the body.
func into[T any](t *testing.T, a answer) T {
	t.Helper()
	var value T
	require.NoError(t, json.Unmarshal(a.Body, &value), "%s", a.Body)
	return value
}

// send asks an instance: a route is "METHOD /path", no token is none, and headers come in pairs, of which one given twice is sent
// twice. It may be called from any goroutine; when there is no answer, it says so and returns an empty one.
func (r *rig) send(instance int, route, token, body string, headers ...string) answer {
	method, path, _ := strings.Cut(route, " ")
	request, err := http.NewRequestWithContext(r.t.Context(), method, r.instances[instance].API+path, strings.NewReader(body))
	if err != nil {
		r.t.Errorf("%.100s: %v", route, err)
		return answer{}
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	for pair := range slices.Chunk(headers, 2) {
		request.Header.Add(pair[0], pair[1])
	}
	a, err := r.do(request)
	if err != nil {
		r.t.Errorf("%.100s: %v", route, err)
	}
	return a
}

func (r *rig) do(request *http.Request) (answer, error) {
	begin := time.Now()
	response, err := r.http.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	a := answer{Status: response.StatusCode, Outcome: fmt.Sprint(response.StatusCode), Header: response.Header}
	if a.Body, err = io.ReadAll(response.Body); err != nil {
		return answer{}, err
	}
	a.Took = time.Since(begin)
	var problem struct{ Code string }
	if a.Status >= http.StatusBadRequest && json.Unmarshal(a.Body, &problem) == nil {
		a.Outcome += " " + problem.Code
	}
	return a, nil
}

// insist sends a request again for as long as the program has no time for it, as clients do that are told when to come back.
func (r *rig) insist(instance int, route, token, body string, headers ...string) answer {
	deadline := time.Now().Add(program.Patience)
	for {
		a := r.send(instance, route, token, body, headers...)
		if a.Header.Get("Retry-After") == "" || time.Now().After(deadline) {
			return a
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// account is somebody with a verified address. All of them share a password, that of the first administrator, so that preparing many
// costs no hashing.
type account struct{ id, email string }

// newEmail returns an address that nobody has.
func (r *rig) newEmail() string { return fmt.Sprintf("p%d@example.com", r.serial.Add(1)) }

// newNumber returns a phone number that nobody has, in E.164.
func (r *rig) newNumber() string { return fmt.Sprintf("+21620%06d", r.serial.Add(1)) }

// newAccount stores an account with a role.
func (r *rig) newAccount(role string) account {
	r.t.Helper()
	a := account{id: uuid.NewString(), email: r.newEmail()}
	_, err := r.db.Pool().Exec(r.t.Context(), `
		INSERT INTO users.users (id, email, password_hash, first_name, last_name, role, is_organizer, email_verified)
		SELECT $1, $2, password_hash, 'Amira', 'Ben Salah', $3::varchar, $3 = 'ORGANIZER', true FROM users.users WHERE email = $4`,
		a.id, a.email, role, program.AdminEmail)
	require.NoError(r.t, err)
	return a
}

// session is what a login hands out.
type session struct{ AccessToken, RefreshToken string }

// logIn starts a session of an account that newAccount made, or of the first administrator.
func (r *rig) logIn(instance int, email string) session {
	r.t.Helper()
	a := r.insist(instance, "POST /api/auth/login", "", encoded(object{"email": email, "password": program.AdminPassword}))
	require.Equal(r.t, "200", a.Outcome, "%s", a.Body)
	return into[session](r.t, a)
}

// raw sends bytes over a connection of their own, each of drips a second after what was before, and returns the status of the answer,
// 0 when there is none.
func (r *rig) raw(instance int, text string, drips ...string) int {
	conn, err := new(net.Dialer).DialContext(r.t.Context(), "tcp", strings.TrimPrefix(r.instances[instance].API, "http://"))
	if err != nil {
		return 0
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(program.Patience))
	// An answer may come, and the connection end, before everything was sent.
	go func() {
		_, err := io.WriteString(conn, text)
		for _, drip := range drips {
			if err == nil {
				time.Sleep(time.Second)
				_, err = io.WriteString(conn, drip)
			}
		}
	}()
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0
	}
	_ = response.Body.Close()
	return response.StatusCode
}

// count returns the number that a query finds.
func (r *rig) count(query string, args ...any) int {
	r.t.Helper()
	var n int
	require.NoError(r.t, r.db.Pool().QueryRow(r.t.Context(), query, args...).Scan(&n))
	return n
}

// atOnce calls fn n times in parallel.
func atOnce(n int, fn func(i int)) {
	begin := make(chan struct{})
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() {
			<-begin
			fn(i)
		})
	}
	close(begin)
	group.Wait()
}
