package e2e

import (
	"encoding/hex"
	"net/url"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/tickr/tickr/platform/database/dbtest"
	"github.com/tickr/tickr/test/otlp"
	"github.com/tickr/tickr/test/program"
)

func TestTracesFromHTTPToSQLWithoutValues(t *testing.T) {
	t.Parallel()
	c, db := otlp.Start(t), dbtest.Empty(t)
	env := append(append(program.Standard(t, db.DSN), c.Environ()...), "LOG_LEVEL=debug", "RATE_LIMITS=off")
	p := start(t, env...)
	const (
		email  = "canary.person@example.com"
		secret = "canary-password-umbrella"
		trace  = "0af7651916cd43dd8448eb211c80319c"
		parent = "b7ad6b7169203331"
	)
	loud := []string{"User-Agent", "canary", "Tracestate", "canary=canary", "Baggage", "who=canary", "Referer", "https://example.com/canary"}
	anyone := p.client()
	anyone.do("POST", "/api/auth/register?canary=canary", object{
		"email": email, "password": secret, "firstName": "Canary", "lastName": "O'Canary; --", "phone": "98 123 456",
	}, loud...).is(202)
	token := p.mailedToken(env, email)
	anyone.do("POST", "/api/auth/verify-email", object{"token": token}, loud...).is(200)
	login := anyone.do("POST", "/api/auth/login", object{"email": email, "password": secret},
		append(loud, "Traceparent", "00-"+trace+"-"+parent+"-01")...).is(200)
	anyone.do("POST", "/api/auth/login", object{"email": email, "password": secret + "!"}, loud...).is(401)
	me := anyone.as(login.text("accessToken"))
	id := me.do("GET", "/api/users/me", nil, loud...).is(200).text("id")
	me.do("GET", "/api/users/me", nil, loud...).is(200)
	me.do("PUT", "/api/users/me", object{"firstName": "Canary Second", "lastName": "Canary"}, loud...).is(200)
	boss, _ := anyone.logIn(program.AdminEmail, program.AdminPassword)
	listed := anyone.as(boss).do("GET", "/api/users?limit=5&createdFrom="+url.QueryEscape("2026-01-01T00:00:00Z"), nil, loud...).is(200)
	require.Contains(t, listed.Raw, email)
	anyone.as(boss).do("GET", "/api/users/"+id, nil, loud...).is(200)
	anyone.do("GET", "/canary", nil, loud...).is(404)
	anyone.do("GET", "/readyz", nil).is(200)
	require.Equal(t, 0, p.Stop(syscall.SIGTERM))

	require.Empty(t, c.Refused())
	requireStory(t, c, trace, parent)
	requireOneLineEach(t, p, c, 12)

	var hash string
	require.NoError(t, db.Handle.Pool().QueryRow(t.Context(), "SELECT password_hash FROM users.users WHERE id = $1", id).Scan(&hash))
	access := login.text("accessToken")
	for _, canary := range []string{
		email, "anary", secret, "98 123 456", "98123456", token, hash, access, strings.Split(access, ".")[2], login.text("refreshToken"), boss,
		program.AdminEmail, program.AdminPassword, otlp.Key,
	} {
		require.NotContains(t, c.Uploaded(), canary, "in a trace")
		require.NotContains(t, p.Logs.String(), canary, "in the log")
	}
	require.NotContains(t, c.Uploaded(), id)
	require.NotContains(t, c.Uploaded(), "127.0.0.1")
}

// requireStory holds the trees of the story to what they are made of.
func requireStory(t *testing.T, c *otlp.Collector, trace, parent string) {
	t.Helper()
	trees := func(name string) (all []string) {
		for _, span := range c.Named(name) {
			require.Equal(t, tracepb.Span_SPAN_KIND_SERVER, span.GetKind())
			all = append(all, c.Tree(span))
		}
		return all
	}
	const hashed = `wait to hash password, hash password`
	require.Regexp(t, `^POST /api/auth/register \(.*`+hashed+`, transaction \(BEGIN, COMMIT\), transaction \(BEGIN, INSERT users\.users, .*INSERT users\.outbox, .*COMMIT\)\)$`,
		trees("POST /api/auth/register")[0])
	logins := trees("POST /api/auth/login")
	require.Len(t, logins, 3)
	require.Regexp(t, `\(.*SELECT users\.users, SELECT users\.registrations, `+hashed+`, transaction \(BEGIN, .*INSERT users\.sessions, .*COMMIT\)\)$`, logins[0])
	require.NotContains(t, logins[1], "users.sessions", "the wrong password")
	require.Equal(t, []string{
		"GET /api/users/me (load session (SELECT users.sessions), load user (SELECT users.users))",
		"GET /api/users/me",
	}, trees("GET /api/users/me"), "what is cached asks for nothing")
	require.Equal(t, []string{
		"GET /api/users (load session (SELECT users.sessions), load user (SELECT users.users), SELECT users.users, SELECT users.users)",
	}, trees("GET /api/users"))
	require.Len(t, trees("GET unmatched"), 1)
	require.Empty(t, c.Named("GET /readyz"))
	require.Len(t, c.Named("send mail"), 1)

	login := c.Named("POST /api/auth/login")[0]
	require.Equal(t, trace, hex.EncodeToString(login.GetTraceId()), "the caller's trace goes on")
	require.Equal(t, parent, hex.EncodeToString(login.GetParentSpanId()))
	for _, span := range c.Spans() {
		require.Empty(t, span.GetEvents())
		require.Empty(t, span.GetTraceState())
		require.Empty(t, span.GetStatus().GetMessage())
	}
}

// requireOneLineEach holds the log to one line for each of the requests, with the trace that each was.
func requireOneLineEach(t *testing.T, p *instance, c *otlp.Collector, requests int) {
	t.Helper()
	roots := map[string]string{}
	for _, span := range c.Spans() {
		if span.GetKind() == tracepb.Span_SPAN_KIND_SERVER {
			roots[hex.EncodeToString(span.GetSpanId())] = span.GetName()
		}
	}
	lines := map[any]int{}
	for _, record := range p.Records() {
		if record["request_id"] == nil {
			continue
		}
		require.Equal(t, "request", record["msg"], record)
		lines[record["request_id"]]++
		if record["route"] == "/readyz" {
			require.NotContains(t, record, "trace_id")
			continue
		}
		require.Equal(t, roots[record["span_id"].(string)], record["method"].(string)+" "+record["route"].(string))
	}
	require.Len(t, lines, requests)
	for id, n := range lines {
		require.Equal(t, 1, n, id)
	}
	require.Len(t, roots, requests-1, "each but the probe")
}
