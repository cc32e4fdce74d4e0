package inspect

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/tickr/tickr/platform/database"
)

// smallTable is the size in bytes up to which a table is read from end to end in a few milliseconds: whatever the planner prefers
// there, it costs little.
const smallTable = 8 << 20

// judge compares how statements were served with how they are meant to be.
type judge struct {
	db      *database.Handle
	indexes map[string]indexState
	small   map[string]bool // tables that were asked for
}

func newJudge(ctx context.Context, db *database.Handle) (judge, error) {
	indexes, err := indexStates(ctx, db)
	return judge{db: db, indexes: indexes, small: map[string]bool{}}, err
}

// on returns the indexes that a plan's accesses used, what to think of that, and why.
func (j judge) on(ctx context.Context, s Statement, accesses []Node) (used []string, verdict Verdict, note string, err error) {
	used, verdict = []string{}, Served
	var notes []string
	for _, name := range s.Indexes {
		if state, exists := j.indexes[name]; !exists || !state.valid {
			verdict, notes = Missed, append(notes, name+" does not exist or is not valid")
		}
	}
	for _, access := range accesses {
		name := access.Index
		if state, exists := j.indexes[name]; exists {
			name = state.root
		}
		if name != "" && !slices.Contains(used, name) {
			used = append(used, name)
		}
		if s.Reason != "" || slices.Contains(s.Indexes, name) {
			continue
		}
		small, err := j.isSmall(ctx, access.Schema, access.Table)
		if err != nil {
			return nil, "", "", err
		}
		switch {
		case !small:
			verdict = Missed
		case verdict == Served:
			verdict = SmallTable
		}
		if name == "" {
			notes = append(notes, fmt.Sprintf("seq scan of %s: %d rows", access.Table, access.Rows+access.Removed))
		} else {
			notes = append(notes, fmt.Sprintf("%s serves %s", name, access.Table))
		}
	}
	if s.Reason != "" {
		verdict, notes = NoneMeant, []string{s.Reason}
	}
	return used, verdict, strings.Join(slices.Compact(notes), "; "), nil
}

func (j judge) isSmall(ctx context.Context, schema, table string) (bool, error) {
	name := pgx.Identifier{schema, table}.Sanitize()
	small, known := j.small[name]
	if known {
		return small, nil
	}
	err := j.db.Pool().QueryRow(ctx, "SELECT pg_table_size(to_regclass($1)) <= $2", name, smallTable).Scan(&small)
	if err != nil {
		return false, fmt.Errorf("measure table %s: %w", name, err)
	}
	j.small[name] = small
	return small, nil
}

// indexState is what statements are judged by.
type indexState struct {
	root  string // index of the whole table, where this one is of a partition; else itself
	valid bool
}

// indexStates returns the indexes of all tables but the system's, by name.
func indexStates(ctx context.Context, db *database.Handle) (map[string]indexState, error) {
	type named struct {
		Name, Root string
		Valid      bool
	}
	rows, _ := db.Pool().Query(ctx, `SELECT c.relname AS name, coalesce(root.relname, c.relname) AS root, i.indisvalid AND i.indisready AS valid
		FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
		LEFT JOIN pg_class root ON root.oid = pg_partition_root(c.oid)
		WHERE n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\_%'`)
	all, err := pgx.CollectRows(rows, pgx.RowToStructByName[named])
	if err != nil {
		return nil, fmt.Errorf("list the indexes: %w", err)
	}
	states := map[string]indexState{}
	for _, index := range all {
		states[index.Name] = indexState{index.Root, index.Valid}
	}
	return states, nil
}
