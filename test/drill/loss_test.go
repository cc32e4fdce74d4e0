//go:build system

package drill

import (
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/test/load"
	"github.com/tickr/tickr/test/program"
)

// archiveTimeout is the age at which WAL goes to the archive.
const archiveTimeout = 40 * time.Second

// TestLossWithTheArchiveAlone destroys everything just before more would have gone to the archive.
func TestLossWithTheArchiveAlone(t *testing.T) {
	t.Parallel()
	r := rehearse(t)
	r.serve()
	l := r.load(load.Options{Rate: 20, Writes: 100})
	time.Sleep(2 * time.Second)
	if drill == short {
		r.sql("SELECT pg_switch_wal()")
	}
	type archiver struct{ Count int64 }
	const archived = "SELECT archived_count FROM pg_stat_archiver"
	before := ask[archiver](r, archived)
	require.Eventually(t, func() bool { return ask[archiver](r, archived)[0] != before[0] || drill == short }, 2*archiveTimeout, 100*time.Millisecond)
	time.Sleep(at(3*time.Second, archiveTimeout-2*time.Second, archiveTimeout-2*time.Second))
	lost := r.destroy()
	log := l.Stop()

	r.command("backup", "recover")
	r.serve()
	verdict := r.verdict(log)
	require.Zero(t, verdict.Phantom)
	require.Zero(t, verdict.Duplicate)
	seen := map[string]bool{}
	for _, w := range ask[write](r, committed) {
		seen[w.Tag] = true
	}
	require.NotEmpty(t, seen, "what was archived is there")
	rpo := time.Duration(0)
	for _, e := range log.Writes() {
		if e.OK() && !seen[e.Tag] {
			rpo = max(rpo, lost.Sub(e.Sent.Add(e.Took)))
		}
	}
	require.Positive(t, verdict.Lost, "nothing was at stake")
	figure("RPO, archive alone", rpo.Round(100*time.Millisecond), "<= 65s")
	figure("acknowledged writes lost, archive alone", verdict.Lost, "")
	if drill > short {
		require.LessOrEqual(t, rpo, 65*time.Second)
	}
}

// TestNoLossWithAReceiver destroys everything under load while the WAL is received.
func TestNoLossWithAReceiver(t *testing.T) {
	t.Parallel()
	r := rehearse(t)
	r.serve()
	receiver := program.Spawn(t, r.set, "backup", "receive")
	receiver.Await("commits wait", func() bool { return receiver.Out.String() != "" })
	l := r.load(load.Options{Clients: 4, Writes: 80})
	time.Sleep(at(3*time.Second, 8*time.Second, 30*time.Second))
	r.destroy(receiver)
	log := l.Stop()

	r.command("backup", "recover")
	r.serve()
	require.Equal(t, load.Verdict{}, r.verdict(log))
	acknowledged := len(log.Writes().Where(load.Entry.OK))
	require.Greater(t, acknowledged, 20)
	figure("RPO, received by streaming", "0s", "0s")
	figure("acknowledged writes, lost", acknowledged, "lost 0")

	// A receiver that ends in order lets commits go on, one that is killed does not.
	again := program.Spawn(t, r.set, "backup", "receive")
	again.Await("commits wait", func() bool { return again.Out.String() != "" })
	require.Equal(t, []struct{ Names string }{{"tickr_receive"}}, ask[struct{ Names string }](r, "SELECT current_setting('synchronous_standby_names')"))
	require.Equal(t, 0, again.Stop(syscall.SIGTERM))
	require.Equal(t, []struct{ Names string }{{""}}, ask[struct{ Names string }](r, "SELECT current_setting('synchronous_standby_names')"))
	require.Empty(t, ask[struct{ Name string }](r, "SELECT slot_name::text FROM pg_replication_slots"))
}
