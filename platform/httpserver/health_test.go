package httpserver_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/platform/httpserver"
)

func TestHealth(t *testing.T) {
	t.Parallel()
	var broken atomic.Bool
	s := start(t, func(o *httpserver.Options) {
		o.Checks = []httpserver.Check{
			{Name: "database", Probe: func(context.Context) error {
				if broken.Load() {
					return errors.New("s3cret host is down")
				}
				return nil
			}},
			{Name: "mail", Probe: func(context.Context) error { return nil }},
		}
	})
	expect := func(status int, body string) {
		t.Helper()
		for _, path := range []string{"/readyz", "/healthz"} {
			r := s.send(t, http.MethodGet, path, "")
			require.Equal(t, status, r.StatusCode)
			require.JSONEq(t, body, r.Text)
			require.Equal(t, status, s.send(t, http.MethodHead, path, "").StatusCode)
		}
		r := s.send(t, http.MethodGet, "/livez", "")
		require.Equal(t, http.StatusOK, r.StatusCode)
		require.JSONEq(t, `{"status":"pass"}`, r.Text)
	}
	expect(http.StatusOK, `{"status":"pass","checks":{"database":"pass","mail":"pass"}}`)
	require.NoError(t, testutil.GatherAndCompare(s.Registry, strings.NewReader(readyMetrics(1, 1)), "tickr_ready", "tickr_check_up"))
	broken.Store(true)
	require.NoError(t, testutil.GatherAndCompare(s.Registry, strings.NewReader(readyMetrics(0, 0)), "tickr_ready", "tickr_check_up"))
	expect(http.StatusServiceUnavailable, `{"status":"fail","checks":{"database":"fail","mail":"pass"}}`)
	broken.Store(false)
	expect(http.StatusOK, `{"status":"pass","checks":{"database":"pass","mail":"pass"}}`)
	require.Len(t, s.logs.lines(t, "not ready"), 1, "logged when it changes")
	require.Len(t, s.logs.lines(t, "ready again"), 1)

	s.Drain()
	require.NoError(t, testutil.GatherAndCompare(s.Registry, strings.NewReader(readyMetrics(0, 1)), "tickr_ready", "tickr_check_up"))
	expect(http.StatusServiceUnavailable, `{"status":"fail","checks":{"database":"pass","mail":"pass"}}`)

	r := s.send(t, http.MethodGet, "/api/health", "")
	require.Equal(t, http.StatusPermanentRedirect, r.StatusCode)
	require.Equal(t, "/healthz", r.Header.Get("Location"))
}

// readyMetrics is what is shown to Prometheus.
func readyMetrics(ready, database int) string {
	return fmt.Sprintf(`
# HELP tickr_check_up Whether a check passes within a second.
# TYPE tickr_check_up gauge
tickr_check_up{check="database"} %d
tickr_check_up{check="mail"} 1
# HELP tickr_ready Whether requests should be sent here: all checks pass, and no stop has begun.
# TYPE tickr_ready gauge
tickr_ready %d
`, database, ready)
}

func TestSlowCheck(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	defer close(release)
	s := start(t, func(o *httpserver.Options) {
		o.Checks = []httpserver.Check{
			{Name: "stuck", Probe: func(context.Context) error { <-release; return nil }},
			{Name: "slow", Probe: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }},
			{Name: "quick", Probe: func(context.Context) error { return nil }},
		}
	})
	started := time.Now()
	r := s.send(t, http.MethodGet, "/readyz", "")
	require.Equal(t, http.StatusServiceUnavailable, r.StatusCode)
	require.JSONEq(t, `{"status":"fail","checks":{"quick":"pass","slow":"fail","stuck":"fail"}}`, r.Text)
	require.InDelta(t, 1, time.Since(started).Seconds(), 0.8, "all checks share one second")
}

func TestListen(t *testing.T) {
	t.Parallel()
	port := func(listener net.Listener) int { return listener.Addr().(*net.TCPAddr).Port }
	taken, err := httpserver.Listen(t.Context(), "127.0.0.1:0", true)
	require.NoError(t, err)
	defer func() { _ = taken.Close() }()
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port(taken)))

	_, err = httpserver.Listen(t.Context(), addr, true)
	require.ErrorContains(t, err, "address already in use")

	next, err := httpserver.Listen(t.Context(), addr, false)
	require.NoError(t, err)
	defer func() { _ = next.Close() }()
	require.NotEqual(t, port(taken), port(next))

	_, err = httpserver.Listen(t.Context(), "no.such.host.invalid:1", false)
	require.Error(t, err)
}

func TestShutdownWaitsForRequests(t *testing.T) {
	t.Parallel()
	s := start(t)
	answered := make(chan int, 1)
	go func() {
		response, err := http.Post(s.URL+"/api/fail/wait", "application/json", nil)
		if err != nil {
			answered <- 0
			return
		}
		_ = response.Body.Close()
		answered <- response.StatusCode
	}()
	s.awaitRequest(t)

	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, s.Shutdown(ctx), context.DeadlineExceeded)
	require.Zero(t, <-answered, "what does not end in time is cut off")
}

func TestOps(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	registry.MustRegister(prometheus.NewCounter(prometheus.CounterOpts{Name: "tickets_total", Help: "h"}))
	ops := httptest.NewServer(httpserver.NewOps(registry, slog.New(slog.DiscardHandler)).Handler)
	defer ops.Close()
	for path, status := range map[string]int{
		"/metrics": 200, "/debug/pprof/": 200, "/debug/pprof/heap": 200, "/debug/pprof/cmdline": 200, "/": 404, "/api/people": 404,
	} {
		response, err := http.Get(ops.URL + path)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Equal(t, status, response.StatusCode, path)
	}
}
