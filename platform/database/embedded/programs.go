package embedded

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

var errNoPrograms = errors.New("no PostgreSQL found on this machine: install it (e.g. apt-get install postgresql), " +
	"set PG_BIN_DIR to the folder of initdb and postgres, or point DB_HOST or DATABASE_URL at a server")

// usualFolders is where packages put the programs, outside of PATH.
var usualFolders = []string{
	"/usr/lib/postgresql/*/bin",
	"/usr/pgsql-*/bin",
	"/opt/homebrew/opt/postgresql@*/bin",
	"/usr/local/opt/postgresql@*/bin",
}

// programs is one installation of PostgreSQL.
type programs struct {
	dir   string
	major int
}

func (p programs) path(name string) string { return filepath.Join(p.dir, name) }

// findPrograms returns those of the version want. When want is 0 it returns
// those in binDir, else the newest.
func findPrograms(ctx context.Context, binDir string, want int, as *account) (programs, error) {
	var found []programs
	if binDir != "" {
		p, err := inspect(ctx, binDir, as)
		if err != nil {
			return programs{}, fmt.Errorf("PG_BIN_DIR does not hold PostgreSQL's programs: %w", err)
		}
		if want == 0 || p.major == want {
			return p, nil
		}
		found = append(found, p)
	}
	for _, dir := range candidates() {
		if p, err := inspect(ctx, dir, as); err == nil {
			if p.major == want {
				return p, nil
			}
			found = append(found, p)
		}
	}
	if len(found) == 0 {
		return programs{}, errNoPrograms
	}
	if want != 0 {
		return programs{}, mismatch(want, found)
	}
	return slices.MaxFunc(found, func(a, b programs) int { return a.major - b.major }), nil
}

// candidates lists folders that may hold the programs, those of PATH first.
func candidates() []string {
	var dirs []string
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		// What is in PATH may be a link into the installation, without its neighbours.
		if program, err := filepath.EvalSymlinks(filepath.Join(dir, "postgres")); err == nil {
			dirs = append(dirs, filepath.Dir(program))
		}
	}
	for _, pattern := range usualFolders {
		matches, _ := filepath.Glob(pattern) // the patterns are well formed
		dirs = append(dirs, matches...)
	}
	return dirs
}

var versionPattern = regexp.MustCompile(`\(PostgreSQL\) (\d+)`)

// inspect asks the programs in dir for their version, as the account that is to run them.
func inspect(ctx context.Context, dir string, as *account) (programs, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return programs{}, err
	}
	p := programs{dir: dir}
	for _, name := range []string{"postgres", "initdb"} {
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

func mismatch(want int, found []programs) error {
	names := make([]string, len(found))
	for i, p := range found {
		names[i] = fmt.Sprintf("%d in %s", p.major, p.dir)
	}
	return fmt.Errorf("it is of PostgreSQL %d, and only %s was found: set PG_BIN_DIR to the programs of "+
		"PostgreSQL %d, or move the folder away to start anew; nothing was touched", want, strings.Join(names, ", "), want)
}
