package httpapi_test

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/adapters/httpapi"
	"github.com/tickr/tickr/modules/users/internal/application"
	"github.com/tickr/tickr/modules/users/internal/domain"
	"github.com/tickr/tickr/modules/users/internal/userstest"
	"github.com/tickr/tickr/platform/httpserver"
)

const (
	password    = "violet canyon umbrella"
	newPassword = "copper lantern gravity"
	number      = "+21620123456"
)

var unknownID = uuid.MustParse("0199c0de-0000-7000-8000-000000000000")

// world is the routes over the real use cases and storage in memory, while the clock stands still. It is for one goroutine.
type world struct {
	*httpserver.Server
	t       *testing.T
	service *application.Service
	memory  *userstest.Memory
	clock   *userstest.Clock
	hasher  *userstest.Hasher
	mailer  *userstest.Mailer
	texter  *userstest.Texter
	relay   *application.Relay
}

// newWorld returns a world with what it stands on changed, in which nobody asks too often.
func newWorld(t *testing.T, changes ...func(*application.Deps)) *world {
	t.Helper()
	return newWorldOf(t, nil, changes...)
}

func newWorldOf(t *testing.T, requests *httpapi.Requests, changes ...func(*application.Deps)) *world {
	t.Helper()
	w := &world{
		t: t, memory: userstest.NewMemory(), clock: userstest.NewClock(), hasher: &userstest.Hasher{}, mailer: &userstest.Mailer{},
		texter: &userstest.Texter{},
	}
	key, err := domain.NewRefreshKey("secret")
	require.NoError(t, err)
	sealer, err := domain.NewSealer("secret")
	require.NoError(t, err)
	codeKey, err := domain.NewCodeKey("secret")
	require.NoError(t, err)
	pseudonyms, err := domain.NewPseudonymKey("secret")
	require.NoError(t, err)
	ports := w.memory.Ports()
	deps := application.Deps{
		Tx: ports.Tx, Users: ports.Users, Registrations: ports.Registrations, OneTimeTokens: ports.OneTimeTokens,
		Sessions: ports.Sessions, Outbox: ports.Outbox, Audit: ports.Audit,
		Changes: ports.Changes, Throttles: application.Unlimited{}, Instance: application.NewInstance(userstest.NewID),
		Leftovers: ports.Leftovers, Months: ports.Months,
		Cache: userstest.NewCache(), Hasher: w.hasher, AccessTokens: userstest.AccessTokens{Now: w.clock.Now}, Meter: new(userstest.Meter),
		RefreshKeys: []domain.RefreshKey{key}, CodeKeys: []domain.CodeKey{codeKey}, Sealer: sealer, Pseudonyms: pseudonyms,
		AccessTTL: 15 * time.Minute, RefreshTTL: 720 * time.Hour,
		SMS: true, Wake: func() {}, Now: w.clock.Now, NewID: userstest.NewID, Logger: slog.New(slog.DiscardHandler),
	}
	for _, change := range changes {
		change(&deps)
	}
	w.service = application.New(deps)
	w.relay = application.NewRelay(w.service, w.mailer, w.texter, application.NewBell())
	w.Server, err = httpserver.New(httpserver.Options{Title: "Test", Version: "1"})
	require.NoError(t, err)
	httpapi.Routes(w.API(), w.service, requests)
	return w
}

// account stores a verified account whose password is password, after changes to it. A later account is a second newer.
func (w *world) account(email string, changes ...func(*domain.State)) users.User {
	w.t.Helper()
	w.clock.Advance(time.Second)
	hash, now := "0:"+password, w.clock.Now()
	state := domain.State{
		ID: userstest.NewID(), Email: email, PasswordHash: &hash, FirstName: "Ana", LastName: "Trabelsi", Role: users.Participant,
		EmailVerified: true, IsActive: true, CreatedAt: now, UpdatedAt: now, Version: 1,
	}
	for _, change := range changes {
		change(&state)
	}
	require.NoError(w.t, w.service.Users.Insert(w.t.Context(), domain.Restore(state)))
	return domain.Restore(state).View()
}

func inRole(role users.Role) func(*domain.State) {
	return func(s *domain.State) { s.Role, s.IsOrganizer = role, role == users.Organizer }
}

func withNumber(verified bool) func(*domain.State) {
	held := number
	return func(s *domain.State) { s.Phone, s.PhoneVerified = &held, verified }
}

func unverified(s *domain.State)  { s.EmailVerified = false }
func deactivated(s *domain.State) { s.IsActive = false }

// login starts a session with password.
func (w *world) login(email string) application.Tokens {
	w.t.Helper()
	tokens, _, err := w.service.LogIn(w.t.Context(), userstest.Here, application.Credentials{Email: email, Password: password})
	require.NoError(w.t, err)
	return tokens
}

// admin stores an administrator and returns an access token of theirs.
func (w *world) admin() string {
	w.t.Helper()
	w.account("admin@example.com", inRole(users.Admin))
	return w.login("admin@example.com").Access
}

// participant stores a participant and returns an access token of theirs, too.
func (w *world) participant(email string, changes ...func(*domain.State)) (users.User, string) {
	w.t.Helper()
	u := w.account(email, changes...)
	return u, w.login(email).Access
}

// stored returns a user as the storage has it.
func (w *world) stored(id users.ID) domain.State {
	w.t.Helper()
	u, err := w.service.Users.ByID(w.t.Context(), id)
	require.NoError(w.t, err)
	return u.State()
}

// mailedToken sends what waits in the outbox and returns the token in the newest mail.
func (w *world) mailedToken() string {
	w.t.Helper()
	require.NoError(w.t, w.relay.Drain(w.t.Context()))
	sent := w.mailer.Sent()
	require.NotEmpty(w.t, sent)
	return sent[len(sent)-1].Token
}

// textedCode sends what waits in the outbox and returns the code in the newest text message.
func (w *world) textedCode() string {
	w.t.Helper()
	require.NoError(w.t, w.relay.Drain(w.t.Context()))
	sent := w.texter.Sent()
	require.NotEmpty(w.t, sent)
	return sent[len(sent)-1].Code
}

// requireUnchanged checks that call changes nothing that is stored.
func (w *world) requireUnchanged(call func()) {
	w.t.Helper()
	before := w.memory.Snapshot()
	call()
	require.Equal(w.t, before, w.memory.Snapshot())
}

// answer is what a request got.
type answer struct {
	*httptest.ResponseRecorder
	t    *testing.T
	path string
}

// send makes a request; route is a method and a path. An empty token is none, and headers come in pairs.
func (w *world) send(route, token, body string, headers ...string) answer {
	w.t.Helper()
	method, path, _ := strings.Cut(route, " ")
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	r := httptest.NewRequestWithContext(w.t.Context(), method, path, reader)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	a := answer{httptest.NewRecorder(), w.t, r.URL.EscapedPath()}
	w.Handler().ServeHTTP(a, r)
	return a
}

// is checks a success.
func (a answer) is(status int) answer {
	a.t.Helper()
	require.Equal(a.t, status, a.Code, a.Body.String())
	require.Equal(a.t, "no-store", a.Header().Get("Cache-Control"))
	if status != http.StatusNoContent {
		require.Equal(a.t, "application/json", a.Header().Get("Content-Type"))
	}
	return a
}

// into decodes a success.
func (a answer) into(v any) {
	a.t.Helper()
	require.NoError(a.t, json.Unmarshal(a.Body.Bytes(), v), a.Body.String())
}

// problem checks a failure and everything that all have in common.
func (a answer) problem(status int, code string) httpserver.Problem {
	a.t.Helper()
	require.Equal(a.t, status, a.Code, a.Body.String())
	require.Equal(a.t, "application/problem+json", a.Header().Get("Content-Type"))
	require.Equal(a.t, "no-store", a.Header().Get("Cache-Control"))
	var p httpserver.Problem
	decoder := json.NewDecoder(a.Body)
	decoder.DisallowUnknownFields()
	require.NoError(a.t, decoder.Decode(&p))
	require.Equal(a.t, code, p.Code)
	require.Equal(a.t, status, p.Status)
	require.Equal(a.t, a.path, p.Instance)
	require.NotEmpty(a.t, p.Detail)
	require.Equal(a.t, a.Header().Get("X-Request-Id"), p.RequestID)
	require.Equal(a.t, status == http.StatusUnauthorized, a.Header().Get("WWW-Authenticate") == "Bearer")
	later := status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests
	require.Equal(a.t, later, a.Header().Get("Retry-After") != "")
	return p
}

// names checks that a 422 names exactly these fields, each as "field code".
func (a answer) names(want ...string) {
	a.t.Helper()
	p := a.problem(http.StatusUnprocessableEntity, "validation_failed")
	var got []string
	for _, e := range p.Errors {
		require.NotEmpty(a.t, e.Message)
		got = append(got, e.Field+" "+e.Code)
	}
	require.ElementsMatch(a.t, want, got)
}

// with returns a JSON object of valid fields after changes to it; the value absent removes a field.
func with(valid map[string]any, changes ...map[string]any) string {
	object := maps.Clone(valid)
	for _, change := range changes {
		maps.Copy(object, change)
	}
	maps.DeleteFunc(object, func(_ string, v any) bool { return v == absent{} })
	text, err := json.Marshal(object)
	if err != nil {
		panic(fmt.Sprintf("encode a body: %v", err))
	}
	return string(text)
}

type absent struct{}
