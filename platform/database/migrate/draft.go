package migrate

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/schema"
)

// Draft is the statements of a migration that somebody has still to read. It is empty when there is nothing to do.
type Draft struct{ Up, Down string }

// Draft compares bun models with the tables of a schema and drafts what the models have more: tables, columns, and
// types and NOT NULLs that their tags ask for. Models of other schemas are left out; it fails when none is of this
// one, and when a migration is pending, which the draft would repeat. It changes nothing.
//
// What only the database has is somebody else's and stays: columns and tables without a model, indexes, constraints,
// defaults. What would stop the running release is commented out with its reason. A time.Time is a timestamp, as all
// sessions are in UTC. Indexes and constraints are not drafted, but for the primary key of a new table: id, or what a
// tag says.
func (m *Migrator) Draft(ctx context.Context, schemaName string, models []any) (Draft, error) {
	// Not with bun's AutoMigrator: it drops what has no model, takes a new column for the new name of an old one, forgets
	// NOT NULL, and orders its statements by chance.
	db := open(m.config)
	defer func() { _ = db.Close() }()
	switch status, err := m.status(ctx, db); {
	case err != nil:
		return Draft{}, err
	case len(status.Pending) > 0:
		return Draft{}, fmt.Errorf("the draft would repeat what is pending, apply it first: %s", strings.Join(status.Pending, ", "))
	}
	tables := modelsOf(db, schemaName, models)
	if len(tables) == 0 {
		return Draft{}, fmt.Errorf("no model has its table in the schema %s", schemaName)
	}
	have, want, err := compared(ctx, db, schemaName, tables)
	if err != nil {
		return Draft{}, fmt.Errorf("compare models with tables: %w", err)
	}
	var d drafting
	if len(have) == 0 {
		d.add("CREATE SCHEMA IF NOT EXISTS "+ident(schemaName), "DROP SCHEMA IF EXISTS "+ident(schemaName))
	}
	for _, t := range tables {
		d.table(t, have[t.name], want[t.name])
	}
	slices.Reverse(d.down) // what was made last is undone first
	return Draft{Up: strings.Join(d.up, ""), Down: strings.Join(d.down, "")}, nil
}

// model is a bun model and its table.
type model struct {
	name   string // without its schema
	full   string // quoted, with its schema
	fields []*schema.Field
}

func modelsOf(db *bun.DB, schemaName string, structs []any) []model {
	var found []model
	for _, s := range structs {
		t := db.Table(reflect.TypeOf(s))
		if t.Schema == schemaName {
			name := strings.TrimPrefix(t.Name, schemaName+".")
			found = append(found, model{name: name, full: ident(schemaName, name), fields: t.Fields})
		}
	}
	return found
}

// column is what PostgreSQL knows of one, in its own spelling.
type column struct {
	Table, Name, Type string
	NotNull           bool
}

// compared returns the columns of the schema and those of the models, by table and name. PostgreSQL has many spellings
// for one type: the tables of the models are created for it to spell, as temporary ones that are rolled back.
func compared(ctx context.Context, db *bun.DB, schemaName string, models []model) (have, want map[string]map[string]column, err error) {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = tx.Rollback() }()
	for _, m := range models {
		if _, err := tx.ExecContext(ctx, "CREATE TEMP TABLE "+m.definition(ident(m.name))); err != nil {
			return nil, nil, fmt.Errorf("table %s: %w", m.full, err)
		}
	}
	if have, err = columns(ctx, tx, "n.nspname = ?", schemaName); err != nil {
		return nil, nil, err
	}
	want, err = columns(ctx, tx, "n.oid = pg_my_temp_schema()")
	return have, want, err
}

func columns(ctx context.Context, db bun.IDB, where string, args ...any) (map[string]map[string]column, error) {
	var found []column
	err := db.NewRaw(`SELECT c.relname AS "table", a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull AS not_null
		FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped AND `+where, args...).Scan(ctx, &found)
	tables := make(map[string]map[string]column)
	for _, c := range found {
		if tables[c.Table] == nil {
			tables[c.Table] = make(map[string]column)
		}
		tables[c.Table][c.Name] = c
	}
	return tables, err
}

// definition is what follows CREATE TABLE.
func (m model) definition(name string) string {
	var lines, key []string
	for _, f := range m.fields {
		line := "  " + definition(f)
		if required(f) {
			line += " NOT NULL"
		}
		lines = append(lines, line)
		if f.IsPK || f.Name == "id" { // tags do not reach the states that rows embed
			key = append(key, ident(f.Name))
		}
	}
	if len(key) > 0 {
		lines = append(lines, fmt.Sprintf("  CONSTRAINT %s PRIMARY KEY (%s)", ident("PK_"+m.name), strings.Join(key, ", ")))
	}
	return name + " (\n" + strings.Join(lines, ",\n") + "\n)"
}

// definition is the column of a field, without NOT NULL.
func definition(f *schema.Field) string {
	text := ident(f.Name) + " " + typeOf(f)
	if f.Identity {
		text += " GENERATED BY DEFAULT AS IDENTITY"
	}
	if f.SQLDefault != "" {
		text += " DEFAULT " + f.SQLDefault
	}
	return text
}

func typeOf(f *schema.Field) string {
	stated, ok := f.Tag.Option("type")
	switch t := f.IndirectType; {
	case ok:
		return stated
	case t == reflect.TypeFor[time.Time]():
		return "timestamp"
	case t.Kind() == reflect.Array && t.Len() == 16 && t.Elem().Kind() == reflect.Uint8:
		return "uuid" // bun makes it bytea
	default:
		return strings.ToLower(f.CreateTableSQLType)
	}
}

// required reports whether a field has no way to hold NULL.
func required(f *schema.Field) bool {
	switch f.StructField.Type.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Interface:
		return f.NotNull || f.IsPK
	default:
		return !f.NullZero || f.NotNull || f.IsPK
	}
}

// drafting collects statements.
type drafting struct{ up, down []string }

func (d *drafting) add(up, down string) {
	d.up, d.down = append(d.up, up+";\n"), append(d.down, down+";\n")
}

// suggest adds statements that are not to be run as they are.
func (d *drafting) suggest(reason, up, down string) {
	comment := "-- " + reason + "\n-- "
	d.add(comment+up, comment+down)
}

func (d *drafting) table(m model, have, want map[string]column) {
	if have == nil {
		d.add("CREATE TABLE IF NOT EXISTS "+m.definition(m.full), "DROP TABLE IF EXISTS "+m.full)
		return
	}
	for _, f := range m.fields {
		alter := "ALTER TABLE " + m.full + " "
		was, exists := have[f.Name]
		if !exists {
			add := alter + "ADD COLUMN IF NOT EXISTS " + definition(f)
			switch {
			case required(f) && f.SQLDefault != "":
				add += " NOT NULL"
			case required(f):
				add = "-- The field cannot hold NULL, which rows that exist will have: add DEFAULT and NOT NULL here, or a pointer there.\n" + add
			}
			d.add(add, alter+"DROP COLUMN IF EXISTS "+ident(f.Name))
			continue
		}
		alter += "ALTER COLUMN " + ident(f.Name)
		if is := want[f.Name]; f.Tag.HasOption("type") && was.Type != is.Type {
			d.suggest("It may rewrite the table, while nobody can read or write: prefer another column, filled in batches.",
				alter+" TYPE "+is.Type, alter+" TYPE "+was.Type)
		}
		if f.NotNull && !was.NotNull {
			d.suggest("It reads the whole table, while nobody can read or write: validate a CHECK in an earlier migration.",
				alter+" SET NOT NULL", alter+" DROP NOT NULL")
		}
	}
}

func ident(parts ...string) string { return pgx.Identifier(parts).Sanitize() }
