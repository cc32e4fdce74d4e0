package sibling_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/suite"
	"go.uber.org/fx"

	"github.com/tickr/tickr/cmd/tickr/app"
	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/usersfx"
	"github.com/tickr/tickr/platform/config"
	"github.com/tickr/tickr/platform/database"
	"github.com/tickr/tickr/platform/database/dbtest"
	"github.com/tickr/tickr/platform/database/migrate"
	"github.com/tickr/tickr/platform/httpserver"
	"github.com/tickr/tickr/test/sibling"
)

const (
	adminEmail    = "root@example.com"
	adminPassword = "copper-lantern-orbit-velvet"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

func TestSibling(t *testing.T) { suite.Run(t, new(siblingSuite)) }

// siblingSuite runs the program's own parts, without its servers and background work, with one more module.
type siblingSuite struct {
	suite.Suite
	parts
	api   http.Handler
	token string
}

type parts struct {
	fx.In

	DB        *database.Handle
	Migrator  *migrate.Migrator
	Directory users.Directory
	Operator  usersfx.Operator
	Desk      *sibling.Desk
	Routes    []func(httpserver.API) `group:"routes"`
}

func (s *siblingSuite) SetupTest() {
	t := s.T()
	t.Setenv("DATABASE_URL", dbtest.Empty(t).DSN)
	t.Setenv("MAIL_DIR", t.TempDir())
	cfg, err := config.Load("")
	s.Require().NoError(err)
	program := fx.New(app.Core(cfg, slog.New(slog.DiscardHandler), sibling.Module), fx.Invoke(func(p parts) { s.parts = p }))
	s.Require().NoError(program.Err())
	s.Require().NoError(program.Start(t.Context()))
	t.Cleanup(func() { s.NoError(program.Stop(context.WithoutCancel(t.Context()))) })

	_, err = s.Migrator.Up(t.Context())
	s.Require().NoError(err)
	server, err := httpserver.New(httpserver.Options{})
	s.Require().NoError(err)
	for _, register := range s.Routes {
		register(server.API())
	}
	s.api = server.Handler()

	_, err = s.Operator.CreateAdmin(t.Context(), adminEmail, adminPassword, "Root", "Admin")
	s.Require().NoError(err)
	var pair struct{ AccessToken string }
	s.call(http.MethodPost, "/api/auth/login", map[string]string{"email": adminEmail, "password": adminPassword}, &pair)
	s.token = pair.AccessToken
}

// call sends a request as the administrator and reads the answer, which must be a success.
func (s *siblingSuite) call(method, path string, body, answer any) {
	text, err := json.Marshal(body)
	s.Require().NoError(err)
	r := httptest.NewRequestWithContext(s.T().Context(), method, path, bytes.NewReader(text))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+s.token)
	w := httptest.NewRecorder()
	s.api.ServeHTTP(w, r)
	s.Require().Less(w.Code, 300, "%s", w.Body)
	s.Require().NoError(json.Unmarshal(w.Body.Bytes(), answer))
}

func (s *siblingSuite) createUser(email, firstName string) users.ID {
	var created struct{ ID users.ID }
	s.call(http.MethodPost, "/api/users", map[string]string{"email": email, "firstName": firstName, "lastName": "Trabelsi"}, &created)
	return created.ID
}

func (s *siblingSuite) deactivate(id users.ID) {
	s.call(http.MethodPost, "/api/users/"+id.String()+"/deactivate", struct{}{}, &struct{}{})
}

// statements returns how many statements ask makes: outside a transaction each takes a connection of its own.
func (s *siblingSuite) statements(ask func()) int64 {
	before := s.DB.Pool().Stat().AcquireCount()
	ask()
	return s.DB.Pool().Stat().AcquireCount() - before
}

func (s *siblingSuite) TestGet() {
	ctx, id := s.T().Context(), s.createUser("sana@example.com", "Sana")

	var first, second users.User
	var err error
	s.EqualValues(1, s.statements(func() { first, err = s.Directory.Get(ctx, id) }))
	s.Require().NoError(err)
	s.EqualValues(0, s.statements(func() { second, err = s.Directory.Get(ctx, id) }))
	s.Require().NoError(err)
	s.Equal(first, second)
	s.Equal("Sana", first.FirstName)

	_, err = s.Directory.Get(ctx, uuid.Must(uuid.NewV7()))
	s.Require().ErrorIs(err, users.ErrNotFound)
}

func (s *siblingSuite) TestGetMany() {
	ctx := s.T().Context()
	sana, karim, nobody := s.createUser("sana@example.com", "Sana"), s.createUser("karim@example.com", "Karim"), uuid.Must(uuid.NewV7())
	ask := []users.ID{karim, nobody, sana, karim}

	var cold, warm map[users.ID]users.User
	var err error
	s.EqualValues(1, s.statements(func() { cold, err = s.Directory.GetMany(ctx, ask) }))
	s.Require().NoError(err)
	s.Len(cold, 2)
	s.Equal("Sana", cold[sana].FirstName)
	s.Equal("Karim", cold[karim].FirstName)

	s.EqualValues(0, s.statements(func() { warm, err = s.Directory.GetMany(ctx, []users.ID{sana, karim}) }))
	s.Require().NoError(err)
	s.Equal(cold, warm)
}

func (s *siblingSuite) TestByEmailInAnyForm() {
	ctx, id := s.T().Context(), s.createUser("Sana.Trabelsi@bücher.example", "Sana")
	for _, form := range []string{"sana.trabelsi@xn--bcher-kva.example", " SANA.trabelsi@BÜCHER.Example "} {
		found, err := s.Directory.ByEmail(ctx, form)
		s.Require().NoError(err, form)
		s.Equal(id, found.ID, form)
		exists, err := s.Directory.ExistsByEmail(ctx, form)
		s.Require().NoError(err, form)
		s.True(exists, form)
	}
	for _, form := range []string{"nobody@example.com", "no address"} {
		_, err := s.Directory.ByEmail(ctx, form)
		s.Require().ErrorIs(err, users.ErrNotFound, form)
		exists, err := s.Directory.ExistsByEmail(ctx, form)
		s.Require().NoError(err, form)
		s.False(exists, form)
	}
}

func (s *siblingSuite) TestADeactivationIsSeenAtTheNextCall() {
	ctx, id := s.T().Context(), s.createUser("sana@example.com", "Sana")
	_, err := s.Directory.RequireActive(ctx, id) // now cached
	s.Require().NoError(err)

	s.deactivate(id)
	_, err = s.Directory.RequireActive(ctx, id)
	s.Require().ErrorIs(err, users.ErrDeactivated)
	found, err := s.Directory.Get(ctx, id)
	s.Require().NoError(err)
	s.False(found.IsActive)
	_, err = s.Directory.RequireActive(ctx, uuid.Must(uuid.NewV7()))
	s.Require().ErrorIs(err, users.ErrNotFound)
}

func (s *siblingSuite) TestAReferencedUserStays() {
	ctx := s.T().Context()
	sana, karim := s.createUser("sana@example.com", "Sana"), s.createUser("karim@example.com", "Karim")
	s.Require().NoError(s.Desk.Register(ctx, "concert", sana))
	s.Require().NoError(s.Desk.Register(ctx, "concert", karim))

	_, err := s.DB.Conn(ctx).ExecContext(ctx, "DELETE FROM users.users WHERE id = ?", sana)
	constraint, refused := database.ForeignKeyViolation(err)
	s.True(refused, "%v", err)
	s.Equal("fk_registrations_user", constraint)

	s.deactivate(sana)
	names, err := s.Desk.Attendees(ctx, "concert")
	s.Require().NoError(err)
	s.Equal([]string{"Sana (gone)", "Karim"}, names)
	s.Require().ErrorIs(s.Desk.Register(ctx, "theatre", sana), users.ErrDeactivated)
	s.Require().ErrorIs(s.Desk.Register(ctx, "theatre", uuid.Must(uuid.NewV7())), users.ErrNotFound)
}
