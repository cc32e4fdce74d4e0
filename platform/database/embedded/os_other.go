//go:build unix && !linux

package embedded

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// dieWithParent does nothing where there is no death signal: the server of a
// killed owner runs on, and the next owner makes it shut down.
func dieWithParent(*syscall.SysProcAttr, syscall.Signal) {}

// residents is the postmaster whose data folder is data, when it lives.
func residents(data string) []int {
	pid := readPidFile(data).pid
	if pid <= 0 || syscall.Kill(pid, 0) != nil {
		return nil
	}
	line, err := exec.Command("ps", "-ww", "-o", "command=", "-p", strconv.Itoa(pid)).Output()
	if err != nil || !strings.Contains(string(line), data) {
		return nil
	}
	return []int{pid}
}

// scratchDir is where throw-away clusters go.
func scratchDir() string { return os.TempDir() }
