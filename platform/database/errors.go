package database

import (
	"context"
	"crypto/tls"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
)

// SQLSTATE codes that callers of this package are told about, by the names of PostgreSQL's appendix A.
const (
	uniqueViolation      = "23505"
	foreignKeyViolation  = "23503"
	restrictViolation    = "23001" // what PostgreSQL 18 says of ON DELETE RESTRICT
	serializationFailure = "40001"
	deadlockDetected     = "40P01"

	invalidPassword      = "28P01"
	invalidAuthorization = "28000"
	invalidCatalogName   = "3D000"
	insufficientRights   = "42501"
	lockNotAvailable     = "55P03"
	readOnlyTransaction  = "25006"
	idleInTxSessionEnded = "25P03"
)

// UniqueViolation reports whether err says that a value exists already, and which constraint or unique index
// said so.
func UniqueViolation(err error) (constraint string, ok bool) {
	return violation(err, uniqueViolation)
}

// ForeignKeyViolation reports whether err says that a referenced row is missing, or that a row is still
// referenced, and by which constraint.
func ForeignKeyViolation(err error) (constraint string, ok bool) {
	return violation(err, foreignKeyViolation, restrictViolation)
}

func violation(err error, codes ...string) (constraint string, ok bool) {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	if !ok || !slices.Contains(codes, pg.Code) {
		return "", false
	}
	return pg.ConstraintName, true
}

func concurrencyFailure(err error) bool {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (pg.Code == serializationFailure || pg.Code == deadlockDetected)
}

// Unavailable reports whether err, returned by a call to the database, says that the same call may succeed
// later: no connection (a refused login included, see Refused), a lost one, a timeout of any kind, a spent
// budget, a server that is starting, stopping, full or read-only, or a transaction that lost to concurrent ones
// at every try. A caller who cancelled its own ctx was not refused anything: false.
func Unavailable(err error) bool {
	if err == nil || errors.Is(err, context.Canceled) {
		return false
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return true
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return unavailableCode(pg.Code)
	}
	if failed, ok := errors.AsType[net.Error](err); ok { // context.DeadlineExceeded is one too
		_, file := failed.(syscall.Errno) // of a full disk, say: the network's come in a net.OpError
		return !file
	}
	// database/sql says ErrBadConn where nothing was sent, also because a deadline had passed before.
	return slices.ContainsFunc([]error{driver.ErrBadConn, pgconn.ErrConnClosed, net.ErrClosed, io.EOF, io.ErrUnexpectedEOF},
		func(target error) bool { return errors.Is(err, target) })
}

// Unreachable reports whether err is Unavailable for want of a connection: none was made, whatever the server said to the
// attempt, or it was lost or silent. What the server answers to a statement is not: a lock timeout, a full disk, a cancelled query.
func Unreachable(err error) bool {
	_, connecting := errors.AsType[*pgconn.ConnectError](err)
	_, answered := errors.AsType[*pgconn.PgError](err)
	return Unavailable(err) && (connecting || !answered)
}

func unavailableCode(code string) bool {
	switch code {
	case serializationFailure, deadlockDetected, lockNotAvailable, readOnlyTransaction, idleInTxSessionEnded:
		return true
	}
	switch code[:min(2, len(code))] {
	case "08", // connection exception
		"53", // insufficient resources: connections, memory, disk
		"57", // operator intervention: shutdown, crash, starting up, statement timeout
		"58": // system error: input and output
		return true
	}
	return false
}

// Refused reports whether err says that the server answered and will not have us until somebody changes a
// setting: wrong password or role, no such database, no right to connect, TLS demanded and not to be had or not
// to be trusted. The reason is one line in the server's words, without the password.
func Refused(err error) (reason string, ok bool) {
	failed, ok := errors.AsType[*pgconn.ConnectError](err)
	if !ok {
		return "", false
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch pg.Code {
		case invalidPassword, invalidAuthorization, invalidCatalogName, insufficientRights:
			return oneLine(pg.Message) + " (SQLSTATE " + pg.Code + ")", true
		}
		return "", false
	}
	if bad, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return oneLine(bad.Error()), true
	}
	// pgx has no type for it. With sslmode=prefer it is only the first of two attempts.
	const refusedTLS = "server refused TLS connection"
	if demandsTLS(failed.Config) && strings.Contains(err.Error(), refusedTLS) {
		return refusedTLS, true
	}
	return "", false
}

func demandsTLS(c *pgconn.Config) bool {
	return c.TLSConfig != nil && !slices.ContainsFunc(c.Fallbacks, func(f *pgconn.FallbackConfig) bool {
		return f.TLSConfig == nil
	})
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
