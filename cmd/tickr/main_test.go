package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/tickr/tickr/platform/database/dbtest"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// environ makes set the whole configuration: nothing of the developer's leaks in. An empty variable counts as unset.
func environ(t *testing.T, set ...string) {
	t.Helper()
	for _, pair := range os.Environ() {
		switch name, _, _ := strings.Cut(pair, "="); name {
		case "PATH", "HOME", "TMPDIR":
		default:
			t.Setenv(name, "")
		}
	}
	for _, pair := range set {
		name, value, _ := strings.Cut(pair, "=")
		t.Setenv(name, value)
	}
}

func TestUsageErrors(t *testing.T) {
	environ(t)
	for _, line := range []string{
		"nonsense", "--nonsense", "serve extra", "serve --nonsense", "serve --env-file", "config extra", "version extra", "openapi extra",
		"health extra", "health --url http://%zz", "migrate", "migrate nonsense", "migrate up extra", "migrate down 2", "migrate status --chek",
		"migrate create", "migrate create one two", "migrate create Bad-Name", "users", "users nonsense", "users create-admin extra", "users stats extra",
		"backup", "backup nonsense", "backup create extra", "backup verify", "backup restore one two", "backup list extra", "backup prune --keep-days -1",
		"backup prune --keep-days many",
		"db", "db nonsense", "db explain --jsn", "db indexes extra",
	} {
		var out, errOut bytes.Buffer
		code := run(t.Context(), strings.Fields(line), strings.NewReader(""), &out, &errOut)
		require.Equal(t, 2, code, "%s: %s", line, &errOut)
		require.Regexp(t, `^tickr: usage: [^\n]+\n$`, errOut.String(), line)
		require.Empty(t, out.String(), line)
	}
}

func TestCommandsWithoutDatabase(t *testing.T) {
	file := filepath.Join(t.TempDir(), "env")
	require.NoError(t, os.WriteFile(file, []byte("HTTP_ADDR=127.0.0.1:4000\nLOG_LEVEL=debug\n"), 0o600))
	const absent = "DATABASE_URL=postgres://app:canary@127.0.0.1:1/tickr"
	for name, test := range map[string]struct {
		line string
		env  []string
		code int
		says []string // of the standard output when the code is 0, else of the other
	}{
		"help":            {"", nil, 0, []string{"serve", "migrate", "users", "openapi", "config", "health", "version"}},
		"help of a group": {"migrate --help", nil, 0, []string{"up", "down", "status", "create"}},
		"version":         {"version", []string{"JWT_SECRET=short"}, 0, []string{"\n"}},
		"document":        {"openapi", []string{"JWT_SECRET=short"}, 0, []string{`"/api/users/me"`}},
		"defaults":        {"config", nil, 0, []string{"APP_ENV=development\n", "HTTP_ADDR=:3000\n", "DB_POOL_SIZE=20\n", "CACHE_TTL=300\n"}},
		"environment":     {"config", []string{"HTTP_ADDR=:80", "APP_ENV="}, 0, []string{"HTTP_ADDR=:80\n", "APP_ENV=development\n"}},
		"file": {
			"config --env-file " + file, []string{"LOG_LEVEL=error"}, 0, []string{"HTTP_ADDR=127.0.0.1:4000\n", "LOG_LEVEL=error\n"},
		},
		"secrets": {
			"config", []string{absent, "JWT_SECRET=canary-canary-canary-canary-canary", "DB_PASSWORD=canary"}, 0,
			[]string{"DATABASE_URL=postgres://app:xxxxx@127.0.0.1:1/tickr\n"},
		},
		"mistakes":           {"config", []string{"JWT_SECRET=canary", "CACHE_TTL=0", "DB_PORT=http"}, 3, []string{"JWT_SECRET", "CACHE_TTL", "DB_PORT"}},
		"mistakes, again":    {"serve", []string{"JWT_SECRET=canary"}, 3, []string{"JWT_SECRET"}},
		"missing file":       {"config --env-file " + file + ".missing", nil, 3, []string{"--env-file", "no such file"}},
		"no server":          {"health", []string{"HTTP_ADDR=:1"}, 1, []string{"http://localhost:1"}},
		"absent database":    {"migrate status", []string{absent}, 4, []string{"cannot be reached", "refused"}},
		"absent for backups": {"backup create", []string{absent}, 4, []string{"cannot be reached", "refused"}},
		"no backups":         {"backup verify latest", []string{absent, "BACKUP_DIR=" + t.TempDir()}, 1, []string{"no backup in"}},
		"nothing to prune":   {"backup prune", []string{"BACKUP_DIR=" + t.TempDir()}, 0, []string{"nothing to remove"}},
		"empty list":         {"backup list --json", []string{"BACKUP_DIR=" + t.TempDir()}, 0, []string{"[]\n"}},
		"absent for users":   {"users stats", []string{absent}, 4, []string{"cannot be reached", "refused"}},
	} {
		t.Run(name, func(t *testing.T) {
			environ(t, test.env...)
			var out, errOut bytes.Buffer
			code := run(t.Context(), strings.Fields(test.line), strings.NewReader(""), &out, &errOut)
			require.Equal(t, test.code, code, errOut.String())
			said, silent := &out, &errOut
			if code != 0 {
				said, silent = silent, said
			}
			for _, text := range test.says {
				require.Contains(t, said.String(), text)
			}
			require.Empty(t, silent.String())
			require.NotContains(t, said.String(), "canary")
		})
	}
}

// A migration that the server refuses is told as such, also where the same may succeed later.
func TestFailedMigration(t *testing.T) {
	db := dbtest.Empty(t)
	environ(t, "DATABASE_URL="+db.DSN, "DATA_DIR="+t.TempDir())
	migrate := func(direction string) (code int, said string) {
		var out, errOut bytes.Buffer
		code = run(t.Context(), []string{"migrate", direction}, strings.NewReader(""), &out, &errOut)
		return code, errOut.String()
	}
	code, said := migrate("up")
	require.Zero(t, code, said)
	for _, state := range []string{"55P03", "57014", "40P01", "53100"} {
		_, err := db.Pool().Exec(t.Context(), `CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
			$$ BEGIN RAISE EXCEPTION 'not now' USING ERRCODE = '`+state+`'; END $$;
			CREATE OR REPLACE TRIGGER refuse BEFORE DELETE ON bun_migrations FOR EACH ROW EXECUTE FUNCTION refuse()`)
		require.NoError(t, err)
		code, said := migrate("down")
		require.Equal(t, 5, code, said)
		require.Regexp(t, `^tickr: migrate: migration \d+_\w+(\.tx)?\.down\.sql: ERROR: not now \(SQLSTATE `+state+`\)\n$`, said)
	}
}

// terminal collects what is printed.
type terminal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *terminal) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *terminal) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

func TestServe(t *testing.T) {
	dsn := dbtest.Empty(t).DSN // before the environment is emptied: it may name the server of the tests
	data := t.TempDir()
	environ(t, "DATABASE_URL="+dsn, "DATA_DIR="+data, "HTTP_ADDR=127.0.0.1:0", "OPS_ADDR=127.0.0.1:0")
	before := goleak.IgnoreCurrent()
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	var out, errOut terminal
	ended := make(chan int, 1)
	go func() { ended <- run(ctx, []string{"serve"}, strings.NewReader(""), &out, &errOut) }()
	require.Eventually(t, func() bool { return strings.Contains(out.String(), "Ctrl-C") }, 30*time.Second, 10*time.Millisecond, &errOut)
	for _, said := range []string{
		`API +http://127\.0\.0\.1:\d+/api\n`, `Docs +http://127\.0\.0\.1:\d+/docs\n`, `Metrics +http://127\.0\.0\.1:\d+/metrics\n`,
		`Mail +` + data, `PostgreSQL +as configured`, `Admin +none`,
	} {
		require.Regexp(t, said, out.String())
	}
	interrupt()
	require.Equal(t, 0, <-ended, errOut.String())
	goleak.VerifyNone(t, before)
}

func TestServeInterruptedAtOnce(t *testing.T) {
	environ(t, "DATABASE_URL=postgres://nobody@127.0.0.1:1/nothing", "DATA_DIR="+t.TempDir(), "HTTP_ADDR=127.0.0.1:0", "OPS_ADDR=off")
	ctx, interrupt := context.WithCancel(t.Context())
	interrupt()
	var out, errOut bytes.Buffer
	require.Equal(t, 0, run(ctx, []string{"serve"}, strings.NewReader(""), &out, &errOut), errOut.String())
}

func TestLocalAddress(t *testing.T) {
	for addr, want := range map[string]string{
		":3000": "localhost:3000", "0.0.0.0:80": "localhost:80", "[::]:80": "localhost:80", "127.0.0.1:80": "127.0.0.1:80",
		"[::1]:80": "[::1]:80", "api.example:80": "api.example:80",
	} {
		require.Equal(t, want, localAddress(addr), addr)
	}
}
