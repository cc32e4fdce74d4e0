package e2e

import (
	"cmp"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/tickr/tickr/platform/database/dbtest"
	"github.com/tickr/tickr/test/program"
)

// collector takes traces over OTLP/HTTP.
type collector struct {
	*httptest.Server

	mu       sync.Mutex
	uploaded strings.Builder
	spans    []*tracepb.Span
	refused  []string
}

func newCollector(t *testing.T) *collector {
	t.Helper()
	c := &collector{}
	c.Server = httptest.NewServer(c)
	t.Cleanup(c.Close)
	return c
}

func (c *collector) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	raw, err := io.ReadAll(r.Body)
	var request collectorpb.ExportTraceServiceRequest
	if err != nil || r.URL.Path != "/v1/traces" || r.Header.Get("Api-Key") != "k 1" || proto.Unmarshal(raw, &request) != nil {
		c.refused = append(c.refused, r.URL.Path)
		return
	}
	c.uploaded.Write(raw)
	for _, resource := range request.GetResourceSpans() {
		for _, scope := range resource.GetScopeSpans() {
			c.spans = append(c.spans, scope.GetSpans()...)
		}
	}
}

// tree returns the names of the spans below a span in the order of their start, each with those below it in parentheses.
func (c *collector) tree(above *tracepb.Span) string {
	var below []*tracepb.Span
	for _, span := range c.spans {
		if string(span.GetParentSpanId()) == string(above.GetSpanId()) && string(span.GetTraceId()) == string(above.GetTraceId()) {
			below = append(below, span)
		}
	}
	if len(below) == 0 {
		return above.GetName()
	}
	slices.SortFunc(below, func(a, b *tracepb.Span) int {
		return cmp.Compare(a.GetStartTimeUnixNano(), b.GetStartTimeUnixNano())
	})
	var names []string
	for _, span := range below {
		names = append(names, c.tree(span))
	}
	return above.GetName() + " (" + strings.Join(names, ", ") + ")"
}

// named returns the spans of that name, oldest first.
func (c *collector) named(name string) (found []*tracepb.Span) {
	for _, span := range c.spans {
		if span.GetName() == name {
			found = append(found, span)
		}
	}
	slices.SortFunc(found, func(a, b *tracepb.Span) int {
		return cmp.Compare(a.GetStartTimeUnixNano(), b.GetStartTimeUnixNano())
	})
	return found
}

func TestTracesFromHTTPToSQLWithoutValues(t *testing.T) {
	t.Parallel()
	c, db := newCollector(t), dbtest.Empty(t)
	env := append(program.Standard(t, db.DSN),
		"OTEL_EXPORTER_OTLP_ENDPOINT="+c.URL, "OTEL_EXPORTER_OTLP_HEADERS=Api-Key=k%201", "LOG_LEVEL=debug", "RATE_LIMITS=off")
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

	require.Empty(t, c.refused)
	c.requireStory(t, trace, parent)
	requireOneLineEach(t, p, c, 12)

	var hash string
	require.NoError(t, db.Handle.Pool().QueryRow(t.Context(), "SELECT password_hash FROM users.users WHERE id = $1", id).Scan(&hash))
	access := login.text("accessToken")
	for _, canary := range []string{
		email, "anary", secret, "98 123 456", "98123456", token, hash, access, strings.Split(access, ".")[2], login.text("refreshToken"), boss,
		program.AdminEmail, program.AdminPassword, "k 1",
	} {
		require.NotContains(t, c.uploaded.String(), canary, "in a trace")
		require.NotContains(t, p.Logs.String(), canary, "in the log")
	}
	require.NotContains(t, c.uploaded.String(), id)
	require.NotContains(t, c.uploaded.String(), "127.0.0.1")
}

// requireStory holds the trees of the story to what they are made of.
func (c *collector) requireStory(t *testing.T, trace, parent string) {
	t.Helper()
	trees := func(name string) (all []string) {
		for _, span := range c.named(name) {
			require.Equal(t, tracepb.Span_SPAN_KIND_SERVER, span.GetKind())
			all = append(all, c.tree(span))
		}
		return all
	}
	const hashed = `wait to hash password, hash password`
	require.Regexp(t, `^POST /api/auth/register \(`+hashed+`, transaction \(BEGIN, INSERT users\.users, .*INSERT users\.outbox, .*COMMIT\)\)$`,
		trees("POST /api/auth/register")[0])
	logins := trees("POST /api/auth/login")
	require.Len(t, logins, 3)
	require.Regexp(t, `\(SELECT users\.users, `+hashed+`, transaction \(BEGIN, .*INSERT users\.sessions, .*COMMIT\)\)$`, logins[0])
	require.NotContains(t, logins[1], "users.sessions", "the wrong password")
	require.Equal(t, []string{
		"GET /api/users/me (load session (SELECT users.sessions), load user (SELECT users.users))",
		"GET /api/users/me",
	}, trees("GET /api/users/me"), "what is cached asks for nothing")
	require.Equal(t, []string{
		"GET /api/users (load session (SELECT users.sessions), load user (SELECT users.users), SELECT users.users, SELECT users.users)",
	}, trees("GET /api/users"))
	require.Len(t, trees("GET unmatched"), 1)
	require.Empty(t, c.named("GET /readyz"))
	require.Len(t, c.named("send mail"), 1)

	login := c.named("POST /api/auth/login")[0]
	require.Equal(t, trace, hex.EncodeToString(login.GetTraceId()), "the caller's trace goes on")
	require.Equal(t, parent, hex.EncodeToString(login.GetParentSpanId()))
	for _, span := range c.spans {
		require.Empty(t, span.GetEvents())
		require.Empty(t, span.GetTraceState())
		require.Empty(t, span.GetStatus().GetMessage())
	}
}

// requireOneLineEach holds the log to one line for each of the requests, with the trace that each was.
func requireOneLineEach(t *testing.T, p *instance, c *collector, requests int) {
	t.Helper()
	roots := map[string]string{}
	for _, span := range c.spans {
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
