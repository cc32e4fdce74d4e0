// Package app lists what the program is made of: the platform, and one line per module.
package app

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/fx"
	"go.uber.org/fx/fxevent"

	"github.com/tickr/tickr/modules/users/usersfx"
	"github.com/tickr/tickr/platform/config"
	"github.com/tickr/tickr/platform/database"
	"github.com/tickr/tickr/platform/database/migrate"
	"github.com/tickr/tickr/platform/httpserver"
	"github.com/tickr/tickr/platform/startup"
	"github.com/tickr/tickr/platform/telemetry"
)

const (
	// StopTimeout bounds a clean stop, besides SHUTDOWN_DELAY.
	StopTimeout = 15 * time.Second
	// drainTimeout bounds how long requests in flight may take to finish; it leaves the rest of the stop to everything else.
	drainTimeout = 8 * time.Second
	// title is what the API document is called.
	title = "Tickr"
)

// modules are the business modules of the monolith.
var modules = fx.Options(
	usersfx.Module,
)

// Schemas are what the modules own of the database: a module's schema has its name.
func Schemas() []string { return []string{"users"} }

// Core is everything but the servers: what a command needs to work with the modules. extra come with it, such as modules of
// tests.
func Core(cfg config.Config, logger *slog.Logger, extra ...fx.Option) fx.Option {
	return fx.Options(
		fx.WithLogger(func() fxevent.Logger {
			events := &fxevent.SlogLogger{Logger: logger}
			events.UseLogLevel(slog.LevelDebug)
			events.UseErrorLevel(slog.LevelDebug) // what stops the program is told once, by main
			return events
		}),
		fx.StopTimeout(StopTimeout+cfg.HTTP.ShutdownDelay),
		fx.Supply(cfg, logger),
		fx.Provide(telemetry.NewRegistry, newTracing, newDatabase, newMigrator),
		modules,
		fx.Options(extra...),
	)
}

// Listeners are where the program serves. Ops is nil when no operations port is wanted.
type Listeners struct{ API, Ops net.Listener }

// Serve is Core and the servers on their listeners. Ready is called once the database is prepared and requests are answered.
func Serve(cfg config.Config, logger *slog.Logger, listeners Listeners, ready func(), extra ...fx.Option) fx.Option {
	return fx.Options(
		fx.Invoke(func(*telemetry.Tracing) {}), // built first, so stopped last: what the others do to their end is traced
		Core(cfg, logger, extra...),
		fx.Supply(listeners),
		fx.Provide(newPreparation, newServer),
		fx.Invoke(registerMetrics, func(lc fx.Lifecycle, p *startup.Preparation, stop fx.Shutdowner) { prepare(lc, p, ready, stop, logger) }, serve),
	)
}

func newTracing(lc fx.Lifecycle, cfg config.Config, logger *slog.Logger) (*telemetry.Tracing, error) {
	headers, err := cfg.Tracing.HeaderFields()
	if err != nil {
		return nil, err
	}
	tracing, err := telemetry.NewTracing(context.Background(), telemetry.TracingOptions{
		Endpoint: cfg.Tracing.Endpoint, Headers: headers, Service: cfg.Tracing.ServiceName, Version: Version(),
		Sampler: cfg.Tracing.Sampler, SamplerArg: cfg.Tracing.SamplerArg, Logger: logger,
	})
	if err != nil {
		return nil, err
	}
	lc.Append(fx.StopHook(tracing.Stop))
	return tracing, nil
}

func newDatabase(lc fx.Lifecycle, cfg config.Config) (*database.Handle, error) {
	db, err := database.Open(context.Background(), database.Options{
		DSN: cfg.Database.DSN(), PoolSize: cfg.Database.PoolSize,
		ConnectTimeout: time.Duration(cfg.Database.ConnectionTimeout), IdleTimeout: time.Duration(cfg.Database.IdleTimeout),
		ApplicationName: "tickr",
	})
	if err != nil {
		return nil, &config.Error{Mistakes: []string{"DATABASE_URL: " + err.Error()}}
	}
	lc.Append(fx.StopHook(db.Close))
	return db, nil
}

type migrations struct {
	fx.In

	Sources []fs.FS `group:"migrations"`
}

func newMigrator(cfg config.Config, m migrations) (*migrate.Migrator, error) {
	return migrate.New(cfg.Database.DirectDSN(), m.Sources...)
}

type startupTasks struct {
	fx.In

	Tasks []startup.Task `group:"startup"`
}

func newPreparation(cfg config.Config, db *database.Handle, m *migrate.Migrator, t startupTasks, logger *slog.Logger) *startup.Preparation {
	return startup.New(db, m, cfg.Database.MigrateOnStart, t.Tasks, logger)
}

// prepare runs the preparation in the background from start to stop. What waiting does not mend stops the program.
func prepare(lc fx.Lifecycle, p *startup.Preparation, ready func(), stop fx.Shutdowner, logger *slog.Logger) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	lc.Append(fx.StartStopHook(
		func() {
			go func() {
				defer close(done)
				switch err := p.Run(ctx); {
				case err == nil:
					ready()
				case ctx.Err() == nil:
					logger.Error("the program cannot go on", slog.String("reason", Reason(err)))
					_ = stop.Shutdown(fx.ExitCode(ExitCode(err)))
				}
			}()
		},
		func(stop context.Context) error {
			cancel()
			select {
			case <-done:
				return nil
			case <-stop.Done():
				return stop.Err()
			}
		},
	))
}

type routes struct {
	fx.In

	Routes []func(httpserver.API) `group:"routes"`
}

func newServer(cfg config.Config, registry *prometheus.Registry, tracing *telemetry.Tracing, db *database.Handle, p *startup.Preparation, r routes, logger *slog.Logger) (*httpserver.Server, error) {
	server, err := httpserver.New(httpserver.Options{
		Title: title, Version: Version(), Logger: logger, Registry: registry, TracerProvider: tracing,
		TrustedProxies: cfg.HTTP.TrustedProxies, CORSOrigins: cfg.HTTP.CORSOrigins,
		RequestContext: func(ctx context.Context) context.Context { return database.WithBudget(ctx, database.RequestBudget) },
		Prepared:       p.Done,
		Checks: []httpserver.Check{
			{Name: "database", Probe: db.Ping},
			{Name: "schema", Probe: p.Ready},
		},
	})
	if err != nil {
		return nil, err
	}
	for _, register := range r.Routes {
		register(server.API())
	}
	return server, nil
}

// serve answers on the listeners from start to stop. A stop first tells load balancers, then lets requests finish.
func serve(lc fx.Lifecycle, cfg config.Config, server *httpserver.Server, registry *prometheus.Registry, on Listeners, stop fx.Shutdowner, logger *slog.Logger) {
	run := func(what string, serve func(net.Listener) error, on net.Listener) {
		if err := serve(on); err != nil && !errors.Is(err, http.ErrServerClosed) {
			logger.Error("cannot serve", slog.String("what", what), slog.Any("error", err))
			_ = stop.Shutdown(fx.ExitCode(exitFailure))
		}
	}
	ops := httpserver.NewOps(registry, logger)
	lc.Append(fx.StartStopHook(
		func() {
			if on.Ops != nil {
				go run("operations", ops.Serve, on.Ops)
			}
			go run("API", server.Serve, on.API)
		},
		func(ctx context.Context) error {
			server.Drain()
			select {
			case <-time.After(cfg.HTTP.ShutdownDelay):
			case <-ctx.Done():
			}
			ctx, cancel := context.WithTimeout(ctx, drainTimeout)
			defer cancel()
			// The operations port does not wait: a profile takes as long as it was asked to.
			return errors.Join(server.Shutdown(ctx), ops.Close())
		},
	))
}
