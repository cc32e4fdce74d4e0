package backup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// ErrNotEmpty says that a database has what a backup would have to replace.
var ErrNotEmpty = errors.New("the database is not empty")

// Restore brings the schemas and the history of b into the database, in one transaction: when it fails, all is as it was. It reads the
// whole dump first and fails with *DamageError, and with ErrNotEmpty when there are tables in the schemas or a history, unless replace
// lets it drop them; it never drops what other schemas have made of them. What it restores belongs to the account of the DSN, without
// further privileges.
func (d Database) Restore(ctx context.Context, b Backup, replace bool) error {
	if err := b.Manifest.checkDump(b.base()); err != nil {
		return err
	}
	conn, err := d.connect(ctx)
	if err != nil {
		return err
	}
	defer closeConn(conn)
	t, err := d.tools(ctx, conn)
	if err != nil {
		return err
	}
	if err := mayReplace(ctx, conn, b.Manifest, replace); err != nil {
		return err
	}
	if err := t.load(ctx, b, replace); err != nil {
		return err
	}
	// Without figures about the new tables the planner guesses.
	for _, table := range b.Manifest.Tables {
		if _, err := conn.Exec(ctx, "ANALYZE "+table.Name); err != nil {
			return fmt.Errorf("analyze what was restored: %w", err)
		}
	}
	return nil
}

// mayReplace tells what stands in the way of a restore. The restore itself fails on what comes later.
func mayReplace(ctx context.Context, conn *pgx.Conn, m Manifest, replace bool) error {
	var present, leaning []string
	const query = `
		SELECT array(SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
			WHERE c.relkind IN ('r', 'p') AND (n.nspname = ANY ($1) OR n.nspname = 'public' AND c.relname = ANY ($2)) ORDER BY 1),
		array(SELECT DISTINCT format('%I.%I', n.nspname, c.relname) FROM pg_depend AS d
			LEFT JOIN pg_constraint AS o ON d.classid = 'pg_constraint'::regclass AND o.oid = d.objid
			LEFT JOIN pg_rewrite AS w ON d.classid = 'pg_rewrite'::regclass AND w.oid = d.objid
			JOIN pg_class AS c ON c.oid IN (o.conrelid, w.ev_class) JOIN pg_namespace AS n ON n.oid = c.relnamespace
			JOIN pg_class AS used ON d.refclassid = 'pg_class'::regclass AND used.oid = d.refobjid
			WHERE used.relnamespace::regnamespace::text = ANY ($1) AND n.nspname <> ALL ($1) ORDER BY 1)`
	if err := conn.QueryRow(ctx, query, m.Schemas, history()).Scan(&present, &leaning); err != nil {
		return fmt.Errorf("look for what is to be replaced: %w", err)
	}
	if len(present) > 0 && !replace {
		return fmt.Errorf("%w: it has %s", ErrNotEmpty, strings.Join(present, ", "))
	}
	if len(leaning) > 0 {
		return fmt.Errorf("other schemas depend on what would be replaced: %s", strings.Join(leaning, ", "))
	}
	return nil
}

// load runs a dump in one transaction. psql takes the end of its input for a good one, and we may be killed at any time: only our
// COMMIT commits.
func (t *tools) load(ctx context.Context, b Backup, replace bool) error {
	return t.write(ctx, func(w io.Writer) error {
		if _, err := io.WriteString(w, preparation(b.Manifest, replace)); err != nil {
			return err
		}
		if err := t.text(ctx, b, w); err != nil {
			return err
		}
		_, err := io.WriteString(w, "COMMIT;\n")
		return err
	}, "psql", "--no-psqlrc", "--quiet", "--no-password", "--set=ON_ERROR_STOP=1", "--set=VERBOSITY=terse", "--set=SHOW_CONTEXT=never", "--file=-")
}

// preparation begins the transaction and makes room for what the dump creates.
func preparation(m Manifest, replace bool) string {
	var sql strings.Builder
	fmt.Fprintln(&sql, "BEGIN;\nSET LOCAL lock_timeout = '10s';\nSET LOCAL client_min_messages = warning;")
	how := "RESTRICT" // an empty schema is fine
	if replace {
		how = "CASCADE"
		for _, table := range history() {
			fmt.Fprintf(&sql, "DROP TABLE IF EXISTS public.%s;\n", table)
		}
	}
	for _, schema := range m.Schemas {
		fmt.Fprintf(&sql, "DROP SCHEMA IF EXISTS %s %s;\n", pgx.Identifier{schema}.Sanitize(), how)
	}
	for _, e := range m.Extensions {
		schema := pgx.Identifier{e.Schema}.Sanitize()
		if e.Schema != "public" && e.Schema != "pg_catalog" {
			fmt.Fprintf(&sql, "CREATE SCHEMA IF NOT EXISTS %s;\n", schema)
		}
		fmt.Fprintf(&sql, "CREATE EXTENSION IF NOT EXISTS %s SCHEMA %s;\n", pgx.Identifier{e.Name}.Sanitize(), schema)
	}
	return sql.String()
}

// text writes the SQL of a dump.
func (t *tools) text(ctx context.Context, b Backup, w io.Writer) error {
	if b.Manifest.Kind == Custom {
		return t.script(ctx, b.Path(), b.Manifest.Schemas, w)
	}
	file, err := os.Open(b.Path())
	if err != nil {
		return fmt.Errorf("read dump: %w", err)
	}
	defer func() { _ = file.Close() }()
	_, err = io.Copy(w, file)
	return err
}

// script writes the SQL of an archive, without what it holds of others and without owners and privileges: the accounts may not exist
// where it is restored.
func (t *tools) script(ctx context.Context, archive string, schemas []string, w io.Writer) error {
	var contents bytes.Buffer
	if err := t.read(ctx, &contents, "", "pg_restore", "--list", archive); err != nil {
		return err
	}
	var wanted strings.Builder
	for line := range strings.Lines(contents.String()) {
		if ours(line, schemas) {
			wanted.WriteString(line)
		}
	}
	return t.read(ctx, w, wanted.String(), "pg_restore", "--no-owner", "--no-privileges", "--use-list=/dev/fd/4", "--file=-", archive)
}

// contentLine is one of pg_restore --list: numbers, what it is in capital letters, the schema it is in, its name, its owner.
var contentLine = regexp.MustCompile(`^\d+; \d+ \d+ [A-Z ]+ (\S+) (.*)\n`)

// ours reports whether a line of an archive's table of contents is about the schemas, or about the history in public.
func ours(line string, schemas []string) bool {
	match := contentLine.FindStringSubmatch(line)
	if match == nil {
		return false
	}
	namespace, tag := match[1], match[2]
	switch namespace {
	case "-": // the schemas themselves, and what is said about them
		return !strings.HasPrefix(strings.TrimPrefix(tag, "SCHEMA "), "public ")
	case "public":
		return slices.ContainsFunc(history(), func(table string) bool { return strings.HasPrefix(tag, table) })
	default:
		return slices.Contains(schemas, namespace)
	}
}
