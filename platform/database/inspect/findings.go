package inspect

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/tickr/tickr/platform/database"
)

// Kind is what is to be said about an index or a table.
type Kind string

// The kinds of findings. Absent and Invalid are faults, the others advice.
const (
	Absent    Kind = "absent"    // an index that statements are meant to be served by does not exist
	Invalid   Kind = "invalid"   // it costs every write and serves nothing: its making failed, or goes on
	Missing   Kind = "missing"   // nothing serves the check of a foreign key
	Scanned   Kind = "scanned"   // a large table is read from end to end
	Unused    Kind = "unused"    // no scan, and no rule that it keeps
	Duplicate Kind = "duplicate" // another index serves all that it serves
)

// Fault reports whether the kind is to be mended, rather than to be thought about.
func (k Kind) Fault() bool { return k == Absent || k == Invalid }

// Finding is something to be said about an index, or about a table that lacks one.
type Finding struct {
	Kind   Kind   `json:"kind"`
	Schema string `json:"schema,omitempty"`
	Table  string `json:"table,omitempty"`
	Index  string `json:"index,omitempty"`
	Detail string `json:"detail"`
}

func find(ctx context.Context, db *database.Handle, r Report, statements []Statement) ([]Finding, error) {
	states, err := indexStates(ctx, db)
	if err != nil {
		return nil, err
	}
	findings := append(absent(states, statements), invalidAndUnused(r)...)
	for _, search := range []struct {
		what, query string
		args        []any
	}{
		{"foreign keys", unindexedForeignKeys, nil},
		{"tables that are read from end to end", scannedTables, []any{manyRows}},
		{"duplicate indexes", duplicateIndexes, nil},
	} {
		rows, _ := db.Pool().Query(ctx, search.query, search.args...)
		found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Finding])
		if err != nil {
			return nil, fmt.Errorf("look for %s: %w", search.what, err)
		}
		findings = append(findings, found...)
	}
	return findings, nil
}

// absent names each index that the statements want and the database has not.
func absent(states map[string]indexState, statements []Statement) []Finding {
	findings, told := []Finding{}, map[string]bool{}
	for _, statement := range statements {
		for _, name := range statement.Indexes {
			if _, exists := states[name]; !exists && !told[name] {
				told[name] = true
				findings = append(findings, Finding{Kind: Absent, Index: name, Detail: "is meant to serve " + statement.Name})
			}
		}
	}
	return findings
}

// invalidAndUnused judges an index of a partitioned table by all its parts: old ones may rest.
func invalidAndUnused(r Report) []Finding {
	scans := map[string]int64{}
	for _, index := range r.Indexes {
		scans[index.Schema+"."+index.Root] += index.Scans
	}
	var findings []Finding
	for _, index := range r.Indexes {
		f := Finding{Schema: index.Schema, Table: index.Table, Index: index.Name}
		switch {
		case !index.Valid:
			f.Kind, f.Detail = Invalid, "is being made, or its making failed: then drop it and make it again"
		case scans[index.Schema+"."+index.Root] == 0 && !index.Unique && !index.Constraint:
			f.Kind, f.Detail = Unused, "no scan since "+r.Since.Format("2006-01-02 15:04 UTC")
		default:
			continue
		}
		findings = append(findings, f)
	}
	return findings
}

// unindexedForeignKeys are those whose columns no whole index begins with, in any order: to delete a row that is referred to, or to
// change its key, reads all of the table. A condition that the columns are not null leaves nothing out.
const unindexedForeignKeys = `
	SELECT 'missing', n.nspname, c.relname, '', format('%s refers to %s: a delete there reads all of this table', con.conname, con.confrelid::regclass)
	FROM pg_constraint con JOIN pg_class c ON c.oid = con.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
	WHERE con.contype = 'f' AND con.conparentid = 0 AND NOT EXISTS (
		SELECT FROM pg_index i WHERE i.indrelid = con.conrelid AND i.indisvalid
			AND (string_to_array(i.indkey::text, ' ')::int2[])[1:cardinality(con.conkey)] @> con.conkey
			AND (i.indpred IS NULL OR pg_get_expr(i.indpred, i.indrelid) IN (
				SELECT format('(%I IS NOT NULL)', a.attname) FROM pg_attribute a WHERE a.attrelid = con.conrelid AND a.attnum = ANY (con.conkey))))
	ORDER BY n.nspname, c.relname, con.conname`

// manyRows is how many rows a scan from end to end reads on average where an index may be missing.
const manyRows = 10_000

const scannedTables = `
	SELECT 'scanned', schemaname, relname, '', format('%s times from end to end, %s rows each on average (backups do so, too)', seq_scan, seq_tup_read / seq_scan)
	FROM pg_stat_user_tables WHERE seq_scan > 0 AND seq_tup_read / seq_scan >= $1
	ORDER BY schemaname, relname`

// duplicateIndexes are those whose columns another index of the same kind and condition begins with. One that keeps a rule is a
// duplicate only of one that keeps the same. Of two that are alike in all, it is the newer one.
const duplicateIndexes = `
	WITH indexes AS (
		SELECT i.*, n.nspname, t.relname AS tablename, c.relname, c.relam, pg_get_expr(i.indpred, i.indrelid) AS condition,
			string_to_array(i.indkey::text, ' ') AS keys, string_to_array(i.indclass::text, ' ') AS classes,
			string_to_array(i.indcollation::text, ' ') AS collations, string_to_array(i.indoption::text, ' ') AS options,
			EXISTS (SELECT FROM pg_constraint WHERE conindid = i.indexrelid AND contype IN ('p', 'u', 'x')) AS bound
		FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\_%' AND NOT c.relispartition AND i.indisvalid AND i.indexprs IS NULL)
	SELECT 'duplicate', a.nspname, a.tablename, a.relname, format('%s serves the same', min(b.relname))
	FROM indexes a JOIN indexes b ON b.indrelid = a.indrelid AND b.indexrelid <> a.indexrelid AND b.relam = a.relam
	WHERE NOT a.bound AND a.condition IS NOT DISTINCT FROM b.condition AND a.indnatts = a.indnkeyatts AND a.indnkeyatts <= b.indnkeyatts
		AND b.keys[1:a.indnkeyatts] = a.keys AND b.classes[1:a.indnkeyatts] = a.classes
		AND b.collations[1:a.indnkeyatts] = a.collations AND b.options[1:a.indnkeyatts] = a.options
		AND (NOT a.indisunique OR b.indisunique AND b.indnkeyatts = a.indnkeyatts)
		AND (a.indnkeyatts < b.indnkeyatts OR b.indisunique AND NOT a.indisunique OR b.bound OR a.indexrelid > b.indexrelid)
	GROUP BY a.nspname, a.tablename, a.relname
	ORDER BY a.nspname, a.tablename, a.relname`
