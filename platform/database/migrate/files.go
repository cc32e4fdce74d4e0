package migrate

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
)

// fileName holds the 14-digit number, the name, and the direction. bun reads fewer digits as well, but sorts
// numbers as text.
var fileName = regexp.MustCompile(`^(\d{14})_([a-z0-9_]+)(?:\.tx)?\.(up|down)\.sql$`)

// file is one direction of a migration. Its name is a base name, empty when there is no such file.
type file struct{ name, text string }

// label is what people call the migration: its number and name.
func (f file) label() string {
	label, _, _ := strings.Cut(f.name, ".")
	return label
}

// transactional reports whether the file runs in one transaction.
func (f file) transactional() bool { return strings.Contains(f.name, ".tx.") }

// checksum identifies what the file does: line ends, white space before them and empty lines do not count.
func (f file) checksum() string {
	sum := sha256.New()
	for line := range strings.Lines(f.text) {
		if line = strings.TrimRight(line, " \t\r\n"); line != "" {
			fmt.Fprintln(sum, line)
		}
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// pair is the two files of one migration.
type pair struct{ up, down file }

// pairs reads the SQL files of all sources, by number, and reports every mistake in their names at once.
func pairs(sources []fs.FS) (map[string]pair, error) {
	found := make(map[string]pair)
	var mistakes []error
	for _, source := range sources {
		err := fs.WalkDir(source, ".", func(name string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || path.Ext(name) != ".sql" {
				return err
			}
			text, err := fs.ReadFile(source, name)
			mistakes = append(mistakes, add(found, file{path.Base(name), string(text)}))
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("read migrations: %w", err)
		}
	}
	for _, number := range slices.Sorted(maps.Keys(found)) {
		mistakes = append(mistakes, found[number].check())
	}
	return found, errors.Join(mistakes...)
}

func add(found map[string]pair, f file) error {
	match := fileName.FindStringSubmatch(f.name)
	if match == nil {
		return fmt.Errorf("migration %s: want <14 digits>_<name>[.tx].(up|down).sql", f.name)
	}
	number, direction := match[1], match[3]
	p := found[number]
	half := &p.up
	if direction == "down" {
		half = &p.down
	}
	if half.name != "" {
		return sameNumber(half.name, f.name)
	}
	*half = f
	found[number] = p
	return nil
}

func (p pair) check() error {
	switch {
	case p.up.name == "":
		return fmt.Errorf("migration %s has no up file", p.down.name)
	case p.down.name == "":
		return fmt.Errorf("migration %s has no down file", p.up.name)
	case p.up.label() != p.down.label():
		return sameNumber(p.up.name, p.down.name)
	}
	return nil
}

func sameNumber(a, b string) error {
	return fmt.Errorf("migrations %s and %s have the same number", a, b)
}
