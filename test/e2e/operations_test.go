package e2e

import (
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/platform/database/dbtest"
	"github.com/tickr/tickr/test/program"
)

// operations is a client of the operations port, whose address the program printed.
func (p *instance) operations() client {
	p.t.Helper()
	printed := regexp.MustCompile(`Metrics +(http://\S+)/metrics\n`)
	p.Await("the welcome", func() bool { return printed.MatchString(p.Out.String()) })
	return client{t: p.t, api: printed.FindStringSubmatch(p.Out.String())[1]}
}

// metric returns the value of a series, named with its labels in the order of the exposition.
func (c client) metric(series string) float64 {
	c.t.Helper()
	a := c.do("GET", "/metrics", nil)
	a.isStatus(http.StatusOK)
	for line := range strings.Lines(a.Raw) {
		if text, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), series+" "); ok {
			value, err := strconv.ParseFloat(text, 64)
			require.NoError(c.t, err)
			return value
		}
	}
	require.Fail(c.t, "no such series", series)
	return 0
}

func TestOperatorsSayHowOftenIsCollected(t *testing.T) {
	t.Parallel()
	p := start(t, append(program.Standard(t, dbtest.Empty(t).DSN), "GOGC=80")...)
	require.InDelta(t, 80, p.operations().metric("go_gc_gogc_percent"), 0)
}

func TestMetricsMove(t *testing.T) {
	t.Parallel()
	p := start(t, program.Standard(t, dbtest.Empty(t).DSN)...)
	ops := p.operations()
	for series, want := range map[string]float64{
		"tickr_users": 1, "tickr_users_active": 1, `tickr_users_by_role{role="ADMIN"}`: 1, `tickr_users_by_role{role="PARTICIPANT"}`: 0,
		"tickr_users_signups_24h": 1, "tickr_db_pool_connections_max": 20, "go_gc_gogc_percent": 50,
	} {
		require.InDelta(t, want, ops.metric(series), 0, series)
	}
	for _, series := range []string{"go_goroutines", "process_resident_memory_bytes", "tickr_db_pool_connections", "tickr_db_pool_acquired_total"} {
		require.Positive(t, ops.metric(series), series)
	}

	access, _ := p.client().logIn(program.AdminEmail, program.AdminPassword)
	moving := []string{
		`http_requests_total{method="GET",route="/api/users/me",status="200"}`, `http_request_duration_seconds_count{method="GET",route="/api/users/me"}`,
		`tickr_users_cache_hits_total{kind="user"}`, `tickr_users_cache_hits_total{kind="session"}`,
	}
	p.client().as(access).do("GET", "/api/users/me", nil).is(200)
	before := make([]float64, len(moving))
	for i, series := range moving {
		before[i] = ops.metric(series)
	}
	misses := ops.metric(`tickr_users_cache_misses_total{kind="user"}`)
	require.Positive(t, misses)
	for range 10 {
		p.client().as(access).do("GET", "/api/users/me", nil).is(200)
	}
	for i, series := range moving {
		require.GreaterOrEqual(t, ops.metric(series), before[i]+10, series)
	}
	require.InDelta(t, misses, ops.metric(`tickr_users_cache_misses_total{kind="user"}`), 0, "a warm profile is no miss")

	pprof := ops.do("GET", "/debug/pprof/goroutine?debug=1", nil)
	pprof.isStatus(http.StatusOK)
	require.Contains(t, pprof.Raw, "goroutine profile: total")
	p.client().do("GET", "/metrics", nil).is(404, "not_found")
}

func TestTwoProgramsShareADatabase(t *testing.T) {
	t.Parallel()
	dsn := dbtest.Empty(t).DSN
	env := program.Standard(t, dsn)
	programs := []*instance{launch(t, env...), launch(t, env...)}
	applied, created := map[string]int{}, 0
	for _, p := range programs {
		p.AwaitReady()
		for _, record := range p.Records() {
			switch record["msg"] {
			case "migration applied":
				applied[record["migration"].(string)]++
			case "the first administrator was created":
				created++
			}
		}
	}
	require.Equal(t, 1, created)
	require.NotEmpty(t, applied)
	for name, times := range applied {
		require.Equal(t, 1, times, name)
	}

	here, there := programs[0], programs[1]
	here.account(env, "shared@example.com", password)
	access, refresh := here.client().logIn("shared@example.com", password)
	there.client().as(access).do("GET", "/api/users/me", nil).is(200)
	there.client().do("POST", "/api/auth/refresh", object{"refreshToken": refresh}).is(200)
	boss, _ := there.client().logIn(program.AdminEmail, program.AdminPassword)
	require.InDelta(t, 2, here.client().as(boss).do("GET", "/api/users/stats", nil).is(200).JSON["total"], 0)
	for _, p := range programs {
		require.Equal(t, 0, p.Stop(syscall.SIGTERM))
	}
}

func TestLogTellsEachRequestAndNoSecret(t *testing.T) {
	t.Parallel()
	env := append(program.Standard(t, dbtest.Empty(t).DSN), "LOG_LEVEL=debug")
	p := start(t, env...)
	const (
		email  = "canary.person@example.com"
		secret = "canary-password-umbrella"
		phone  = "+21698123456"
	)
	p.account(env, email, secret, "phone", "98 123 456")
	verification := p.mailedToken(env, email)
	access, refresh := p.client().logIn(email, secret)
	me := p.client().as(access)
	profile := me.do("GET", "/api/users/me", nil, "X-Request-Id", "from-the-front-end").is(200)
	require.Equal(t, "from-the-front-end", profile.Header.Get("X-Request-Id"))

	next := p.client().do("POST", "/api/auth/refresh", object{"refreshToken": refresh}).is(200)
	p.client().do("POST", "/api/auth/verify-email?token="+url.QueryEscape(verification), object{"token": verification}).is(422)
	p.client().do("POST", "/api/auth/login", object{"email": email, "password": secret + "!"}).is(401)
	p.client().do("POST", "/api/auth/login", `{"email":"`+email+`","password":"`+secret+`"`).is(400)
	p.client().do("POST", "/api/auth/register", object{"email": email + "@", "password": secret, "firstName": email, "phone": phone}).is(422)
	me.do("PUT", "/api/users/me", object{"firstName": phone, "lastName": email, "phone": phone + "0000000000"}).is(422)
	me.do("PATCH", "/api/users/me/password", object{"currentPassword": secret, "newPassword": secret + " changed"}).is(200)
	boss, _ := p.client().logIn(program.AdminEmail, program.AdminPassword)
	p.client().as(boss).do("POST", "/api/users", object{"email": email, "firstName": "A", "lastName": "B", "phone": phone}).is(409)
	p.client().as(boss).do("GET", "/api/users?q="+url.QueryEscape(email), nil).is(200)
	require.Equal(t, 0, p.Stop(syscall.SIGTERM))

	told := 0
	for _, record := range p.Records() {
		if record["request_id"] == "from-the-front-end" {
			told++
			require.Equal(t, "request", record["msg"])
			require.Equal(t, "/api/users/me", record["route"])
			require.Equal(t, profile.text("id"), record["user_id"])
			require.InDelta(t, 200, record["status"], 0)
		}
		if record["msg"] == "request" {
			require.NotEmpty(t, record["request_id"])
		}
	}
	require.Equal(t, 1, told, "one line for one request")
	everything := p.Logs.String() + p.Out.String()
	for _, canary := range []string{
		email, "canary", phone, phone[4:], "98 123 456", verification, access, refresh, next.text("refreshToken"), next.text("accessToken"), program.AdminPassword,
		strings.Split(access, ".")[2],
	} {
		require.NotContains(t, everything, canary)
	}
}
