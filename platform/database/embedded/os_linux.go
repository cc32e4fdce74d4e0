package embedded

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// dieWithParent makes a child end with us, also when we are killed.
func dieWithParent(attr *syscall.SysProcAttr, signal syscall.Signal) {
	attr.Pdeathsig = signal
}

// residents are the processes of a PostgreSQL server whose data folder is data,
// backends that outlived their postmaster included.
func residents(data string) []int {
	// A clean stop removes the file last of all, and a look through all
	// processes is not free.
	if _, err := os.Stat(filepath.Join(data, "postmaster.pid")); err != nil {
		return nil
	}
	data, err := filepath.EvalSymlinks(data) // cwd shows no links
	if err != nil {
		return nil
	}
	links, _ := filepath.Glob("/proc/[0-9]*/cwd") // the pattern is well formed
	var pids []int
	for _, link := range links {
		process := filepath.Dir(link)
		// Processes may end while we look, and those of others are not readable.
		if cwd, err := os.Readlink(link); err != nil || cwd != data {
			continue
		}
		// Not the shell of somebody who looks around in the folder.
		if name, err := os.ReadFile(filepath.Join(process, "comm")); err != nil || string(bytes.TrimSpace(name)) != "postgres" {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(process)); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// scratchDir is where throw-away clusters go: memory, when there is enough of
// it (containers often have 64 MiB).
func scratchDir() string {
	const shm, enough = "/dev/shm", 1 << 30
	var stat syscall.Statfs_t
	if syscall.Access(shm, 2) == nil && syscall.Statfs(shm, &stat) == nil &&
		stat.Bavail*uint64(stat.Bsize) >= enough { //nolint:gosec // the size of a block is positive
		return shm
	}
	return os.TempDir()
}
