package migrate

import (
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

// pair is the two files of one migration, by base name.
type pair struct{ up, down string }

// label is what people call the migration: its number and name.
func (p pair) label() string {
	label, _, _ := strings.Cut(p.up, ".")
	return label
}

// pairs finds the SQL files of all sources, by number, and reports every mistake in their names at once.
func pairs(sources []fs.FS) (map[string]pair, error) {
	found := make(map[string]pair)
	var mistakes []error
	for _, source := range sources {
		err := fs.WalkDir(source, ".", func(file string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || path.Ext(file) != ".sql" {
				return err
			}
			mistakes = append(mistakes, add(found, path.Base(file)))
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("list migrations: %w", err)
		}
	}
	for _, number := range slices.Sorted(maps.Keys(found)) {
		mistakes = append(mistakes, found[number].check())
	}
	return found, errors.Join(mistakes...)
}

func add(found map[string]pair, file string) error {
	match := fileName.FindStringSubmatch(file)
	if match == nil {
		return fmt.Errorf("migration %s: want <14 digits>_<name>[.tx].(up|down).sql", file)
	}
	number, direction := match[1], match[3]
	p := found[number]
	half := &p.up
	if direction == "down" {
		half = &p.down
	}
	if *half != "" {
		return fmt.Errorf("migrations %s and %s have the same number", *half, file)
	}
	*half = file
	found[number] = p
	return nil
}

func (p pair) check() error {
	switch {
	case p.up == "":
		return fmt.Errorf("migration %s has no up file", p.down)
	case p.down == "":
		return fmt.Errorf("migration %s has no down file", p.up)
	}
	if down, _, _ := strings.Cut(p.down, "."); down != p.label() {
		return fmt.Errorf("migrations %s and %s have the same number", p.up, p.down)
	}
	return nil
}
