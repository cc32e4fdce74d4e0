package embedded

import (
	"context"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// obtainPatience bounds a download, and the wait for that of another process.
const obtainPatience = 10 * time.Minute

// stores lists the folders of obtained programs. Root's is for the whole
// machine, as the account that runs the server has no way into root's home.
func stores() []string {
	shared := filepath.Join(sharedHome, "postgres")
	if own, err := os.UserCacheDir(); err == nil && !isRoot() {
		return []string{filepath.Join(own, "tickr", "postgres"), shared}
	}
	return []string{shared}
}

// obtained returns programs of the major version want, or of any when want is
// 0: those that are kept, else those that npm or apt-get brings.
func (s sources) obtained(ctx context.Context, want int) (programs, error) {
	for _, r := range s.releases {
		if want != 0 && want != r.major {
			continue
		}
		if p, ok := s.kept(ctx, r); ok {
			return p, nil
		}
	}
	npm, apt := s.lookUp("npm"), s.lookUp("apt-get")
	switch {
	case npm != "":
		r, err := choose(s.releases, want)
		if err != nil {
			return programs{}, err
		}
		return s.fetch(ctx, npm, r)
	case apt != "" && isRoot() && want == 0: // it has one version only
		return s.install(ctx, apt)
	default:
		return programs{}, errors.New("it takes npm to fetch it, or, for no particular version, root and apt-get")
	}
}

// kept returns the programs of r when they are in a store. What is there is
// whole: only a rename puts it there.
func (s sources) kept(ctx context.Context, r release) (programs, bool) {
	for _, store := range s.stores {
		if p, err := inspect(ctx, filepath.Join(store, r.version, "bin"), s.account); err == nil {
			return p, true
		}
	}
	return programs{}, false
}

// fetch brings r into the first store with npm. One process does, others wait.
func (s sources) fetch(ctx context.Context, npm string, r release) (p programs, err error) {
	ctx, cancel := context.WithTimeout(ctx, obtainPatience)
	defer cancel()
	store := s.stores[0]
	if err := makeStore(store); err != nil {
		return programs{}, fmt.Errorf("make a place for it: %w", err)
	}
	lock := flock.New(filepath.Join(store, "lock"))
	if _, err := lock.TryLockContext(ctx, pollInterval); err != nil {
		return programs{}, fmt.Errorf("lock %s: %w", lock.Path(), err)
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	if p, ok := s.kept(ctx, r); ok { // brought by the process that we waited for
		return p, nil
	}

	home := filepath.Join(store, r.version)
	s.log.Info("fetching PostgreSQL with npm, some 25 to 60 MB", slog.String("package", r.spec()), slog.String("into", home))
	// Also what a killed process left goes.
	unfinished := home + ".unfinished"
	if err := os.RemoveAll(unfinished); err != nil {
		return programs{}, fmt.Errorf("remove unfinished download: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(unfinished)) }()
	if err := os.Mkdir(unfinished, 0o755); err != nil {
		return programs{}, fmt.Errorf("make a place for it: %w", err)
	}
	archive, err := pack(ctx, npm, r, unfinished)
	if err != nil {
		return programs{}, err
	}
	if err := s.unpack(ctx, r, archive, unfinished); err != nil {
		return programs{}, err
	}
	if err := errors.Join(os.RemoveAll(home), os.Rename(unfinished, home)); err != nil {
		return programs{}, fmt.Errorf("finish download: %w", err)
	}
	return inspect(ctx, filepath.Join(home, "bin"), s.account)
}

func makeStore(store string) error {
	if filepath.Dir(store) == sharedHome {
		if err := makeSharedHome(); err != nil {
			return err
		}
	}
	return errors.Join(os.MkdirAll(store, 0o755), os.Chmod(store, 0o755)) // whatever the umask
}

// pack downloads the package of r into dir.
func pack(ctx context.Context, npm string, r release, dir string) (archive string, err error) {
	// One retry: without a network its own two take more than a minute.
	cmd := exec.CommandContext(ctx, npm, "pack", r.spec(), "--ignore-scripts", "--loglevel=error", "--fetch-retries=1")
	cmd.Dir = dir
	if err := run(cmd); err != nil {
		return "", fmt.Errorf("fetch %s with npm, which needs the network once: %w", r.spec(), err)
	}
	return filepath.Join(dir, r.archive()), nil
}

// unpack checks what was downloaded and makes programs of it that run.
func (s sources) unpack(ctx context.Context, r release, archive, dir string) error {
	size, integrity, err := measure(archive)
	if err != nil {
		return fmt.Errorf("read %s: %w", r.spec(), err)
	}
	if want := r.integrity[platform()]; integrity != want {
		return fmt.Errorf("%s is not what it was: npm brought %s, want %s; it was removed", r.spec(), integrity, want)
	}
	if err := extract(archive, dir); err != nil {
		return fmt.Errorf("unpack %s: %w", r.spec(), err)
	}
	if err := os.Remove(archive); err != nil {
		return fmt.Errorf("remove archive: %w", err)
	}
	p, err := inspect(ctx, filepath.Join(dir, "bin"), s.account)
	if err != nil {
		return fmt.Errorf("%s does not run on this machine: %w", r.spec(), err)
	}
	if p.major != r.major {
		return fmt.Errorf("%s is of PostgreSQL %d, want %d", r.spec(), p.major, r.major)
	}
	s.log.Info("PostgreSQL is there, and kept for all later starts",
		slog.String("package", r.spec()), slog.Int64("bytes", size))
	return nil
}

// measure returns the size of a file, and its hash as npm writes it.
func measure(path string) (size int64, integrity string, err error) {
	file, err := os.Open(path)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = file.Close() }() // it was only read
	hash := sha512.New()
	size, err = io.Copy(hash, file)
	return size, "sha512-" + base64.StdEncoding.EncodeToString(hash.Sum(nil)), err
}

// install brings the PostgreSQL of the system's distribution. The account
// postgres runs no server of its own for that: no cluster is made.
func (s sources) install(ctx context.Context, apt string) (programs, error) {
	ctx, cancel := context.WithTimeout(ctx, obtainPatience)
	defer cancel()
	s.log.Info("installing PostgreSQL with apt-get, some 50 MB, for the whole machine and without a cluster")
	for _, step := range [][]string{
		{apt, "update"},
		{apt, "install", "--yes", "--no-install-recommends", "postgresql-common"},
		{"pg_conftool", "/etc/postgresql-common/createcluster.conf", "set", "create_main_cluster", "false"},
		{apt, "install", "--yes", "--no-install-recommends", "postgresql"},
	} {
		cmd := exec.CommandContext(ctx, step[0], step[1:]...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if err := run(cmd); err != nil {
			return programs{}, fmt.Errorf("run %s: %w", strings.Join(step, " "), err)
		}
	}
	found := s.installed(ctx)
	if len(found) == 0 {
		return programs{}, errors.New("apt-get installed PostgreSQL, but not in a usual folder")
	}
	return newest(found), nil
}

// run runs a program of somebody else's, which unlike PostgreSQL's sees our
// environment: proxies, registries. Its error is what it said, in one line.
func run(cmd *exec.Cmd) error {
	const most = 400
	cmd.WaitDelay = 5 * time.Second // also when its children keep its output open
	_, err := cmd.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		said := strings.Join(strings.Fields(string(exit.Stderr)), " ")
		return fmt.Errorf("%w: %s", err, said[:min(most, len(said))])
	}
	return err
}
