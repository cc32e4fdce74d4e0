// Package inspect shows how PostgreSQL serves the program: the plan of each statement that modules send, and the use of each index.
// It changes nothing, and knows no module and no table: modules say what they ask, and which indexes are meant to serve it.
package inspect

import "context"

// Statement is one thing that a module asks of PostgreSQL, and how that is meant to be answered.
type Statement struct {
	// Name is the repository's method and, where that sends several statements, which of them.
	Name    string
	Purpose string
	// Indexes are the only ones that serve the statement: no plan uses another one, or reads a table from end to end.
	Indexes []string
	// Reason says why there are no Indexes.
	Reason string
	// Queries are what is sent, the plainest first: conditions that may be left out make a text for each set of them.
	Queries []Query
}

// Query is a text as PostgreSQL gets it. bun writes arguments into it; Args are those that travel apart.
type Query struct {
	SQL  string
	Args []any
}

// Catalogue returns every statement of a module, with arguments that occur in its data now.
type Catalogue func(ctx context.Context) ([]Statement, error)
