package usersfx_test

import (
	"io/fs"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"github.com/stretchr/testify/suite"
	"go.uber.org/dig"
	"go.uber.org/fx"
	"go.uber.org/fx/fxtest"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/adapters/postgres"
	"github.com/tickr/tickr/modules/users/internal/application"
	"github.com/tickr/tickr/modules/users/internal/domain"
	"github.com/tickr/tickr/modules/users/usersfx"
	"github.com/tickr/tickr/platform/config"
	"github.com/tickr/tickr/platform/database"
	"github.com/tickr/tickr/platform/database/dbtest"
	"github.com/tickr/tickr/platform/startup"
	"github.com/tickr/tickr/platform/telemetry"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

const (
	adminEmail    = "root@tickr.test"
	adminPassword = "granite-meadow-parasol"
)

// surroundings is all that the module needs of the program.
func surroundings(t *testing.T, db *database.Handle, change func(*config.Config)) fx.Option {
	t.Helper()
	cfg, err := config.Load("")
	require.NoError(t, err)
	cfg.Mail.Dir = filepath.Join(t.TempDir(), "mail")
	cfg.Bootstrap = config.Bootstrap{Email: adminEmail, Password: config.NewSecret(adminPassword)}
	if change != nil {
		change(&cfg)
	}
	tracing, err := telemetry.NewTracing(t.Context(), telemetry.TracingOptions{})
	require.NoError(t, err)
	return fx.Options(fx.NopLogger, fx.Supply(cfg, db, tracing, slog.New(slog.DiscardHandler)), usersfx.Module)
}

type Module struct {
	suite.Suite

	db *dbtest.DB
}

func TestModule(t *testing.T) { suite.Run(t, new(Module)) }

func (s *Module) SetupTest() { s.db = dbtest.New(s.T(), postgres.Migrations()) }

// groups is what the module adds to the program.
type groups struct {
	fx.In

	Migrations []fs.FS                `group:"migrations"`
	Routes     []func(huma.API)       `group:"routes"`
	Startup    []startup.Task         `group:"startup"`
	Metrics    []prometheus.Collector `group:"metrics"`
}

func (s *Module) TestGivesWhatItPromises() {
	given := fx.Invoke(func(_ users.Directory, _ usersfx.Operator, g groups) {
		s.Len(g.Migrations, 1)
		s.Len(g.Routes, 1)
		s.Len(g.Startup, 5)
		s.NotEmpty(g.Metrics)
	})
	fxtest.New(s.T(), surroundings(s.T(), s.db.Handle, nil), given).RequireStart().RequireStop()
}

func (s *Module) TestKeepsTheRestToItself() {
	for name, asked := range map[string]any{
		"use cases":    func(*application.Service) {},
		"repositories": func(postgres.Repositories) {},
		"sealer":       func(domain.Sealer) {},
	} {
		s.ErrorContains(fx.ValidateApp(surroundings(s.T(), s.db.Handle, nil), fx.Invoke(asked)), "missing type", name)
	}
}

func (s *Module) TestBadAdministratorIsAMistakeInTheConfiguration() {
	for _, change := range []func(*config.Config){
		func(cfg *config.Config) { cfg.Bootstrap.Password = config.NewSecret("password1234") },
		func(cfg *config.Config) { cfg.Bootstrap.Email = "root@nowhere..test" },
	} {
		err := fx.New(surroundings(s.T(), s.db.Handle, change), fx.Invoke(func(groups) {})).Err()
		var mistakes *config.Error
		s.ErrorAs(dig.RootCause(err), &mistakes)
		s.ErrorContains(err, "BOOTSTRAP_ADMIN_PASSWORD")
		s.NotContains(err.Error(), "password1234")
	}
}

func (s *Module) TestBootstrapOfManyAtOnce() {
	var bootstraps sync.WaitGroup
	for range 4 {
		var g groups
		program := fxtest.New(s.T(), surroundings(s.T(), s.db.Handle, nil), fx.Invoke(func(given groups) { g = given })).RequireStart()
		s.T().Cleanup(func() { program.RequireStop() })
		bootstraps.Go(func() {
			for _, task := range g.Startup {
				s.NoError(task.Run(s.T().Context()), task.Name)
			}
		})
	}
	bootstraps.Wait()
	s.Equal(1, s.count("SELECT count(*) FROM users.users WHERE role = 'ADMIN'"))
}

func (s *Module) TestNoAdministratorWithoutConfiguration() {
	none := func(cfg *config.Config) { cfg.Bootstrap = config.Bootstrap{} }
	var g groups
	program := fxtest.New(s.T(), surroundings(s.T(), s.db.Handle, none), fx.Invoke(func(given groups) { g = given })).RequireStart()
	for _, task := range g.Startup {
		s.NoError(task.Run(s.T().Context()), task.Name)
	}
	program.RequireStop()
	s.Zero(s.count("SELECT count(*) FROM users.users"))
}

func (s *Module) count(query string) (n int) {
	s.Require().NoError(s.db.Pool().QueryRow(s.T().Context(), query).Scan(&n))
	return n
}

func (s *Module) TestOperator() {
	var operator usersfx.Operator
	fxtest.New(s.T(), surroundings(s.T(), s.db.Handle, nil), fx.Populate(&operator)).RequireStart().RequireStop()
	ctx := s.T().Context()
	made, err := operator.CreateAdmin(ctx, "Boss@Example.com", adminPassword, "Big", "Boss")
	s.NoError(err)
	s.Equal("boss@example.com", made.Email)
	_, err = operator.CreateAdmin(ctx, "boss@example.com", adminPassword, "Big", "Boss")
	s.ErrorIs(err, users.ErrEmailTaken)
	s.False(usersfx.IsInvalidInput(err))
	_, err = operator.CreateAdmin(ctx, "nonsense", "short", "", "Boss")
	s.True(usersfx.IsInvalidInput(err))
	for _, field := range []string{"email", "password", "firstName"} {
		s.ErrorContains(err, field)
	}
	stats, err := operator.Stats(ctx)
	s.NoError(err)
	s.Equal(users.Stats{
		Total: 1, Active: 1, Signups24h: 1, ByRole: map[users.Role]int64{users.Admin: 1, users.Organizer: 0, users.Participant: 0},
	}, stats)
}

// The directory's comment promises what each question costs.
func (s *Module) TestDirectoryAsksOnceAndRemembers() {
	var directory users.Directory
	var operator usersfx.Operator
	fxtest.New(s.T(), surroundings(s.T(), s.db.Handle, nil), fx.Populate(&directory, &operator)).RequireStart().RequireStop()
	ctx := s.T().Context()
	var ids []users.ID
	for _, email := range []string{"a@example.com", "b@example.com", "c@example.com"} {
		u, err := operator.CreateAdmin(ctx, email, adminPassword, "A", "B")
		s.Require().NoError(err)
		ids = append(ids, u.ID)
	}
	unknown := uuid.Must(uuid.NewV7())
	asked := append([]users.ID{unknown, ids[0]}, ids...)

	s.Equal(1, s.queries(func() {
		found, err := directory.GetMany(ctx, asked)
		s.NoError(err)
		s.Len(found, 3)
		s.NotContains(found, unknown)
	}), "cold")
	s.Zero(s.queries(func() {
		found, err := directory.GetMany(ctx, ids)
		s.NoError(err)
		s.Len(found, 3)
		u, err := directory.Get(ctx, ids[0])
		s.NoError(err)
		s.Equal("a@example.com", u.Email)
		_, err = directory.RequireActive(ctx, ids[1])
		s.NoError(err)
	}), "warm")

	_, err := directory.Get(ctx, unknown)
	s.ErrorIs(err, users.ErrNotFound)
	_, err = directory.RequireActive(ctx, unknown)
	s.ErrorIs(err, users.ErrNotFound)
	_, err = directory.ByEmail(ctx, "not an address")
	s.ErrorIs(err, users.ErrNotFound)
	exists, err := directory.ExistsByEmail(ctx, " A@EXAMPLE.com")
	s.NoError(err)
	s.True(exists)
	exists, err = directory.ExistsByEmail(ctx, "d@example.com")
	s.NoError(err)
	s.False(exists)
}

// queries counts how often fn asked the database.
func (s *Module) queries(fn func()) int {
	before := s.db.Pool().Stat().AcquireCount()
	fn()
	return int(s.db.Pool().Stat().AcquireCount() - before)
}
