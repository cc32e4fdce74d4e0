package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/tickr/tickr/cmd/tickr/app"
	"github.com/tickr/tickr/platform/database/archive"
	"github.com/tickr/tickr/platform/database/embedded"
	"github.com/tickr/tickr/platform/telemetry"
)

// newPhysicalBackups are the commands about base backups and the WAL archive.
func newPhysicalBackups() []*cobra.Command {
	return []*cobra.Command{newBackupArchive(), newBackupBase(), newBackupCheck(), newBackupRecover(), newBackupReceive()}
}

// privateServer is where the private PostgreSQL lives, for commands about no other.
func privateServer(cmd *cobra.Command) (embedded.Options, error) {
	cfg, err := load(cmd)
	if err != nil {
		return embedded.Options{}, err
	}
	if !cfg.Database.Private() {
		return embedded.Options{}, fmt.Errorf("%w: this is for the private PostgreSQL; for a server of your own see docs/operations/recovery.md", app.ErrUsage)
	}
	return privateOptions(cfg, telemetry.NewLogger(cmd.ErrOrStderr(), cfg.Log.Level, cfg.Log.Format)), nil
}

func newBackupArchive() *cobra.Command {
	on := &cobra.Command{
		Use: "on", Short: "Archive the WAL of the private PostgreSQL from now on, and make the first base backup", Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, err := privateServer(cmd)
			if err != nil {
				return err
			}
			first, err := archive.TurnOn(cmd.Context(), o)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "archiving is on; any moment from %s on can be recovered\n", first.Since().Format(time.RFC3339))
			return err
		},
	}
	off := &cobra.Command{
		Use: "off", Short: "End archiving at the next start of the private PostgreSQL; what was archived is kept", Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, err := privateServer(cmd)
			if err != nil {
				return err
			}
			if err := archive.TurnOff(cmd.Context(), o); err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), "archiving ends at the next start of the server")
			return err
		},
	}
	return group("archive", "Turn the WAL archive of the private PostgreSQL on or off", on, off)
}

// server names a server by pgBackRest's configuration; without one it is the private PostgreSQL.
type server struct{ config, stanza string }

func (s *server) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&s.config, "config", "", "pgBackRest's configuration file, for a server of your own; as an account that may read it")
	cmd.Flags().StringVar(&s.stanza, "stanza", "tickr", "the server's name in that file")
}

// use runs fn with the stanza of the server.
func (s *server) use(cmd *cobra.Command, fn func(ctx context.Context, stanza archive.Stanza) error) error {
	if s.config != "" {
		return fn(cmd.Context(), archive.Configured(s.config, s.stanza))
	}
	o, err := privateServer(cmd)
	if err != nil {
		return err
	}
	return archive.WithPrivate(cmd.Context(), o, fn)
}

func newBackupBase() *cobra.Command {
	var on server
	var kind string
	cmd := &cobra.Command{
		Use: "base", Short: "Make a base backup, from which later moments are recovered faster", Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch archive.Kind(kind) {
			case archive.Full, archive.Differential, archive.Incremental:
			default:
				return fmt.Errorf("%w: --type is full, diff or incr", app.ErrUsage)
			}
			return on.use(cmd, func(ctx context.Context, stanza archive.Stanza) error {
				base, err := stanza.Backup(ctx, archive.Kind(kind))
				if err != nil {
					return err
				}
				return writeBase(cmd, base)
			})
		},
	}
	on.flags(cmd)
	cmd.Flags().StringVar(&kind, "type", string(archive.Full), "full, diff (what changed since the last full one) or incr (since the last one)")
	return cmd
}

func newBackupCheck() *cobra.Command {
	var on server
	cmd := &cobra.Command{
		Use: "check", Short: "See that WAL arrives in the archive, and read all of base backups and archive for damage; exit 1 if there is any",
		Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return on.use(cmd, func(ctx context.Context, stanza archive.Stanza) error {
				if err := stanza.Check(ctx); err != nil {
					return err
				}
				begin := time.Now()
				verified, err := stanza.Verify(ctx)
				if err != nil {
					return err
				}
				out := cmd.OutOrStdout()
				fmt.Fprintf(out, "archive  ok, WAL arrives\nverify   ok, %d base backups (%d files) and %d WAL segments in %s\n",
					verified.Bases, verified.Files, verified.Segments, time.Since(begin).Round(time.Millisecond))
				bases, err := stanza.Bases(ctx)
				for _, base := range bases {
					err = errors.Join(err, writeBase(cmd, base))
				}
				return err
			})
		},
	}
	on.flags(cmd)
	return cmd
}

func writeBase(cmd *cobra.Command, base archive.Base) error {
	_, err := fmt.Fprintf(cmd.OutOrStdout(), "base     %s  %s  %s, %s stored, took %s\n", base.Label, base.Stop.Format(time.RFC3339),
		size(base.Size), size(base.Stored), base.Stop.Sub(base.Start))
	return err
}

func newBackupRecover() *cobra.Command {
	var to string
	var target archive.Target
	cmd := &cobra.Command{
		Use: "recover", Short: "Bring the private PostgreSQL to a moment of its past",
		Long: "Bring the private PostgreSQL, which must not run, to a moment of its past: it holds what was committed up to\n" +
			"then, exactly then included. Without --to it holds all that base backups, archive and received WAL have.\n" +
			"The previous data folder is kept beside the new one; whatever fails, it stays in place.",
		Example: "  tickr backup recover --to 2026-11-23T18:30:00.25Z",
		Args:    usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if to != "" {
				var err error
				if target.To, err = time.Parse(time.RFC3339Nano, to); err != nil {
					return fmt.Errorf("%w: --to is a time with its zone, such as 2026-11-23T18:30:00.25Z", app.ErrUsage)
				}
			}
			o, err := privateServer(cmd)
			if err != nil {
				return err
			}
			begin := time.Now()
			recovery, err := archive.Recover(cmd.Context(), o, target)
			if errors.Is(err, embedded.ErrTargetNotReached) {
				return fmt.Errorf("nothing was changed: %w; without --to all that it holds is recovered", err)
			}
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			fmt.Fprintf(out, "recovered in %s\n", time.Since(begin).Round(time.Millisecond))
			if !recovery.Last.IsZero() {
				fmt.Fprintf(out, "last transaction  %s\n", recovery.Last.Format(time.RFC3339Nano))
			}
			if recovery.Aside != "" {
				fmt.Fprintf(out, "previous data     %s (remove it when it is not needed any more)\n", recovery.Aside)
			}
			_, err = fmt.Fprintln(out, "next              tickr serve, and a new base backup soon: tickr backup base")
			return err
		},
	}
	cmd.Flags().StringVar(&to, "to", "", "the moment, in RFC 3339 (default: the end of the archive)")
	cmd.Flags().StringVar(&target.Base, "base", "", "label of the base backup to begin with (default: the newest before the moment)")
	cmd.Flags().StringVar(&target.Timeline, "timeline", "", "timeline to follow after an earlier recovery: a number, or current for that of the base backup (default: the newest)")
	return cmd
}

func newBackupReceive() *cobra.Command {
	return &cobra.Command{
		Use: "receive", Short: "Stream the WAL of the private PostgreSQL into its archive folder until interrupted; commits wait for it",
		Long: "Stream the WAL of the private PostgreSQL into its archive folder until interrupted. Commits wait until their WAL is on\n" +
			"disk there, so that `tickr backup recover` loses none of them. Killed, it leaves them waiting until it runs again.",
		Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, err := privateServer(cmd)
			if err != nil {
				return err
			}
			return archive.Receive(cmd.Context(), o, func() {
				fmt.Fprintln(cmd.OutOrStdout(), "receiving; every commit waits for it")
			})
		},
	}
}
