package backup

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Kind is the form of a dump.
type Kind string

// The kinds.
const (
	Custom Kind = "custom" // an archive for pg_restore
	Plain  Kind = "plain"  // SQL text for psql
)

// Manifest is what was in the database at the snapshot of a dump, and what the dump is.
type Manifest struct {
	Kind        Kind         `json:"kind"`
	Size        int64        `json:"size"`   // of the dump, in bytes
	SHA256      string       `json:"sha256"` // of the dump, in hexadecimal digits
	StartedAt   time.Time    `json:"startedAt"`
	FinishedAt  time.Time    `json:"finishedAt"`
	Program     string       `json:"program"` // version of the program that made it
	Server      string       `json:"server"`  // version of PostgreSQL
	Schemas     []string     `json:"schemas"`
	Migrations  []string     `json:"migrations"` // numbers of those applied, in their order
	Extensions  []Extension  `json:"extensions"` // that the schemas need
	Tables      []Table      `json:"tables"`
	Constraints []Constraint `json:"constraints"`
}

// Extension of PostgreSQL, and the schema it is installed in.
type Extension struct {
	Name   string `json:"name"`
	Schema string `json:"schema"`
}

// Table is the content of a table, or of one partition.
type Table struct {
	Name     string `json:"name"` // with its schema
	Rows     int64  `json:"rows"`
	Checksum string `json:"checksum"` // of all rows, in any order
}

// Constraint is a constraint, or an index, which may be unique.
type Constraint struct {
	Table      string `json:"table"` // with its schema
	Name       string `json:"name"`
	Definition string `json:"definition"`
	Valid      bool   `json:"valid"` // checked against every row
}

// Rows is the number of rows of all tables.
func (m Manifest) Rows() int64 {
	var rows int64
	for _, t := range m.Tables {
		rows += t.Rows
	}
	return rows
}

// DamageError says that a file of a backup is not what it was when the backup was made.
type DamageError struct {
	File   string // base name
	Reason string
}

func (e *DamageError) Error() string { return e.File + " is damaged: " + e.Reason }

func damaged(path, format string, args ...any) error {
	return &DamageError{File: filepath.Base(path), Reason: fmt.Sprintf(format, args...)}
}

// readManifest reads the manifest of a backup, whose files are base with their extensions, and makes sure that nobody changed it
// and that the dump is there in its size. It does not read the dump.
func readManifest(base string) (Manifest, error) {
	sums, err := readSums(base + sumsExt)
	if err != nil {
		return Manifest{}, err
	}
	path := base + manifestExt
	text, err := os.ReadFile(path)
	if err != nil {
		return Manifest{}, missing(path, err)
	}
	if sum := sha256.Sum256(text); sums[filepath.Base(path)] != hex.EncodeToString(sum[:]) {
		return Manifest{}, damaged(path, "its checksum is not the one in %s", filepath.Base(base)+sumsExt)
	}
	var m Manifest
	if err := json.Unmarshal(text, &m); err != nil {
		return Manifest{}, damaged(path, "it is no manifest")
	}
	dump := m.dump(base)
	if sums[filepath.Base(dump)] != m.SHA256 {
		return Manifest{}, damaged(base+sumsExt, "its checksum of the dump is not that of the manifest")
	}
	stat, err := os.Stat(dump)
	if err != nil {
		return Manifest{}, missing(dump, err)
	}
	if stat.Size() != m.Size {
		return Manifest{}, damaged(dump, "it has %d bytes instead of %d", stat.Size(), m.Size)
	}
	return m, nil
}

func (m Manifest) dump(base string) string {
	if m.Kind == Plain {
		return base + plainExt
	}
	return base + customExt
}

// checkDump reads the whole dump.
func (m Manifest) checkDump(base string) error {
	path := m.dump(base)
	file, err := os.Open(path)
	if err != nil {
		return missing(path, err)
	}
	defer func() { _ = file.Close() }()
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		return fmt.Errorf("read dump: %w", err)
	}
	if hex.EncodeToString(sum.Sum(nil)) != m.SHA256 {
		return damaged(path, "its checksum is not that of the manifest")
	}
	return nil
}

func missing(path string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return damaged(path, "it is missing")
	}
	return fmt.Errorf("read backup: %w", err)
}

// readSums reads a file as sha256sum writes it: checksums by file name.
func readSums(path string) (map[string]string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, missing(path, err)
	}
	sums := make(map[string]string)
	for line := range strings.Lines(string(text)) {
		line, whole := strings.CutSuffix(line, "\n")
		sum, name, ok := strings.Cut(line, "  ")
		if !ok || !whole {
			return nil, damaged(path, "it is no list of checksums")
		}
		sums[name] = sum
	}
	return sums, nil
}

// seal writes the manifest, and the checksums of both it and the dump, beside the dump.
func (m Manifest) seal(base string) error {
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return fmt.Errorf("write manifest: %w", err)
	}
	text = append(text, '\n')
	if err := writeFile(base+manifestExt, text); err != nil {
		return fmt.Errorf("write manifest: %w", err)
	}
	sums := fmt.Sprintf("%s  %s\n%x  %s\n", m.SHA256, filepath.Base(m.dump(base)), sha256.Sum256(text), filepath.Base(base)+manifestExt)
	if err := writeFile(base+sumsExt, []byte(sums)); err != nil {
		return fmt.Errorf("write checksums: %w", err)
	}
	return nil
}

// writeFile writes a new file that only its owner reads, down to the disk.
func writeFile(path string, text []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	return errors.Join(err, file.Sync(), file.Close())
}
