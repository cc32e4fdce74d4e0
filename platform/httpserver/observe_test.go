package httpserver_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/platform/httpserver"
)

func TestRequestIDs(t *testing.T) {
	t.Parallel()
	s := start(t)
	for _, id := range []string{"a", "trace-1.2_3", strings.Repeat("x", 64)} {
		require.Equal(t, id, s.send(t, http.MethodGet, "/livez", "", "X-Request-Id", id).Header.Get("X-Request-Id"))
	}
	for _, id := range []string{"", "a b", "a/b", "é", strings.Repeat("x", 65), "<script>", `a"b`} {
		got := s.send(t, http.MethodGet, "/livez", "", "X-Request-Id", id).Header.Get("X-Request-Id")
		parsed, err := uuid.Parse(got)
		require.NoError(t, err, got)
		require.EqualValues(t, 7, parsed.Version())
	}
}

func TestAnswerHeaders(t *testing.T) {
	t.Parallel()
	s := start(t)
	for _, path := range []string{"/api/people?must=1", "/api/nothing", "/livez", "/openapi.json", "/api/guarded"} {
		header := s.send(t, http.MethodGet, path, "").Header
		require.Equal(t, "nosniff", header.Get("X-Content-Type-Options"), path)
		require.Equal(t, "DENY", header.Get("X-Frame-Options"), path)
		require.Equal(t, "no-referrer", header.Get("Referrer-Policy"), path)
		require.Equal(t, "default-src 'none'; frame-ancestors 'none'", header.Get("Content-Security-Policy"), path)
		require.Equal(t, "no-store", header.Get("Cache-Control"), path)
		require.Empty(t, header.Get("Access-Control-Allow-Origin"), path)
		require.Empty(t, header.Get("Server"), path)
	}
}

func TestAccessLog(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.send(t, http.MethodPost, "/api/fail/ok?token=s3cret", "", "X-Request-Id", "r-1", "X-Forwarded-For", "6.6.6.6")
	s.send(t, http.MethodGet, "/s3cret", "")
	s.send(t, http.MethodGet, "/livez", "")
	for _, probe := range []string{"/readyz", "/healthz", "/api/health"} {
		s.send(t, http.MethodGet, probe, "")
	}
	require.Eventually(t, func() bool { return len(s.logs.lines(t, "request")) == 6 }, patience, time.Millisecond)
	require.NotContains(t, s.logs.String(), "s3cret")

	lines := s.logs.lines(t, "request")
	first := lines[0]
	require.Positive(t, first["duration"])
	delete(first, "duration")
	delete(first, "time")
	require.Equal(t, map[string]any{
		"level": "INFO", "msg": "request", "request_id": "r-1", "user_id": "user-1", "client": "127.0.0.1",
		"method": "POST", "route": "/api/fail/:id", "status": 204.0, "bytes": 0.0,
	}, first)
	require.Equal(t, "unmatched", lines[1]["route"])
	for _, line := range lines[2:] {
		require.Equal(t, "DEBUG", line["level"], line["route"])
	}
}

func TestTrustedProxies(t *testing.T) {
	t.Parallel()
	client := func(proxies ...string) any {
		s := start(t, func(o *httpserver.Options) { o.TrustedProxies = proxies })
		s.send(t, http.MethodGet, "/api/nothing", "", "X-Forwarded-For", "6.6.6.6, 10.9.9.9")
		require.Eventually(t, func() bool { return len(s.logs.lines(t, "request")) == 1 }, patience, time.Millisecond)
		return s.logs.lines(t, "request")[0]["client"]
	}
	require.Equal(t, "127.0.0.1", client())
	require.Equal(t, "127.0.0.1", client("10.0.0.0/8"))
	require.Equal(t, "10.9.9.9", client("127.0.0.1"), "only the last proxy's word counts")
	require.Equal(t, "6.6.6.6", client("127.0.0.1", "10.0.0.0/8"))

	_, err := httpserver.New(httpserver.Options{TrustedProxies: []string{"nowhere"}})
	require.ErrorContains(t, err, "trust proxies")
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	s := start(t)
	for _, path := range []string{"/made/up/1", "/made/up/2", "/api/people/"} {
		s.send(t, http.MethodGet, path, "")
	}
	s.send(t, "BREW1", "/livez", "")
	s.send(t, "BREW2", "/livez", "")
	s.send(t, http.MethodDelete, "/api/people/1", "")
	s.send(t, http.MethodDelete, "/api/people/2", "")
	scrape := func() string {
		recorder := httptest.NewRecorder()
		httpserver.NewOps(s.Registry, slog.New(slog.DiscardHandler)).Handler.
			ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
		return recorder.Body.String()
	}
	require.Eventually(t, func() bool { return strings.Contains(scrape(), `route="/api/people/:id",status="204"} 2`) }, patience, time.Millisecond)
	require.Equal(t, []string{
		`http_requests_total{method="DELETE",route="/api/people/:id",status="204"} 2`,
		`http_requests_total{method="GET",route="unmatched",status="404"} 3`,
		`http_requests_total{method="other",route="unmatched",status="405"} 2`,
	}, regexp.MustCompile(`(?m)^http_requests_total.*$`).FindAllString(scrape(), -1))
	require.Equal(t, []string{
		`http_request_duration_seconds_count{method="DELETE",route="/api/people/:id"} 2`,
		`http_request_duration_seconds_count{method="GET",route="unmatched"} 3`,
		`http_request_duration_seconds_count{method="other",route="unmatched"} 2`,
	}, regexp.MustCompile(`(?m)^http_request_duration_seconds_count.*$`).FindAllString(scrape(), -1))
}

func TestPanicsAndRequestsInFlightAreCounted(t *testing.T) {
	t.Parallel()
	var s *server
	shows := func(panics, inFlight int) error {
		return testutil.GatherAndCompare(s.Registry, strings.NewReader(fmt.Sprintf(`
# HELP http_panics_total HTTP requests that ended in a panic.
# TYPE http_panics_total counter
http_panics_total %d
# HELP http_requests_in_flight HTTP requests being answered.
# TYPE http_requests_in_flight gauge
http_requests_in_flight %d
`, panics, inFlight)), "http_panics_total", "http_requests_in_flight")
	}
	during := make(chan error, 1)
	s = start(t, func(o *httpserver.Options) {
		o.Prepared = func() bool {
			during <- shows(0, 1)
			return true
		}
	})
	require.NoError(t, shows(0, 0))
	s.send(t, http.MethodPost, "/api/fail/panic", "")
	require.NoError(t, <-during)
	require.Eventually(t, func() bool { return shows(1, 0) == nil }, patience, time.Millisecond)
}

func TestRequestContext(t *testing.T) {
	t.Parallel()
	type key struct{}
	seen := make(chan any, 1)
	s := start(t, func(o *httpserver.Options) {
		o.RequestContext = func(ctx context.Context) context.Context { return context.WithValue(ctx, key{}, "budget") }
		o.Checks = []httpserver.Check{{Name: "probe", Probe: func(ctx context.Context) error {
			seen <- ctx.Value(key{})
			return nil
		}}}
	})
	s.send(t, http.MethodGet, "/readyz", "")
	require.Equal(t, "budget", <-seen)
}

func TestCORS(t *testing.T) {
	t.Parallel()
	const ours = "https://tickr.example.org"
	s := start(t, func(o *httpserver.Options) { o.CORSOrigins = []string{ours, "http://localhost:5173"} })

	r := s.send(t, http.MethodOptions, "/api/people", "", "Origin", ours,
		"Access-Control-Request-Method", "PATCH", "Access-Control-Request-Headers", "authorization,if-match")
	require.Equal(t, http.StatusNoContent, r.StatusCode)
	require.Equal(t, ours, r.Header.Get("Access-Control-Allow-Origin"))
	require.Contains(t, r.Header.Get("Access-Control-Allow-Methods"), "PATCH")
	for _, name := range []string{"Authorization", "Content-Type", "If-Match", "X-Request-Id"} {
		require.Contains(t, r.Header.Get("Access-Control-Allow-Headers"), name)
	}
	require.Empty(t, r.Header.Get("Access-Control-Allow-Credentials"))

	r = s.send(t, http.MethodGet, "/api/guarded", "", "Origin", ours)
	r.problem(t, http.StatusConflict, "email_taken")
	require.Equal(t, ours, r.Header.Get("Access-Control-Allow-Origin"), "front ends read problems too")
	for _, name := range []string{"Etag", "Location", "X-Request-Id", "Retry-After"} {
		require.Contains(t, r.Header.Get("Access-Control-Expose-Headers"), name)
	}

	r = s.send(t, http.MethodDelete, "/api/people/1", "", "Origin", "https://evil.example.org")
	require.Equal(t, http.StatusNoContent, r.StatusCode)
	require.Empty(t, r.Header.Get("Access-Control-Allow-Origin"))
	require.Equal(t, "Origin", r.Header.Get("Vary"))

	_, err := httpserver.New(httpserver.Options{CORSOrigins: []string{"example.org"}})
	require.ErrorContains(t, err, "CORS")
}
