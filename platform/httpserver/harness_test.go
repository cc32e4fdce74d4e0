package httpserver_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/platform/httpserver"
	"github.com/tickr/tickr/platform/telemetry"
)

// The errors of a module, and what it makes of them.
var (
	errTaken  = errors.New("taken")
	errBroken = errors.New("database down: password=s3cret")
	errSecret = errors.New("pq: s3cret detail")
)

func translate(err error) *httpserver.Problem {
	switch {
	case errors.Is(err, errTaken):
		return httpserver.NewProblem(http.StatusConflict, "email_taken", "That address is in use.")
	case errors.Is(err, errBroken):
		return httpserver.NewProblem(http.StatusServiceUnavailable, "unavailable", "Try again.").RetryAfter(1500 * time.Millisecond)
	default:
		return nil
	}
}

type person struct {
	Email string   `json:"email"`
	Age   int      `json:"age,omitempty" minimum:"0"`
	Admin bool     `json:"admin,omitempty"`
	Tags  []string `json:"tags,omitempty"`
	Inner *struct {
		Name string `json:"name"`
	} `json:"inner,omitempty"`
}

// Resolve is a rule of the domain, which runs on what could be read.
func (p *person) Resolve(huma.Context) []error {
	if p.Email == "bad" {
		return []error{
			httpserver.FieldError{Field: "email", Code: "invalid_email", Message: "is not an e-mail address"},
			httpserver.FieldError{Field: "email", Code: "second", Message: "is not told"},
		}
	}
	return nil
}

// patience is for what happens at once on a machine that has nothing else to do.
const patience = 15 * time.Second

type server struct {
	*httpserver.Server
	URL      string
	Addr     string
	Registry *prometheus.Registry
	logs     *logs
}

type logs struct {
	mu  sync.Mutex
	out bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.out.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.out.String()
}

// lines returns the records with the message, oldest first.
func (l *logs) lines(t *testing.T, message string) []map[string]any {
	t.Helper()
	return slices.DeleteFunc(l.all(t), func(record map[string]any) bool { return record["msg"] != message })
}

// all returns the records, oldest first.
func (l *logs) all(t *testing.T) []map[string]any {
	t.Helper()
	var found []map[string]any
	for line := range strings.Lines(l.String()) {
		var record map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &record), line)
		found = append(found, record)
	}
	return found
}

// start serves on a real port, with routes for every way to fail.
func start(t *testing.T, change ...func(*httpserver.Options)) *server {
	t.Helper()
	s := &server{Registry: prometheus.NewRegistry(), logs: &logs{}}
	options := httpserver.Options{
		Title: "Test", Version: "1", Logger: telemetry.NewLogger(s.logs, "debug", "json"), Registry: s.Registry,
	}
	for _, f := range change {
		f(&options)
	}
	var err error
	s.Server, err = httpserver.New(options)
	require.NoError(t, err)
	registerRoutes(s.API())

	listener, err := httpserver.Listen(t.Context(), "127.0.0.1:0", true)
	require.NoError(t, err)
	s.Addr = listener.Addr().String()
	s.URL = "http://" + s.Addr
	served := make(chan error, 1)
	go func() { served <- s.Serve(listener) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		require.NoError(t, s.Shutdown(ctx))
		require.NoError(t, <-served)
	})
	return s
}

// awaitRequest returns when a request is being answered.
func (s *server) awaitRequest(t *testing.T) {
	t.Helper()
	assert.Eventually(t, func() bool {
		return testutil.GatherAndCompare(s.Registry, strings.NewReader(`
# HELP http_requests_in_flight HTTP requests being answered.
# TYPE http_requests_in_flight gauge
http_requests_in_flight 1
`), "http_requests_in_flight") == nil
	}, patience, time.Millisecond)
}

type withID struct {
	ID string `path:"id"`
}

type withBody struct{ Body person }

type answer struct{ Body person }

func registerRoutes(root huma.API) {
	api := httpserver.MapErrors(root, translate)
	huma.Register(api, huma.Operation{OperationID: "create", Method: http.MethodPost, Path: "/api/people"},
		func(_ context.Context, in *withBody) (*answer, error) { return &answer{Body: in.Body}, nil })
	huma.Register(api, huma.Operation{OperationID: "list", Method: http.MethodGet, Path: "/api/people"},
		func(context.Context, *struct {
			Page int    `query:"page" minimum:"1"`
			Sort string `query:"sort" enum:"name,-name"`
			Must string `query:"must" required:"true"`
		},
		) (*struct{}, error) {
			return nil, nil
		})
	huma.Register(api, huma.Operation{OperationID: "delete", Method: http.MethodDelete, Path: "/api/people/{id}"},
		func(context.Context, *withID) (*struct{}, error) { return nil, nil })
	huma.Register(api, huma.Operation{OperationID: "text", Method: http.MethodPost, Path: "/api/text"},
		func(_ context.Context, in *struct {
			Body struct {
				Text string `json:"text"`
			}
		},
		) (*struct{ Body int }, error) {
			return &struct{ Body int }{len(in.Body.Text)}, nil
		})
	huma.Register(api, huma.Operation{OperationID: "fail", Method: http.MethodPost, Path: "/api/fail/{id}"},
		func(ctx context.Context, in *withID) (*struct{}, error) {
			telemetry.SetUserID(ctx, "user-1")
			switch in.ID {
			case "taken":
				return nil, errors.Join(errors.New("register"), errTaken)
			case "broken":
				return nil, errBroken
			case "secret":
				return nil, errSecret
			case "panic":
				panic("s3cret panic")
			case "late":
				return nil, context.DeadlineExceeded
			case "busy":
				return nil, httpserver.NewProblem(http.StatusTooManyRequests, "slow_down", "").RetryAfter(time.Minute)
			case "stranger":
				return nil, httpserver.NewProblem(http.StatusUnauthorized, "token_expired", "Log in again.")
			case "fields":
				return nil, httpserver.Invalid(httpserver.FieldError{Field: "token", Code: "token_invalid", Message: "is used up"})
			case "wait":
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return nil, nil
		})
	guarded := huma.NewGroup(api)
	guarded.UseMiddleware(func(ctx huma.Context, _ func(huma.Context)) {
		httpserver.WriteError(api, ctx, errTaken)
	})
	huma.Register(guarded, huma.Operation{
		OperationID: "guarded", Method: http.MethodGet, Path: "/api/guarded",
		Security: []map[string][]string{{httpserver.BearerScheme: {}}},
	}, func(context.Context, *struct{}) (*struct{}, error) { panic("not reached") })
}

type reply struct {
	*http.Response
	Text string
}

// send makes a request; headers come in pairs.
func (s *server) send(t *testing.T, method, path, body string, headers ...string) reply {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, strings.NewReader(body))
	require.NoError(t, err)
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(request)
	require.NoError(t, err)
	defer func() { require.NoError(t, response.Body.Close()) }()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return reply{response, string(text)}
}

func (s *server) post(t *testing.T, path, body string) reply {
	t.Helper()
	return s.send(t, http.MethodPost, path, body, "Content-Type", "application/json")
}

// dial sends raw bytes and returns everything that the server answers until it
// closes the connection.
func (s *server) dial(t *testing.T, raw string) string {
	t.Helper()
	var dialer net.Dialer
	connection, err := dialer.DialContext(t.Context(), "tcp", s.Addr)
	require.NoError(t, err)
	defer func() { _ = connection.Close() }()
	require.NoError(t, connection.SetDeadline(time.Now().Add(patience)))
	_, err = io.WriteString(connection, raw)
	require.NoError(t, err)
	text, err := io.ReadAll(connection)
	require.NoError(t, err)
	return string(text)
}

// problem checks a reply against what all problem documents have in common.
func (r reply) problem(t *testing.T, status int, code string) httpserver.Problem {
	t.Helper()
	require.Equal(t, status, r.StatusCode, r.Text)
	require.Equal(t, "application/problem+json", r.Header.Get("Content-Type"))
	var p httpserver.Problem
	decoder := json.NewDecoder(strings.NewReader(r.Text))
	decoder.DisallowUnknownFields()
	require.NoError(t, decoder.Decode(&p), r.Text)
	require.Equal(t, status, p.Status)
	require.Equal(t, code, p.Code)
	require.Equal(t, "/problems/"+code, p.Type)
	require.NotEmpty(t, p.Title)
	require.Equal(t, r.Request.URL.EscapedPath(), p.Instance)
	require.Equal(t, r.Header.Get("X-Request-Id"), p.RequestID)
	require.NotContains(t, r.Text, "s3cret")
	return p
}
