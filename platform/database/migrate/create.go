package migrate

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"time"
)

const (
	template = "-- This file runs in one transaction. What cannot (CREATE INDEX CONCURRENTLY) goes into a file without .tx,\n" +
		"-- one statement per part, parts separated by a line --bun:split, and must be repeatable.\n" +
		"SET LOCAL lock_timeout = '5s';\n"
	stamp = "20060102150405"
)

var createName = regexp.MustCompile(`^[a-z0-9_]+$`)

// Create writes the two files of a new migration into dir, which must exist, and returns their paths. Both run
// in a transaction and do what the draft says, which may be nothing. The number is now in UTC; name consists of
// a-z, 0-9 and _. An existing file is never overwritten.
func Create(dir, name string, draft Draft, now time.Time) (up, down string, err error) {
	if !createName.MatchString(name) {
		return "", "", fmt.Errorf("migration name %q: want only a-z, 0-9 and _, like add_users_version", name)
	}
	base := filepath.Join(dir, now.UTC().Format(stamp)+"_"+name)
	up, down = base+".tx.up.sql", base+".tx.down.sql"
	if err := write(up, draft.Up); err != nil {
		return "", "", fmt.Errorf("create migration: %w", err)
	}
	if err := write(down, draft.Down); err != nil {
		return "", "", errors.Join(fmt.Errorf("create migration: %w", err), os.Remove(up))
	}
	return up, down, nil
}

func write(file, statements string) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644) //nolint:gosec // source code
	if err != nil {
		return err
	}
	text := template
	if statements != "" {
		text += "\n" + statements
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}
