package security

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/test/program"
)

// What the times of answers may tell.
const (
	mostDifference  = time.Millisecond // of the medians, while nobody else asks
	leastSeparation = 0.45
	mostSeparation  = 0.55
)

// sample is how long answers took.
type sample []time.Duration

func (s sample) median() time.Duration {
	sorted := slices.Sorted(slices.Values(s))
	return sorted[len(sorted)/2]
}

// separation is the probability that an answer of other took longer than one of s, as a rank test (Mann and Whitney) counts it: 0.5 when
// times tell nothing, 0 or 1 when a single answer tells everything.
func (s sample) separation(other sample) float64 {
	sorted := slices.Sorted(slices.Values(s))
	var longer float64
	for _, took := range other {
		shorter, _ := slices.BinarySearch(sorted, took)
		upTo, _ := slices.BinarySearch(sorted, took+1)
		longer += float64(shorter) + float64(upTo-shorter)/2
	}
	return longer / float64(len(s)) / float64(len(other))
}

func TestSeparation(t *testing.T) {
	t.Parallel()
	require.InDelta(t, 0.5, sample{1, 2, 3}.separation(sample{1, 2, 3}), 1e-9)
	require.InDelta(t, 1, sample{1, 2, 3}.separation(sample{4, 5}), 1e-9)
	require.InDelta(t, 0, sample{4, 5}.separation(sample{1, 2, 3}), 1e-9)
	require.InDelta(t, 0.75, sample{1, 2}.separation(sample{2, 2}), 1e-9)
	require.Equal(t, 2*time.Nanosecond, sample{3, 1, 2}.median())
}

// TestAnswersTakeTheSameTime: whatever there is of an account, a stranger waits as long for the answer, also while others log in, and
// while mail takes half a second or does not go out.
func TestAnswersTakeTheSameTime(t *testing.T) {
	type attack struct {
		sink   string
		about  []string
		probes []probe
	}
	today, mailing := kinds[:len(kinds)-1], probes[2:5]
	rounds := inLong(1000, 6)
	for _, a := range inLong([]attack{
		{"files", today, probes},
		{"slow", today, mailing},
		{"dead", today, mailing},
		// The first of these makes all that follow slower.
		{"files", []string{nobody, imported}, probes[:1]},
	}, []attack{{"files", []string{nobody, usual}, probes[:1]}}) {
		r := newRig(t, 1, sinks[a.sink](t)...)
		for _, p := range a.probes {
			r.takeTheSame(fmt.Sprintf("%s, mail: %s, idle", p.name, a.sink), r.measure(p, a.about, rounds), mostDifference)
			if long {
				stop := r.busy()
				r.takeTheSame(fmt.Sprintf("%s, mail: %s, others log in", p.name, a.sink), r.measure(p, a.about, rounds), 0)
				stop()
			}
		}
		r.instances[0].Kill() // its machine is idle again
	}
}

// takeTheSame holds the times of answers to the figures, or in the short form to what only a step left out could miss. A most of 0 is
// no bound: the load is in the medians.
func (r *rig) takeTheSame(what string, took map[string]sample, most time.Duration) {
	r.t.Helper()
	for kind, s := range took {
		if kind == nobody {
			continue
		}
		difference, separation := s.median()-took[nobody].median(), took[nobody].separation(s)
		r.t.Logf("%s: %s against nobody, %d pairs: medians %v apart of %v, AUC %.3f",
			what, kind, len(s), difference.Round(time.Microsecond), s.median().Round(10*time.Microsecond), separation)
		if !long {
			require.Less(r.t, max(s.median(), took[nobody].median()), 5*min(s.median(), took[nobody].median()), "%s: %s", what, kind)
			continue
		}
		if most > 0 {
			require.LessOrEqual(r.t, difference.Abs(), most, "%s: %s", what, kind)
		}
		require.GreaterOrEqual(r.t, separation, leastSeparation, "%s: %s", what, kind)
		require.LessOrEqual(r.t, separation, mostSeparation, "%s: %s", what, kind)
	}
}

// measure asks about one person of each kind in turn over one connection, in an order of its own each time, and returns how long the
// answers took.
func (r *rig) measure(p probe, about []string, rounds int) map[string]sample {
	r.t.Helper()
	const unmeasured = 2 // rounds, in which everything is met for the first time
	crowd, took := map[string][]stranger{}, map[string]sample{}
	for _, kind := range about {
		crowd[kind] = r.people(kind, rounds+unmeasured)
	}
	order := slices.Clone(about)
	for i := range rounds + unmeasured {
		rand.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		for _, kind := range order {
			a := r.insist(0, "POST "+p.route, "", encoded(p.body(r, crowd[kind][i])))
			if i >= unmeasured {
				took[kind] = append(took[kind], a.Took)
			}
		}
	}
	return took
}

// busy has people log in, half as often as the program can answer, until it is told to stop.
func (r *rig) busy() (stop func()) {
	r.t.Helper()
	body := encoded(object{"email": program.AdminEmail, "password": program.AdminPassword})
	var done atomic.Int64
	logIn := func() {
		if r.send(0, "POST /api/auth/login", "", body).Status == http.StatusOK {
			done.Add(1)
		}
	}
	const probing = 3 * time.Second
	deadline := time.Now().Add(probing)
	atOnce(2*runtime.NumCPU(), func(int) {
		for time.Now().Before(deadline) {
			logIn()
		}
	})
	pause := 2 * probing / time.Duration(max(done.Load(), 1))
	quit := make(chan struct{})
	var sent sync.WaitGroup
	sent.Go(func() {
		ticker := time.NewTicker(pause)
		defer ticker.Stop()
		for {
			select {
			case <-quit:
				return
			case <-ticker.C:
				sent.Go(logIn)
			}
		}
	})
	return func() { close(quit); sent.Wait() }
}
