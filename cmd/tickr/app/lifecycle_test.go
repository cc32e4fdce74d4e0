package app_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/stretchr/testify/require"
	"go.uber.org/fx"
	"go.uber.org/goleak"

	"github.com/tickr/tickr/cmd/tickr/app"
	"github.com/tickr/tickr/platform/config"
	"github.com/tickr/tickr/platform/database"
	"github.com/tickr/tickr/platform/database/dbtest"
	"github.com/tickr/tickr/platform/startup"
)

// Not parallel: a test beside it would leave goroutines of its own.
func TestStoppedProgramLeavesNoGoroutine(t *testing.T) {
	requireNoGoroutineOf(t, configuration(t, dbtest.Empty(t).DSN))
}

// Also one whose traces nobody takes. Its requests and its stop do not wait for that.
func TestSilentCollectorHoldsNobodyUp(t *testing.T) {
	collector, err := net.Listen("tcp", "127.0.0.1:0") // accepts, and answers nothing
	require.NoError(t, err)
	defer func() { _ = collector.Close() }()
	cfg := configuration(t, dbtest.Empty(t).DSN)
	cfg.Tracing.Endpoint = "http://" + collector.Addr().String()
	p := requireNoGoroutineOf(t, cfg)
	require.Len(t, p.log.records(t, "the last traces are lost"), 1)
	require.LessOrEqual(t, len(p.log.records(t, "traces cannot be exported")), 1)
	for _, line := range p.log.records(t, "request") {
		require.Less(t, time.Duration(line["duration"].(float64)), 5*time.Second, line)
	}
}

// requireNoGoroutineOf runs a program, uses it and stops it.
func requireNoGoroutineOf(t *testing.T, cfg config.Config) *program {
	t.Helper()
	before := goleak.IgnoreCurrent()
	p := build(t, cfg)
	require.NoError(t, p.Start(t.Context()))
	p.awaitReady()
	token := p.logIn()
	for _, path := range []string{"/api/users/me", "/api/users", "/api/users/stats", "/readyz"} {
		status, _ := p.send("GET", path, token, nil)
		require.Equal(t, http.StatusOK, status, path)
	}
	require.NoError(t, p.stop())
	p.http.CloseIdleConnections()
	goleak.VerifyNone(t, before)
	return p
}

// Also one that never found its database.
func TestStoppedBeforeItWasReady(t *testing.T) {
	before := goleak.IgnoreCurrent()
	p := build(t, configuration(t, "postgres://nobody@127.0.0.1:1/nothing"))
	require.NoError(t, p.Start(t.Context()))
	status, _ := p.send("GET", "/livez", "", nil)
	require.Equal(t, http.StatusOK, status)
	status, _ = p.send("GET", "/readyz", "", nil)
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.NoError(t, p.stop())
	p.http.CloseIdleConnections()
	goleak.VerifyNone(t, before)
}

// slow is a route that says when it was called and waits to be released before it asks the database.
type slow struct{ called, release chan struct{} }

func newSlow() slow { return slow{called: make(chan struct{}), release: make(chan struct{})} }

func (s slow) part() fx.Option {
	return fx.Provide(fx.Annotate(func(db *database.Handle) func(huma.API) {
		return func(api huma.API) {
			huma.Get(api, "/api/slow", func(ctx context.Context, _ *struct{}) (*struct{}, error) {
				close(s.called)
				<-s.release
				return nil, db.Ping(ctx)
			})
		}
	}, fx.ResultTags(`group:"routes"`)))
}

func TestStopsInOrder(t *testing.T) {
	t.Parallel()
	cfg := configuration(t, dbtest.Empty(t).DSN)
	cfg.HTTP.ShutdownDelay = 2 * time.Second
	route := newSlow()
	var db *database.Handle
	p := start(t, cfg, route.part(), fx.Populate(&db))
	inFlight, stopped := make(chan int, 1), make(chan error, 1)
	go func() {
		status, _ := p.send("GET", "/api/slow", "", nil)
		inFlight <- status
	}()
	<-route.called
	go func() { stopped <- p.stop() }()

	// For as long as the delay lasts, the program answers and says that it should not be asked.
	require.Eventually(t, func() bool {
		status, _ := p.send("GET", "/readyz", "", nil)
		return status == http.StatusServiceUnavailable
	}, patience, 10*time.Millisecond)
	status, _ := p.send("GET", "/livez", "", nil)
	require.Equal(t, http.StatusOK, status)
	require.Empty(t, inFlight)

	// Then it takes no more requests, and still finishes the one it has, for which it keeps the database.
	require.Eventually(t, func() bool {
		conn, err := net.DialTimeout("tcp", strings.TrimPrefix(p.api, "http://"), time.Second)
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	}, patience, 10*time.Millisecond)
	require.Empty(t, stopped)
	close(route.release)
	require.Equal(t, http.StatusNoContent, <-inFlight)
	require.NoError(t, <-stopped)
	require.Error(t, db.Ping(t.Context()))

	var order []string
	for _, hook := range p.log.records(t, "OnStop hook executed") {
		order = append(order, hook["callee"].(string))
	}
	for i, callee := range []string{"app.serve.", "httpapi.(*Requests).Close", "app.prepare.", "usersfx.background.", "usersfx.background.", "usersfx.background.", "cache.(*Cache).Close", "database.(*Handle).Close", "telemetry.(*Tracing).Stop"} {
		require.Contains(t, order[i], callee, order)
	}
}

func TestHangingRequestDoesNotKeepItFromStopping(t *testing.T) {
	t.Parallel()
	route := newSlow()
	p := start(t, configuration(t, dbtest.Empty(t).DSN), route.part())
	cut := make(chan int, 1)
	go func() {
		status, _ := p.send("GET", "/api/slow", "", nil)
		cut <- status
	}()
	<-route.called
	defer close(route.release)
	begin := time.Now()
	require.ErrorIs(t, p.stop(), context.DeadlineExceeded, "a request that was cut off is not a clean stop")
	require.Less(t, time.Since(begin), app.StopTimeout)
	require.Zero(t, <-cut)
	require.Len(t, p.log.records(t, "OnStop hook executed"), 8, "what comes after was stopped, too")
}

func TestProfileDoesNotDelayTheStop(t *testing.T) {
	t.Parallel()
	p := start(t, configuration(t, dbtest.Empty(t).DSN))
	request, err := http.NewRequestWithContext(t.Context(), "GET", p.ops+"/debug/pprof/trace?seconds=29", http.NoBody)
	require.NoError(t, err)
	response, err := p.http.Do(request) // the trace has begun: its head was sent
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	begin := time.Now()
	require.NoError(t, p.stop())
	require.Less(t, time.Since(begin), 5*time.Second)
}

func TestFailedPreparationAsksToStop(t *testing.T) {
	t.Parallel()
	broken := func(err error) fx.Option {
		return fx.Provide(fx.Annotate(func() startup.Task {
			return startup.Task{Name: "broken", Run: func(context.Context) error { return err }}
		}, fx.ResultTags(`group:"startup"`)))
	}
	good := dbtest.Empty(t).DSN
	for name, test := range map[string]struct {
		dsn    string
		extra  fx.Option
		code   int
		reason string
	}{
		"a task":             {good, broken(errors.New("no paper")), 1, "broken: no paper"},
		"a missing database": {missing(t), fx.Options(), 4, "does not exist"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := build(t, configuration(t, test.dsn), test.extra)
			require.NoError(t, p.Start(t.Context()))
			select {
			case signal := <-p.Wait():
				require.Equal(t, test.code, signal.ExitCode)
			case <-time.After(patience):
				t.Fatal("the program goes on")
			}
			require.NoError(t, p.stop())
			told := p.log.records(t, "the program cannot go on")
			require.Len(t, told, 1)
			require.Contains(t, told[0]["reason"], test.reason)
		})
	}
}

func TestLostListenerAsksToStop(t *testing.T) {
	t.Parallel()
	var on app.Listeners
	p := start(t, configuration(t, dbtest.Empty(t).DSN), fx.Populate(&on))
	require.NoError(t, on.API.Close())
	select {
	case signal := <-p.Wait():
		require.Equal(t, 1, signal.ExitCode)
	case <-time.After(patience):
		t.Fatal("the program goes on without an API")
	}
	require.NoError(t, p.stop())
}

func TestBrokenPartStopsTheStart(t *testing.T) {
	t.Parallel()
	p := build(t, configuration(t, dbtest.Empty(t).DSN), fx.Invoke(func(lc fx.Lifecycle) {
		lc.Append(fx.StartHook(func() error { return errors.New("the printer is on fire") }))
	}))
	err := p.Start(t.Context())
	require.Equal(t, "the printer is on fire", app.Reason(err))
	require.Equal(t, 1, app.ExitCode(err))

	cfg := configuration(t, dbtest.Empty(t).DSN)
	cfg.Bootstrap.Password = config.NewSecret("password1234")
	p = build(t, cfg)
	require.Equal(t, 3, app.ExitCode(p.Err()))
	require.Contains(t, app.Reason(p.Err()), "BOOTSTRAP_ADMIN_PASSWORD")
	require.NotContains(t, app.Reason(p.Err()), "password1234")
}
