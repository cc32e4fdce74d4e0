package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.uber.org/fx"

	"github.com/tickr/tickr/cmd/tickr/app"
	"github.com/tickr/tickr/platform/config"
	"github.com/tickr/tickr/platform/database"
	"github.com/tickr/tickr/platform/database/inspect"
	"github.com/tickr/tickr/platform/database/migrate"
)

func newDB() *cobra.Command {
	return group("db", "Look into the database", newDBExplain(), newDBIndexes())
}

// catalogues are what the modules ask of PostgreSQL.
type catalogues struct {
	fx.In

	All []inspect.Catalogue `group:"statements"`
}

// withStatements runs fn with every statement of the modules over an up-to-date schema.
func withStatements(cmd *cobra.Command, fn func(ctx context.Context, db *database.Handle, statements []inspect.Statement) error) error {
	var (
		cfg      config.Config
		db       *database.Handle
		migrator *migrate.Migrator
		modules  catalogues
	)
	return withModules(cmd, func(ctx context.Context) error {
		if err := current(ctx, cfg, db, migrator); err != nil {
			return err
		}
		var statements []inspect.Statement
		for _, catalogue := range modules.All {
			more, err := catalogue(ctx)
			if err != nil {
				return err
			}
			statements = append(statements, more...)
		}
		return fn(ctx, db, statements)
	}, &cfg, &db, &migrator, &modules)
}

func newDBExplain() *cobra.Command {
	var all, asJSON bool
	cmd := &cobra.Command{
		Use:   "explain [NAME...]",
		Short: "Carry out every statement of the program, take it back, and show its plan; exit 1 when an index does not serve",
		Long: "Carry out every statement of the program with arguments from the data, take it back, and show its plan, its time and whether the\n" +
			"index that is meant to serve it did. A NAME is the beginning of names: Users, Users.List. Arguments are not shown.\n" +
			"Exit 1 when a statement missed its index on a table of more than 8 MiB, or was refused.",
		Example: "  tickr db explain Users.List --all",
		RunE: func(cmd *cobra.Command, names []string) error {
			return withStatements(cmd, func(ctx context.Context, db *database.Handle, statements []inspect.Statement) error {
				statements, err := selected(statements, names, all)
				if err != nil {
					return err
				}
				explained, err := inspect.Explain(ctx, db, statements)
				if err != nil {
					return err
				}
				if asJSON {
					err = printJSON(cmd.OutOrStdout(), struct {
						Statements []inspect.Explanation `json:"statements"`
					}{explained})
				} else {
					err = printExplanations(cmd.OutOrStdout(), explained)
				}
				if err != nil {
					return err
				}
				return unserved(explained)
			})
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "every text of a statement, not only the plainest: conditions that may be left out make many")
	jsonFlag(cmd, &asJSON)
	return cmd
}

func jsonFlag(cmd *cobra.Command, asJSON *bool) {
	cmd.Flags().BoolVar(asJSON, "json", false, "print JSON for machines")
}

// selected returns the statements whose names begin as wanted, with all their texts or the plainest.
func selected(statements []inspect.Statement, names []string, all bool) ([]inspect.Statement, error) {
	unknown := slices.Clone(names)
	var found []inspect.Statement
	for _, s := range statements {
		begins := func(name string) bool { return strings.HasPrefix(strings.ToLower(s.Name), strings.ToLower(name)) }
		if len(names) > 0 && !slices.ContainsFunc(names, begins) {
			continue
		}
		unknown = slices.DeleteFunc(unknown, begins)
		if !all {
			s.Queries = s.Queries[:1]
		}
		found = append(found, s)
	}
	if len(unknown) > 0 {
		return nil, fmt.Errorf("%w: no statement is called %s", app.ErrUsage, strings.Join(unknown, ", "))
	}
	return found, nil
}

// unserved fails when a statement was not served as it is meant to be.
func unserved(explained []inspect.Explanation) error {
	var names []string
	for _, e := range explained {
		if e.Verdict == inspect.Missed || e.Verdict == inspect.Failed {
			names = append(names, e.Name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return fmt.Errorf("not served as meant: %s", strings.Join(slices.Compact(names), ", "))
}

func newDBIndexes() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "indexes", Short: "Show the use of every index, and what is unused, missing or doubled; exit 1 when one is absent or invalid",
		Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withStatements(cmd, func(ctx context.Context, db *database.Handle, statements []inspect.Statement) error {
				report, err := inspect.Indexes(ctx, db, statements)
				if err != nil {
					return err
				}
				if asJSON {
					err = printJSON(cmd.OutOrStdout(), report)
				} else {
					err = printReport(cmd.OutOrStdout(), report)
				}
				if err != nil {
					return err
				}
				var faults []string
				for _, f := range report.Findings {
					if f.Kind.Fault() {
						faults = append(faults, f.Index)
					}
				}
				if len(faults) > 0 {
					return fmt.Errorf("absent or invalid: %s", strings.Join(faults, ", "))
				}
				return nil
			})
		},
	}
	jsonFlag(cmd, &asJSON)
	return cmd
}

func printJSON(out io.Writer, value any) error {
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}
