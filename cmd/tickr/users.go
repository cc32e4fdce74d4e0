package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/tickr/tickr/cmd/tickr/app"
	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/usersfx"
	"github.com/tickr/tickr/platform/config"
	"github.com/tickr/tickr/platform/database"
	"github.com/tickr/tickr/platform/database/migrate"
)

func newUsers() *cobra.Command {
	return group("users", "Work with accounts", newUsersCreateAdmin(), newUsersStats())
}

// withUsers runs fn with the users module over an up-to-date schema.
func withUsers(cmd *cobra.Command, fn func(ctx context.Context, operator usersfx.Operator) error) error {
	var (
		cfg      config.Config
		db       *database.Handle
		migrator *migrate.Migrator
		operator usersfx.Operator
	)
	return withModules(cmd, func(ctx context.Context) error {
		if err := current(ctx, cfg, db, migrator); err != nil {
			return err
		}
		return fn(ctx, operator)
	}, &cfg, &db, &migrator, &operator)
}

func newUsersCreateAdmin() *cobra.Command {
	var email, firstName, lastName, password string
	cmd := &cobra.Command{
		Use:   "create-admin",
		Short: "Create an administrator who can log in at once",
		Long: "Create an administrator who can log in at once. The password is the first line of the standard input:\n" +
			"a command line is visible to other accounts of the machine.",
		Example: "  tickr users create-admin --email root@example.com < password.txt",
		Args:    usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if password == "" {
				var err error
				if password, err = firstLine(cmd); err != nil {
					return err
				}
			}
			return withUsers(cmd, func(ctx context.Context, operator usersfx.Operator) error {
				u, err := operator.CreateAdmin(ctx, email, password, firstName, lastName)
				if usersfx.IsInvalidInput(err) {
					return fmt.Errorf("%w: %w", app.ErrUsage, err)
				}
				if err != nil {
					return err
				}
				_, err = fmt.Fprintln(cmd.OutOrStdout(), "created administrator", u.ID)
				return err
			})
		},
	}
	cmd.Flags().StringVar(&email, "email", "", "e-mail address (required)")
	cmd.Flags().StringVar(&firstName, "first-name", "Tickr", "first name")
	cmd.Flags().StringVar(&lastName, "last-name", "Administrator", "last name")
	cmd.Flags().StringVar(&password, "password", "", "password; better given on the standard input")
	return cmd
}

// firstLine reads the password from the standard input: asked for, and not shown, where that is a terminal.
func firstLine(cmd *cobra.Command) (string, error) {
	if file, ok := cmd.InOrStdin().(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		fmt.Fprint(cmd.ErrOrStderr(), "Password: ")
		typed, err := term.ReadPassword(int(file.Fd()))
		fmt.Fprintln(cmd.ErrOrStderr())
		if err != nil {
			return "", fmt.Errorf("read the password: %w", err)
		}
		return string(typed), nil
	}
	line, err := bufio.NewReader(cmd.InOrStdin()).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read the password: %w", err)
	}
	return strings.TrimRight(line, "\r\n"), nil
}

func newUsersStats() *cobra.Command {
	return &cobra.Command{
		Use: "stats", Short: "Print figures about all accounts", Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withUsers(cmd, func(ctx context.Context, operator usersfx.Operator) error {
				stats, err := operator.Stats(ctx)
				if err != nil {
					return err
				}
				out := cmd.OutOrStdout()
				fmt.Fprintf(out, "total        %d\nactive       %d\n", stats.Total, stats.Active)
				for _, role := range users.Roles() {
					fmt.Fprintf(out, "%-12s %d\n", strings.ToLower(string(role)), stats.ByRole[role])
				}
				_, err = fmt.Fprintf(out, "signups 24h  %d\n", stats.Signups24h)
				return err
			})
		},
	}
}
