// Package faults breaks what the program stands on, under load, and looks at what clients see and at what is left.
//
// A rig is two instances of the real program behind a balancer, before a PostgreSQL of their own at the end of a link: the balancer
// hands requests to instances that are ready, the link is a toxiproxy, and PostgreSQL dies, halts and comes back when told to. A load
// (package load) asks through the balancer and keeps a log of what was acknowledged, which is compared with the database at the
// end: nothing lost, nothing that nobody sent, nothing twice.
//
// `make test` breaks each thing once and looks at the behaviour; TICKR_FAULTS=1, as in `make test-faults`, breaks it as often and as
// long as promised, and holds the program to the figures, which docs/operations/faults.md lists.
package faults

import (
	"context"
	"net/http"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/platform/database"
	"github.com/tickr/tickr/test/load"
	"github.com/tickr/tickr/test/program"
)

// long says that the faults come as often and last as long as they should, and that the figures are looked at: make test-faults.
// Else each comes once or twice, and only the behaviour counts.
var long = os.Getenv("TICKR_FAULTS") != ""

// inLong returns what a test does in its long form, or in its short one.
func inLong[T any](much, little T) T {
	if long {
		return much
	}
	return little
}

// within returns the bound of a figure: itself in the long form, generous where machines are shared.
func within(figure time.Duration) time.Duration { return inLong(figure, 4*figure) }

func TestMain(m *testing.M) { program.Main(m) }

// rig is two instances of the program behind a balancer, before a PostgreSQL of their own at the end of a link.
type rig struct {
	t         *testing.T
	postgres  cluster
	db        *database.Handle // past the link
	link      link
	set       []string // of the environment of both instances
	hosts     []string // of the instances
	ops       []string // their operations ports, where the metrics are
	instances []*program.Program
	balancer  *balancer
	logs      []load.Log // of all loads so far
}

// newRig starts everything, with set in the environment of the instances besides what they need, and waits until they are ready.
func newRig(t *testing.T, set ...string) *rig {
	t.Helper()
	return newRigOn(newCluster(t, program.DataDir(t)), set...)
}

// newRigOn is newRig before a PostgreSQL that there is.
func newRigOn(postgres cluster, set ...string) *rig {
	t := postgres.t
	t.Helper()
	r := &rig{t: t, postgres: postgres, db: postgres.open()}
	over := ""
	r.link, over = newLink(t, r.postgres.DSN())
	// Unless set says otherwise nothing is remembered, so that every request asks the database.
	r.set = append(program.Standard(t, over), "CACHE_MAX_MB=0", "ACCESS_TOKEN_TTL=24h", "RATE_LIMITS=off", "SHUTDOWN_DELAY=1s")
	r.set = append(r.set, set...)
	for i := range 2 {
		r.hosts = append(r.hosts, "127.0.0.1:"+program.FreePort(t))
		r.ops = append(r.ops, "127.0.0.1:"+program.FreePort(t))
		r.instances = append(r.instances, nil)
		r.launch(i)
	}
	for _, p := range r.instances {
		p.AwaitReady()
	}
	r.balancer = newBalancer(t, r.hosts...)
	r.awaitBalancer()
	return r
}

// launch starts an instance, for the first time or again, at the addresses it always has.
func (r *rig) launch(i int) *program.Program {
	r.t.Helper()
	r.instances[i] = program.Launch(r.t, append(slices.Clone(r.set), "HTTP_ADDR="+r.hosts[i], "OPS_ADDR="+r.ops[i])...)
	return r.instances[i]
}

// awaitBalancer waits until the balancer finds every instance ready.
func (r *rig) awaitBalancer() {
	r.t.Helper()
	require.Eventually(r.t, func() bool {
		return !slices.ContainsFunc(r.balancer.backends, func(b *backend) bool { return !b.ready.Load() })
	}, program.Patience, 10*time.Millisecond, "the balancer finds an instance that is not ready")
}

// load asks at a rate, four writes in ten.
func (r *rig) load(rate int) *load.Load {
	r.t.Helper()
	if !long {
		rate = max(1, rate/10) // beside other tests, on machines that take 0.1 s for a new connection: what happens counts, not how often
	}
	return r.ask(load.Options{Rate: rate, Writes: 40})
}

// clients ask as fast as they are answered, two writes in ten.
func (r *rig) clients(n int) *load.Load {
	r.t.Helper()
	return r.ask(load.Options{Clients: n, Writes: 20})
}

func (r *rig) ask(o load.Options) *load.Load {
	r.t.Helper()
	o.API, o.Email, o.Password = r.balancer.URL, program.AdminEmail, program.AdminPassword
	return load.Start(r.t, r.db, o)
}

// settled requires that what was acknowledged is there once, nothing else is, and no instance has ended. The logs are of all loads
// since it was last called.
func (r *rig) settled(logs ...load.Log) {
	r.t.Helper()
	r.logs = append(r.logs, logs...)
	require.Equal(r.t, load.Verdict{}, load.Check(r.t, r.db, r.logs...))
	for _, p := range r.instances {
		require.True(r.t, p.Running())
	}
}

// onlyRefused requires that what failed was refused for now, in so many words.
func onlyRefused(t *testing.T, log load.Log) {
	t.Helper()
	onlyFailed(t, log, http.StatusServiceUnavailable, http.StatusGatewayTimeout)
}

// onlyFailed requires that what failed did so with some statuses, or after one that did.
func onlyFailed(t *testing.T, log load.Log, statuses ...int) {
	t.Helper()
	require.Empty(t, log.Failed().Where(func(e load.Entry) bool {
		return !slices.Contains(statuses, e.Status) && !e.Overtaken()
	}).Outcomes())
}

// recovered waits until requests have succeeded for a while, after a fault that ended at some time, and requires that the last to
// fail was sent in time.
func (r *rig) recovered(asking *load.Load, ended time.Time) {
	r.t.Helper()
	r.recoveredWithin(recovery, asking, ended)
}

func (r *rig) recoveredWithin(figure time.Duration, asking *load.Load, ended time.Time) {
	r.t.Helper()
	quiet := inLong(2*time.Second, time.Second)
	var log load.Log
	require.Eventually(r.t, func() bool {
		log = asking.Log()
		now := time.Now()
		since := log.Sent(now.Add(-quiet), now)
		return now.Sub(ended) > quiet && len(since) > 0 && len(since.Failed()) == 0
	}, program.Patience, 100*time.Millisecond, "it does not recover")
	took := log.Recovery(ended)
	r.t.Logf("recovered in %v", took.Round(time.Millisecond))
	require.LessOrEqual(r.t, took, within(figure))
}

// endsWell ends the load after a fault that no request could pass, and requires that clients were refused in time and in so many
// words, and that nothing is left behind.
func (r *rig) endsWell(asking *load.Load, alive func()) {
	r.t.Helper()
	r.nothingOld()
	alive()
	log := asking.Stop()
	r.t.Log(log)
	require.NotEmpty(r.t, log.Failed(), "nobody noticed the fault")
	onlyRefused(r.t, log)
	require.Less(r.t, log.Longest(), within(answerTime))
	r.settled(log)
}

// nothingOld requires that the server runs no statement of the program for longer than its timeout allows.
func (r *rig) nothingOld() {
	r.t.Helper()
	var old int
	require.NoError(r.t, r.db.Pool().QueryRow(r.t.Context(), `
		SELECT count(*) FROM pg_stat_activity WHERE application_name = 'tickr' AND state <> 'idle'
			AND clock_timestamp() - query_start > make_interval(secs => $1)`, within(answerTime).Seconds()).Scan(&old))
	require.Zero(r.t, old)
}

// alive watches the liveness of all instances until it is told to stop, which requires that it was never in doubt.
func (r *rig) alive() (stop func()) {
	ctx, cancel := context.WithCancel(r.t.Context())
	var watching sync.WaitGroup
	answers := make([]map[int]int, len(r.hosts))
	for i, host := range r.hosts {
		answers[i] = map[int]int{}
		watching.Go(func() {
			client := http.Client{Timeout: 2 * time.Second}
			defer client.CloseIdleConnections()
			for ctx.Err() == nil {
				answers[i][status(&client, "http://"+host+"/livez")]++
				time.Sleep(probeInterval)
			}
		})
	}
	return func() {
		r.t.Helper()
		cancel()
		watching.Wait()
		for _, counts := range answers {
			require.Positive(r.t, counts[http.StatusOK])
			require.Len(r.t, counts, 1, "livez answered %v", counts)
		}
	}
}

// status returns that of an answer, 0 when there is none.
func status(client *http.Client, url string) int {
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, url, http.NoBody)
	if err != nil {
		panic(err) // the URL is one
	}
	response, err := client.Do(request)
	if err != nil {
		return 0
	}
	_ = response.Body.Close()
	return response.StatusCode
}
