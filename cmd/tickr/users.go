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
	return group("users", "Work with accounts", newUsersCreateAdmin(), newUsersStats(), newUsersAuditRetention())
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

func newUsersAuditRetention() *cobra.Command {
	var keep int
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "audit-retention",
		Short: "Remove old months of the audit trail",
		Long: "Remove the months of the audit trail that ended more than the given number of months ago, for good, and print them.\n" +
			"The current month always stays.",
		Example: "  tickr users audit-retention --keep-months 24 --dry-run",
		Args:    usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if keep < 1 {
				return fmt.Errorf("%w: --keep-months must be given, and be 1 or more", app.ErrUsage)
			}
			return withUsers(cmd, func(ctx context.Context, operator usersfx.Operator) error {
				dropped, err := operator.ShortenAudit(ctx, keep, dryRun)
				word := "removed"
				if dryRun {
					word = "would remove"
				}
				for _, month := range dropped {
					fmt.Fprintln(cmd.OutOrStdout(), word, month.Format("2006-01"))
				}
				return err
			})
		},
	}
	cmd.Flags().IntVar(&keep, "keep-months", 0, "how many full months to keep besides the current one (required)")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only print what would be removed")
	return cmd
}
