package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime/debug"

	"github.com/spf13/cobra"
	"go.uber.org/fx"

	"github.com/tickr/tickr/cmd/tickr/app"
	"github.com/tickr/tickr/platform/config"
	"github.com/tickr/tickr/platform/database/embedded"
	"github.com/tickr/tickr/platform/httpserver"
	"github.com/tickr/tickr/platform/telemetry"
)

func newServe() *cobra.Command {
	return &cobra.Command{
		Use: "serve", Short: "Serve the API until interrupted", Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := load(cmd)
			if err != nil {
				return err
			}
			return serve(cmd.Context(), cfg, cmd.OutOrStdout(), telemetry.NewLogger(cmd.ErrOrStderr(), cfg.Log.Level, cfg.Log.Format))
		},
	}
}

// gcPercent is how much the heap may grow between two collections, in percent of what is in use. Most of that holds no pointers (cached
// profiles, the memory of hashing, buffers of connections): to collect twice as often as usual costs little and saves memory.
const gcPercent = 50

// collectOften sets gcPercent, unless GOGC asks for something else than what is usual.
func collectOften() {
	const usual = 100
	if percent := debug.SetGCPercent(gcPercent); percent != usual {
		debug.SetGCPercent(percent)
	}
}

// serve runs the program until ctx ends or a part of it fails.
func serve(ctx context.Context, cfg config.Config, out io.Writer, logger *slog.Logger) error {
	collectOften()
	postgres := "as configured"
	var private *embedded.Server
	if cfg.Database.Private() {
		var err error
		private, err = embedded.Serve(ctx, privateOptions(cfg, logger))
		if ctx.Err() != nil {
			return nil // interrupted before anything was served
		}
		if err != nil {
			return err
		}
		defer stopPrivate(private, logger)
		cfg.Database.URL = config.NewSecret(private.DSN())
		postgres = "private, data in " + private.DataDir()
	}

	listeners, err := listen(ctx, cfg)
	if err != nil {
		return err
	}
	api := "http://" + localAddress(listeners.API.Addr().String())
	if cfg.Env != config.Production {
		cfg.Mail.APIURL = api
	}
	if private != nil {
		private.Describe("API " + api)
	}
	ready := func() {
		logger.Info("ready", slog.String("api", api))
		if cfg.Env != config.Production {
			welcome(out, cfg, api, listeners.Ops, postgres)
		}
	}
	program := fx.New(app.Serve(cfg, logger, listeners, ready))
	if err := program.Err(); err != nil {
		return err
	}
	logger.Info("listening", slog.String("api", api))
	return runUntil(ctx, program, logger)
}

// listen opens the ports. A part that fails later closes them with the program.
func listen(ctx context.Context, cfg config.Config) (app.Listeners, error) {
	var on app.Listeners
	var err error
	if on.API, err = httpserver.Listen(ctx, cfg.HTTP.Addr, cfg.HTTP.AddrGiven); err != nil {
		return app.Listeners{}, fmt.Errorf("HTTP_ADDR: %w", err)
	}
	if cfg.HTTP.OpsAddr == config.Off {
		return on, nil
	}
	if on.Ops, err = httpserver.Listen(ctx, cfg.HTTP.OpsAddr, cfg.HTTP.OpsAddrGiven); err != nil {
		return app.Listeners{}, errors.Join(fmt.Errorf("OPS_ADDR: %w", err), on.API.Close())
	}
	return on, nil
}

// runUntil starts the program, waits for ctx or for a part that asks to stop, and stops it in order.
func runUntil(ctx context.Context, program *fx.App, logger *slog.Logger) error {
	// An interrupt meanwhile waits: only what has started can be stopped in order.
	start, cancel := context.WithTimeout(context.WithoutCancel(ctx), program.StartTimeout())
	defer cancel()
	if err := program.Start(start); err != nil {
		return err
	}
	code := 0
	select {
	case <-ctx.Done():
	case signal := <-program.Wait(): // fx listens for signals of the system, too
		code = signal.ExitCode
	}
	logger.Info("stopping")
	// A second signal does not cut the stop short: it is bounded anyway.
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), program.StopTimeout())
	defer cancel()
	err := program.Stop(stop)
	switch {
	case code != 0: // what ended the program counts, not how it ended
		if err != nil {
			logger.Error("the program did not stop cleanly", slog.String("reason", app.Reason(err)))
		}
		return exitCode(code)
	case err != nil:
		return fmt.Errorf("stop: %w", err)
	}
	return nil
}

// welcome tells a developer what is where.
func welcome(out io.Writer, cfg config.Config, api string, ops net.Listener, postgres string) {
	operations := "none"
	if ops != nil {
		operations = "http://" + ops.Addr().String() + "/metrics"
	}
	admin := "none (set BOOTSTRAP_ADMIN_EMAIL and BOOTSTRAP_ADMIN_PASSWORD, or run `tickr users create-admin`)"
	if cfg.Bootstrap.Email != "" {
		admin = cfg.Bootstrap.Email + ", password in BOOTSTRAP_ADMIN_PASSWORD (make run: configs/dev.env)"
	}
	sms := cfg.SMS.Dir + " (one .txt file a message)"
	if cfg.SMS.Driver == config.Off {
		sms = config.Off
	}
	fmt.Fprintf(out, `
Tickr is ready.
  API         %s/api
  Docs        %s/docs
  Metrics     %s
  Mail        %s (one .eml file a message)
  SMS         %s
  PostgreSQL  %s
  Admin       %s
  Stop        Ctrl-C

`, api, api, operations, cfg.Mail.Dir, sms, postgres, admin)
}
