package faults

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/platform/database/embedded"
	"github.com/tickr/tickr/test/load"
	"github.com/tickr/tickr/test/program"
)

const (
	// stopTime is within what an instance ends that is told to.
	stopTime = 15 * time.Second
	// startTime is within what an instance is ready that was killed.
	startTime = 3 * time.Second
)

// replace is a deploy: one instance after the other ends and begins anew, and no client notices.
func replace(r *rig) {
	asking := r.load(200)
	stops := inLong(20, 2)
	var longest time.Duration
	for n := range stops {
		i := n % len(r.instances)
		longest = max(longest, r.leave(i))
		r.launch(i).AwaitReady()
		r.awaitBalancer()
	}
	require.Eventually(r.t, func() bool { return len(asking.Log()) >= inLong(20_000, 200) }, 2*program.Patience, time.Second)
	log := asking.Stop()
	r.t.Logf("%d ends, the longest took %v: %v", stops, longest, log)
	require.Empty(r.t, log.Failed().Outcomes())
	r.settled(log)
}

// leave ends an instance by SIGTERM, and returns how long that took. It requires that the balancer was told before nobody listened any
// more, and that a request was answered that was under way all the time.
func (r *rig) leave(i int) time.Duration {
	r.t.Helper()
	finish := beginLogin(r.t, r.hosts[i])
	began := time.Now()
	r.instances[i].Signal(syscall.SIGTERM)

	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: program.Patience}
	said := []int{http.StatusOK} // before
	for said[len(said)-1] != 0 {
		said = append(said, status(&client, "http://"+r.hosts[i]+"/readyz"))
		time.Sleep(10 * time.Millisecond)
	}
	require.Equal(r.t, []int{http.StatusOK, http.StatusServiceUnavailable, 0}, slices.Compact(said))

	require.Equal(r.t, http.StatusOK, finish())
	require.Zero(r.t, r.instances[i].Wait())
	took := time.Since(began)
	require.Less(r.t, took, within(stopTime))
	return took
}

// beginLogin sends the first part of a request; finish sends the rest and returns the status of the answer, 0 when there is none.
func beginLogin(t *testing.T, host string) (finish func() int) {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", host)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	body := fmt.Sprintf(`{"email":%q,"password":%q}`, program.AdminEmail, program.AdminPassword)
	_, err = fmt.Fprintf(conn, "POST /api/auth/login HTTP/1.1\r\nHost: tickr\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		len(body), body[:1])
	require.NoError(t, err)
	return func() int {
		if _, err := conn.Write([]byte(body[1:])); err != nil {
			return 0
		}
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			return 0
		}
		_ = response.Body.Close()
		return response.StatusCode
	}
}

// kill is what the kernel does for want of memory: clients get no answer, and what was answered is there.
func kill(r *rig) {
	asking := load.Start(r.t, r.db, load.Options{
		API: r.balancer.URL, Email: program.AdminEmail, Password: program.AdminPassword, Writes: 100,
		Clients: 16, // so many that one of them waits for the instance that is killed
	})
	var longest time.Duration
	for n := range inLong(20, 1) {
		time.Sleep(calm)
		i := n % len(r.instances)
		r.instances[i].Kill()
		began := time.Now()
		r.launch(i).AwaitReady()
		longest = max(longest, time.Since(began))
		r.awaitBalancer()
	}
	log := asking.Stop()
	r.t.Logf("ready within %v: %v", longest, log)
	require.Less(r.t, longest, within(startTime))
	require.NotEmpty(r.t, log.Failed(), "nobody was waiting for an answer")
	onlyFailed(r.t, log, http.StatusBadGateway)
	r.settled(log)
}

// A program that has its PostgreSQL for itself takes it along when it is killed. What both leave is in nobody's way.
func TestKilledWithPostgreSQL(t *testing.T) {
	t.Parallel()
	dataDir, host := program.DataDir(t), "127.0.0.1:"+program.FreePort(t)
	set := []string{
		"DATA_DIR=" + dataDir, "HTTP_ADDR=" + host, "ACCESS_TOKEN_TTL=24h", "RATE_LIMITS=off",
		"BOOTSTRAP_ADMIN_EMAIL=" + program.AdminEmail, "BOOTSTRAP_ADMIN_PASSWORD=" + program.AdminPassword,
	}
	p := program.Start(t, set...)
	// As a command does it, for as long as the server lives.
	attach := func() cluster {
		server, err := embedded.Attach(t.Context(), embedded.Options{DataDir: dataDir, Database: "tickr"})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, server.Stop()) })
		return cluster{server, t}
	}
	asking := load.Start(t, attach().open(), load.Options{
		API: "http://" + host, Email: program.AdminEmail, Password: program.AdminPassword, Rate: 50, Writes: 100,
	})
	var longest time.Duration
	for range inLong(10, 1) {
		time.Sleep(calm)
		p.Kill()
		began := time.Now()
		p = program.Start(t, set...)
		longest = max(longest, time.Since(began))
	}
	time.Sleep(calm)
	log := asking.Stop()
	t.Logf("ready within %v: %v", longest, log)
	require.Less(t, longest, within(startTime))
	onlyFailed(t, log, 0, http.StatusServiceUnavailable) // until it is ready
	require.Equal(t, load.Verdict{}, load.Check(t, attach().open(), log))
	require.Equal(t, 0, p.Stop(syscall.SIGTERM), "and its PostgreSQL: their folder is removed")
}
