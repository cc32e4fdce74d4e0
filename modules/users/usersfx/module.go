// Package usersfx puts the users module together. It is the module's only user of fx and the only place that names every adapter.
package usersfx

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/fx"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/adapters/cache"
	"github.com/tickr/tickr/modules/users/internal/adapters/httpapi"
	"github.com/tickr/tickr/modules/users/internal/adapters/jwt"
	"github.com/tickr/tickr/modules/users/internal/adapters/mail"
	"github.com/tickr/tickr/modules/users/internal/adapters/metrics"
	"github.com/tickr/tickr/modules/users/internal/adapters/password"
	"github.com/tickr/tickr/modules/users/internal/adapters/postgres"
	"github.com/tickr/tickr/modules/users/internal/adapters/sms"
	"github.com/tickr/tickr/modules/users/internal/application"
	"github.com/tickr/tickr/modules/users/internal/domain"
	"github.com/tickr/tickr/platform/config"
	"github.com/tickr/tickr/platform/database"
	"github.com/tickr/tickr/platform/httpserver"
	"github.com/tickr/tickr/platform/startup"
	"github.com/tickr/tickr/platform/telemetry"
)

// Module gives siblings users.Directory and operators' commands Operator. It needs config.Config, *database.Handle, *slog.Logger and
// *telemetry.Tracing, and adds to the groups "migrations" (fs.FS), "models" (any: a bun model), "routes" (func(httpserver.API)),
// "startup" (startup.Task), "metrics" (prometheus.Collector) and "statements" (inspect.Catalogue).
var Module = fx.Module("users",
	fx.Provide(
		fx.Annotate(postgres.Migrations, fx.ResultTags(`group:"migrations"`)),
		fx.Annotate(postgres.Models, fx.ResultTags(`group:"models,flatten"`)),
		fx.Annotate(newDirectory, fx.As(new(users.Directory))),
		newOperator,
		fx.Annotate(newRoutes, fx.ResultTags(`group:"routes"`)),
		fx.Annotate(newStartup, fx.ResultTags(`group:"startup,flatten"`)),
		fx.Annotate(newCollectors, fx.ResultTags(`group:"metrics,flatten"`)),
		fx.Annotate(newStatements, fx.ResultTags(`group:"statements"`)),
	),
	fx.Provide(
		newRepositories, newCache, newHasher, newAccessTokens, newSealer, metrics.NewMeter, newMailer, newTexter, application.NewBell,
		newInstance, newFollower, newThrottles, newRequests, newService, application.NewRelay, application.NewJanitor,
		fx.Private,
	),
)

// now is the clock of the module: UTC, in the microseconds that PostgreSQL keeps.
func now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

func newID() uuid.UUID { return uuid.Must(uuid.NewV7()) }

func newRepositories(db *database.Handle, cfg config.Config) postgres.Repositories {
	if cfg.Database.Prepared {
		return postgres.NewRepositories(db)
	}
	return postgres.NewUnprepared(db)
}

func newCache(lc fx.Lifecycle, cfg config.Config) (*cache.Cache, error) {
	c, err := cache.New(cache.Options{
		TTL: cfg.Cache.TTL(), MaxMB: cfg.Cache.MaxMB, LoadTime: database.RequestBudget, Spend: database.Spend, Now: now,
	})
	if err != nil {
		return nil, err
	}
	lc.Append(fx.StopHook(c.Close))
	return c, nil
}

func newHasher() *password.Hasher { return password.New(password.Options{}) }

func newAccessTokens(cfg config.Config) (*jwt.Signer, error) {
	return jwt.New(cfg.Tokens.Secret.Reveal(), cfg.Tokens.PreviousSecret.Reveal(), now)
}

// secrets are the program's secrets, the current one first.
func secrets(cfg config.Config) []string {
	all := []string{cfg.Tokens.Secret.Reveal()}
	if previous := cfg.Tokens.PreviousSecret.Reveal(); previous != "" {
		all = append(all, previous)
	}
	return all
}

func newSealer(cfg config.Config) (domain.Sealer, error) { return domain.NewSealer(secrets(cfg)...) }

func newMailer(cfg config.Config, tracing *telemetry.Tracing, meter *metrics.Meter) (application.Mailer, error) {
	mailer, err := newDriver(cfg)
	if err != nil {
		return nil, err
	}
	return meter.Mailer(mail.Traced(mailer, tracing)), nil
}

func newDriver(cfg config.Config) (application.Mailer, error) {
	if cfg.Mail.Driver == "smtp" {
		return mail.NewSMTP(mail.SMTPOptions{
			URL: cfg.Mail.SMTPURL.Reveal(), From: cfg.Mail.From, PublicURL: cfg.Mail.PublicURL,
			RequireTLS: cfg.Env != config.Development, APIURL: cfg.Mail.APIURL,
		})
	}
	return mail.NewFile(mail.Options{
		Dir: cfg.Mail.Dir, From: cfg.Mail.From, PublicURL: cfg.Mail.PublicURL, APIURL: cfg.Mail.APIURL,
	})
}

func newTexter(cfg config.Config) (application.Texter, error) {
	if cfg.SMS.Driver == config.Off {
		return sms.Off{}, nil
	}
	return sms.NewFile(cfg.SMS.Dir)
}

func newInstance() *application.Instance { return application.NewInstance(newID) }

func newFollower(stored postgres.Repositories, c *cache.Cache, self *application.Instance, logger *slog.Logger) *application.Follower {
	return application.NewFollower(stored.Changes, c, self, now, logger)
}

type serviceParams struct {
	fx.In

	Config       config.Config
	DB           *database.Handle
	Stored       postgres.Repositories
	Throttles    application.Throttles
	Cache        *cache.Cache
	Hasher       *password.Hasher
	AccessTokens *jwt.Signer
	Meter        *metrics.Meter
	Sealer       domain.Sealer
	Instance     *application.Instance
	Bell         application.Bell
	Logger       *slog.Logger
}

func newService(p serviceParams) (*application.Service, error) {
	var refreshKeys []domain.RefreshKey
	var codeKeys []domain.CodeKey
	for _, secret := range secrets(p.Config) {
		refreshKey, err := domain.NewRefreshKey(secret)
		if err != nil {
			return nil, err
		}
		codeKey, err := domain.NewCodeKey(secret)
		if err != nil {
			return nil, err
		}
		refreshKeys, codeKeys = append(refreshKeys, refreshKey), append(codeKeys, codeKey)
	}
	pseudonyms, err := domain.NewPseudonymKey(p.Config.Tokens.Secret.Reveal())
	if err != nil {
		return nil, err
	}
	return application.New(application.Deps{
		Tx: p.DB, Users: p.Stored.Users, Registrations: p.Stored.Registrations, OneTimeTokens: p.Stored.OneTimeTokens,
		Sessions: p.Stored.Sessions, Outbox: p.Stored.Outbox, Audit: p.Stored.Audit, Changes: p.Stored.Changes, Throttles: p.Throttles, Instance: p.Instance,
		Leftovers: p.Stored.Leftovers, Months: postgres.NewTrailMonths(p.DB),
		Cache: p.Cache, Hasher: p.Hasher, AccessTokens: p.AccessTokens, Meter: p.Meter, RefreshKeys: refreshKeys, CodeKeys: codeKeys,
		Sealer: p.Sealer, Pseudonyms: pseudonyms,
		AccessTTL: p.Config.Tokens.AccessTTL, RefreshTTL: p.Config.Tokens.RefreshTTL,
		SMS: p.Config.SMS.Driver != config.Off, Wake: p.Bell.Ring, Now: now, NewID: newID, Logger: p.Logger,
	}), nil
}

func newDirectory(s *application.Service) application.Directory { return application.NewDirectory(s) }

func newRoutes(s *application.Service, requests *httpapi.Requests) func(httpserver.API) {
	return func(api httpserver.API) { httpapi.Routes(api, s, requests) }
}

// newRequests returns nil when nothing is limited.
func newRequests(lc fx.Lifecycle, cfg config.Config) (*httpapi.Requests, error) {
	if !cfg.RateLimits {
		return nil, nil
	}
	requests, err := httpapi.NewRequests()
	if err != nil {
		return nil, err
	}
	lc.Append(fx.StopHook(requests.Close))
	return requests, nil
}

func newThrottles(cfg config.Config, stored postgres.Repositories) application.Throttles {
	if !cfg.RateLimits {
		return application.Unlimited{}
	}
	return stored.Throttles
}

// newStartup returns what happens once the schema is there: the first administrator, and from then on what goes on in the background.
func newStartup(
	lc fx.Lifecycle, cfg config.Config, s *application.Service, relay *application.Relay, follower *application.Follower,
	janitor application.Janitor, logger *slog.Logger,
) ([]startup.Task, error) {
	admin := application.NewAdmin{
		Email: cfg.Bootstrap.Email, Password: cfg.Bootstrap.Password.Reveal(), FirstName: "First", LastName: "Administrator",
	}
	wanted := admin.Email != ""
	if wanted {
		if err := admin.Validate(); err != nil {
			return nil, &config.Error{Mistakes: []string{"BOOTSTRAP_ADMIN_EMAIL, BOOTSTRAP_ADMIN_PASSWORD: " + err.Error()}}
		}
	}
	return []startup.Task{
		{Name: "bootstrap administrator", Run: func(ctx context.Context) error {
			if !wanted {
				return nil
			}
			created, err := s.Bootstrap(ctx, admin)
			if created {
				logger.InfoContext(ctx, "the first administrator was created")
			}
			return err
		}},
		{Name: "prepare the audit trail", Run: func(ctx context.Context) error {
			// Whatever is in the way, there is a place for all that is recorded.
			if err := s.PrepareTrail(ctx); err != nil {
				logger.WarnContext(ctx, "no months could be added to the audit trail", slog.Any("error", err))
			}
			return nil
		}},
		{Name: "start the mail relay", Run: background(lc, relay.Run)},
		{Name: "follow other instances", Run: background(lc, follower.Run)},
		{Name: "clean up", Run: background(lc, janitor.Run)},
	}, nil
}

// background returns the start of run in the background, which the lifecycle stops. Once stopping has begun it does not start any more.
func background(lc fx.Lifecycle, run func(context.Context)) func(context.Context) error {
	ctx, cancel := context.WithCancel(context.Background())
	stopped := make(chan struct{})
	var once sync.Once // started, or never to be
	lc.Append(fx.StopHook(func(stop context.Context) error {
		cancel()
		once.Do(func() { close(stopped) })
		select {
		case <-stopped:
			return nil
		case <-stop.Done():
			return stop.Err()
		}
	}))
	return func(context.Context) error {
		once.Do(func() {
			go func() {
				defer close(stopped)
				run(ctx)
			}()
		})
		return nil
	}
}

func newCollectors(
	s *application.Service, stored postgres.Repositories, c *cache.Cache, h *password.Hasher, f *application.Follower, meter *metrics.Meter,
	logger *slog.Logger,
) []prometheus.Collector {
	return []prometheus.Collector{
		metrics.Accounts(s.CountUsers, logger), metrics.Outbox(stored.Outbox, now, logger), metrics.NewLag(f.Lag), c, h, meter,
	}
}

// Describe registers the module's routes with an API that is only to be documented: calling one of them panics.
func Describe(api httpserver.API) { httpapi.Routes(api, nil, nil) }
