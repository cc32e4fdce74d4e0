package faults

import (
	"bufio"
	"context"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/test/load"
	"github.com/tickr/tickr/test/program"
)

// growth is how much memory the program may take more each minute, in MiB.
const growth = 1.0

// What the metrics call it.
const (
	residentMemory = "process_resident_memory_bytes"
	goroutines     = "go_goroutines"
	descriptors    = "process_open_fds"
)

// TestSoak asks for half of what can be had, for as long as TICKR_SOAK says, and breaks something from time to time: nothing may be
// lost, and nothing may pile up. Its first period, of six, is for warming up.
func TestSoak(t *testing.T) {
	t.Parallel()
	whole, periods, room, soaking := time.Second, 2, 50.0, false
	if text := os.Getenv("TICKR_SOAK"); text != "" {
		var err error
		whole, err = time.ParseDuration(text)
		require.NoError(t, err, "TICKR_SOAK")
		periods, room, soaking = 6, 5, true
	}
	r := newRig(t, remembering...)
	half := 2
	if soaking {
		half = r.capacity() / 2
	}
	t.Logf("%d requests a second for %v", half, whole)

	period := whole / time.Duration(periods)
	watched := r.watch(min(period/10, time.Second))
	faults := []func(){
		func() { r.postgres.crash(r.db, syscall.SIGKILL) },
		func() { r.endSessions() },
		func() { r.link.spoil(toxic{"timeout", nil}); time.Sleep(period / 10); r.link.mend() },
		func() { release := r.postgres.halt(r.db); time.Sleep(period / 10); release() },
	}
	var warm time.Time
	for n := range periods {
		asking := r.ask(load.Options{Rate: half, Writes: 40})
		time.Sleep(period / 2)
		faults[n%len(faults)]()
		r.recovered(asking, time.Now())
		time.Sleep(period / 2)
		log := asking.Stop()
		t.Log(log)
		onlyRefused(t, log)
		r.logs = append(r.logs, log)
		if n == 0 {
			warm = time.Now()
		}
	}
	for i, samples := range watched() {
		samples = slices.DeleteFunc(samples, func(s sample) bool { return s.at.Before(warm) })
		require.NotEmpty(t, samples)
		first, last := samples[:len(samples)/3], samples[len(samples)*2/3:]
		slope := slope(samples, residentMemory) / (1 << 20) * 60
		t.Logf("instance %d: memory %+.2f MiB/min from %.0f MiB; goroutines %.0f, then %.0f; descriptors %.0f, then %.0f", i,
			slope, samples[0].values[residentMemory]/(1<<20),
			least(first, goroutines), least(last, goroutines), least(first, descriptors), least(last, descriptors))
		if soaking {
			require.LessOrEqual(t, slope, growth)
		}
		for _, name := range []string{goroutines, descriptors} {
			require.LessOrEqual(t, least(last, name), 1.1*least(first, name)+room, name)
		}
	}
	r.settled()
}

// capacity is how many requests are answered in a second when clients ask as fast as they can.
func (r *rig) capacity() int {
	r.t.Helper()
	const long = 10 * time.Second
	asking := load.Start(r.t, r.db, load.Options{
		API: r.balancer.URL, Email: program.AdminEmail, Password: program.AdminPassword, Clients: 32, Writes: 40,
	})
	time.Sleep(long)
	log := asking.Stop()
	r.t.Logf("at capacity: %v", log)
	r.logs = append(r.logs, log)
	return len(log) / int(long/time.Second)
}

// sample is what the metrics of an instance said.
type sample struct {
	at     time.Time
	values map[string]float64
}

// watch reads the metrics of all instances from time to time, until it is told to stop.
func (r *rig) watch(interval time.Duration) (stop func() [][]sample) {
	ctx, cancel := context.WithCancel(r.t.Context())
	var watching sync.WaitGroup
	seen := make([][]sample, len(r.ops))
	for i, host := range r.ops {
		watching.Go(func() {
			for ctx.Err() == nil {
				if values := metrics(ctx, host); values != nil {
					seen[i] = append(seen[i], sample{time.Now(), values})
				}
				time.Sleep(interval)
			}
		})
	}
	return func() [][]sample {
		cancel()
		watching.Wait()
		return seen
	}
}

// metrics returns those without labels, nil when there is no answer.
func metrics(ctx context.Context, host string) map[string]float64 {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+host+"/metrics", http.NoBody)
	if err != nil {
		panic(err) // the host is one
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil
	}
	defer func() { _ = response.Body.Close() }()
	values := map[string]float64{}
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		name, text, _ := strings.Cut(lines.Text(), " ")
		if value, err := strconv.ParseFloat(text, 64); err == nil {
			values[name] = value
		}
	}
	return values
}

// least is the lowest value: what a fault or a burst piles up for a while is not in it.
func least(samples []sample, name string) float64 {
	low := samples[0].values[name]
	for _, s := range samples {
		low = min(low, s.values[name])
	}
	return low
}

// slope is that of the line that lies closest to the values, by least squares, for a second.
func slope(samples []sample, name string) float64 {
	var n, x, y, xx, xy float64
	for _, s := range samples {
		at, value := s.at.Sub(samples[0].at).Seconds(), s.values[name]
		n, x, y, xx, xy = n+1, x+at, y+value, xx+at*at, xy+at*value
	}
	return (n*xy - x*y) / (n*xx - x*x)
}

func TestSlope(t *testing.T) {
	t.Parallel()
	var line, saw []sample
	for n := range 100 {
		at := time.Unix(int64(n), 0)
		line = append(line, sample{at, map[string]float64{"m": 5 + 3*float64(n)}})
		saw = append(saw, sample{at, map[string]float64{"m": float64(n % 10)}})
	}
	require.InDelta(t, 3, slope(line, "m"), 1e-9)
	require.InDelta(t, 0, slope(saw, "m"), 0.01)
	require.InDelta(t, 5, least(line, "m"), 1e-9)
}
