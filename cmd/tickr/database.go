package main

import (
	"context"
	"errors"
	"log/slog"

	"github.com/spf13/cobra"
	"go.uber.org/fx"

	"github.com/tickr/tickr/cmd/tickr/app"
	"github.com/tickr/tickr/platform/config"
	"github.com/tickr/tickr/platform/database"
	"github.com/tickr/tickr/platform/database/embedded"
	"github.com/tickr/tickr/platform/database/migrate"
	"github.com/tickr/tickr/platform/startup"
	"github.com/tickr/tickr/platform/telemetry"
)

// privateOptions says where the private PostgreSQL lives.
func privateOptions(cfg config.Config, logger *slog.Logger) embedded.Options {
	return embedded.Options{DataDir: cfg.Private.DataDir, BinDir: cfg.Private.BinDir, Database: cfg.Database.Name, Logger: logger}
}

// withModules runs fn with parts of the program filled in by fx, over the configured database: the private one, which is started
// for as long as fn runs when no server runs it, or the given one.
func withModules(cmd *cobra.Command, fn func(ctx context.Context) error, parts ...any) error {
	cfg, err := load(cmd)
	if err != nil {
		return err
	}
	ctx := cmd.Context()
	logger := telemetry.NewLogger(cmd.ErrOrStderr(), cfg.Log.Level, cfg.Log.Format)
	if cfg.Database.Private() {
		server, err := embedded.Attach(ctx, privateOptions(cfg, logger))
		if err != nil {
			return err
		}
		defer stopPrivate(server, logger)
		cfg.Database.URL = config.NewSecret(server.DSN())
	}
	var db *database.Handle
	program := fx.New(app.Core(cfg, logger), fx.Populate(append(parts, &db)...))
	if err := program.Err(); err != nil {
		return err
	}
	// Nothing of the program was started, so only the pool is to be given back.
	defer db.Close()
	err = fn(ctx)
	_, migrating := errors.AsType[*startup.MigrationError](err)
	if database.Unreachable(err) || !migrating && database.Unavailable(err) {
		err = &app.DatabaseError{Err: err}
	}
	return err
}

func stopPrivate(server *embedded.Server, logger *slog.Logger) {
	if err := server.Stop(); err != nil {
		logger.Error("the private PostgreSQL did not stop", slog.Any("error", err))
	}
}

// current makes sure that the schema is the one of this binary: where the program migrates at its start, so do its commands.
func current(ctx context.Context, cfg config.Config, db *database.Handle, migrator *migrate.Migrator) error {
	if cfg.Database.MigrateOnStart {
		_, err := migrator.Up(ctx)
		return migrationError(err)
	}
	pending, err := migrator.Pending(ctx, db)
	if err == nil && len(pending) > 0 {
		err = app.ErrPending
	}
	return err
}
