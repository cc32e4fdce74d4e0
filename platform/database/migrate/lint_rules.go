package migrate

import (
	"slices"
	"strings"
)

// statement checks what a statement of an up file does to tables that are in use.
func (l *linter) statement(s statement) {
	c := &cursor{s.tokens}
	switch {
	case c.accept("create"):
		l.create(s, c)
	case c.accept("alter", "table"):
		l.alterTable(s, c)
	case c.accept("drop", "index"):
		concurrently := c.accept("concurrently")
		if c.accept("if", "exists") && concurrently {
			l.dropped[base(c.name())] = true
		}
	case c.accept("drop", "table"):
		c.accept("if", "exists")
		known := func(table cursor) bool { return !l.fresh[table.name()] }
		if slices.ContainsFunc(c.list(), known) {
			l.report(s, "contract", "the previous release still reads the table")
		}
	case c.accept("drop", "schema"), c.accept("alter", "schema"):
		l.report(s, "contract", "the previous release still reads the schema")
	case c.accept("reindex"):
		if !s.has("concurrently") {
			l.report(s, "index", "nobody can write meanwhile: REINDEX CONCURRENTLY")
		}
	case c.accept("do"):
		l.report(s, "hidden", "what a DO block does is not checked")
	}
}

func (l *linter) create(s statement, c *cursor) {
	c.acceptAny("global", "local")
	c.acceptAny("unique", "temporary", "temp", "unlogged")
	switch {
	case c.accept("table"):
		c.accept("if", "not", "exists")
		l.fresh[c.name()] = true
	case c.accept("index"):
		concurrently := c.accept("concurrently")
		c.accept("if", "not", "exists")
		var index string
		if !c.accept("on") {
			index = c.name()
			c.accept("on")
		}
		c.accept("only")
		switch {
		case l.fresh[c.name()]:
		case !concurrently:
			l.report(s, "index", "nobody can write meanwhile: CREATE INDEX CONCURRENTLY, in a file without .tx")
		case !l.dropped[index]:
			l.report(s, "repeat", "a crash leaves an invalid index of this name: DROP INDEX CONCURRENTLY IF EXISTS first")
		}
	}
}

// base returns a name without its schema.
func base(name string) string { return name[strings.LastIndexByte(name, '.')+1:] }

func (l *linter) alterTable(s statement, c *cursor) {
	c.accept("if", "exists")
	c.accept("only")
	table := c.name()
	c.accept("*")
	if l.fresh[table] {
		return
	}
	for _, action := range c.list() {
		l.alter(s, table, &action)
	}
}

func (l *linter) alter(s statement, table string, c *cursor) {
	switch {
	case c.accept("add", "constraint"):
		l.addConstraint(s, table, c.name(), c)
	case c.accept("add"):
		if c.atConstraint() {
			l.addConstraint(s, table, "", c)
		} else {
			l.addColumn(s, c)
		}
	case c.accept("validate", "constraint"):
		l.validate(s, table+"."+c.name())
	case c.accept("drop", "constraint"):
		c.accept("if", "exists")
		delete(l.notNull, l.constraints[table+"."+c.name()].column)
	case c.accept("rename", "constraint"):
	case c.accept("drop"), c.accept("rename"), c.accept("set", "schema"):
		l.report(s, "contract", "the previous release still reads what has this name")
	case c.accept("alter"):
		c.accept("column")
		l.alterColumn(s, table+"."+c.name(), c)
	}
}

// atConstraint reports whether the cursor is at a constraint without a name.
func (c cursor) atConstraint() bool {
	return c.acceptAny("check", "foreign", "primary", "unique", "exclude")
}

func (l *linter) addConstraint(s statement, table, name string, c *cursor) {
	valid := !c.has("not", "valid")
	added := constraint{file: l.file.name}
	switch {
	case c.acceptAny("primary", "unique", "exclude"):
		if !c.has("using", "index") {
			l.report(s, "index", "nobody can read or write meanwhile: build a unique index CONCURRENTLY, and add the constraint USING INDEX")
		}
		return
	case c.accept("check", "("):
		column := table + "." + c.name()
		if c.accept("is", "not", "null", ")") {
			added.column = column
		}
	}
	l.constraints[table+"."+name] = added
	if valid {
		l.notNull[added.column] = true
		l.report(s, "constraint", "nobody can write while all rows are checked: add it NOT VALID, and validate it in a later migration")
	}
}

func (l *linter) validate(s statement, name string) {
	c, known := l.constraints[name]
	l.notNull[c.column] = known
	if known && c.file == l.file.name && l.file.transactional() {
		l.report(s, "constraint", "the lock of ADD CONSTRAINT is held while all rows are checked: validate it in a later migration")
	}
}

// perRow are what makes PostgreSQL write each row anew when they come with an added column.
var perRow = []string{
	"generated", "serial", "bigserial", "smallserial", "nextval", "random", "gen_random_uuid", "uuid_generate_v4", "uuidv4", "uuidv7",
	"clock_timestamp", "timeofday",
}

func (l *linter) addColumn(s statement, c *cursor) {
	if c.has("not", "null") && !c.hasAny("default", "generated") {
		l.report(s, "notnull", "rows that exist have no value: give it a default, or fill it before it becomes NOT NULL")
	}
	if c.hasAny("check", "references", "unique", "primary") {
		l.report(s, "constraint", "nobody can write while all rows are checked: add the constraint by a statement of its own")
	}
	if c.hasAny(perRow...) {
		l.report(s, "rewrite", "nobody can read or write while every row gets its value: add the column empty, and fill it in batches")
	}
}

func (l *linter) alterColumn(s statement, column string, c *cursor) {
	switch {
	case c.accept("set", "not", "null"):
		if !l.notNull[column] {
			l.report(s, "notnull", "nobody can read or write while all rows are checked: validate a CHECK (it IS NOT NULL) in an earlier migration")
		}
	case c.accept("type"), c.accept("set", "data", "type"):
		l.report(s, "rewrite", "nobody can read or write while every row is rewritten: add another column, and fill it in batches")
	}
}
