package backup

import (
	"context"
	"fmt"
	"regexp"
	"slices"

	"github.com/jackc/pgx/v5"
)

// inventory fills in what the manifest says of the content of a database, as the transaction sees it.
func (m *Manifest) inventory(ctx context.Context, tx pgx.Tx, schemas []string) (err error) {
	m.Schemas = schemas
	if m.Extensions, err = collect[Extension](ctx, tx, "list extensions", extensionsQuery, schemas); err != nil {
		return err
	}
	if m.Tables, err = collect[Table](ctx, tx, "list tables", tablesQuery, schemas, history()); err != nil {
		return err
	}
	if m.Constraints, err = collect[Constraint](ctx, tx, "list constraints", constraintsQuery, schemas, history()); err != nil {
		return err
	}
	for i, t := range m.Tables {
		// A schema and a name as format's %I quotes them.
		if err := tx.QueryRow(ctx, fmt.Sprintf(checksumQuery, t.Name)).Scan(&m.Tables[i].Rows, &m.Tables[i].Checksum); err != nil {
			return fmt.Errorf("read table %s: %w", t.Name, err)
		}
	}
	return nil
}

func collect[T any](ctx context.Context, tx pgx.Tx, what, query string, args ...any) ([]T, error) {
	rows, err := tx.Query(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByNameLax[T])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	return found, nil
}

// Rows are in tables and partitions; a partitioned table has none of its own.
const tablesQuery = `
	SELECT format('%I.%I', n.nspname, c.relname) AS name
	FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
	WHERE c.relkind = 'r' AND (n.nspname = ANY ($1) OR n.nspname = 'public' AND c.relname = ANY ($2))
	ORDER BY n.nspname, c.relname`

// The checksum does not depend on the order of rows and takes no memory: half of each row's SHA-256, summed as two numbers of 64 bits.
// Unlike an exclusive or, a sum sees rows that are there twice. SHA-256 is the same in every version of PostgreSQL, hashtext is not.
const checksumQuery = `
	SELECT count(*), format('%%s:%%s',
		coalesce(sum(('x' || left(hash, 16))::bit(64)::bigint), 0), coalesce(sum(('x' || substr(hash, 17, 16))::bit(64)::bigint), 0))
	FROM (SELECT encode(sha256(convert_to(ROW(t.*)::text, 'UTF8')), 'hex') AS hash FROM ONLY %s AS t) AS hashed`

// Constraints and indexes of partitions that come from their parent are left out: some get another name when they are restored. So are
// NOT NULL constraints, which only newer servers list, and indexes that a crash left half-built, which pg_dump leaves out.
const constraintsQuery = `
	WITH tables AS (
		SELECT c.oid, format('%I.%I', n.nspname, c.relname) AS name
		FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
		WHERE c.relkind IN ('r', 'p') AND (n.nspname = ANY ($1) OR n.nspname = 'public' AND c.relname = ANY ($2))
	)
	SELECT tables.name AS "table", conname::text AS name, pg_get_constraintdef(o.oid) AS definition, convalidated AS valid
	FROM pg_constraint AS o JOIN tables ON tables.oid = o.conrelid
	WHERE contype IN ('c', 'f', 'p', 'u', 'x') AND conparentid = 0
	UNION ALL
	SELECT tables.name, c.relname::text, pg_get_indexdef(i.indexrelid), true
	FROM pg_index AS i JOIN tables ON tables.oid = i.indrelid JOIN pg_class AS c ON c.oid = i.indexrelid
	WHERE i.indisvalid AND NOT c.relispartition
		AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = i.indexrelid AND contype IN ('p', 'u', 'x'))
	ORDER BY 1, 2`

// What a function's body calls is not known to the server, so extensions that only bodies need are not found.
const extensionsQuery = `
	WITH needs AS (
		SELECT 'pg_class'::regclass AS class, oid FROM pg_class WHERE relnamespace::regnamespace::text = ANY ($1)
		UNION ALL SELECT 'pg_type'::regclass, oid FROM pg_type WHERE typnamespace::regnamespace::text = ANY ($1)
		UNION ALL SELECT 'pg_proc'::regclass, oid FROM pg_proc WHERE pronamespace::regnamespace::text = ANY ($1)
		UNION ALL SELECT 'pg_constraint'::regclass, oid FROM pg_constraint WHERE connamespace::regnamespace::text = ANY ($1)
		UNION ALL SELECT 'pg_attrdef'::regclass, d.oid
			FROM pg_attrdef AS d JOIN pg_class AS c ON c.oid = d.adrelid WHERE c.relnamespace::regnamespace::text = ANY ($1)
		UNION ALL SELECT 'pg_trigger'::regclass, t.oid
			FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid WHERE c.relnamespace::regnamespace::text = ANY ($1)
	)
	SELECT DISTINCT e.extname::text AS name, e.extnamespace::regnamespace::text AS schema
	FROM needs
		JOIN pg_depend AS uses ON uses.classid = needs.class AND uses.objid = needs.oid
		JOIN pg_depend AS member ON member.classid = uses.refclassid AND member.objid = uses.refobjid AND member.deptype = 'e'
		JOIN pg_extension AS e ON e.oid = member.refobjid
	ORDER BY 1`

// differences lists where restored is not what m says, without any value.
func (m Manifest) differences(restored Manifest) []string {
	var found []string
	for _, t := range m.Tables {
		i := slices.IndexFunc(restored.Tables, func(r Table) bool { return r.Name == t.Name })
		switch {
		case i < 0:
			found = append(found, t.Name+" is missing")
		case restored.Tables[i].Rows != t.Rows:
			found = append(found, fmt.Sprintf("%s has %d rows instead of %d", t.Name, restored.Tables[i].Rows, t.Rows))
		case restored.Tables[i].Checksum != t.Checksum:
			found = append(found, t.Name+" has other rows")
		}
	}
	for _, c := range m.Constraints {
		i := slices.IndexFunc(restored.Constraints, func(r Constraint) bool { return r.Table == c.Table && r.Name == c.Name })
		switch {
		case i < 0:
			found = append(found, fmt.Sprintf("%s of %s is missing", c.Name, c.Table))
		case essence(restored.Constraints[i].Definition) != essence(c.Definition):
			found = append(found, fmt.Sprintf("%s of %s has another definition", c.Name, c.Table))
		case c.Valid && !restored.Constraints[i].Valid:
			found = append(found, fmt.Sprintf("%s of %s is not validated", c.Name, c.Table))
		}
	}
	return found
}

// casts are what PostgreSQL shows of an expression besides what it does; restored from what it showed, it may show others.
var casts = regexp.MustCompile(`::[\w."]+( [a-z]+)*(\(\d+(,\d+)?\))?(\[\])?|[() ]`)

// essence is a definition without its casts, parentheses and spaces.
func essence(definition string) string { return casts.ReplaceAllString(definition, "") }
