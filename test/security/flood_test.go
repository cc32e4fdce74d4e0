package security

import (
	"fmt"
	"net/http"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/argon2"

	"github.com/tickr/tickr/test/program"
)

// What a flood of logins may do.
const (
	hashMiB   = 19 // of memory for one hash
	spareMiB  = 128
	mostWait  = 5 * time.Second
	mostRead  = 250 * time.Millisecond // for 99 of 100 requests of somebody who is logged in
	mostLogin = time.Second            // for 99 of 100 logins from elsewhere than the flood
	leastWork = 0.8                    // of the logins that hashing alone would let pass
)

// TestLoginFlood: thousands who log in at once, and again as soon as they are answered, take neither the memory nor the processors
// from those who are logged in, nor the places from those who log in elsewhere. Whoever has to come back later is told so in time.
func TestLoginFlood(t *testing.T) {
	if !long {
		t.Parallel()
	}
	clients, lasts := inLong(2000, 200), inLong(time.Minute, 4*time.Second)
	r := newRig(t, 1)
	r.http.Transport = &http.Transport{MaxIdleConnsPerHost: clients}
	crowd, elsewhere := r.people(usual, clients), r.from(1)
	reader := r.logIn(0, crowd[0].email).AccessToken
	idle := r.resident()

	bare := hashesPerSecond()
	end := time.Now().Add(lasts)
	var watching sync.WaitGroup
	var peak int
	watching.Go(func() { peak = r.peak(end) })
	var reads sample
	watching.Go(func() {
		for time.Now().Before(end) {
			a := r.send(0, "GET /api/users/me", reader, "")
			if a.Status != http.StatusOK {
				t.Errorf("somebody who is logged in: %s", a.Outcome)
			}
			reads = append(reads, a.Took)
			time.Sleep(20 * time.Millisecond)
		}
	})
	var log, others floodLog
	var logins sample
	watching.Go(func() {
		for time.Now().Before(end) {
			a := elsewhere.send(0, "POST /api/auth/login", "", encoded(object{"email": crowd[0].email, "password": program.AdminPassword}))
			others.note(a, end)
			logins = append(logins, a.Took)
			time.Sleep(100 * time.Millisecond)
		}
	})
	atOnce(clients, func(i int) {
		body := encoded(object{"email": crowd[i].email, "password": program.AdminPassword})
		for time.Now().Before(end) {
			log.note(r.send(0, "POST /api/auth/login", "", body), end)
		}
	})
	watching.Wait()
	bare = (bare + hashesPerSecond()) / 2

	rate := float64(log.loggedIn.Load()+others.loggedIn.Load()) / lasts.Seconds()
	slices.Sort(reads)
	slices.Sort(logins)
	p99, login := reads[len(reads)*99/100], logins[len(logins)*99/100]
	t.Logf("%d clients for %v: %.1f logins/s of %.1f hashes/s, %d sheds, the slowest answer after %v; %d reads, p99 %v; "+
		"%d logins elsewhere, p50 %v, p99 %v; %d MiB resident, %d MiB idle",
		clients, lasts, rate, bare, log.shed.Load(), log.slowest, len(reads), p99, len(logins), logins[len(logins)/2], login, peak, idle)
	require.Empty(t, log.wrong)
	require.Positive(t, log.loggedIn.Load())
	require.Empty(t, others.wrong)
	require.Positive(t, others.loggedIn.Load())
	if long {
		require.Zero(t, others.shed.Load())
		require.LessOrEqual(t, peak, idle+runtime.NumCPU()*hashMiB+spareMiB)
		require.LessOrEqual(t, log.slowest, mostWait)
		require.LessOrEqual(t, p99, mostRead)
		require.LessOrEqual(t, login, mostLogin)
		require.GreaterOrEqual(t, rate, leastWork*bare)
	}
	r.noFaults()
}

// TestFloodOfLargeBodies: nor do those who log in with all that a body may hold.
func TestFloodOfLargeBodies(t *testing.T) {
	if !long {
		t.Parallel()
	}
	clients, lasts := inLong(1000, 100), inLong(20*time.Second, 2*time.Second)
	r := newRig(t, 1)
	r.http.Transport = &http.Transport{MaxIdleConnsPerHost: clients}
	idle := r.resident()
	body := guess(program.AdminEmail, program.AdminPassword)
	body += strings.Repeat(" ", 1<<20-len(body))
	end := time.Now().Add(lasts)
	var watching sync.WaitGroup
	var peak int
	watching.Go(func() { peak = r.peak(end) })
	var log floodLog
	atOnce(clients, func(int) {
		for time.Now().Before(end) {
			log.note(r.send(0, "POST /api/auth/login", "", body), end)
		}
	})
	watching.Wait()
	t.Logf("%d clients for %v: %d logins, %d sheds, the slowest answer after %v; %d MiB resident, %d MiB idle",
		clients, lasts, log.loggedIn.Load(), log.shed.Load(), log.slowest, peak, idle)
	require.Empty(t, log.wrong)
	require.Positive(t, log.loggedIn.Load())
	if long {
		require.LessOrEqual(t, peak, idle+runtime.NumCPU()*hashMiB+spareMiB)
	}
	r.noFaults()
}

// floodLog is how a flood was answered.
type floodLog struct {
	loggedIn, shed atomic.Int64 // in time for the end

	mu      sync.Mutex
	slowest time.Duration
	wrong   map[string]int // answers that nobody should get
}

var seconds = regexp.MustCompile(`^[1-9]\d*$`)

func (l *floodLog) note(a answer, end time.Time) {
	inTime := time.Now().Before(end)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.slowest = max(l.slowest, a.Took)
	switch {
	case a.Status == http.StatusOK:
		if inTime {
			l.loggedIn.Add(1)
		}
	case (a.Status == http.StatusServiceUnavailable || a.Status == http.StatusTooManyRequests) && seconds.MatchString(a.Header.Get("Retry-After")):
		l.shed.Add(1)
	default:
		if l.wrong == nil {
			l.wrong = map[string]int{}
		}
		l.wrong[a.Outcome]++
	}
}

// hashesPerSecond returns how many passwords these processors hash when they do nothing else.
func hashesPerSecond() float64 {
	lasts := inLong(5*time.Second, 200*time.Millisecond)
	begin := time.Now()
	var done atomic.Int64
	atOnce(runtime.NumCPU(), func(int) {
		for time.Since(begin) < lasts {
			argon2.IDKey([]byte(program.AdminPassword), make([]byte, 16), 2, hashMiB<<10, 1, 32)
			done.Add(1)
		}
	})
	return float64(done.Load()) / time.Since(begin).Seconds()
}

// peak returns the most memory of the first instance until then, in MiB.
func (r *rig) peak(end time.Time) (peak int) {
	for time.Now().Before(end) {
		peak = max(peak, r.resident())
		time.Sleep(100 * time.Millisecond)
	}
	return peak
}

var residentKiB = regexp.MustCompile(`(?m)^VmRSS:\s*(\d+) kB$`)

// resident returns the memory of the first instance in MiB.
func (r *rig) resident() int {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", r.instances[0].PID()))
	match := residentKiB.FindSubmatch(status)
	if err != nil || match == nil {
		r.t.Errorf("how much memory the program has: %v", err)
		return 0
	}
	kib, _ := strconv.Atoi(string(match[1])) // it is digits
	return kib >> 10
}
