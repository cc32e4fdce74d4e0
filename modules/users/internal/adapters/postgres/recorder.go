package postgres

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"

	"github.com/tickr/tickr/platform/database/inspect"
)

// errNotRun is what a recorder answers with.
var errNotRun = errors.New("statement was recorded, not run")

// recorder is a database that notes statements and runs none: a connector, its only connection and its transaction in one.
type recorder struct{ queries []inspect.Query }

// sent returns what was recorded while its arguments were evaluated.
func (r *recorder) sent(...any) []inspect.Query {
	queries := r.queries
	r.queries = nil
	return queries
}

func (r *recorder) record(text string, args []driver.NamedValue) error {
	query := inspect.Query{SQL: text}
	for _, arg := range args {
		if _, ok := arg.Value.(pgx.QueryExecMode); !ok {
			query.Args = append(query.Args, arg.Value)
		}
	}
	r.queries = append(r.queries, query)
	return errNotRun
}

// QueryContext implements driver.QueryerContext.
func (r *recorder) QueryContext(_ context.Context, text string, args []driver.NamedValue) (driver.Rows, error) {
	return nil, r.record(text, args)
}

// ExecContext implements driver.ExecerContext.
func (r *recorder) ExecContext(_ context.Context, text string, args []driver.NamedValue) (driver.Result, error) {
	return nil, r.record(text, args)
}

// CheckNamedValue implements driver.NamedValueChecker: like pgx, it takes any value.
func (*recorder) CheckNamedValue(*driver.NamedValue) error { return nil }

// Connect implements driver.Connector.
func (r *recorder) Connect(context.Context) (driver.Conn, error) { return r, nil }

// Driver implements driver.Connector.
func (*recorder) Driver() driver.Driver { return nil }

// Begin implements driver.Conn.
func (r *recorder) Begin() (driver.Tx, error) { return r, nil }

// Prepare implements driver.Conn.
func (*recorder) Prepare(string) (driver.Stmt, error) { return nil, errNotRun }

// Close implements driver.Conn.
func (*recorder) Close() error { return nil }

// Commit implements driver.Tx.
func (*recorder) Commit() error { return nil }

// Rollback implements driver.Tx.
func (*recorder) Rollback() error { return nil }

// recording is a DB whose transaction never ends: bun's statements and the constant ones both take it.
type recording struct{ tx bun.Tx }

func (r *recorder) db() DB {
	tx, err := bun.NewDB(sql.OpenDB(r), pgdialect.New()).Begin()
	if err != nil {
		panic(err) // nothing is asked that could fail
	}
	return recording{tx}
}

// Conn implements DB.
func (r recording) Conn(context.Context) bun.IDB { return r.tx }

// Pool implements DB. Nobody asks for it in a transaction.
func (recording) Pool() *pgxpool.Pool { return nil }
