package backup

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// What the files of one backup end in. Checksums appear last, and go first: without them there is no backup.
const (
	customExt   = ".dump"
	plainExt    = ".sql"
	manifestExt = ".json"
	sumsExt     = ".sha256"
	checkedExt  = ".checked"
)

var extensions = []string{sumsExt, checkedExt, manifestExt, customExt, plainExt}

// stamp is the time in the name of a backup, in UTC.
const stamp = "20060102T150405Z"

var fileName = regexp.MustCompile(`^(\w+(?:-\w+)*-(\d{8}T\d{6}Z))(\.\w+)$`)

// ErrNone says that a folder holds no backup that can be used.
var ErrNone = errors.New("no backup")

// Backup is a dump in a folder, with its manifest.
type Backup struct {
	Name string    // of its files, without what they end in
	At   time.Time // of its snapshot, to the second
	// Manifest is the zero value when Damage speaks of the files that hold it.
	Manifest Manifest
	// Damage is what is known to be wrong with the backup, also from its last verification; nil if nothing is.
	Damage error
	// VerifiedAt is when Verify last restored it without a difference, zero if it did not, or found some.
	VerifiedAt time.Time

	dir string
}

// Path is where the dump is.
func (b Backup) Path() string { return b.Manifest.dump(b.base()) }

func (b Backup) base() string { return filepath.Join(b.dir, b.Name) }

// List returns the backups in dir, the newest first, damaged ones too. It reads manifests, not dumps: it knows of a changed byte in a
// dump only when Verify found it. A folder that does not exist holds none.
func List(dir string) ([]Backup, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list backups: %w", err)
	}
	var backups []Backup
	for _, entry := range entries {
		name, at, ok := parseName(entry.Name())
		if !ok || slices.ContainsFunc(backups, func(b Backup) bool { return b.Name == name }) {
			continue
		}
		backups = append(backups, open(dir, name, at))
	}
	slices.SortFunc(backups, func(a, b Backup) int {
		if c := b.At.Compare(a.At); c != 0 {
			return c
		}
		return strings.Compare(a.Name, b.Name)
	})
	return backups, nil
}

// parseName takes the name of a file apart, if it is one of a backup.
func parseName(file string) (name string, at time.Time, ok bool) {
	match := fileName.FindStringSubmatch(file)
	if match == nil || !slices.Contains(extensions, match[3]) {
		return "", time.Time{}, false
	}
	at, err := time.Parse(stamp, match[2])
	return match[1], at, err == nil
}

func open(dir, name string, at time.Time) Backup {
	b := Backup{Name: name, At: at, dir: dir}
	b.Manifest, b.Damage = readManifest(b.base())
	if c := readChecked(b.base()); b.Damage == nil && c.Damage != "" {
		b.Damage = &DamageError{File: filepath.Base(b.Path()), Reason: c.Damage}
	} else if b.Damage == nil {
		b.VerifiedAt = c.At
	}
	return b
}

// Find returns the backup that path, the name of one of its files, is part of, or the newest in dir when path is "latest". It fails
// with ErrNone, or with a *DamageError when the manifest is not whole; it does not look for an older one then.
func Find(dir, path string) (Backup, error) {
	if path == "latest" {
		backups, err := List(dir)
		if err != nil {
			return Backup{}, err
		}
		if len(backups) == 0 {
			return Backup{}, fmt.Errorf("%w in %s", ErrNone, dir)
		}
		path = backups[0].base() + manifestExt
	}
	name, at, ok := parseName(filepath.Base(path))
	if !ok {
		return Backup{}, fmt.Errorf("%s is no name of a backup, such as users-%s%s", filepath.Base(path), stamp, customExt)
	}
	b := Backup{Name: name, At: at, dir: filepath.Dir(path)}
	b.Manifest, b.Damage = readManifest(b.base())
	return b, b.Damage
}

// Newest returns the time of the newest backup in dir that List finds no damage in, in UTC. It fails with ErrNone when there is none.
// It reads a few small files.
func Newest(dir string) (time.Time, error) {
	backups, err := List(dir)
	if err != nil {
		return time.Time{}, err
	}
	i := slices.IndexFunc(backups, func(b Backup) bool { return b.Damage == nil })
	if i < 0 {
		return time.Time{}, fmt.Errorf("%w in %s", ErrNone, dir)
	}
	return backups[i].At, nil
}

// Prune removes backups of before a time, damaged ones too, and returns them, the newest first. The newest backup whose dump is whole,
// which is read for that, always stays. A dry run removes nothing.
func Prune(dir string, before time.Time, dry bool) ([]Backup, error) {
	backups, err := List(dir)
	if err != nil {
		return nil, err
	}
	kept := slices.IndexFunc(backups, func(b Backup) bool { return b.Damage == nil && b.Manifest.checkDump(b.base()) == nil })
	var pruned []Backup
	for i, b := range backups {
		if i == kept || !b.At.Before(before) {
			continue
		}
		if !dry {
			if err := b.remove(); err != nil {
				return pruned, err
			}
		}
		pruned = append(pruned, b)
	}
	return pruned, nil
}

func (b Backup) remove() error {
	for _, ext := range extensions {
		if err := os.Remove(b.base() + ext); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove backup: %w", err)
		}
	}
	return nil
}

// checked is the last result of Verify. It is beside the backup, not in it: nothing of a backup is ever written again.
type checked struct {
	At     time.Time `json:"at"`
	Damage string    `json:"damage,omitempty"`
}

func readChecked(base string) checked {
	var c checked
	text, err := os.ReadFile(base + checkedExt)
	if err != nil || json.Unmarshal(text, &c) != nil {
		return checked{}
	}
	return c
}

func (c checked) write(base string) error {
	text, err := json.Marshal(c)
	if err == nil {
		err = os.WriteFile(base+checkedExt, append(text, '\n'), 0o600)
	}
	if err != nil {
		return fmt.Errorf("note the verification: %w", err)
	}
	return nil
}
