package migrate

import (
	"fmt"
	"io/fs"
	"maps"
	"slices"
)

// Finding is a statement of a migration that would stop, or break, the release that is still running.
type Finding struct {
	File    string
	Line    int
	Rule    string // what to name in a comment that allows it
	Message string
}

// String returns the finding in the form "file:line: rule: message".
func (f Finding) String() string {
	return fmt.Sprintf("%s:%d: %s: %s", f.File, f.Line, f.Rule, f.Message)
}

// Lint reads the migrations of all modules as one history and returns what is dangerous to a database in use, in
// the order of the files. A table that a migration itself created is not in use. What is meant is allowed by a
// comment with the rule and a reason, in front of the statement or within it:
//
//	-- contract: no release since 2.4 reads this column
//	ALTER TABLE users.users DROP COLUMN nickname;
//
// The rules are:
//   - down: a down file undoes something
//   - lock: a transaction begins with SET LOCAL lock_timeout, and so does a part with ALTER TABLE in a file without one
//   - session: no SET outlives its transaction
//   - transaction: a transaction holds nothing that cannot run in one and does not end early, and a file without one
//     has one statement per part, not counting SET LOCAL
//   - repeat: an invalid index that a crash left behind is dropped before it is built again
//   - index: indexes are built CONCURRENTLY, and constraints USING such an INDEX
//   - notnull: a column becomes NOT NULL with a default when it is added, or after a validated CHECK (it IS NOT NULL)
//   - constraint: a CHECK or FOREIGN KEY is added NOT VALID, and validated by a later migration
//   - rewrite: no column gets another type or a value that differs from row to row
//   - contract: no table, column or schema that the previous release reads is dropped, renamed or moved
//   - hidden: no statement hides in a DO block, where this check does not look
//
// Down files are held to down, lock, session and transaction only. Lint knows PostgreSQL's strings, comments and
// names, and the statements named here; it does not evaluate expressions, and it looks into no function body.
// Wrong names, numbers used twice and missing halves are errors, as they are to New.
func Lint(sources ...fs.FS) ([]Finding, error) {
	files, err := pairs(sources)
	if err != nil {
		return nil, err
	}
	l := linter{constraints: make(map[string]constraint), notNull: make(map[string]bool)}
	for _, number := range slices.Sorted(maps.Keys(files)) {
		l.up(files[number].up)
		l.down(files[number].down)
	}
	return l.findings, nil
}

// linter remembers of the history what later migrations may rely on. Tables and columns are named in full.
type linter struct {
	findings    []Finding
	constraints map[string]constraint // by table and name
	notNull     map[string]bool       // columns that a validated CHECK holds not null

	file    file            // at hand
	fresh   map[string]bool // tables it created
	dropped map[string]bool // indexes it dropped, without their schema
}

// constraint was added to a table that existed.
type constraint struct {
	file   string
	column string // that it holds not null, if this is what it checks
}

func (l *linter) report(s statement, rule, message string) {
	if !s.reasons[rule] {
		l.findings = append(l.findings, Finding{File: l.file.name, Line: s.line, Rule: rule, Message: message})
	}
}

func (l *linter) up(f file) {
	l.file, l.fresh, l.dropped = f, make(map[string]bool), make(map[string]bool)
	script := statements(f.text)
	l.session(script)
	for _, s := range script {
		l.statement(s)
	}
}

func (l *linter) down(f file) {
	l.file = f
	script := statements(f.text)
	l.session(script)
	undoes := func(s statement) bool { return !s.is("set") || s.reasons["down"] }
	if !slices.ContainsFunc(script, undoes) {
		l.report(statement{line: 1}, "down", "it undoes nothing: if there is nothing to undo, say why")
	}
}

// session checks what a file does to its session.
func (l *linter) session(script []statement) {
	bounded := false
	for i, s := range script {
		if s.is("set") && !s.is("set", "local") && !s.is("set", "constraints") && !s.is("set", "transaction") {
			l.report(s, "session", "it outlives the migration: use SET LOCAL")
		}
		continues := i > 0 && script[i-1].part == s.part
		if !l.file.transactional() {
			bounded = bounded && continues
			if continues && !script[i-1].is("set", "local") {
				l.report(s, "transaction", "statements of one part run in one transaction: put --bun:split between them")
			}
		}
		queues := s.is("alter", "table") || l.file.transactional() && len(s.tokens) > 0 && !s.is("set", "local")
		switch {
		case s.is("set", "local", "lock_timeout"):
			bounded = true
		case queues && !bounded:
			bounded = true
			l.report(s, "lock", "everybody queues behind a statement that waits for a table: SET LOCAL lock_timeout first")
		}
		if !l.file.transactional() {
			continue
		}
		if s.has("concurrently") && !s.is("refresh") {
			l.report(s, "transaction", "it cannot run in a transaction: put it in a file without .tx")
		}
		if slices.ContainsFunc([]string{"begin", "start", "commit", "end", "rollback", "abort"}, func(word string) bool { return s.is(word) }) {
			l.report(s, "transaction", "the file is a transaction already")
		}
	}
}
