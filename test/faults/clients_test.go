package faults

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/test/load"
	"github.com/tickr/tickr/test/program"
)

// idleSize is what the program may keep in memory for a client that asks nothing.
const idleSize = 40 << 10

// TestManyClients is about clients that are in nobody's way. It measures one time against another, and therefore runs alone.
func TestManyClients(t *testing.T) { //nolint:paralleltest // see above
	r := newRig(t)
	host := r.hosts[0]
	asking := load.Start(t, r.db, load.Options{
		API: "http://" + host, Email: program.AdminEmail, Password: program.AdminPassword, Rate: 100, Writes: 10,
	})
	// What else the machine does disturbs some times, and makes none of them shorter.
	others := func(among string) time.Duration {
		best := program.Patience
		for range inLong(3, 1) {
			begin := time.Now()
			time.Sleep(inLong(4*time.Second, 500*time.Millisecond))
			log := asking.Log().Sent(begin, time.Now())
			for !long && len(log) == 0 && time.Since(begin) < program.Patience {
				time.Sleep(500 * time.Millisecond)
				log = asking.Log().Sent(begin, time.Now())
			}
			t.Logf("%s: %v", among, log)
			require.NotEmpty(t, log)
			require.Empty(t, log.Failed().Outcomes())
			best = min(best, log.P99())
		}
		return best
	}
	alone := others("alone")

	stop := drip(t, host, inLong(2000, 200))
	among := others("among slow ones")
	longest := stop()
	t.Logf("the longest of them was waited for %v", longest)
	if long {
		require.Less(t, longest, 2*patience)
		require.LessOrEqual(t, among, 2*alone)
	}

	before := memory(t, r.instances[0])
	idle := inLong(10_000, 500)
	rest(t, host, idle)
	each := (memory(t, r.instances[0]) - before) / idle
	among = others("among idle ones")
	t.Logf("%d KiB for each idle connection", each>>10)
	if long {
		require.LessOrEqual(t, each, idleSize)
		require.LessOrEqual(t, among, 2*alone)
	}
	r.settled(asking.Stop())
}

// patience is how long the program waits for a header or a body.
const patience = 5 * time.Second

// drip keeps connections open over each of which a request comes at a byte a second: every other in its header, the others in their
// body. One that is given up begins again. They begin one after the other: clients do not march in step. stop ends them all, and
// returns how long the one lasted that was waited for longest.
func drip(t *testing.T, host string, connections int) (stop func() time.Duration) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	header := "POST /api/auth/login HTTP/1.1\r\nHost: tickr\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
	lasted := make([]time.Duration, connections)
	var dripping sync.WaitGroup
	for n := range connections {
		atOnce, slowly := "", header
		if n%2 == 0 {
			atOnce, slowly = header, strings.Repeat(" ", 1000)
		}
		time.Sleep(inLong(patience, patience/10) / time.Duration(connections))
		dripping.Go(func() {
			for ctx.Err() == nil {
				began := time.Now()
				send(ctx, host, atOnce, slowly)
				lasted[n] = max(lasted[n], time.Since(began))
			}
		})
	}
	return func() time.Duration {
		cancel()
		dripping.Wait()
		return slices.Max(lasted)
	}
}

// send sends a text at once and another slowly, over one connection, until that or ctx ends.
func send(ctx context.Context, host, atOnce, slowly string) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", host)
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.Write([]byte(atOnce)); err != nil {
		return
	}
	for i := range len(slowly) {
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Second):
		}
		if _, err := conn.Write([]byte{slowly[i]}); err != nil {
			return
		}
	}
}

// rest opens connections, asks one thing over each, and leaves them open until the test ends.
func rest(t *testing.T, host string, connections int) {
	t.Helper()
	answer := make([]byte, 4<<10)
	for range connections {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", host)
		require.NoError(t, err, "see `ulimit -n`")
		t.Cleanup(func() { _ = conn.Close() })
		_, err = fmt.Fprint(conn, "GET /livez HTTP/1.1\r\nHost: tickr\r\n\r\n")
		require.NoError(t, err)
		n, err := conn.Read(answer)
		require.NoError(t, err)
		require.Contains(t, string(answer[:n]), "200 OK")
	}
}

// memory returns the bytes of a program's memory that are resident.
func memory(t *testing.T, p *program.Program) int {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p.PID()), "statm"))
	require.NoError(t, err)
	fields := strings.Fields(string(raw))
	require.Greater(t, len(fields), 1)
	pages, err := strconv.Atoi(fields[1])
	require.NoError(t, err)
	return pages * os.Getpagesize()
}
