package inspect

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tickr/tickr/platform/database"
)

// Index is an index of a table, or of a partition, and its use since Report.Since.
type Index struct {
	Schema        string     `json:"schema"`
	Table         string     `json:"table"`
	Name          string     `json:"name"`
	Definition    string     `json:"definition"` // method, columns and condition
	Scans         int64      `json:"scans"`
	TuplesRead    int64      `json:"tuplesRead"`    // entries of the index
	TuplesFetched int64      `json:"tuplesFetched"` // live rows of the table, by plain scans
	SizeBytes     int64      `json:"sizeBytes"`
	LastScan      *time.Time `json:"lastScan"` // nil: none, or Report.LastScanKnown is false
	Unique        bool       `json:"unique"`
	Constraint    bool       `json:"constraint"` // it stands behind a primary key, a unique or an exclusion constraint
	Valid         bool       `json:"valid"`
	Root          string     `json:"-"` // index of the whole table, where this one is of a partition; else its own name
}

// Report is the state and the use of all indexes but the system's.
type Report struct {
	// Since is a time from which all use was counted: an index without a scan has had none since then, at least.
	Since time.Time `json:"since"`
	// LastScanKnown is false before PostgreSQL 16, which does not keep it.
	LastScanKnown bool      `json:"lastScanKnown"`
	Indexes       []Index   `json:"indexes"`
	Findings      []Finding `json:"findings"`
}

// Indexes reports on all indexes. The statements say which ones there ought to be.
func Indexes(ctx context.Context, db *database.Handle, statements []Statement) (Report, error) {
	var r Report
	// Counts survive a clean stop. A crash loses all of them, those of the background writer too, whose reset is always known.
	err := db.Pool().QueryRow(ctx, `SELECT current_setting('server_version_num')::int >= 160000,
		greatest(d.stats_reset, b.stats_reset) FROM pg_stat_database d, pg_stat_bgwriter b WHERE d.datname = current_database()`).
		Scan(&r.LastScanKnown, &r.Since)
	if err != nil {
		return Report{}, fmt.Errorf("ask how long use has been counted: %w", err)
	}
	r.Since = r.Since.UTC()
	if r.Indexes, err = readIndexes(ctx, db, r.LastScanKnown); err != nil {
		return Report{}, err
	}
	r.Findings, err = find(ctx, db, r, statements)
	return r, err
}

func readIndexes(ctx context.Context, db *database.Handle, lastScanKnown bool) ([]Index, error) {
	lastScan := "NULL::timestamptz"
	if lastScanKnown {
		lastScan = "s.last_idx_scan"
	}
	rows, _ := db.Pool().Query(ctx, `SELECT s.schemaname, s.relname, s.indexrelname,
			regexp_replace(pg_get_indexdef(i.indexrelid), '^.*? USING ', ''), s.idx_scan, s.idx_tup_read, s.idx_tup_fetch,
			pg_relation_size(i.indexrelid), `+lastScan+`, i.indisunique,
			EXISTS (SELECT FROM pg_constraint WHERE conindid = i.indexrelid AND contype IN ('p', 'u', 'x')),
			i.indisvalid AND i.indisready, coalesce(root.relname, s.indexrelname)
		FROM pg_stat_user_indexes s JOIN pg_index i ON i.indexrelid = s.indexrelid
		LEFT JOIN pg_class root ON root.oid = pg_partition_root(i.indexrelid)
		ORDER BY s.schemaname, s.relname, s.indexrelname`)
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Index])
	if err != nil {
		return nil, fmt.Errorf("list the indexes: %w", err)
	}
	return append([]Index{}, found...), nil
}
