package embedded

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

const advice = "install it (e.g. apt-get install postgresql), set PG_BIN_DIR to the folder of initdb and postgres, " +
	"or point DB_HOST or DATABASE_URL at a server"

// usualFolders is where packages put the programs, outside of PATH.
var usualFolders = []string{
	"/usr/lib/postgresql/*/bin",
	"/usr/pgsql-*/bin",
	"/opt/homebrew/opt/postgresql@*/bin",
	"/usr/local/opt/postgresql@*/bin",
}

// Programs returns the folder of the programs of one major version out of those
// that were obtained, whatever is installed beside them. It obtains them first
// when they are not there: see the package comment. logger may be nil.
func Programs(ctx context.Context, major int, logger *slog.Logger) (binDir string, err error) {
	var as *account
	if isRoot() {
		if as, err = unprivileged(); err != nil {
			return "", err
		}
	}
	p, err := sourcesFor(as, loggerOf(Options{Logger: logger})).obtained(ctx, major)
	if err != nil {
		return "", fmt.Errorf("obtain PostgreSQL %d: %w", major, err)
	}
	return p.dir, nil
}

// programs is one installation of PostgreSQL.
type programs struct {
	dir   string
	major int
}

func (p programs) path(name string) string { return filepath.Join(p.dir, name) }

// sources is where programs may come from, in the order in which they are looked for.
type sources struct {
	path     string    // folders, as in PATH
	usual    []string  // patterns of further folders
	stores   []string  // what was obtained; the first takes what is obtained now
	releases []release // what can be obtained, the newest first
	account  *account  // runs the programs
	log      *slog.Logger
}

func sourcesFor(as *account, log *slog.Logger) sources {
	return sources{path: os.Getenv("PATH"), usual: usualFolders, stores: stores(), releases: releases, account: as, log: log}
}

// find returns the programs of the version want. When want is 0 it returns
// those in binDir, else the newest installed, else what was or can be obtained.
func (s sources) find(ctx context.Context, binDir string, want int) (programs, error) {
	var found []programs
	if binDir != "" {
		p, err := inspect(ctx, binDir, s.account)
		if err != nil {
			return programs{}, fmt.Errorf("PG_BIN_DIR does not hold PostgreSQL's programs: %w", err)
		}
		if want == 0 || p.major == want {
			return p, nil
		}
		found = append(found, p)
	}
	found = append(found, s.installed(ctx)...)
	if i := slices.IndexFunc(found, func(p programs) bool { return p.major == want }); i >= 0 {
		return found[i], nil
	}
	if want == 0 && len(found) > 0 {
		return newest(found), nil
	}
	p, err := s.obtained(ctx, want)
	switch {
	case err == nil:
		return p, nil
	case ctx.Err() != nil:
		return programs{}, err
	case len(found) > 0:
		return programs{}, mismatch(want, found, err)
	default:
		return programs{}, fmt.Errorf("no PostgreSQL found on this machine, and none obtained: %w: %s", err, advice)
	}
}

func newest(found []programs) programs {
	return slices.MaxFunc(found, func(a, b programs) int { return a.major - b.major })
}

// installed returns what others installed on this machine, that of PATH first.
func (s sources) installed(ctx context.Context) []programs {
	var found []programs
	for _, dir := range s.folders("postgres") {
		if p, err := inspect(ctx, dir, s.account); err == nil {
			found = append(found, p)
		}
	}
	return found
}

// folders returns where installations may be, those with a program in PATH first.
func (s sources) folders(program string) []string {
	var dirs []string
	for _, dir := range filepath.SplitList(s.path) {
		// What is in PATH may be a link into the installation, without its neighbours.
		if file, err := filepath.EvalSymlinks(filepath.Join(dir, program)); err == nil {
			dirs = append(dirs, filepath.Dir(file))
		}
	}
	for _, pattern := range s.usual {
		matches, _ := filepath.Glob(pattern) // the patterns are well formed
		dirs = append(dirs, matches...)
	}
	return dirs
}

// lookUp returns the path of a program in PATH, empty when there is none.
func (s sources) lookUp(name string) string {
	for _, dir := range filepath.SplitList(s.path) {
		if program, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return program
		}
	}
	return ""
}

var versionPattern = regexp.MustCompile(`\(PostgreSQL\) (\d+)`)

// inspect asks the programs in dir for their version, as the account that is to run them.
func inspect(ctx context.Context, dir string, as *account) (programs, error) {
	return inspectFor(ctx, dir, as, "postgres", "initdb")
}

func inspectFor(ctx context.Context, dir string, as *account, names ...string) (programs, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return programs{}, err
	}
	p := programs{dir: dir}
	for _, name := range names {
		out, err := command(ctx, as, syscall.SIGKILL, "/", p.path(name), "--version").Output()
		if err != nil {
			return programs{}, fmt.Errorf("run %s: %w", p.path(name), err)
		}
		match := versionPattern.FindSubmatch(out)
		if match == nil {
			return programs{}, fmt.Errorf("%s does not tell its version", p.path(name))
		}
		if p.major, err = strconv.Atoi(string(match[1])); err != nil {
			return programs{}, fmt.Errorf("version of %s: %w", p.path(name), err)
		}
	}
	return p, nil
}

func mismatch(want int, found []programs, obtaining error) error {
	names := make([]string, len(found))
	for i, p := range found {
		names[i] = fmt.Sprintf("%d in %s", p.major, p.dir)
	}
	return fmt.Errorf("it is of PostgreSQL %d, only %s was found, and none obtained (%w): set PG_BIN_DIR to the programs of "+
		"PostgreSQL %d, or move the folder away to start anew; nothing was touched",
		want, strings.Join(names, ", "), obtaining, want)
}
