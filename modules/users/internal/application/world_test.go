package application_test

import (
	"bytes"
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/application"
	"github.com/tickr/tickr/modules/users/internal/domain"
	"github.com/tickr/tickr/modules/users/internal/userstest"
)

const (
	password    = "correct horse battery"
	newPassword = "wrong donkey charger"
	number      = "+21620123456"
)

// world is the use cases over storage in memory, while the clock stands still.
type world struct {
	*application.Service
	t       *testing.T
	memory  *userstest.Memory
	clock   *userstest.Clock
	cache   *userstest.Cache
	hasher  *userstest.Hasher
	mailer  *userstest.Mailer
	meter   userstest.Meter
	texter  *userstest.Texter
	relay   *application.Relay
	bell    application.Bell
	log     bytes.Buffer
	wakes   int
	read    int // mails seen by mails
	audited int // acts seen by acts
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{
		t: t, memory: userstest.NewMemory(), clock: userstest.NewClock(), cache: userstest.NewCache(),
		hasher: &userstest.Hasher{}, mailer: &userstest.Mailer{}, texter: &userstest.Texter{}, bell: application.NewBell(),
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
	w.Service = application.New(application.Deps{
		Tx: ports.Tx, Users: ports.Users, Registrations: ports.Registrations, OneTimeTokens: ports.OneTimeTokens,
		Sessions: ports.Sessions, Outbox: ports.Outbox, Audit: ports.Audit,
		Changes: ports.Changes, Throttles: application.Unlimited{}, Instance: application.NewInstance(userstest.NewID),
		Leftovers: ports.Leftovers, Months: ports.Months,
		Cache: w.cache, Hasher: w.hasher, AccessTokens: userstest.AccessTokens{Now: w.clock.Now}, Meter: &w.meter,
		RefreshKeys: []domain.RefreshKey{key}, CodeKeys: []domain.CodeKey{codeKey}, Sealer: sealer, Pseudonyms: pseudonyms,
		AccessTTL: 15 * time.Minute, RefreshTTL: 720 * time.Hour,
		SMS: true, Wake: func() { w.wakes++ }, Now: w.clock.Now, NewID: userstest.NewID,
		Logger: slog.New(slog.NewTextHandler(&w.log, nil)),
	})
	w.relay = application.NewRelay(w.Service, w.mailer, w.texter, w.bell)
	return w
}

// mails sends what waits in the outbox and returns it.
func (w *world) mails() []application.Mail {
	w.t.Helper()
	require.NoError(w.t, w.relay.Drain(w.t.Context()))
	sent := w.mailer.Sent()[w.read:]
	w.read += len(sent)
	return sent
}

// account stores a verified account whose password is password, after changes to it.
func (w *world) account(email string, changes ...func(*domain.State)) users.User {
	w.t.Helper()
	hash, now := "0:"+password, w.clock.Now()
	state := domain.State{
		ID: userstest.NewID(), Email: email, PasswordHash: &hash, FirstName: "Ana", LastName: "Trabelsi", Role: users.Participant,
		EmailVerified: true, IsActive: true, CreatedAt: now, UpdatedAt: now, Version: 1,
	}
	for _, change := range changes {
		change(&state)
	}
	require.NoError(w.t, w.Users.Insert(w.t.Context(), domain.Restore(state)))
	return domain.Restore(state).View()
}

func inRole(role users.Role) func(*domain.State) { return func(s *domain.State) { s.Role = role } }

func withPhone(number string, verified bool) func(*domain.State) {
	return func(s *domain.State) { s.Phone, s.PhoneVerified = &number, verified }
}

func unverified(s *domain.State)  { s.EmailVerified, s.PasswordHash = false, nil }
func deactivated(s *domain.State) { s.IsActive = false }

// admin stores an administrator and returns them as an actor.
func (w *world) admin() application.Actor {
	w.t.Helper()
	return actorOf(w.account("admin@example.com", inRole(users.Admin)))
}

func actorOf(u users.User) application.Actor {
	return application.Actor{ID: u.ID, Role: u.Role, Origin: userstest.Here}
}

// login starts a session with password and returns its tokens and who holds them.
func (w *world) login(email string) (application.Tokens, application.Actor) {
	w.t.Helper()
	tokens, _, err := w.LogIn(w.t.Context(), userstest.Here, application.Credentials{Email: email, Password: password})
	require.NoError(w.t, err)
	actor, err := w.Authenticate(w.t.Context(), userstest.Here, tokens.Access)
	require.NoError(w.t, err)
	return tokens, actor
}

// session starts another session of a user and returns its ID.
func (w *world) session(user users.ID) uuid.UUID {
	w.t.Helper()
	session, _ := domain.StartSession(userstest.NewID(), user, w.RefreshKeys[0], userstest.Here, w.clock.Now(), time.Hour)
	require.NoError(w.t, w.Sessions.Insert(w.t.Context(), session))
	return session.State().ID
}

// stored returns a user as the storage has it.
func (w *world) stored(id users.ID) users.User {
	w.t.Helper()
	u, err := w.Users.ByID(w.t.Context(), id)
	require.NoError(w.t, err)
	return u.View()
}

// requireUnchanged checks that call changes nothing that is stored.
func (w *world) requireUnchanged(call func()) {
	w.t.Helper()
	before := w.memory.Snapshot()
	call()
	require.Equal(w.t, before, w.memory.Snapshot())
}

// requireFields checks that err names exactly these fields.
func requireFields(t *testing.T, err error, fields ...string) {
	t.Helper()
	var invalid *domain.InvalidError
	require.ErrorAs(t, err, &invalid)
	var got []string
	for _, f := range invalid.Fields {
		got = append(got, f.Field)
	}
	require.Equal(t, fields, got)
}

var unknownID = uuid.MustParse("0199c0de-0000-7000-8000-000000000000")
