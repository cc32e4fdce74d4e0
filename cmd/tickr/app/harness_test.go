package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"github.com/tickr/tickr/cmd/tickr/app"
	"github.com/tickr/tickr/platform/config"
	"github.com/tickr/tickr/platform/database/dbtest"
	"github.com/tickr/tickr/platform/httpserver"
	"github.com/tickr/tickr/platform/telemetry"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

const (
	// patience bounds every wait: an upper bound, never an expectation.
	patience = 30 * time.Second

	adminEmail    = "root@tickr.test"
	adminPassword = "granite-meadow-parasol"
)

// configuration is one over a database, with a bootstrap administrator and files that go with the test.
func configuration(t *testing.T, dsn string) config.Config {
	t.Helper()
	cfg, err := config.Load("")
	require.NoError(t, err)
	cfg.Env = config.Test
	cfg.Database.URL = config.NewSecret(dsn)
	cfg.Database.MigrateOnStart = true
	cfg.Mail.Dir = filepath.Join(t.TempDir(), "mail")
	cfg.Bootstrap = config.Bootstrap{Email: adminEmail, Password: config.NewSecret(adminPassword)}
	return cfg
}

// journal collects log lines.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

// records returns the lines with a message.
func (j *journal) records(t *testing.T, message string) []map[string]any {
	t.Helper()
	j.mu.Lock()
	defer j.mu.Unlock()
	var found []map[string]any
	for line := range strings.Lines(j.text.String()) {
		var record map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &record))
		if record["msg"] == message {
			found = append(found, record)
		}
	}
	return found
}

// program is the whole program in this process.
type program struct {
	*fx.App

	t     *testing.T
	api   string
	ops   string
	ready chan struct{}
	log   *journal
	http  *http.Client
}

// build puts the program together on free ports.
func build(t *testing.T, cfg config.Config, extra ...fx.Option) *program {
	t.Helper()
	var on app.Listeners
	var err error
	on.API, err = httpserver.Listen(t.Context(), "127.0.0.1:0", true)
	require.NoError(t, err)
	on.Ops, err = httpserver.Listen(t.Context(), "127.0.0.1:0", true)
	require.NoError(t, err)
	p := &program{
		t: t, api: "http://" + on.API.Addr().String(), ops: "http://" + on.Ops.Addr().String(),
		ready: make(chan struct{}), log: &journal{}, http: &http.Client{Transport: &http.Transport{}, Timeout: patience},
	}
	logger := telemetry.NewLogger(p.log, "debug", "json")
	p.App = fx.New(app.Serve(cfg, logger, on, func() { close(p.ready) }, extra...))
	t.Cleanup(func() {
		p.http.CloseIdleConnections()
		_ = on.API.Close()
		_ = on.Ops.Close()
	})
	return p
}

// start runs the program until the test ends, and returns once it is ready.
func start(t *testing.T, cfg config.Config, extra ...fx.Option) *program {
	t.Helper()
	p := build(t, cfg, extra...)
	require.NoError(t, p.Start(t.Context()))
	t.Cleanup(func() { _ = p.stop() })
	p.awaitReady()
	return p
}

func (p *program) awaitReady() {
	p.t.Helper()
	select {
	case <-p.ready:
	case <-time.After(patience):
		p.t.Fatal("the program does not become ready")
	}
}

// stop stops the program as main does.
func (p *program) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), p.StopTimeout())
	defer cancel()
	return p.Stop(ctx)
}

// send answers a request with its status and body; the status of a request that got no answer is 0.
func (p *program) send(method, path, token string, body any) (int, map[string]any) {
	var sent io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			panic(err)
		}
		sent = bytes.NewReader(raw)
	}
	request, err := http.NewRequestWithContext(context.Background(), method, p.api+path, sent)
	if err != nil {
		panic(err)
	}
	request.Header.Set("Content-Type", "application/json")
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := p.http.Do(request)
	if err != nil {
		return 0, nil
	}
	defer func() { _ = response.Body.Close() }()
	answer := map[string]any{}
	_ = json.NewDecoder(response.Body).Decode(&answer)
	return response.StatusCode, answer
}

// logIn returns an access token of the bootstrap administrator.
func (p *program) logIn() string {
	p.t.Helper()
	status, answer := p.send("POST", "/api/auth/login", "", map[string]string{"email": adminEmail, "password": adminPassword})
	require.Equal(p.t, http.StatusOK, status, answer)
	return answer["accessToken"].(string)
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// missing is the address of a database that the server has not.
func missing(t *testing.T) string {
	t.Helper()
	dsn, err := url.Parse(dbtest.Empty(t).DSN)
	require.NoError(t, err)
	dsn.Path = "/tickr_test_missing"
	return dsn.String()
}
