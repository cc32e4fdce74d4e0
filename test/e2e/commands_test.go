package e2e

import (
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/platform/database/dbtest"
	"github.com/tickr/tickr/test/program"
)

func TestUsageErrors(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"nonsense"}, {"serve", "extra"}, {"serve", "--nonsense"}, {"migrate"}, {"migrate", "create"}, {"users"}} {
		r := program.Run(t, "", nil, args...)
		require.Equal(t, 2, r.Code, "%v: %s", args, r.ErrOut)
		requireOneLine(t, r.ErrOut)
	}
}

func requireOneLine(t *testing.T, text string) {
	t.Helper()
	require.Equal(t, 1, strings.Count(strings.TrimSpace(text), "\n")+1, text)
	require.NotEmpty(t, strings.TrimSpace(text))
}

func TestConfigurationMistakesAreListedTogether(t *testing.T) {
	t.Parallel()
	r := program.Run(t, "", []string{"JWT_SECRET=short", "DB_POOL_SIZE=none", "LOG_LEVEL=loud"}, "serve")
	require.Equal(t, 3, r.Code)
	for _, name := range []string{"JWT_SECRET", "DB_POOL_SIZE", "LOG_LEVEL"} {
		require.Contains(t, r.ErrOut, name)
	}
	require.NotContains(t, r.ErrOut, "short")

	weak := program.Run(t, "", []string{
		"DATABASE_URL=postgres://nobody@127.0.0.1:1/nothing", "BOOTSTRAP_ADMIN_EMAIL=a@example.com", "BOOTSTRAP_ADMIN_PASSWORD=password1234",
		"HTTP_ADDR=127.0.0.1:0", "OPS_ADDR=off",
	}, "serve")
	require.Equal(t, 3, weak.Code, weak.ErrOut)
	require.Contains(t, weak.ErrOut, "BOOTSTRAP_ADMIN_PASSWORD")
}

func TestProductionRefusesDevelopmentValues(t *testing.T) {
	t.Parallel()
	r := program.Run(t, "", []string{"APP_ENV=production"}, "serve")
	require.Equal(t, 3, r.Code)
	for _, name := range []string{"JWT_SECRET", "MAIL_DRIVER", "DB_HOST"} {
		require.Contains(t, r.ErrOut, name)
	}
}

func TestConfigHidesSecrets(t *testing.T) {
	t.Parallel()
	r := program.Run(t, "", []string{
		"JWT_SECRET=canary-0123456789-0123456789-0123456789", "DATABASE_URL=postgres://app:canary@db.example:5432/tickr",
		"BOOTSTRAP_ADMIN_EMAIL=a@example.com", "BOOTSTRAP_ADMIN_PASSWORD=canary-canary-canary",
	}, "config")
	require.Equal(t, 0, r.Code, r.ErrOut)
	require.NotContains(t, r.Out, "canary")
	require.Contains(t, r.Out, "db.example")
	require.Contains(t, r.Out, "HTTP_ADDR=:3000")
}

func TestDatabaseErrors(t *testing.T) {
	t.Parallel()
	good := dbtest.Empty(t).DSN
	change := func(f func(*url.URL)) string {
		u, err := url.Parse(good)
		require.NoError(t, err)
		f(u)
		return u.String()
	}
	for name, dsn := range map[string]string{
		"wrong password":   change(func(u *url.URL) { u.User = url.UserPassword(u.User.Username(), "canary-wrong") }),
		"missing database": change(func(u *url.URL) { u.Path = "/tickr_test_does_not_exist" }),
	} {
		for _, args := range [][]string{{"serve"}, {"migrate", "up"}, {"users", "stats"}} {
			r := program.Run(t, "", []string{"DATABASE_URL=" + dsn, "HTTP_ADDR=127.0.0.1:0", "OPS_ADDR=off"}, args...)
			require.Equal(t, 4, r.Code, "%s, %v: %s", name, args, r.ErrOut)
			require.NotContains(t, r.ErrOut, "canary")
		}
	}
	nobody := change(func(u *url.URL) { u.Host = "127.0.0.1:1" })
	for _, args := range [][]string{{"migrate", "status"}, {"users", "stats"}} {
		r := program.Run(t, "", []string{"DATABASE_URL=" + nobody}, args...)
		require.Equal(t, 4, r.Code, r.ErrOut)
		requireOneLine(t, r.ErrOut)
	}
}

func TestTakenPort(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	for _, name := range []string{"HTTP_ADDR", "OPS_ADDR"} {
		set := map[string]string{"HTTP_ADDR": "127.0.0.1:0", "OPS_ADDR": "127.0.0.1:0"}
		set[name] = taken.Addr().String()
		r := program.Run(t, "", append(program.Standard(t, dbtest.Empty(t).DSN), "HTTP_ADDR="+set["HTTP_ADDR"], "OPS_ADDR="+set["OPS_ADDR"]), "serve")
		require.Equal(t, 1, r.Code, r.ErrOut)
		require.Contains(t, r.ErrOut, name)
		requireOneLine(t, r.ErrOut)
	}
}

func TestUnwritableDataDir(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	for _, set := range [][]string{
		{"DATA_DIR=" + filepath.Join(file, "data")},
		{"DATA_DIR=" + filepath.Join(file, "data"), "DATABASE_URL=" + dbtest.Empty(t).DSN},
	} {
		r := program.Run(t, "", append(set, "HTTP_ADDR=127.0.0.1:0", "OPS_ADDR=off"), "serve")
		require.Equal(t, 1, r.Code, r.ErrOut)
		requireOneLine(t, r.ErrOut)
		require.Contains(t, r.ErrOut, file)
	}
}

func TestMigrateCommands(t *testing.T) {
	t.Parallel()
	env := []string{"DATABASE_URL=" + dbtest.Empty(t).DSN}
	r := program.Run(t, "", env, "migrate", "status", "--check")
	require.Equal(t, 5, r.Code)
	require.Contains(t, r.Out, "[ ] 20261101090000_create_users")
	pending := strings.Count(r.Out, "[ ]")

	r = program.Run(t, "", append(env, "DB_MIGRATE_ON_START=false"), "users", "stats")
	require.Equal(t, 5, r.Code, r.ErrOut)

	r = program.Run(t, "", env, "migrate", "up")
	require.Equal(t, 0, r.Code, r.ErrOut)
	require.Equal(t, pending, strings.Count(r.Out, "applied "))
	r = program.Run(t, "", env, "migrate", "status", "--check")
	require.Equal(t, 0, r.Code, r.ErrOut)
	require.Equal(t, pending, strings.Count(r.Out, "[X]"))

	r = program.Run(t, "", env, "migrate", "down")
	require.Equal(t, 0, r.Code, r.ErrOut)
	r = program.Run(t, "", env, "migrate", "status")
	require.Equal(t, 1, strings.Count(r.Out, "[ ]"), "down undoes one: %s", r.Out)
	for range pending - 1 {
		require.Equal(t, 0, program.Run(t, "", env, "migrate", "down").Code)
	}
	require.Contains(t, program.Run(t, "", env, "migrate", "down").Out, "nothing to undo")

	r = program.Run(t, "", nil, "migrate", "create", "Bad-Name")
	require.Equal(t, 2, r.Code)
	requireOneLine(t, r.ErrOut)
}

func TestWaitsForMigrationsOfSomebodyElse(t *testing.T) {
	t.Parallel()
	dsn := dbtest.Empty(t).DSN
	p := launch(t, append(program.Standard(t, dsn), "DB_MIGRATE_ON_START=false")...)
	p.AwaitLog("the database is not ready, waiting")
	p.API = p.AwaitLog("listening")["api"].(string)
	refused := p.client().do("POST", "/api/auth/login", object{"email": program.AdminEmail, "password": program.AdminPassword}).is(503, "unavailable")
	require.NotEmpty(t, refused.Header.Get("Retry-After"))
	require.Equal(t, 0, program.Run(t, "", []string{"DATABASE_URL=" + dsn}, "migrate", "up").Code)
	p.AwaitReady()
	p.client().do("GET", "/readyz", nil).is(200)
	require.Equal(t, 0, program.Run(t, "", []string{"DATABASE_URL=" + dsn}, "migrate", "down").Code)
	p.Await("readyz knows pending migrations", func() bool { return p.client().do("GET", "/readyz", nil).Status == 503 })
}

func TestCreateAdmin(t *testing.T) {
	t.Parallel()
	env := program.Standard(t, dbtest.Empty(t).DSN)
	r := program.Run(t, "amber-lighthouse-cello\n", env, "users", "create-admin", "--email", "Boss@Example.com")
	require.Equal(t, 0, r.Code, r.ErrOut)
	r = program.Run(t, "amber-lighthouse-cello\n", env, "users", "create-admin", "--email", "boss@example.com")
	require.Equal(t, 1, r.Code)
	r = program.Run(t, "short\n", env, "users", "create-admin", "--email", "nonsense")
	require.Equal(t, 2, r.Code)
	require.Contains(t, r.ErrOut, "email")
	require.Contains(t, r.ErrOut, "password")

	p := start(t, env...)
	access, _ := p.client().logIn("boss@example.com", "amber-lighthouse-cello")
	p.client().as(access).do("GET", "/api/users", nil).is(200)
	p.client().do("POST", "/api/auth/login", object{"email": program.AdminEmail, "password": program.AdminPassword}).is(401)
	require.Equal(t, 0, program.Run(t, "", nil, "health", "--url", p.API).Code)
	require.Equal(t, 1, program.Run(t, "", nil, "health", "--url", "http://127.0.0.1:1").Code)
	require.Equal(t, 0, program.Run(t, "", nil, "version").Code)
}

func TestOpenAPINeedsNoConfiguration(t *testing.T) {
	t.Parallel()
	r := program.Run(t, "", []string{"JWT_SECRET=short", "DB_PORT=none"}, "openapi")
	require.Equal(t, 0, r.Code, r.ErrOut)
	require.Contains(t, r.Out, `"/api/auth/register"`)
}

func TestAuditRetention(t *testing.T) {
	t.Parallel()
	db := dbtest.Empty(t)
	env := program.Standard(t, db.DSN)
	require.Equal(t, 0, program.Run(t, "", env, "migrate", "up").Code)
	for _, statement := range []string{
		"CREATE TABLE users.audit_log_2020_01 PARTITION OF users.audit_log FOR VALUES FROM ('2020-01-01') TO ('2020-02-01')",
		"INSERT INTO users.audit_log (id, created_at, act, outcome, details) VALUES (gen_random_uuid(), '2020-01-15', 'login', 'failure', '{}')",
	} {
		_, err := db.Pool().Exec(t.Context(), statement)
		require.NoError(t, err)
	}
	for _, args := range [][]string{{}, {"--keep-months", "0"}, {"--keep-months", "many"}} {
		r := program.Run(t, "", env, append([]string{"users", "audit-retention"}, args...)...)
		require.Equal(t, 2, r.Code, r.ErrOut)
		requireOneLine(t, r.ErrOut)
	}
	left := func() (n int) {
		require.NoError(t, db.Pool().QueryRow(t.Context(), "SELECT count(*) FROM users.audit_log").Scan(&n))
		return n
	}
	r := program.Run(t, "", env, "users", "audit-retention", "--keep-months", "12", "--dry-run")
	require.Equal(t, 0, r.Code, r.ErrOut)
	require.Equal(t, "would remove 2020-01\n", r.Out)
	require.Equal(t, 1, left())
	r = program.Run(t, "", env, "users", "audit-retention", "--keep-months", "12")
	require.Equal(t, 0, r.Code, r.ErrOut)
	require.Equal(t, "removed 2020-01\n", r.Out)
	require.Equal(t, 1, left(), "the removal is recorded")
	r = program.Run(t, "", env, "users", "audit-retention", "--keep-months", "12")
	require.Equal(t, 0, r.Code, r.ErrOut)
	require.Empty(t, r.Out)
}
