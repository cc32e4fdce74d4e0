package embedded

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// sharedHome is where root keeps what an unprivileged account must reach: the
// programs it obtained, and clusters whose data folder that account cannot reach.
const sharedHome = "/var/lib/tickr"

func makeSharedHome() error {
	return errors.Join(os.MkdirAll(sharedHome, 0o711), os.Chmod(sharedHome, 0o711)) // whatever the umask
}

// folder is where the files of one private PostgreSQL are.
type folder struct {
	root    string   // DATA_DIR, absolute and without symbolic links: holds the locks
	base    string   // holds the data, the password and the server's log
	name    string   // of the data folder in base; empty for the one that is served
	account *account // owns base and runs the server; nil is our own account
}

func (f folder) data() string       { return filepath.Join(f.base, cmp.Or(f.name, "data")) }
func (f folder) unfinished() string { return filepath.Join(f.base, "data.unfinished") }
func (f folder) passwordFile() string {
	return filepath.Join(f.base, strings.TrimPrefix(f.name+".password", "."))
}
func (f folder) logFile() string   { return filepath.Join(f.base, "log") }
func (f folder) usersLock() string { return filepath.Join(f.root, "users.lock") }

// archive is beside base, so that it outlives whoever removes that.
func (f folder) archive() string {
	if filepath.Dir(f.base) == sharedHome {
		return f.base + ".archive"
	}
	return filepath.Join(f.root, "archive")
}

// openFolder finds the cluster of dataDir, or the place for a new one.
func openFolder(dataDir string) (folder, error) {
	root, err := makeRoot(dataDir)
	if err != nil {
		return folder{}, fmt.Errorf("data folder cannot be used, set DATA_DIR to a writable one: %w", err)
	}
	near := folder{root: root, base: filepath.Join(root, "postgres")}
	if !isRoot() {
		return near, nil
	}
	sum := sha256.Sum256([]byte(root))
	far := folder{root: root, base: filepath.Join(sharedHome, hex.EncodeToString(sum[:8]))}
	for _, f := range []folder{near, far} {
		// Whoever made the cluster goes on serving it, and what is recovered from its archive.
		for _, made := range []string{f.data(), f.archive()} {
			if stat, err := os.Stat(made); err == nil {
				f.account = ownerOf(stat)
				return f, nil
			}
		}
	}
	account, err := unprivileged()
	if err != nil {
		return folder{}, err
	}
	near.account, far.account = account, account
	if account.reaches(root) {
		return near, nil
	}
	return far, nil
}

func makeRoot(dataDir string) (string, error) {
	dir, err := filepath.Abs(dataDir)
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		mode := fs.FileMode(0o700)
		if isRoot() {
			mode = 0o711 // the server's account passes through
		}
		if err := os.MkdirAll(dir, mode); err != nil {
			return "", err
		}
	}
	const writeAndSearch = 0o3
	if err := syscall.Access(dir+"/.", writeAndSearch); err != nil {
		return "", &fs.PathError{Op: "write to", Path: dir, Err: err}
	}
	return filepath.EvalSymlinks(dir)
}

// version is the major version of the cluster, 0 when there is none yet.
func (f folder) version() (int, error) {
	text, err := os.ReadFile(filepath.Join(f.data(), "PG_VERSION"))
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Lstat(f.data()); err == nil {
			return 0, fmt.Errorf("%s exists but holds no PostgreSQL cluster: move it away", f.data())
		}
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read version of data folder: %w", err)
	}
	major, _, _ := strings.Cut(strings.TrimSpace(string(text)), ".")
	n, err := strconv.Atoi(major)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("%s holds no PostgreSQL version", filepath.Join(f.data(), "PG_VERSION"))
	}
	return n, nil
}

// create makes the base folder and the password, unless they exist.
func (f folder) create() error {
	if filepath.Dir(f.base) == sharedHome {
		if err := makeSharedHome(); err != nil {
			return fmt.Errorf("create data folder: %w", err)
		}
	}
	if err := os.Mkdir(f.base, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("create data folder: %w", err)
	}
	if err := f.account.takes(f.base); err != nil {
		return fmt.Errorf("hand over data folder: %w", err)
	}
	if _, err := os.Lstat(f.passwordFile()); errors.Is(err, fs.ErrNotExist) {
		if err := f.createPassword(); err != nil {
			return fmt.Errorf("create password of the private PostgreSQL: %w", err)
		}
	}
	return nil
}

func (f folder) createPassword() error {
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // never fails
	return f.account.writeFile(f.passwordFile(), hex.EncodeToString(secret))
}

func (f folder) password() (string, error) {
	text, err := readEnd(f.passwordFile(), 0)
	if err != nil {
		return "", fmt.Errorf("read password of the private PostgreSQL: %w", err)
	}
	return strings.TrimSpace(text), nil
}

// readEnd returns the last 8 KiB of a file in base, from offset at the earliest.
func readEnd(path string, offset int64) (string, error) {
	const most = 8 << 10
	// base belongs to another account, whose links root must not follow.
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }()
	stat, err := file.Stat()
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(io.NewSectionReader(file, max(offset, stat.Size()-most), most))
	return string(text), err
}

// pidFile is the part of postmaster.pid that says whether the server is up.
type pidFile struct {
	pid, port int
	ready     bool
}

// readPidFile returns the zero value when there is no file, or only half of one.
func readPidFile(data string) (p pidFile) {
	text, err := os.ReadFile(filepath.Join(data, "postmaster.pid"))
	if err != nil {
		return pidFile{}
	}
	// pid, data folder, start time, port, socket folder, address, memory, status
	lines := strings.Split(string(text), "\n")
	p.pid, _ = strconv.Atoi(strings.TrimSpace(lines[0]))
	if len(lines) >= 8 {
		p.port, _ = strconv.Atoi(strings.TrimSpace(lines[3]))
		p.ready = strings.TrimSpace(lines[7]) == "ready"
	}
	return p
}

// vacate waits until no server lives in data, and makes one that its owner left
// behind shut down. Two servers in one folder would destroy it.
// Only a postmaster knows in which order its processes may end. Those that have
// lost it are told to end their sessions.
func vacate(ctx context.Context, data string) error {
	steps := []struct {
		postmaster, orphan syscall.Signal // 0 sends none
		polls              int
	}{{0, 0, 10}, {syscall.SIGINT, syscall.SIGTERM, 300}, {syscall.SIGQUIT, syscall.SIGQUIT, 50}}
	for _, step := range steps {
		for poll := range step.polls {
			pids := residents(data)
			if len(pids) == 0 {
				return removeReusedPid(data)
			}
			if poll == 0 {
				signal := step.orphan
				if postmaster := readPidFile(data).pid; slices.Contains(pids, postmaster) {
					pids, signal = []int{postmaster}, step.postmaster
				}
				for _, pid := range pids {
					_ = syscall.Kill(pid, signal) // it may just have ended
				}
			}
			if err := pause(ctx, pollInterval); err != nil {
				return fmt.Errorf("wait for the previous server: %w", err)
			}
		}
	}
	return fmt.Errorf("a previous PostgreSQL in %s does not end (process %v)", data, residents(data))
}

// removeReusedPid removes a stale postmaster.pid whose number now belongs to
// another program, as after a container's restart: PostgreSQL would take that
// program for a server. A number that is not in use it judges better itself.
func removeReusedPid(data string) error {
	p := readPidFile(data)
	if p.pid <= 0 || errors.Is(syscall.Kill(p.pid, 0), syscall.ESRCH) {
		return nil
	}
	if err := os.Remove(filepath.Join(data, "postmaster.pid")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove stale postmaster.pid: %w", err)
	}
	return nil
}
