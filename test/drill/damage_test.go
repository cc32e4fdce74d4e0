//go:build system

package drill

import (
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/test/load"
	"github.com/tickr/tickr/test/program"
)

// TestFlippedByte changes one byte in the middle of what was kept, wherever that is.
func TestFlippedByte(t *testing.T) {
	t.Parallel()
	r := rehearse(t)
	r.command("backup", "create")
	r.command("backup", "check")
	for what, kept := range map[string]struct {
		file    string
		command []string
	}{
		"base backup": {r.largest("archive/repo/backup", ""), []string{"backup", "check"}},
		"WAL segment": {r.smallest("archive/repo/archive", ".lz4"), []string{"backup", "check"}}, // almost all zeros
		"dump":        {r.largest("backups", ".dump"), []string{"backup", "verify", "latest"}},
	} {
		text, err := os.ReadFile(kept.file)
		require.NoError(t, err)
		flipped := append([]byte(nil), text...)
		flipped[len(flipped)/2] ^= 1
		require.NoError(t, os.WriteFile(kept.file, flipped, 0o600))
		said := r.refused(kept.command...)
		require.NoError(t, os.WriteFile(kept.file, text, 0o600))
		figure("flipped byte in a "+what, "exit 1: "+firstWords(said), "exit != 0")
	}
	r.command("backup", "check")
	r.command("backup", "verify", "latest")
}

func firstWords(text string) string {
	return strings.Join(strings.Fields(text)[:min(6, len(strings.Fields(text)))], " ")
}

func (r *rehearsal) largest(dir, suffix string) string {
	r.t.Helper()
	return r.find(dir, suffix, func(size, best int64) bool { return size > best })
}

func (r *rehearsal) smallest(dir, suffix string) string {
	r.t.Helper()
	return r.find(dir, suffix, func(size, best int64) bool { return size < best })
}

func (r *rehearsal) find(dir, suffix string, better func(size, best int64) bool) (found string) {
	r.t.Helper()
	best := int64(-1)
	require.NoError(r.t, filepath.WalkDir(filepath.Join(r.dir, dir), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || !strings.HasSuffix(path, suffix) {
			return err
		}
		stat, err := d.Info()
		if err == nil && (best < 0 || better(stat.Size(), best)) {
			found, best = path, stat.Size()
		}
		return err
	}))
	require.NotEmpty(r.t, found)
	return found
}

// TestArchiveThatFails takes the repository away under load, brings it back, and loses the data after that.
func TestArchiveThatFails(t *testing.T) {
	t.Parallel()
	r := rehearse(t)
	r.serve()
	l := r.load(load.Options{Rate: 20, Writes: 100})
	time.Sleep(2 * time.Second)
	require.InDelta(t, 0, r.metric("tickr_postgres_archive_failing"), 0)

	repo := filepath.Join(r.dir, "archive", "repo")
	begin := time.Now()
	require.NoError(t, os.Rename(repo, repo+".away"))
	if drill == short {
		r.sql("SELECT pg_switch_wal()") // else the archive's own pace
	}
	require.Eventually(t, func() bool { return r.metric("tickr_postgres_archive_failing") == 1 }, 2*time.Minute, 100*time.Millisecond)
	shown := time.Since(begin)
	time.Sleep(at(time.Second, 5*time.Second, 10*time.Minute) - min(shown, at(0, 0, time.Minute)))
	require.NoError(t, os.Rename(repo+".away", repo))
	failed := time.Since(begin)

	time.Sleep(time.Second)
	log := l.Stop()
	type position struct{ Segment string }
	last := ask[position](r, "SELECT pg_walfile_name(pg_switch_wal())")[0]
	r.serving.Await("the archive has all", func() bool {
		return ask[position](r, "SELECT coalesce(last_archived_wal, '') FROM pg_stat_archiver")[0].Segment >= last.Segment
	})
	require.Eventually(t, func() bool { return r.metric("tickr_postgres_archive_failing") == 0 }, program.Patience, 100*time.Millisecond)
	r.destroy()
	r.command("backup", "recover")
	r.serve()
	require.Equal(t, load.Verdict{}, r.verdict(log))
	figure("archive failing, shown after", shown.Round(100*time.Millisecond), "<= 60s")
	figure("archive failed for, acknowledged writes lost", failed.Round(time.Second).String()+", 0", "0")
	if drill > short {
		require.LessOrEqual(t, shown, 60*time.Second)
	}
}

// metric returns the value of a series without labels.
func (r *rehearsal) metric(name string) float64 {
	r.t.Helper()
	response, err := http.Get(r.ops + "/metrics")
	require.NoError(r.t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(r.t, err)
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), name+" "); ok {
			number, err := strconv.ParseFloat(value, 64)
			require.NoError(r.t, err)
			return number
		}
	}
	require.Fail(r.t, "no such series", name)
	return 0
}
