package database_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/stretchr/testify/require"
	"github.com/stretchr/testify/suite"

	"github.com/tickr/tickr/platform/database"
	"github.com/tickr/tickr/platform/database/dbtest"
)

type ErrorsSuite struct {
	suite.Suite
	db *dbtest.DB
}

func TestErrors(t *testing.T) { suite.Run(t, new(ErrorsSuite)) }

func (s *ErrorsSuite) SetupSuite() {
	s.db = dbtest.Empty(s.T())
	exec(s.T(), s.db.Handle, `
		CREATE TABLE people (id int CONSTRAINT "PK_people" PRIMARY KEY, email text);
		CREATE UNIQUE INDEX idx_people_email ON people (email);
		CREATE TABLE visits (person int CONSTRAINT fk_visits_person REFERENCES people (id) ON DELETE RESTRICT);
		INSERT INTO people VALUES (1, 'a@example.com');
		INSERT INTO visits VALUES (1)`)
}

func (s *ErrorsSuite) TestViolationsNameTheirConstraint() {
	for _, c := range []struct{ statement, unique, foreign string }{
		{statement: `INSERT INTO people VALUES (1, 'b@example.com')`, unique: "PK_people"},
		{statement: `INSERT INTO people VALUES (2, 'a@example.com')`, unique: "idx_people_email"},
		{statement: `INSERT INTO visits VALUES (7)`, foreign: "fk_visits_person"},
		{statement: `DELETE FROM people`, foreign: "fk_visits_person"},
		{statement: `INSERT INTO nowhere VALUES (1)`},
	} {
		_, err := s.db.Conn(s.T().Context()).ExecContext(s.T().Context(), c.statement)
		s.Require().Error(err)
		err = fmt.Errorf("save: %w", err)
		unique, ok := database.UniqueViolation(err)
		s.Equal(c.unique, unique, c.statement)
		s.Equal(c.unique != "", ok, c.statement)
		foreign, ok := database.ForeignKeyViolation(err)
		s.Equal(c.foreign, foreign, c.statement)
		s.Equal(c.foreign != "", ok, c.statement)
		s.False(database.Unavailable(err), c.statement)
	}
}

func (s *ErrorsSuite) TestRefusedByTheServer() {
	elsewhere := func(change func(*url.URL)) string {
		u, err := url.Parse(s.db.DSN)
		s.Require().NoError(err)
		change(u)
		return u.String()
	}
	for name, dsn := range map[string]string{
		"no such database": elsewhere(func(u *url.URL) { u.Path = "/tickr_test_absent" }),
		"no such role":     elsewhere(func(u *url.URL) { u.User = url.UserPassword("tickr_absent", "s3cr3t") }),
	} {
		err := open(s.T(), dsn, nil).Ping(s.T().Context())
		reason, ok := database.Refused(err)
		s.True(ok, "%s: %v", name, err)
		s.Contains(reason, "SQLSTATE", name)
		s.NotContains(err.Error(), "s3cr3t", name)
		s.True(database.Unavailable(err), name)
	}
}

// answering starts a server that treats every connection with serve, and returns a DSN for it.
func answering(t *testing.T, sslmode string, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serve(conn)
			_ = conn.Close()
		}
	}()
	return "postgres://tickr:s3cr3t@" + l.Addr().String() + "/tickr?sslmode=" + sslmode
}

// TestLoginAnswers scripts what a server under test cannot easily be brought to say.
func TestLoginAnswers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		code    string
		refused bool
	}{
		{"28P01", true},  // wrong password
		{"28000", true},  // pg_hba.conf
		{"3D000", true},  // no such database
		{"42501", true},  // no CONNECT privilege
		{"53300", false}, // too many connections
		{"57P03", false}, // starting up
	} {
		t.Run(c.code, func(t *testing.T) {
			t.Parallel()
			dsn := answering(t, "disable", func(conn net.Conn) {
				server := pgproto3.NewBackend(conn, conn)
				_, _ = server.ReceiveStartupMessage()
				server.Send(&pgproto3.ErrorResponse{Severity: "FATAL", Code: c.code, Message: "go\naway"})
				_ = server.Flush()
			})
			err := open(t, dsn, nil).Ping(t.Context())
			reason, refused := database.Refused(err)
			require.Equal(t, c.refused, refused, err)
			if refused {
				require.Equal(t, "go away (SQLSTATE "+c.code+")", reason)
			}
			require.True(t, database.Unavailable(err))
			require.True(t, database.Unreachable(err))
			require.NotContains(t, err.Error(), "s3cr3t")
		})
	}
}

func TestTLSIsRefused(t *testing.T) {
	t.Parallel()
	noTLS := func(conn net.Conn) {
		_, _ = conn.Read(make([]byte, 64))
		_, _ = conn.Write([]byte("N"))
	}
	err := open(t, answering(t, "require", noTLS), nil).Ping(t.Context())
	reason, refused := database.Refused(err)
	require.True(t, refused, err)
	require.Equal(t, "server refused TLS connection", reason)

	err = open(t, answering(t, "prefer", noTLS), nil).Ping(t.Context())
	_, refused = database.Refused(err)
	require.False(t, refused, err)
	require.True(t, database.Unavailable(err))
}

func TestUnavailable(t *testing.T) {
	t.Parallel()
	pg := func(code string) error { return &pgconn.PgError{Code: code} }
	for _, c := range []struct {
		err  error
		want bool
	}{
		{nil, false},
		{sql.ErrNoRows, false},
		{errors.New("other"), false},
		{context.Canceled, false},
		{fmt.Errorf("%w: %w", context.Canceled, driver.ErrBadConn), false},
		{context.DeadlineExceeded, true},
		{driver.ErrBadConn, true},
		{pgconn.ErrConnClosed, true},
		{net.ErrClosed, true},
		{&net.OpError{Op: "read", Err: syscall.ECONNRESET}, true},
		{&fs.PathError{Op: "write", Path: "dump", Err: syscall.ENOSPC}, false}, // a disk of ours
		{pg("08006"), true},                                                    // connection failure
		{pg("53100"), true},                                                    // disk full
		{pg("53300"), true},                                                    // too many connections
		{pg("57014"), true},                                                    // statement timeout
		{pg("57P01"), true},                                                    // administrator's shutdown
		{pg("57P03"), true},                                                    // starting up
		{pg("58030"), true},                                                    // input or output failed
		{pg("25006"), true},                                                    // read-only: a standby
		{pg("25P03"), true},                                                    // idle in transaction
		{pg("55P03"), true},                                                    // lock timeout
		{pg("40001"), true},                                                    // serialization failure
		{pg("40P01"), true},                                                    // deadlock
		{pg("23505"), false},                                                   // unique violation
		{pg("42P01"), false},                                                   // undefined table
		{pg(""), false},
	} {
		require.Equal(t, c.want, database.Unavailable(c.err), "%v", c.err)
		_, answered := errors.AsType[*pgconn.PgError](c.err)
		require.Equal(t, c.want && !answered, database.Unreachable(c.err), "%v", c.err)
		if c.err != nil {
			require.Equal(t, c.want, database.Unavailable(fmt.Errorf("load: %w", c.err)), "%v", c.err)
		}
		_, refused := database.Refused(c.err)
		require.False(t, refused, "%v", c.err)
	}
}
