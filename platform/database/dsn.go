package database

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"
)

// ParseDSN parses a connection string and sets timezone=UTC (`timestamp` columns hold UTC, also where their
// default is now()) and the session parameters params, whose names are lower-case. These win over parameters of
// the same name in the DSN and the environment. The error shows no part of the DSN but the path of a file that could not be read.
func ParseDSN(dsn string, params map[string]string) (*pgxpool.Config, error) {
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		if file, ok := errors.AsType[*fs.PathError](err); ok {
			return nil, fmt.Errorf("parse database connection string: %w", file)
		}
		// pgx masks passwords in its message as well as it can guess where they are: not well enough.
		return nil, errors.New("parse database connection string: want postgres://user:password@host:port/name" +
			" or key=value pairs, special characters percent-encoded or quoted")
	}
	session := map[string]string{"timezone": "UTC"}
	maps.Copy(session, params)
	// The server compares names without case and takes the last of two: "TimeZone" must not stay beside ours.
	maps.DeleteFunc(cfg.ConnConfig.RuntimeParams, func(name, _ string) bool {
		_, ours := session[strings.ToLower(name)]
		return ours
	})
	maps.Copy(cfg.ConnConfig.RuntimeParams, session)
	return cfg, nil
}
