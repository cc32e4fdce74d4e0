// Package archive keeps base backups and the WAL archive of a PostgreSQL server,
// and recovers what it held at any moment since the first of them. The work is
// pgBackRest's; this package knows how to set it up, what to ask it and which of
// its answers are failures. Of the data it knows nothing.
package archive

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// ErrNotInstalled says that there is no pgBackRest on this machine.
var ErrNotInstalled = errors.New("pgbackrest is not in PATH: install it (Debian's package pgbackrest)")

// Kind is how much a base backup copies.
type Kind string

// The kinds of base backups: everything, what changed since the last full one, what changed since the last of any kind.
const (
	Full         Kind = "full"
	Differential Kind = "diff"
	Incremental  Kind = "incr"
)

// Stanza is pgBackRest's word for a server with its backups and its archive.
type Stanza struct {
	config, name string // an empty config is pgBackRest's own default
	command      func(ctx context.Context, program string, args ...string) *exec.Cmd
	environ      []string // for commands that connect to the server
	server       []string // options of those
}

// Configured is the stanza of a server that somebody has set up, by pgBackRest's
// configuration file; empty means its default. Everything runs as our own account.
func Configured(config, name string) Stanza {
	return Stanza{config: config, name: name, command: func(ctx context.Context, program string, args ...string) *exec.Cmd {
		return exec.CommandContext(ctx, program, args...)
	}}
}

// Base is a base backup.
type Base struct {
	Label       string
	Kind        Kind
	Start, Stop time.Time // in UTC, without fractions of a second
	Size        int64     // of the data folder, in bytes
	Stored      int64     // what it added to the repository, in bytes
}

// Since is the first moment that can be recovered from the backup.
func (b Base) Since() time.Time { return b.Stop.Add(time.Second) }

// Bases returns the base backups of the repository, the oldest first.
func (s Stanza) Bases(ctx context.Context) ([]Base, error) {
	out, err := s.run(ctx, "info", "--output=json")
	if err != nil {
		return nil, err
	}
	var stanzas []struct {
		Backup []struct {
			Label     string
			Type      Kind
			Timestamp struct{ Start, Stop int64 }
			Info      struct {
				Size       int64
				Repository struct{ Delta int64 }
			}
		}
	}
	if err := json.Unmarshal([]byte(out), &stanzas); err != nil {
		return nil, fmt.Errorf("understand pgbackrest info: %w", err)
	}
	var bases []Base
	for _, stanza := range stanzas {
		for _, b := range stanza.Backup {
			bases = append(bases, Base{
				Label: b.Label, Kind: b.Type, Size: b.Info.Size, Stored: b.Info.Repository.Delta,
				Start: time.Unix(b.Timestamp.Start, 0).UTC(), Stop: time.Unix(b.Timestamp.Stop, 0).UTC(),
			})
		}
	}
	return bases, nil
}

// Backup makes a base backup of the running server and returns it. Without a
// full one before, it is full whatever the kind. Backups that are past their
// retention are removed.
func (s Stanza) Backup(ctx context.Context, kind Kind) (Base, error) {
	if _, err := s.ask(ctx, "backup", "--type="+string(kind)); err != nil {
		return Base{}, err
	}
	bases, err := s.Bases(ctx)
	if err != nil {
		return Base{}, err
	}
	if len(bases) == 0 {
		return Base{}, errors.New("pgbackrest made a base backup, and does not list it")
	}
	return bases[len(bases)-1], nil
}

// Check makes the running server switch its WAL segment and waits until that
// has arrived in the repository, a minute at most.
func (s Stanza) Check(ctx context.Context) error {
	_, err := s.ask(ctx, "check")
	return err
}

// Verified is what Verify has read.
type Verified struct {
	Bases, Files, Segments int
}

var (
	verifiedSegments = regexp.MustCompile(`total WAL checked: (\d+)`)
	verifiedFiles    = regexp.MustCompile(`total files checked: (\d+)`)
	damage           = regexp.MustCompile(`status: (invalid|error)|(missing|checksum invalid|size invalid|other): [1-9]`)
)

// Verify reads all base backups and all archived WAL, and compares them with
// their checksums. A damaged or missing file is an error.
func (s Stanza) Verify(ctx context.Context) (Verified, error) {
	out, err := s.run(ctx, "verify", "--output=text", "--verbose")
	if err != nil {
		return Verified{}, err
	}
	// pgBackRest tells damage in its report alone, and ends with 0.
	if !strings.Contains(out, "status: ok\n") || damage.MatchString(out) {
		return Verified{}, fmt.Errorf("the repository is damaged: %s", oneLine(out))
	}
	var v Verified
	for _, match := range verifiedFiles.FindAllStringSubmatch(out, -1) {
		n, _ := strconv.Atoi(match[1]) // digits
		v.Bases, v.Files = v.Bases+1, v.Files+n
	}
	for _, match := range verifiedSegments.FindAllStringSubmatch(out, -1) {
		n, _ := strconv.Atoi(match[1]) // digits
		v.Segments += n
	}
	return v, nil
}

// ask runs a command that connects to the server.
func (s Stanza) ask(ctx context.Context, command string, options ...string) (out string, err error) {
	return s.run(ctx, command, append(options, s.server...)...)
}

func (s Stanza) run(ctx context.Context, command string, options ...string) (out string, err error) {
	program, err := exec.LookPath("pgbackrest")
	if err != nil {
		return "", ErrNotInstalled
	}
	args := []string{command, "--stanza=" + s.name, "--log-level-console=off", "--log-level-stderr=error"}
	if s.config != "" {
		args = append(args, "--config="+s.config)
	}
	args = append(args, options...)
	if command == "backup" {
		// Whoever is served goes first.
		program, args = "nice", append([]string{"-n", "5", program}, args...)
	}
	cmd := s.command(ctx, program, args...)
	if s.environ != nil {
		cmd.Env = append(cmd.Env, s.environ...)
	}
	var said, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &complaints
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("pgbackrest %s: %w: %s", command, err, oneLine(complaints.String()))
	}
	return said.String(), nil
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
