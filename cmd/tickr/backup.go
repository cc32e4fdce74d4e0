package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/tickr/tickr/cmd/tickr/app"
	"github.com/tickr/tickr/platform/config"
	"github.com/tickr/tickr/platform/database/backup"
	"github.com/tickr/tickr/platform/database/migrate"
)

func newBackup() *cobra.Command {
	logical := []*cobra.Command{newBackupCreate(), newBackupVerify(), newBackupRestore(), newBackupList(), newBackupPrune()}
	return group("backup", "Make, check and restore backups", append(logical, newPhysicalBackups()...)...)
}

// withBackups runs fn with the database to back up and the folder of backups.
func withBackups(cmd *cobra.Command, fn func(ctx context.Context, db backup.Database, dir string) error, parts ...any) error {
	var cfg config.Config
	return withModules(cmd, func(ctx context.Context) error {
		db := backup.Database{
			DSN: cfg.Database.DirectDSN(), BinDir: cfg.Private.BinDir, Schemas: app.Schemas(), Program: app.Version(),
		}
		err := fn(ctx, db, backupDir(cmd, cfg))
		if err != nil && ctx.Err() != nil {
			return errors.Join(errors.New("interrupted"), err)
		}
		return err
	}, append(parts, &cfg)...)
}

func dirFlag(cmd *cobra.Command) {
	cmd.Flags().String("dir", "", "folder of backups (default: BACKUP_DIR)")
}

func backupDir(cmd *cobra.Command, cfg config.Config) string {
	if dir, err := cmd.Flags().GetString("dir"); err == nil && dir != "" {
		return dir
	}
	return cfg.Backup.Dir
}

func newBackupCreate() *cobra.Command {
	var plain bool
	cmd := &cobra.Command{
		Use: "create", Short: "Dump the modules' schemas and the migration history, with a manifest and checksums", Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			kind := backup.Custom
			if plain {
				kind = backup.Plain
			}
			return withBackups(cmd, func(ctx context.Context, db backup.Database, dir string) error {
				b, err := db.Create(ctx, dir, kind)
				if err != nil {
					return err
				}
				m := b.Manifest
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s\n%d rows of %d tables, %s in %s\n",
					b.Path(), m.Rows(), len(m.Tables), size(m.Size), m.FinishedAt.Sub(m.StartedAt).Round(time.Millisecond))
				return err
			})
		},
	}
	dirFlag(cmd)
	cmd.Flags().BoolVar(&plain, "plain", false, "SQL text instead of an archive for pg_restore")
	return cmd
}

func newBackupVerify() *cobra.Command {
	cmd := &cobra.Command{
		Use: "verify FILE|latest", Short: "Restore a backup into a database of its own and compare it with its manifest",
		Args: usage(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withBackups(cmd, func(ctx context.Context, db backup.Database, dir string) error {
				b, err := backup.Find(dir, args[0])
				if err != nil {
					return err
				}
				r, err := db.Verify(ctx, b)
				if err != nil {
					return err
				}
				const mib = 1 << 20
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s is whole: %d rows of %d tables, %d constraints and indexes\n"+
					"took %s: %.1f MiB/s of the dump (%s), %.1f MiB/s of the database (%s)\n",
					b.Name, r.Rows, r.Tables, r.Constraints, r.Took.Round(time.Millisecond),
					float64(b.Manifest.Size)/mib/r.Took.Seconds(), size(b.Manifest.Size),
					float64(r.DatabaseSize)/mib/r.Took.Seconds(), size(r.DatabaseSize))
				return err
			})
		},
	}
	dirFlag(cmd)
	return cmd
}

func newBackupRestore() *cobra.Command {
	var replace bool
	var into string
	cmd := &cobra.Command{
		Use: "restore FILE|latest", Short: "Bring a backup back, into an empty database or, with --replace, in place of what is there",
		Long: "Bring a backup back, into an empty database or, with --replace, in place of what is there.\n" +
			"All happens in one transaction: when it fails, nothing has changed. Stop the servers first: what they write meanwhile is lost.",
		Args: usage(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			var migrator *migrate.Migrator
			return withBackups(cmd, func(ctx context.Context, db backup.Database, dir string) error {
				b, err := backup.Find(dir, args[0])
				if err != nil {
					return err
				}
				if newer := migrator.Unknown(b.Manifest.Migrations); len(newer) > 0 {
					return fmt.Errorf("%s has migrations that this program does not know (%s): restore it with the program that made it, %s, or a newer one",
						b.Name, strings.Join(newer, ", "), b.Manifest.Program)
				}
				if into != "" {
					if db, err = db.Into(ctx, into); err != nil {
						return err
					}
				}
				err = db.Restore(ctx, b, replace)
				if errors.Is(err, backup.ErrNotEmpty) {
					return fmt.Errorf("%w: --replace drops that first", err)
				}
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "restored %s: %d rows of %d tables\n", b.Name, b.Manifest.Rows(), len(b.Manifest.Tables))
				return err
			}, &migrator)
		},
	}
	dirFlag(cmd)
	cmd.Flags().BoolVar(&replace, "replace", false, "drop what is in the modules' schemas, and the migration history, in the same transaction")
	cmd.Flags().StringVar(&into, "into", "", "another database of the same server, created when it is not there")
	return cmd
}

func newBackupList() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "list", Short: "List backups, the newest first, and what is wrong with them", Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := load(cmd)
			if err != nil {
				return err
			}
			backups, err := backup.List(backupDir(cmd, cfg))
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), listed(backups))
			}
			return printBackups(cmd.OutOrStdout(), backups)
		},
	}
	dirFlag(cmd)
	jsonFlag(cmd, &asJSON)
	return cmd
}

// listedBackup is a backup as machines read it. What the manifest of a damaged one says is left out.
type listedBackup struct {
	Name       string      `json:"name"`
	At         time.Time   `json:"at"`
	File       string      `json:"file,omitempty"`
	Kind       backup.Kind `json:"kind,omitempty"`
	Size       int64       `json:"size,omitempty"` // bytes
	Rows       int64       `json:"rows,omitempty"`
	VerifiedAt *time.Time  `json:"verifiedAt,omitempty"`
	Damage     string      `json:"damage,omitempty"`
}

func listed(backups []backup.Backup) []listedBackup {
	all := make([]listedBackup, len(backups))
	for i, b := range backups {
		all[i] = listedBackup{Name: b.Name, At: b.At}
		if b.Damage != nil {
			all[i].Damage = b.Damage.Error()
			continue
		}
		all[i].File, all[i].Kind, all[i].Size, all[i].Rows = b.Path(), b.Manifest.Kind, b.Manifest.Size, b.Manifest.Rows()
		if !b.VerifiedAt.IsZero() {
			all[i].VerifiedAt = &b.VerifiedAt
		}
	}
	return all
}

func printBackups(out io.Writer, backups []backup.Backup) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "TIME\tAGE\tKIND\tSIZE\tROWS\tVERIFIED\tFILE")
	for _, b := range backups {
		fmt.Fprintf(w, "%s\t%s\t", b.At.Format(time.RFC3339), time.Since(b.At).Round(time.Minute))
		if b.Damage != nil {
			fmt.Fprintf(w, "damaged\t-\t-\t-\t%v\n", b.Damage)
			continue
		}
		verified := "never"
		if !b.VerifiedAt.IsZero() {
			verified = b.VerifiedAt.Format(time.RFC3339)
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\n", b.Manifest.Kind, size(b.Manifest.Size), b.Manifest.Rows(), verified, filepath.Base(b.Path()))
	}
	return w.Flush()
}

func newBackupPrune() *cobra.Command {
	var keepDays int
	var dry bool
	cmd := &cobra.Command{
		Use: "prune", Short: "Remove old backups, never the newest whole one", Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if keepDays < 0 {
				return fmt.Errorf("%w: --keep-days must not be negative", app.ErrUsage)
			}
			cfg, err := load(cmd)
			if err != nil {
				return err
			}
			pruned, err := backup.Prune(backupDir(cmd, cfg), time.Now().AddDate(0, 0, -keepDays), dry)
			did := "removed"
			if dry {
				did = "would remove"
			}
			for _, b := range pruned {
				fmt.Fprintln(cmd.OutOrStdout(), did, b.Name)
			}
			if err == nil && len(pruned) == 0 {
				fmt.Fprintln(cmd.OutOrStdout(), "nothing to remove")
			}
			return err
		},
	}
	dirFlag(cmd)
	cmd.Flags().IntVar(&keepDays, "keep-days", 30, "age from which backups are removed")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "only say what would be removed")
	return cmd
}
