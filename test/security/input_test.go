package security

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/test/program"
)

const (
	// attackers is how many send at the same time.
	attackers = 4
	// slowest is how soon 99 of 100 hostile requests are answered, except where a password is hashed.
	slowest = 50 * time.Millisecond
	// growth is how much memory more, in MiB, the program may hold after all the hostile input than after the first tenth.
	growth = 64
)

// input sends what no friend would send, and keeps count.
type input struct {
	*rig

	targets []target

	mu       sync.Mutex
	took     []time.Duration // where no password was hashed
	outcomes map[string]int
	memory   int // MiB, after the first tenth
}

// target is a route with a body, and values of its fields that are of the right type.
type target struct {
	route, token string
	fields       object
}

// body returns the fields with changes.
func (t target) body(changes object) string {
	fields := maps.Clone(t.fields)
	maps.Copy(fields, changes)
	return encoded(fields)
}

// hashing are the routes that may hash a password once they could read what was sent.
var hashing = regexp.MustCompile(`/(login|register|reset-password|password|email)$`)

// values are what fields of such names hold, in the targets. None of them lets a request change anything.
var values = object{
	"email": "nobody@example.com", "newEmail": "nobody@example.com", "password": "wrong", "currentPassword": "wrong", "newPassword": "short",
	"firstName": "", "lastName": "B", "phone": nil, "role": "PARTICIPANT", "token": "unknown", "refreshToken": "unknown", "code": "000000",
	"reason": "\a", "ids": []string{},
}

func newInput(t *testing.T) *input {
	t.Helper()
	in := &input{rig: newRig(t, 1), outcomes: map[string]int{}}
	victim := in.newAccount("PARTICIPANT")
	document := into[struct {
		Paths map[string]map[string]struct {
			Security    []any
			RequestBody struct {
				Content map[string]struct {
					Schema struct {
						Ref string `json:"$ref"`
					}
				}
			}
		}
		Components struct {
			Schemas map[string]struct{ Properties map[string]any }
		}
	}](t, in.send(0, "GET /openapi.json", "", ""))
	for path, methods := range document.Paths {
		for method, operation := range methods {
			content, ok := operation.RequestBody.Content["application/json"]
			if !ok {
				continue
			}
			to := target{route: strings.ToUpper(method) + " " + strings.Replace(path, "{id}", victim.id, 1), fields: object{}}
			if operation.Security != nil {
				to.token = in.root
			}
			for field := range document.Components.Schemas[content.Schema.Ref[strings.LastIndexByte(content.Schema.Ref, '/')+1:]].Properties {
				require.Contains(t, values, field, "%s has a field that the test does not know", to.route)
				to.fields[field] = values[field]
			}
			in.targets = append(in.targets, to)
		}
	}
	slices.SortFunc(in.targets, func(a, b target) int { return strings.Compare(a.route, b.route) })
	return in
}

// ask sends a request, which must be answered below 500, and counts it.
func (in *input) ask(route, token, body string, headers ...string) answer {
	a := in.insist(0, route, token, body, headers...)
	if a.Status == 0 || a.Status >= http.StatusInternalServerError {
		in.t.Errorf("%.200s %.200q: %s", route, body, a.Outcome)
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	in.outcomes[a.Outcome]++
	path, _, _ := strings.Cut(route, "?")
	unread := a.Status == http.StatusBadRequest || a.Status == http.StatusRequestEntityTooLarge || a.Status == http.StatusUnsupportedMediaType
	if unread || !hashing.MatchString(path) {
		in.took = append(in.took, a.Took)
	}
	return a
}

// each calls fn for every item, several at a time.
func each[T any](items []T, fn func(item T)) {
	next := make(chan T)
	var all sync.WaitGroup
	for range attackers {
		all.Go(func() {
			for item := range next {
				fn(item)
			}
		})
	}
	for _, item := range items {
		next <- item
	}
	close(next)
	all.Wait()
}

// contents is a digest of everything that is stored about accounts.
func (in *input) contents() string {
	in.t.Helper()
	var all strings.Builder
	for _, table := range []string{"users", "sessions", "registrations", "one_time_tokens", "outbox WHERE due_at IS NOT NULL"} {
		var digest string
		require.NoError(in.t, in.db.Pool().QueryRow(in.t.Context(),
			"SELECT coalesce(md5(string_agg(t::text, ' ' ORDER BY t::text)), '') FROM (SELECT * FROM users."+table+") t").Scan(&digest))
		all.WriteString(table + " " + digest + "\n")
	}
	return all.String()
}

// unchanged requires that nothing is stored, changed or removed by what fn sends.
func (in *input) unchanged(fn func()) {
	in.t.Helper()
	require.Eventually(in.t, func() bool {
		return in.count("SELECT count(*) FROM users.outbox WHERE dead_at IS NULL AND due_at IS NOT NULL") == 0
	},
		program.Patience, 20*time.Millisecond, "mail waits")
	before := in.contents()
	fn()
	require.Equal(in.t, before, in.contents())
}

// Row 10: whatever is sent, nothing fails, nothing is stored that should not be, answers come soon and memory stays what it was.
func TestHostileInput(t *testing.T) {
	t.Parallel()
	in := newInput(t)
	in.unchanged(in.malformed)
	in.unchanged(in.large)
	in.memory = in.resident()
	in.unchanged(in.massAssignment)
	for range 3 { // so that there are further pages
		in.newAccount("PARTICIPANT")
		in.logIn(0, program.AdminEmail)
	}
	in.unchanged(in.cursors)
	in.unchanged(in.large)
	in.hostileTexts()
	in.injections()
	in.unchanged(in.large)

	after := in.resident()
	slices.Sort(in.took)
	p99 := in.took[len(in.took)*99/100]
	t.Logf("%v", in.outcomes)
	t.Logf("p99 of %d requests: %v, longest %v; memory %d MiB, then %d MiB", len(in.took), p99, in.took[len(in.took)-1], in.memory, after)
	if long {
		require.Less(t, after, in.memory+growth)
		require.Less(t, p99, slowest)
		require.Less(t, in.took[len(in.took)-1], 5*time.Second, "a statement slept")
	}
	in.noFaults()
}

// malformed sends what is not JSON, or no JSON of ours, to every route.
func (in *input) malformed() {
	type sent struct {
		to   target
		text string
	}
	var all []sent
	for i, to := range in.targets {
		// Each text of the short form goes to some routes, and some of the mutants to each.
		for j, text := range append(broken(to.body(nil)), mutated(to.body(nil))...) {
			if long || (i+j)%29 == 0 {
				all = append(all, sent{to, text})
			}
		}
	}
	each(all, func(s sent) {
		if a := in.ask(s.to.route, s.to.token, s.text); a.Status != http.StatusBadRequest {
			in.t.Errorf("%s %.200q: %s", s.to.route, s.text, a.Outcome)
		}
	})
	in.t.Logf("%d malformed bodies on %d routes", len(all), len(in.targets))
}

// large sends documents at and over the limits of size and depth.
func (in *input) large() {
	const limit = 1 << 20
	in.each(func(to target) {
		for want, texts := range map[int][]string{
			http.StatusBadRequest: {
				strings.Repeat("[", 1_000_000), strings.Repeat("[", limit/2) + strings.Repeat("]", limit/2), strings.Repeat(`{"a":`, 200_000),
				strings.Repeat(" ", limit), `{"` + strings.Repeat("a", limit-2), strings.Repeat("-", limit), strings.Repeat(`"\u`, limit/3),
				strings.Repeat("9", limit),
			},
			http.StatusUnprocessableEntity: {
				strings.Repeat(" ", limit-2) + "[]", "[" + strings.Repeat("0,", limit/2-2) + "0]",
				`{"` + strings.Repeat("a", limit-6) + `":1}`,
			},
			http.StatusRequestEntityTooLarge: {strings.Repeat(" ", limit+1), strings.Repeat("[", 2*limit)},
		} {
			for _, text := range texts {
				if a := in.ask(to.route, to.token, text); a.Status != want {
					in.t.Errorf("%s: %d octets, %.40q...: %s", to.route, len(text), text, a.Outcome)
				}
			}
		}
	})
}

// each calls fn for every target, in the short form for a few.
func (in *input) each(fn func(to target)) {
	each(in.targets[:min(len(in.targets), inLong(100, 3))], fn)
}

// massAssignment adds fields to every body, and to the query, that would raise somebody.
func (in *input) massAssignment() {
	in.each(func(to target) {
		for name, value := range privileges() {
			if _, known := to.fields[name]; known {
				continue
			}
			if a := in.ask(to.route, to.token, to.body(object{name: value})); a.Status != http.StatusUnprocessableEntity && a.Status != http.StatusBadRequest {
				in.t.Errorf("%s with %q: %s", to.route, name, a.Outcome)
			}
			in.ask(to.route+"?"+url.Values{name: {fmt.Sprint(value)}}.Encode(), to.token, to.body(nil))
		}
	})
}

// cursors changes those of lists and trails, and hands them to each other.
func (in *input) cursors() {
	next := func(path string) string {
		a := in.ask("GET "+path, in.root, "")
		require.Equal(in.t, "200", a.Outcome, "%s: %s", path, a.Body)
		return into[struct{ Meta struct{ NextCursor string } }](in.t, a).Meta.NextCursor
	}
	lists := []string{
		"/api/users?limit=1", "/api/users?limit=1&role=PARTICIPANT", "/api/users?limit=1&sort=email", "/api/users?limit=1&sort=-lastLoginAt", "/api/users/" + newForger(in.t, in.root).claims["sub"].(string) + "/audit?limit=1",
	}
	var all []string
	for _, list := range lists {
		genuine := next(list)
		require.NotEmpty(in.t, genuine)
		all = append(all, tampered(genuine)...)
	}
	for _, list := range lists {
		each(all, func(cursor string) {
			a := in.ask("GET "+list+"&cursor="+url.QueryEscape(cursor), in.root, "")
			if a.Status != http.StatusUnprocessableEntity && a.Status != http.StatusOK && a.Status != http.StatusBadRequest {
				in.t.Errorf("cursor %q: %s", cursor, a.Outcome)
			}
		})
	}
}

// TestMutantsAreNoJSON keeps the generators honest.
func TestMutantsAreNoJSON(t *testing.T) {
	t.Parallel()
	const body = `{"email":"a@b.co","n":[1,null]}`
	require.Greater(t, len(mutated(body)), 500)
	for _, text := range mutated(body) {
		require.False(t, json.Valid([]byte(text)), text)
	}
}
