package backup

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Report is what a verification found to be as it should.
type Report struct {
	Rows, Tables int64
	Constraints  int   // and indexes
	DatabaseSize int64 // of the restored database, in bytes
	Took         time.Duration
}

// Verify reads the dump, restores it into a database of its own on the same server, <name>_verify_<16 digits>, and compares rows and constraints
// with the manifest; that database is dropped however it ends. What differs is a *DamageError. The result is noted beside the backup,
// where that can be written. The account needs the right to create databases.
func (d Database) Verify(ctx context.Context, b Backup) (Report, error) {
	start := time.Now()
	report, err := d.verify(ctx, b)
	report.Took = time.Since(start)
	damage, found := errors.AsType[*DamageError](err)
	switch {
	case err == nil:
		_ = checked{At: start.UTC().Truncate(time.Second)}.write(b.base())
	case found:
		_ = checked{At: start.UTC().Truncate(time.Second), Damage: damage.Reason}.write(b.base())
	}
	return report, err
}

func (d Database) verify(ctx context.Context, b Backup) (_ Report, err error) {
	if err := b.Manifest.checkDump(b.base()); err != nil {
		return Report{}, err
	}
	conn, err := d.connect(ctx)
	if err != nil {
		return Report{}, err
	}
	defer closeConn(conn)
	name, err := reserveScratch(ctx, conn)
	if err != nil {
		return Report{}, err
	}
	defer func() { err = errors.Join(err, d.drop(ctx, name)) }()
	// Whoever interrupts the command waits for this: a database that is being created cannot be dropped.
	creating, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	if err := createDatabase(creating, conn, name); err != nil {
		return Report{}, err
	}
	scratch, err := d.in(name)
	if err != nil {
		return Report{}, err
	}
	return scratch.compare(ctx, b)
}

// compare restores b into an empty database and compares.
func (d Database) compare(ctx context.Context, b Backup) (Report, error) {
	conn, err := d.connect(ctx)
	if err != nil {
		return Report{}, err
	}
	defer closeConn(conn)
	t, err := d.tools(ctx, conn)
	if err != nil {
		return Report{}, err
	}
	if err := t.load(ctx, b, false); err != nil {
		return Report{}, err
	}
	tx, err := conn.Begin(ctx)
	if err != nil {
		return Report{}, fmt.Errorf("begin transaction: %w", err)
	}
	var restored Manifest
	if err := restored.inventory(ctx, tx, b.Manifest.Schemas); err != nil {
		return Report{}, err
	}
	if differences := b.Manifest.differences(restored); len(differences) > 0 {
		return Report{}, damaged(b.Path(), "restored, %s", strings.Join(differences, ", "))
	}
	report := Report{Rows: restored.Rows(), Tables: int64(len(restored.Tables)), Constraints: len(b.Manifest.Constraints)}
	if err := tx.QueryRow(ctx, "SELECT pg_database_size(current_database())").Scan(&report.DatabaseSize); err != nil {
		return Report{}, fmt.Errorf("ask for the size of the database: %w", err)
	}
	return report, nil
}

// reserveScratch returns the name of a database that is to live as long as conn, whose lock tells so: those of verifications that
// were killed are dropped.
func reserveScratch(ctx context.Context, conn *pgx.Conn) (name string, err error) {
	prefix := conn.Config().Database
	prefix = prefix[:min(len(prefix), 63-len("_verify_")-scratchDigits)] + "_verify_" // 63 bytes is the longest name
	rows, err := conn.Query(ctx, "SELECT datname::text FROM pg_database WHERE starts_with(datname::text, $1)", prefix)
	if err != nil {
		return "", fmt.Errorf("look for abandoned databases: %w", err)
	}
	left, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return "", fmt.Errorf("look for abandoned databases: %w", err)
	}
	for _, name := range left {
		if !scratchName.MatchString(name) {
			continue
		}
		abandoned, err := lockName(ctx, conn, name)
		if err == nil && abandoned {
			err = dropDatabase(ctx, conn, name)
		}
		if err != nil {
			return "", err
		}
	}
	name = prefix + strings.ReplaceAll(uuid.NewString(), "-", "")[:scratchDigits]
	_, err = lockName(ctx, conn, name)
	return name, err
}

const scratchDigits = 16

// scratchName is so particular because such a database is dropped.
var scratchName = regexp.MustCompile(`_verify_[0-9a-f]{16}$`)

func lockName(ctx context.Context, conn *pgx.Conn, name string) (locked bool, err error) {
	if err := conn.QueryRow(ctx, "SELECT pg_try_advisory_lock(hashtextextended($1, 0))", name).Scan(&locked); err != nil {
		return false, fmt.Errorf("lock the name of a database: %w", err)
	}
	return locked, nil
}

// createDatabase makes an empty database with the encoding and order of the present one.
func createDatabase(ctx context.Context, conn *pgx.Conn, name string) error {
	var statement string
	const compose = `
		SELECT format('CREATE DATABASE %I TEMPLATE template0 ENCODING %L LC_COLLATE %L LC_CTYPE %L',
			$1::text, pg_encoding_to_char(encoding), datcollate, datctype)
		FROM pg_database WHERE datname = current_database()`
	if err := conn.QueryRow(ctx, compose, name).Scan(&statement); err != nil {
		return fmt.Errorf("create database %s: %w", name, err)
	}
	_, err := conn.Exec(ctx, statement)
	const insufficientPrivilege = "42501"
	if refused, ok := errors.AsType[*pgconn.PgError](err); ok && refused.Code == insufficientPrivilege {
		return fmt.Errorf("the account may not create databases, which this needs: ALTER ROLE %s CREATEDB", pgx.Identifier{conn.Config().User}.Sanitize())
	}
	if err != nil {
		return fmt.Errorf("create database %s: %w", name, err)
	}
	return nil
}

// drop drops a database, also when ctx has ended.
func (d Database) drop(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	conn, err := d.connect(ctx)
	if err != nil {
		return err
	}
	defer closeConn(conn)
	return dropDatabase(ctx, conn, name)
}

func dropDatabase(ctx context.Context, conn *pgx.Conn, name string) error {
	if _, err := conn.Exec(ctx, "DROP DATABASE IF EXISTS "+pgx.Identifier{name}.Sanitize()+" WITH (FORCE)"); err != nil {
		return fmt.Errorf("drop database %s: %w", name, err)
	}
	return nil
}

// Into returns the database of another name on the same server, which is created when it is not there.
func (d Database) Into(ctx context.Context, name string) (Database, error) {
	conn, err := d.connect(ctx)
	if err != nil {
		return Database{}, err
	}
	defer closeConn(conn)
	var exists bool
	if err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", name).Scan(&exists); err != nil {
		return Database{}, fmt.Errorf("look for database %s: %w", name, err)
	}
	if !exists {
		if err := createDatabase(ctx, conn, name); err != nil {
			return Database{}, err
		}
	}
	return d.in(name)
}
