package database

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
)

// readTries is how often a read is sent, which is how often database/sql does it.
const readTries = 3

// Read returns what read asks pool for. When the connection is lost under it, as in a failover, read is called again, three times
// in all: it must change nothing. Reads through Conn need no such help: see openSQL.
func Read[T any](pool *pgxpool.Pool, read func() (T, error)) (T, error) {
	for try := 1; ; try++ {
		found, err := read()
		if !lost(err) || try == readTries {
			return found, err
		}
		leave(pool)
	}
}

// leave makes the next try begin a session of its own: where one has ended under its statement, others that wait in the pool are
// about to, and each would cost a try.
func leave(pool *pgxpool.Pool) { pool.Reset() }

// lost reports whether err says that the session ended under a statement: whether that was executed is unknown.
func lost(err error) bool {
	if _, connecting := errors.AsType[*pgconn.ConnectError](err); connecting {
		return false
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pg.SeverityUnlocalized == "FATAL" // the server's last words
	}
	for _, end := range []error{io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, syscall.ECONNRESET, syscall.EPIPE, pgconn.ErrConnClosed} {
		if errors.Is(err, end) {
			return true
		}
	}
	return false
}

// openSQL returns a database/sql door to the pool that sends a SELECT outside a transaction again when its connection is lost
// before the first row has come. What changes something is sent once.
func openSQL(pool *pgxpool.Pool) *sql.DB {
	db := sql.OpenDB(rereading{stdlib.GetPoolConnector(pool), pool})
	db.SetMaxIdleConns(0) // connections wait in the pool
	return db
}

type rereading struct {
	driver.Connector
	pool *pgxpool.Pool
}

// Connect implements driver.Connector.
func (c rereading) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &rereader{Conn: conn.(*stdlib.Conn), pool: c.pool}, nil
}

// rereader is a connection for one statement, or one transaction.
type rereader struct {
	*stdlib.Conn
	pool *pgxpool.Pool
	inTx bool
}

// BeginTx implements driver.ConnBeginTx.
func (c *rereader) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	c.inTx = true
	return c.Conn.BeginTx(ctx, o)
}

// QueryContext implements driver.QueryerContext. database/sql answers driver.ErrBadConn by another try on another connection.
func (c *rereader) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	rows, err := c.Conn.QueryContext(ctx, query, args)
	if !c.inTx && strings.HasPrefix(query, "SELECT ") && lost(err) {
		leave(c.pool)
		err = fmt.Errorf("%w: %w", driver.ErrBadConn, err)
	}
	return rows, err
}
