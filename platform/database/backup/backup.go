// Package backup makes, checks and restores logical backups: a dump by pg_dump of some schemas and of the history of migrations, a
// manifest of what was in the database at the snapshot of that dump, and the checksums of both, as sha256sum writes them. It knows no
// table but the history.
package backup

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tickr/tickr/platform/database"
	"github.com/tickr/tickr/platform/database/embedded"
	"github.com/tickr/tickr/platform/database/migrate"
)

// Database is what is backed up and restored. Its methods fail as the package database classifies when the server cannot be reached or
// refuses the login, with one line of advice when pg_dump, pg_restore and psql of its version or a newer one are not there, and with the
// error of ctx when that ends; what they had begun is removed then.
type Database struct {
	// DSN is a PostgreSQL URL that leads past any pooler. Its password gets onto no command line.
	DSN string
	// BinDir is where the programs of PostgreSQL are looked for first; may be empty.
	BinDir string
	// Schemas are backed up whole.
	Schemas []string
	// Program is the version noted in manifests.
	Program string
}

const (
	dialTimeout = 10 * time.Second
	// cleanupTimeout bounds what has to happen after an interrupt.
	cleanupTimeout = 30 * time.Second
)

// session is how rows are turned into text: the same on every server, whatever its settings.
var session = map[string]string{
	"application_name":                    "tickr-backup",
	"search_path":                         "pg_catalog", // all other names are shown with their schema
	"datestyle":                           "ISO, YMD",
	"intervalstyle":                       "postgres",
	"bytea_output":                        "hex",
	"extra_float_digits":                  "1",
	"row_security":                        "off", // rows that may not be read are an error, not left out
	"statement_timeout":                   "0",
	"idle_in_transaction_session_timeout": "0",
	"idle_session_timeout":                "0",
	"lock_timeout":                        "10s",
	"max_parallel_workers_per_gather":     "0", // the processors are the requests'
}

func (d Database) config() (*pgx.ConnConfig, error) {
	pool, err := database.ParseDSN(d.DSN, session)
	if err != nil {
		return nil, err
	}
	config := pool.ConnConfig
	config.DefaultQueryExecMode = pgx.QueryExecModeExec
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = dialTimeout
	}
	return config, nil
}

func (d Database) connect(ctx context.Context) (*pgx.Conn, error) {
	config, err := d.config()
	if err != nil {
		return nil, err
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("connect to back up or restore: %w", err)
	}
	return conn, nil
}

// in is another database of the same server.
func (d Database) in(name string) (Database, error) {
	dsn, err := url.Parse(d.DSN)
	if err != nil {
		return Database{}, errors.New("the database connection string is no URL") // it holds a password
	}
	dsn.Path = "/" + name
	query := dsn.Query()
	query.Del("dbname")
	dsn.RawQuery = query.Encode()
	d.DSN = dsn.String()
	return d, nil
}

// tools are the programs for the server of conn.
func (d Database) tools(ctx context.Context, conn *pgx.Conn) (*tools, error) {
	var number string
	if err := conn.QueryRow(ctx, "SELECT current_setting('server_version_num')").Scan(&number); err != nil {
		return nil, fmt.Errorf("ask for the version of the server: %w", err)
	}
	version, err := strconv.Atoi(number)
	if err != nil {
		return nil, fmt.Errorf("version of the server: %w", err)
	}
	bin, err := embedded.Clients(ctx, d.BinDir, version/10000, "pg_dump", "pg_restore", "psql")
	if err != nil {
		return nil, err
	}
	config, err := d.config()
	if err != nil {
		return nil, err
	}
	return newTools(bin, config, d.DSN)
}

// history are the tables of schema public that belong to every backup.
func history() []string { return migrate.HistoryTables() }

func closeConn(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = conn.Close(ctx)
}
