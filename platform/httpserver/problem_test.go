package httpserver_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/platform/httpserver"
)

func TestProblems(t *testing.T) {
	t.Parallel()
	s := start(t)
	for name, test := range map[string]struct {
		method, path string
		status       int
		code         string
		header       [2]string
		logged       bool
	}{
		"no route":          {"GET", "/api/nothing", 404, "not_found", [2]string{}, false},
		"no route, no api":  {"GET", "/", 404, "not_found", [2]string{}, false},
		"trailing slash":    {"GET", "/api/people/", 404, "not_found", [2]string{}, false},
		"other case":        {"GET", "/API/people", 404, "not_found", [2]string{}, false},
		"no method":         {"PUT", "/api/people", 405, "method_not_allowed", [2]string{"Allow", "GET, POST"}, false},
		"made up method":    {"BREW", "/api/people", 405, "method_not_allowed", [2]string{"Allow", "GET, POST"}, false},
		"translated":        {"POST", "/api/fail/taken", 409, "email_taken", [2]string{}, false},
		"translated fault":  {"POST", "/api/fail/broken", 503, "unavailable", [2]string{"Retry-After", "2"}, true},
		"fault":             {"POST", "/api/fail/secret", 500, "internal_error", [2]string{}, true},
		"out of time":       {"POST", "/api/fail/late", 503, "unavailable", [2]string{"Retry-After", "1"}, true},
		"panic":             {"POST", "/api/fail/panic", 500, "internal_error", [2]string{}, true},
		"problem":           {"POST", "/api/fail/busy", 429, "slow_down", [2]string{"Retry-After", "60"}, false},
		"unauthorized":      {"POST", "/api/fail/stranger", 401, "token_expired", [2]string{"WWW-Authenticate", "Bearer"}, false},
		"fields":            {"POST", "/api/fail/fields", 422, "validation_failed", [2]string{}, false},
		"from a middleware": {"GET", "/api/guarded", 409, "email_taken", [2]string{}, false},
		"escaped path":      {"GET", "/api/%3Cscript%3E%00", 404, "not_found", [2]string{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			id := "test-" + strings.ReplaceAll(name, " ", "-")
			id = strings.ReplaceAll(id, ",", "")
			r := s.send(t, test.method, test.path, "", "X-Request-Id", id)
			p := r.problem(t, test.status, test.code)
			require.Equal(t, id, p.RequestID)
			if test.header[0] != "" {
				require.Equal(t, []string{test.header[1]}, r.Header.Values(test.header[0]))
			}

			var lines []map[string]any
			require.Eventually(t, func() bool {
				lines = ofRequest(s.logs.all(t), id)
				return len(lines) > 0
			}, patience, time.Millisecond)
			require.Len(t, lines, 1, "a request leaves one line")
			require.EqualValues(t, test.status, lines[0]["status"])
			if !test.logged {
				require.Equal(t, "INFO", lines[0]["level"])
				require.NotContains(t, lines[0], "error")
				return
			}
			require.Equal(t, map[int]string{500: "ERROR", 503: "WARN"}[test.status], lines[0]["level"])
			require.NotEmpty(t, lines[0]["error"])
			if name == "panic" {
				require.Equal(t, "panic: s3cret panic", lines[0]["error"])
				require.Contains(t, lines[0]["stack"], "harness_test.go")
			}
		})
	}
}

func ofRequest(lines []map[string]any, id string) []map[string]any {
	var found []map[string]any
	for _, line := range lines {
		if line["request_id"] == id {
			found = append(found, line)
		}
	}
	return found
}

func TestServerSurvivesPanics(t *testing.T) {
	t.Parallel()
	s := start(t)
	for range 20 {
		s.post(t, "/api/fail/panic", "").problem(t, http.StatusInternalServerError, "internal_error")
	}
	require.Equal(t, http.StatusOK, s.send(t, http.MethodGet, "/livez", "").StatusCode)
}

func TestClientGone(t *testing.T) {
	t.Parallel()
	s := start(t)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		s.awaitRequest(t)
		cancel()
	}()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL+"/api/fail/wait", strings.NewReader("{}"))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/json")
	_, err = http.DefaultClient.Do(request) //nolint:bodyclose // there is no response
	require.ErrorIs(t, err, context.Canceled)

	require.Eventually(t, func() bool { return len(s.logs.lines(t, "request")) == 1 }, patience, time.Millisecond,
		"the handler's context ends when the client goes away")
	require.EqualValues(t, 499, s.logs.lines(t, "request")[0]["status"])
	require.NotContains(t, s.logs.String(), "ERROR")
}

func TestInvalid(t *testing.T) {
	t.Parallel()
	p := httpserver.Invalid(
		httpserver.FieldError{Field: "body.email", Code: "first", Message: "m"},
		httpserver.FieldError{Field: "email", Code: "second", Message: "m"},
		httpserver.FieldError{Field: "query.page", Code: "c", Message: "m"},
		httpserver.FieldError{Field: "body", Code: "c", Message: "m"},
		httpserver.FieldError{Field: "a.b", Code: "c", Message: "m"},
	)
	require.Equal(t, []httpserver.FieldError{
		{Field: "", Code: "c", Message: "m"},
		{Field: "a.b", Code: "c", Message: "m"},
		{Field: "email", Code: "first", Message: "m"},
		{Field: "page", Code: "c", Message: "m"},
	}, p.Errors)
	require.Equal(t, http.StatusUnprocessableEntity, p.GetStatus())
}

func TestRetryAfterLeavesTheOriginal(t *testing.T) {
	t.Parallel()
	original := httpserver.NewProblem(http.StatusTooManyRequests, "c", "d")
	copied := *original
	require.NotSame(t, original, original.RetryAfter(time.Hour))
	require.Equal(t, copied, *original)
	require.Equal(t, "c: d", original.Error())
}
