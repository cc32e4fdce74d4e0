//go:build system

package drill

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/test/load"
)

// costOfVerifying notes how long it takes to read all that was kept of a database, by the gigabyte.
func costOfVerifying(r *rehearsal) {
	r.t.Helper()
	type size struct{ Bytes int64 }
	r.sql("DROP SCHEMA load CASCADE") // the witness of package load is no part of the product
	database := ask[size](r, "SELECT pg_database_size(current_database())")[0].Bytes
	r.stop()
	begin := time.Now()
	r.command("backup", "check")
	perGiB("verify, base backups and WAL, per GiB of data", time.Since(begin), database)
	r.command("backup", "create")
	begin = time.Now()
	r.command("backup", "verify", "latest")
	perGiB("verify, dump restored, per GiB of data", time.Since(begin), database)
}

func perGiB(name string, took time.Duration, bytes int64) {
	if drill == short {
		return // a few megabytes say nothing of a gigabyte
	}
	each := time.Duration(float64(took) / float64(bytes) * (1 << 30))
	figure(name, fmt.Sprintf("%s (%s for %d MiB)", each.Round(time.Second), took.Round(100*time.Millisecond), bytes>>20), "")
}

// TestPenaltyOfABackup compares requests while base backups are made with those between, in turn: machines are shared.
func TestPenaltyOfABackup(t *testing.T) {
	r := rehearse(t)
	r.serve()
	r.sql(fmt.Sprintf(`INSERT INTO users.users (email, first_name, last_name) SELECT 'filler-' || n || '@example.com', 'Filler', n::text
		FROM generate_series(1, %d) n`, at(1000, 50_000, 1_000_000)))
	l := r.load(load.Options{Rate: 60, Writes: 20})
	time.Sleep(2 * time.Second)
	type turn struct{ from, to time.Time }
	var quiet, busy []turn
	for range at(1, 3, 5) {
		begin := time.Now()
		for time.Since(begin) < at(time.Second, 5*time.Second, 20*time.Second) {
			r.command("backup", "base")
		}
		end := time.Now()
		busy = append(busy, turn{begin, end})
		time.Sleep(end.Sub(begin))
		quiet = append(quiet, turn{end, time.Now()})
	}
	log := l.Stop()
	require.Empty(t, log.Failed(), "a backup disturbs nobody")
	p99 := func(turns []turn) time.Duration {
		var within load.Log
		for _, turn := range turns {
			within = append(within, log.Sent(turn.from, turn.to)...)
		}
		return within.P99()
	}
	without, with := p99(quiet), p99(busy)
	figure("p99 without, with a base backup", fmt.Sprintf("%s, %s: %+.0f %%", without.Round(100*time.Microsecond), with.Round(100*time.Microsecond),
		100*(with.Seconds()/without.Seconds()-1)), "<= +20 %")
}
