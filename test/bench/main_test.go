// Package bench measures what a request costs, through the whole HTTP handler of the program and real PostgreSQL, without the network
// between a client and the program. It asserts nothing about time.
package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"github.com/tickr/tickr/cmd/tickr/app"
	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/platform/config"
	"github.com/tickr/tickr/platform/database/dbtest"
	"github.com/tickr/tickr/platform/httpserver"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

const (
	adminEmail    = "root@tickr.test"
	adminPassword = "granite-meadow-parasol"
)

// program is the whole program in this process, with an administrator.
type program struct {
	handler   http.Handler
	directory users.Directory
	token     string
}

// start runs the program over db until the benchmark ends. Without a cache every read asks the database.
func start(b *testing.B, db *dbtest.DB, cached bool) *program {
	b.Helper()
	cfg, err := config.Load("")
	require.NoError(b, err)
	cfg.Env = config.Test
	cfg.Database.URL = config.NewSecret(db.DSN)
	cfg.Database.MigrateOnStart = true
	cfg.Mail.Dir = filepath.Join(b.TempDir(), "mail")
	cfg.Bootstrap = config.Bootstrap{Email: adminEmail, Password: config.NewSecret(adminPassword)}
	if !cached {
		cfg.Cache.MaxMB = 0
	}
	listener, err := httpserver.Listen(b.Context(), "127.0.0.1:0", true)
	require.NoError(b, err)
	p := &program{}
	var server *httpserver.Server
	ready := make(chan struct{})
	run := fx.New(app.Serve(cfg, slog.New(slog.DiscardHandler), app.Listeners{API: listener}, func() { close(ready) },
		fx.Populate(&server, &p.directory)))
	require.NoError(b, run.Start(b.Context()))
	b.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), run.StopTimeout())
		defer cancel()
		require.NoError(b, run.Stop(ctx))
	})
	select {
	case <-ready:
	case <-time.After(time.Minute):
		b.Fatal("the program does not become ready")
	}
	p.handler = server.Handler()
	p.token = p.logIn(b)
	return p
}

// do answers a request, which must succeed.
func (p *program) do(b *testing.B, method, path, body string) *httptest.ResponseRecorder {
	b.Helper()
	var sent io.Reader = http.NoBody
	if body != "" {
		sent = bytes.NewBufferString(body)
	}
	request := httptest.NewRequestWithContext(b.Context(), method, path, sent)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+p.token)
	answer := httptest.NewRecorder()
	p.handler.ServeHTTP(answer, request)
	if answer.Code != http.StatusOK {
		b.Fatalf("%s %s: %d %s", method, path, answer.Code, answer.Body)
	}
	return answer
}

func (p *program) get(b *testing.B, path string) *httptest.ResponseRecorder {
	b.Helper()
	return p.do(b, http.MethodGet, path, "")
}

// logIn returns an access token of the administrator.
func (p *program) logIn(b *testing.B) string {
	b.Helper()
	answer := p.do(b, http.MethodPost, "/api/auth/login", `{"email":"`+adminEmail+`","password":"`+adminPassword+`"}`)
	var tokens struct{ AccessToken string }
	require.NoError(b, json.Unmarshal(answer.Body.Bytes(), &tokens))
	return tokens.AccessToken
}

// crowd adds 10,000 users, every tenth an organizer, one a minute.
func crowd(b *testing.B, db *dbtest.DB) {
	b.Helper()
	_, err := db.Pool().Exec(b.Context(), `
		INSERT INTO users.users (email, first_name, last_name, role, is_organizer, email_verified, created_at, updated_at)
		SELECT 'user' || n || '@example.com', 'User', n::text, CASE WHEN n % 10 = 0 THEN 'ORGANIZER' ELSE 'PARTICIPANT' END, n % 10 = 0, true,
			now() - n * interval '1 minute', now()
		FROM generate_series(1, 10000) n`)
	require.NoError(b, err)
	_, err = db.Pool().Exec(b.Context(), "VACUUM ANALYZE users.users")
	require.NoError(b, err)
}
