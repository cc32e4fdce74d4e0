package faults

import (
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/test/load"
)

const (
	// answerTime is within what everything is answered, whatever the database does.
	answerTime = 3 * time.Second
	// recovery is within what everything works again after a fault.
	recovery = 5 * time.Second
)

// calm is how long all is well before a fault.
var calm = inLong(time.Second, 300*time.Millisecond)

// faults are what happens to the database, the way to it and the instances.
var faults = []struct {
	name string
	// once is part of the short form, in which the same instances meet one fault after the other.
	once bool
	set  []string // of the environment of the instances
	meet func(r *rig)
}{
	{"PostgreSQL comes late", false, nil, comeLate},
	{"PostgreSQL is stopped at once", false, nil, die(syscall.SIGQUIT)}, // as by pg_ctl stop -m immediate
	{"PostgreSQL is killed", true, nil, die(syscall.SIGKILL)},
	{"sessions are terminated", true, nil, loseSessions},
	{"a table is locked", false, nil, lockTable},
	{"PostgreSQL halts", false, nil, halt},

	{"black hole", true, nil, spoil(toxic{"timeout", nil})},
	{"reset", false, nil, spoil(toxic{"reset_peer", nil})},
	{"answers are lost", true, nil, loseAnswers},
	// With instances that remember sessions and profiles, as they do in production.
	{"+200 ms", false, remembering, slow(toxic{"latency", map[string]int{"latency": 100}})}, // there, and back
	{"10 KB/s", false, remembering, slow(toxic{"bandwidth", map[string]int{"rate": 10}})},
	{"sliced", false, remembering, slow(toxic{"slicer", map[string]int{"average_size": 16, "size_variation": 8, "delay": 100}})},

	{"500 clients, 10 connections", false, []string{"DB_POOL_SIZE=10"}, crowd},
	{"500 clients, one connection", false, []string{"DB_POOL_SIZE=1"}, crowd},

	{"instances are replaced", true, nil, replace},
	{"instances are killed", true, nil, kill},
}

var remembering = []string{"CACHE_MAX_MB=64"}

func TestFaults(t *testing.T) {
	t.Parallel()
	if !long {
		r := newRig(t)
		for _, f := range faults {
			if f.once {
				t.Log(f.name)
				f.meet(r)
			}
		}
		return
	}
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			f.meet(newRig(t, f.set...))
		})
	}
}

// comeLate starts the instances anew while there is no database.
func comeLate(r *rig) {
	r.link.Stop()
	for i, p := range r.instances {
		require.Zero(r.t, p.Stop(syscall.SIGTERM))
		r.launch(i).AwaitLog("listening")
	}
	is := func(path string, want int) {
		r.t.Helper()
		for _, host := range r.hosts {
			require.Equal(r.t, want, status(http.DefaultClient, "http://"+host+path), path)
		}
	}
	for absent := time.Now(); time.Since(absent) < inLong(20*time.Second, time.Second); time.Sleep(100 * time.Millisecond) {
		is("/livez", http.StatusOK)
		is("/readyz", http.StatusServiceUnavailable)
	}
	require.NoError(r.t, r.link.Start())
	came := time.Now()
	r.awaitBalancer()
	r.t.Logf("ready %v after the database came", time.Since(came))
	require.Less(r.t, time.Since(came), within(recovery))
	is("/readyz", http.StatusOK)

	asking := r.load(50)
	time.Sleep(time.Second)
	log := asking.Stop()
	require.Empty(r.t, log.Failed().Outcomes())
	r.settled(log)
}

func die(signal syscall.Signal) func(*rig) {
	return func(r *rig) {
		asking, alive := r.load(100), r.alive()
		for range inLong(10, 1) {
			time.Sleep(calm)
			ready := r.postgres.crash(r.db, signal)
			r.recovered(asking, ready)
		}
		r.endsWell(asking, alive)
	}
}

// loseSessions is what a failover does: reads do not notice.
func loseSessions(r *rig) {
	asking := r.load(100)
	ended := 0
	for range inLong(12, 3) {
		time.Sleep(inLong(4*time.Second, 300*time.Millisecond))
		ended += r.endSessions()
	}
	time.Sleep(time.Second)
	log := asking.Stop()
	r.t.Logf("%d sessions ended: reads %v; writes %v", ended, log.Reads(), log.Writes())
	require.Positive(r.t, ended)
	require.Empty(r.t, log.Reads().Failed().Outcomes())
	onlyRefused(r.t, log)
	r.settled(log)
}

// endSessions ends those of the program, and returns how many.
func (r *rig) endSessions() (ended int) {
	r.t.Helper()
	require.NoError(r.t, r.db.Pool().QueryRow(r.t.Context(),
		"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'tickr'").Scan(&ended))
	return ended
}

func lockTable(r *rig) {
	asking, alive := r.load(100), r.alive()
	time.Sleep(calm)
	tx, err := r.db.Pool().Begin(r.t.Context())
	require.NoError(r.t, err)
	defer func() { _ = tx.Rollback(r.t.Context()) }()
	_, err = tx.Exec(r.t.Context(), "SET LOCAL idle_in_transaction_session_timeout = 0")
	require.NoError(r.t, err)
	_, err = tx.Exec(r.t.Context(), "LOCK TABLE users.users IN ACCESS EXCLUSIVE MODE")
	require.NoError(r.t, err)
	for locked := time.Now(); time.Since(locked) < inLong(30*time.Second, 3*time.Second); time.Sleep(500 * time.Millisecond) {
		r.nothingOld()
	}
	require.NoError(r.t, tx.Rollback(r.t.Context()))
	r.recovered(asking, time.Now())
	r.endsWell(asking, alive)
}

func halt(r *rig) {
	asking, alive := r.load(100), r.alive()
	time.Sleep(calm)
	release := r.postgres.halt(r.db)
	time.Sleep(inLong(20*time.Second, 3*time.Second))
	release()
	r.recovered(asking, time.Now())
	r.endsWell(asking, alive)
}

// spoil is a network through which nothing comes.
func spoil(x toxic) func(*rig) {
	return func(r *rig) {
		asking, alive := r.load(20), r.alive()
		time.Sleep(calm)
		r.link.spoil(x)
		time.Sleep(inLong(10*time.Second, 3*time.Second))
		r.link.mend()
		r.recovered(asking, time.Now())
		r.endsWell(asking, alive)
	}
}

// loseAnswers lets statements through and resets the connection instead of their answers, now and then: whoever sends a write again
// executes it twice.
func loseAnswers(r *rig) {
	asking, alive := r.load(100), r.alive()
	time.Sleep(calm)
	for range inLong(40, 5) {
		r.link.spoilOnly("downstream", toxic{"reset_peer", nil})
		time.Sleep(20 * time.Millisecond)
		r.link.mend()
		time.Sleep(200 * time.Millisecond)
	}
	r.recovered(asking, time.Now())
	r.endsWell(asking, alive)
}

// slow is a network through which everything comes, to instances that have had much to do and so have sessions at hand: to begin one
// takes as many round trips as half a write.
func slow(x toxic) func(*rig) {
	return func(r *rig) {
		busy := r.clients(40)
		time.Sleep(2 * time.Second)
		before := busy.Stop()
		asking, alive := r.load(10), r.alive()
		time.Sleep(calm)
		r.link.spoil(x)
		time.Sleep(10 * time.Second)
		r.link.mend()
		alive()
		log := asking.Stop()
		r.t.Log(log)
		require.Empty(r.t, log.Failed().Outcomes())
		require.Less(r.t, log.Longest(), within(answerTime))
		r.settled(before, log)
	}
}

// crowd is far more clients than connections, each of which is slow.
func crowd(r *rig) {
	few := r.load(1)
	many := r.clients(500)
	r.link.spoil(toxic{"latency", map[string]int{"latency": 50}}) // now that they have logged in
	time.Sleep(10 * time.Second)
	log := many.Stop()
	r.t.Log(log)
	require.NotEmpty(r.t, log.Where(load.Entry.OK), "the connections are used for something")
	require.Less(r.t, log.Longest(), within(5*time.Second))
	onlyRefused(r.t, log)
	r.link.mend()
	r.recovered(few, time.Now())
	r.settled(log, few.Stop())
}
