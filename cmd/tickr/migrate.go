package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/fx"

	"github.com/tickr/tickr/cmd/tickr/app"
	"github.com/tickr/tickr/platform/database/migrate"
	"github.com/tickr/tickr/platform/startup"
)

func newMigrate() *cobra.Command {
	return group("migrate", "Change the database schema", newMigrateUp(), newMigrateDown(), newMigrateStatus(), newMigrateCreate(), newMigrateGenerate())
}

// migrationError marks an error of the migrator, so that the program ends with its code.
func migrationError(err error) error {
	if err == nil {
		return nil
	}
	return &startup.MigrationError{Err: err}
}

func newMigrateUp() *cobra.Command {
	return &cobra.Command{
		Use: "up", Short: "Apply all pending migrations", Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			var migrator *migrate.Migrator
			return withModules(cmd, func(ctx context.Context) error {
				applied, err := migrator.Up(ctx)
				for _, name := range applied {
					fmt.Fprintln(cmd.OutOrStdout(), "applied", name)
				}
				if err == nil && len(applied) == 0 {
					fmt.Fprintln(cmd.OutOrStdout(), "nothing to apply")
				}
				return migrationError(err)
			}, &migrator)
		},
	}
}

func newMigrateDown() *cobra.Command {
	return &cobra.Command{
		Use: "down", Short: "Undo the newest migration", Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			var migrator *migrate.Migrator
			return withModules(cmd, func(ctx context.Context) error {
				undone, err := migrator.Down(ctx)
				if errors.Is(err, migrate.ErrNothingApplied) {
					fmt.Fprintln(cmd.OutOrStdout(), "nothing to undo")
					return nil
				}
				if err == nil {
					fmt.Fprintln(cmd.OutOrStdout(), "undone", undone)
				}
				return migrationError(err)
			}, &migrator)
		},
	}
}

func newMigrateStatus() *cobra.Command {
	var check bool
	cmd := &cobra.Command{
		Use: "status", Short: "List applied [X], changed [!] and pending [ ] migrations", Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			var migrator *migrate.Migrator
			return withModules(cmd, func(ctx context.Context) error {
				status, err := migrator.Status(ctx)
				if err != nil {
					return migrationError(err)
				}
				out, changed := cmd.OutOrStdout(), false
				for _, m := range status.Applied {
					mark, remark := "X", ""
					if m.Changed {
						mark, remark, changed = "!", ", its file was changed since", true
					}
					fmt.Fprintf(out, "[%s] %s  applied %s%s\n", mark, m.Name, m.At.Format(time.RFC3339), remark)
				}
				for _, name := range status.Unknown {
					fmt.Fprintf(out, "[?] %s  applied, not known to this program\n", name)
				}
				for _, name := range status.Pending {
					fmt.Fprintf(out, "[ ] %s  pending\n", name)
				}
				switch {
				case check && changed:
					return migrationError(errors.New("an applied migration was changed"))
				case check && len(status.Pending) > 0:
					return app.ErrPending
				}
				return nil
			}, &migrator)
		},
	}
	cmd.Flags().BoolVar(&check, "check", false, "exit 5 when a migration is pending or changed")
	return cmd
}

func newMigrateCreate() *cobra.Command {
	var module string
	cmd := &cobra.Command{
		Use: "create NAME", Short: "Write an empty pair of migration files", Args: usage(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return writeMigration(cmd, module, args[0], migrate.Draft{})
		},
	}
	moduleFlag(cmd, &module)
	return cmd
}

// models are what the modules store, as bun sees it.
type models struct {
	fx.In

	Models []any `group:"models"`
}

func newMigrateGenerate() *cobra.Command {
	var module string
	cmd := &cobra.Command{
		Use: "generate NAME", Short: "Draft a pair of migration files from what the models have and the database has not",
		Args: usage(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			var migrator *migrate.Migrator
			var known models
			return withModules(cmd, func(ctx context.Context) error {
				draft, err := migrator.Draft(ctx, module, known.Models) // a module's schema has its name
				if err != nil {
					return migrationError(err)
				}
				if draft == (migrate.Draft{}) {
					fmt.Fprintln(cmd.OutOrStdout(), "nothing to draft: the database has all that the models have")
					return nil
				}
				if err := writeMigration(cmd, module, args[0], draft); err != nil {
					return err
				}
				fmt.Fprintln(cmd.ErrOrStderr(), "This is a draft: read it, and add what models do not know (indexes, constraints, values of rows that exist). Nothing was applied.")
				return nil
			}, &migrator, &known)
		},
	}
	moduleFlag(cmd, &module)
	return cmd
}

func moduleFlag(cmd *cobra.Command, module *string) {
	cmd.Flags().StringVar(module, "module", "users", "module that owns the migration")
}

// writeMigration writes a pair of files into the sources of a module and prints their names.
func writeMigration(cmd *cobra.Command, module, name string, draft migrate.Draft) error {
	dir := filepath.Join("modules", module, "internal", "adapters", "postgres", "migrations")
	up, down, err := migrate.Create(dir, name, draft, time.Now())
	if err != nil {
		return fmt.Errorf("%w: %w", app.ErrUsage, err)
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s\n%s\n", up, down)
	return err
}
