//go:build system

package drill

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/test/load"
)

// write is one that PostgreSQL has committed, as the witness of package load saw it, in the transaction of the write.
type write struct {
	Tag, User string
	At        time.Time // of its commit
}

const committed = `SELECT tag, user_id::text, pg_xact_commit_timestamp(xmin) FROM load.seen ORDER BY 3, 1`

// named is an account and the first name that its last write gave.
const named = `SELECT id::text, first_name FROM users.users WHERE first_name LIKE 'load-%' ORDER BY 1`

type account struct{ ID, Name string }

// pause returns the moment of a commit in the middle of all, that with the longest silence after it: commits that overlap have no
// order of their own.
func pause(writes []write) (n int) {
	longest := time.Duration(0)
	for i := len(writes) / 3; i < 2*len(writes)/3; i++ {
		if silence := writes[i+1].At.Sub(writes[i].At); silence > longest {
			n, longest = i, silence
		}
	}
	return n
}

// accounts returns who has which name after some writes, by their order.
func accounts(writes []write) []account {
	names := map[string]string{}
	for _, w := range writes {
		names[w.User] = w.Tag
	}
	var all []account
	for _, id := range slices.Sorted(maps.Keys(names)) {
		all = append(all, account{id, names[id]})
	}
	return all
}

// TestExactlyWhatWasCommittedUpToTheMoment damages the data by statements without WHERE, destroys the data folder, and recovers.
func TestExactlyWhatWasCommittedUpToTheMoment(t *testing.T) {
	t.Parallel()
	r := rehearse(t)
	r.serve()
	filled := at(1000, 100_000, 1_000_000)
	r.sql(fmt.Sprintf(`INSERT INTO users.users (email, first_name, last_name) SELECT 'filler-' || n || '@example.com', 'Filler', n::text
		FROM generate_series(1, %d) n`, filled))
	r.command("backup", "base")

	l := r.load(load.Options{Clients: 4, Writes: 80})
	time.Sleep(at(4*time.Second, 10*time.Second, 30*time.Second))
	log := l.Stop()
	truth := ask[write](r, committed)
	require.Greater(t, len(truth), 100)
	last := pause(truth)
	moment, before := truth[last].At, truth[:last+1]

	r.sql("UPDATE users.users SET first_name = 'damaged'")
	r.sql("DELETE FROM load.seen")
	require.Contains(t, r.refused("backup", "recover"), "in use", "a server that runs is not recovered")
	r.stop()
	r.removeData()

	begin := time.Now()
	r.command("backup", "recover", "--to", moment.UTC().Format(time.RFC3339Nano))
	r.serve()
	took := time.Since(begin)

	require.Equal(t, before, ask[write](r, committed), "exactly the writes up to the moment, that one included")
	require.Equal(t, accounts(before), ask[account](r, named))
	sent, there := map[string]bool{}, map[string]bool{}
	for _, w := range before {
		there[w.Tag] = true
	}
	for _, e := range log.Writes() {
		sent[e.Tag] = true
		if e.OK() && !e.Sent.Add(e.Took).After(moment) {
			require.True(t, there[e.Tag], "a write that was acknowledged before the moment is lost")
		}
	}
	for _, w := range before {
		require.True(t, sent[w.Tag], "nobody sent %s", w.Tag)
	}
	require.Equal(t, filled, ask[struct{ N int }](r, "SELECT count(*) FROM users.users WHERE first_name = 'Filler'")[0].N)

	figure("rows compared, of them up to the moment", fmt.Sprintf("%d, %d", len(truth), len(before)), "equal")
	figure(fmt.Sprintf("RTO at %d accounts", filled), took.Round(100*time.Millisecond), "<= 5m")
	if drill > short {
		require.LessOrEqual(t, took, 5*time.Minute)
	}
	costOfVerifying(r)
}
