// Command tickr is the Tickr platform: the API server and the commands of its operators.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/tickr/tickr/cmd/tickr/app"
	"github.com/tickr/tickr/platform/config"
)

func main() {
	ending := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // as under nohup
		ending = append(ending, syscall.SIGHUP) // the terminal was closed
	}
	ctx, stop := signal.NotifyContext(context.Background(), ending...)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run executes a command and returns the exit code of the program. An error is told in one line, or in a list of mistakes.
func run(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	if ended, ok := errors.AsType[exitCode](err); ok { // said already
		return int(ended)
	}
	fmt.Fprintln(errOut, "tickr:", app.Reason(err))
	return app.ExitCode(err)
}

// exitCode ends the program with a code for a reason that was already told.
type exitCode int

func (c exitCode) Error() string { return fmt.Sprintf("exit code %d", int(c)) }

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:           "tickr",
		Short:         "The Tickr event-ticketing platform",
		Long:          "The Tickr event-ticketing platform. Configured by its environment: see configs/dev.env and `tickr config`.",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          usage(cobra.NoArgs),
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.PersistentFlags().String("env-file", "", "file of NAME=value lines to complete the environment, which wins over it")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%w: %w (see `%s --help`)", app.ErrUsage, err, cmd.CommandPath())
	})
	root.AddCommand(newServe(), newMigrate(), newUsers(), newDB(), newBackup(), newOpenAPI(), newConfig(), newHealth(), newVersion())
	return root
}

// usage turns a complaint about arguments into a usage error.
func usage(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return fmt.Errorf("%w: %w (see `%s --help`)", app.ErrUsage, err, cmd.CommandPath())
		}
		return nil
	}
}

// group is a command that only has subcommands.
func group(use, short string, subcommands ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short, Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return fmt.Errorf("%w: %s needs a subcommand (see `%s --help`)", app.ErrUsage, use, cmd.CommandPath())
		},
	}
	cmd.AddCommand(subcommands...)
	return cmd
}

// load reads the configuration for a command.
func load(cmd *cobra.Command) (config.Config, error) {
	file, err := cmd.Flags().GetString("env-file")
	if err != nil {
		return config.Config{}, err
	}
	return config.Load(file)
}
