package faults

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// roomTime is within what everything works again once there is room on a disk.
const roomTime = 10 * time.Second

// TestFullDisks fills disks. It mounts them, which is not everybody's right, so it has no short form; make test-faults gets the right
// where it can be had.
func TestFullDisks(t *testing.T) {
	t.Parallel()
	for _, f := range inLong(disks, nil) {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			f.meet(newDisk(t, f.megabytes))
		})
	}
}

var disks = []struct {
	name      string
	megabytes int
	meet      func(disk)
}{
	{"data", 256, fillData},
	{"archive", 1024, fillArchive},
}

// disk is a file system of its own.
type disk struct {
	dir string
	t   *testing.T
}

func newDisk(t *testing.T, megabytes int) disk {
	t.Helper()
	dir := filepath.Join(filepath.Dir(t.TempDir()), "disk")
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o711))
	require.NoError(t, os.Mkdir(dir, 0o700))
	require.NoError(t, syscall.Mount("tickr-test", dir, "tmpfs", 0, fmt.Sprintf("size=%dm,mode=0777", megabytes)),
		"to mount a small disk takes root, or: unshare --user --mount --map-current-user --keep-caps")
	t.Cleanup(func() { require.NoError(t, syscall.Unmount(dir, syscall.MNT_DETACH)) })
	return disk{dir, t}
}

func (d disk) ballast() string { return filepath.Join(d.dir, "ballast") }

// fill takes all the room that there is.
func (d disk) fill() {
	d.t.Helper()
	file, err := os.Create(d.ballast())
	require.NoError(d.t, err)
	defer func() { _ = file.Close() }()
	zeros, err := os.Open("/dev/zero")
	require.NoError(d.t, err)
	defer func() { _ = zeros.Close() }()
	_, err = io.Copy(file, zeros)
	require.ErrorIs(d.t, err, syscall.ENOSPC)
}

// free gives the room back.
func (d disk) free() {
	d.t.Helper()
	require.NoError(d.t, os.Remove(d.ballast()))
}

// fillData leaves no room for the data. PostgreSQL serves what it has, until it needs a file for its log: then it ends, and comes
// back when there is room.
func fillData(d disk) {
	t := d.t
	r := newRigOn(newCluster(t, filepath.Join(d.dir, "data")))
	asking, alive := r.load(100), r.alive()
	time.Sleep(calm)

	d.fill()
	full := time.Now()
	time.Sleep(5 * time.Second)
	log := asking.Log().Sent(full, time.Now())
	t.Logf("no room: reads %v; writes %v", log.Reads(), log.Writes())
	require.Empty(t, log.Reads().Failed().Outcomes())
	require.NotEmpty(t, log.Writes().Failed())
	onlyRefused(t, log)

	dead := r.postgres.postmaster()
	_, err := r.db.Pool().Exec(t.Context(), "SELECT pg_switch_wal()")
	t.Logf("a new file for the log: %v", err)
	require.Eventually(t, func() bool { return syscall.Kill(dead, 0) != nil }, roomTime, 100*time.Millisecond, "PostgreSQL goes on")
	time.Sleep(5 * time.Second)

	d.free()
	r.recoveredWithin(roomTime, asking, time.Now())
	r.endsWell(asking, alive)
}

// fillArchive leaves no room for the log that has been written. Nobody notices, but the archiver.
func fillArchive(d disk) {
	t := d.t
	r := newRig(t)
	for _, setting := range []string{
		"archive_mode = on",
		// What does not fit is not there under its name.
		fmt.Sprintf(`archive_command = 'cp "%%p" "%[1]s/part" && mv "%[1]s/part" "%[1]s/%%f"'`, d.dir),
	} {
		_, err := r.db.Pool().Exec(t.Context(), "ALTER SYSTEM SET "+setting)
		require.NoError(t, err)
	}
	r.postgres.crash(r.db, syscall.SIGINT)
	r.awaitBalancer()
	asking := r.load(50)
	// A busy server begins new files all the time.
	archived := func() (good, bad int, last, current string) {
		require.NoError(t, r.db.Pool().QueryRow(t.Context(), `
			SELECT archived_count, failed_count, coalesce(last_archived_wal, ''), pg_walfile_name(pg_switch_wal())
			FROM pg_stat_archiver`).Scan(&good, &bad, &last, &current))
		return good, bad, last, current
	}
	require.Eventually(t, func() bool { good, _, _, _ := archived(); return good > 0 }, roomTime, 500*time.Millisecond)

	d.fill()
	for full := time.Now(); time.Since(full) < 10*time.Second; time.Sleep(time.Second) {
		archived()
	}
	good, bad, _, due := archived()
	require.Positive(t, bad)
	d.free()
	freed := time.Now()
	require.Eventually(t, func() bool { _, _, last, _ := archived(); return last >= due }, roomTime, 500*time.Millisecond)
	t.Logf("%d files archived before, %d failures; complete after %v", good, bad, time.Since(freed))

	log := asking.Stop()
	t.Log(log)
	require.Empty(t, log.Failed().Outcomes())
	r.settled(log)
	nothingMissing(t, d.dir, due)
}

// nothingMissing requires that an archive holds one file of the log after the other, whole, up to one.
func nothingMissing(t *testing.T, archive, last string) {
	t.Helper()
	const whole = 16 << 20
	files, err := filepath.Glob(filepath.Join(archive, "0*")) // sorted
	require.NoError(t, err)
	require.NotEmpty(t, files)
	next := numberOf(t, files[0])
	for _, file := range files {
		stat, err := os.Stat(file)
		require.NoError(t, err)
		require.EqualValues(t, whole, stat.Size(), file)
		require.Equal(t, next, numberOf(t, file))
		next++
	}
	require.Greater(t, next, numberOf(t, last))
}

// numberOf returns the place of a file in the log, whose name is made of timeline, high and low half of the number.
func numberOf(t *testing.T, file string) (number uint64) {
	t.Helper()
	var timeline, high, low uint64
	_, err := fmt.Sscanf(filepath.Base(file), "%08X%08X%08X", &timeline, &high, &low)
	require.NoError(t, err)
	return high<<8 | low
}
