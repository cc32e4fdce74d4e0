package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/tickr/tickr/cmd/tickr/app"
	"github.com/tickr/tickr/platform/database/migrate"
	"github.com/tickr/tickr/platform/startup"
)

func newMigrate() *cobra.Command {
	return group("migrate", "Change the database schema", newMigrateUp(), newMigrateDown(), newMigrateStatus(), newMigrateCreate())
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
				out := cmd.OutOrStdout()
				for _, m := range status.Applied {
					mark, remark := "X", ""
					if m.Changed {
						mark, remark = "!", ", its file was changed since"
					}
					fmt.Fprintf(out, "[%s] %s  applied %s%s\n", mark, m.Name, m.At.Format(time.RFC3339), remark)
				}
				for _, name := range status.Unknown {
					fmt.Fprintf(out, "[?] %s  applied, not known to this program\n", name)
				}
				for _, name := range status.Pending {
					fmt.Fprintf(out, "[ ] %s  pending\n", name)
				}
				if check && len(status.Pending) > 0 {
					return app.ErrPending
				}
				return nil
			}, &migrator)
		},
	}
	cmd.Flags().BoolVar(&check, "check", false, "exit 5 when a migration is pending")
	return cmd
}

func newMigrateCreate() *cobra.Command {
	var module string
	cmd := &cobra.Command{
		Use: "create NAME", Short: "Write an empty pair of migration files", Args: usage(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir := filepath.Join("modules", module, "internal", "adapters", "postgres", "migrations")
			up, down, err := migrate.Create(dir, args[0], time.Now())
			if err != nil {
				return fmt.Errorf("%w: %w", app.ErrUsage, err)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s\n%s\n", up, down)
			return err
		},
	}
	cmd.Flags().StringVar(&module, "module", "users", "module that owns the migration")
	return cmd
}
