package config

import (
	"bufio"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

const devEnv = "../../configs/dev.env"

// load reads a configuration from vars alone, whatever the environment has.
func load(t *testing.T, vars map[string]string) (Config, []string) {
	t.Helper()
	variables(reflect.ValueOf(Config{}), func(name string, _ reflect.StructField, _ reflect.Value) {
		t.Setenv(name, vars[name])
	})
	c, err := Load("")
	if err == nil {
		return c, nil
	}
	var mistakes *Error
	require.ErrorAs(t, err, &mistakes)
	require.Zero(t, c)
	for _, line := range mistakes.Mistakes {
		require.Contains(t, err.Error(), line)
		require.NotContains(t, line, "\n")
	}
	return c, mistakes.Mistakes
}

func production(change map[string]string) map[string]string {
	vars := map[string]string{
		"APP_ENV":      "production",
		"DATABASE_URL": "postgres://tickr:s3cret@db.example.org/tickr",
		"JWT_SECRET":   strings.Repeat("k", 32),
		"MAIL_DRIVER":  "smtp",
		"SMTP_URL":     "smtp://tickr:s3cret@mail.example.org:587",
		"PUBLIC_URL":   "https://tickr.example.org/",
	}
	maps.Copy(vars, change)
	return vars
}

func TestDefaults(t *testing.T) {
	c, mistakes := load(t, nil)
	require.Empty(t, mistakes)

	require.Equal(t, Development, c.Env)
	require.Equal(t, HTTP{Addr: ":3000", OpsAddr: "127.0.0.1:9090"}, c.HTTP)
	require.True(t, c.Database.Private())
	require.Empty(t, c.Database.DSN())
	require.Equal(t, 20, c.Database.PoolSize)
	require.Equal(t, 10*time.Second, time.Duration(c.Database.ConnectionTimeout))
	require.Equal(t, 30*time.Second, time.Duration(c.Database.IdleTimeout))
	require.True(t, bool(c.Database.Prepared))
	require.True(t, c.Database.MigrateOnStart)
	require.Equal(t, Private{DataDir: ".data"}, c.Private)
	require.Equal(t, Backup{Dir: ".data/backups"}, c.Backup)
	require.Equal(t, 5*time.Minute, c.Cache.TTL())
	require.Equal(t, 64, c.Cache.MaxMB)
	require.Equal(t, developmentSecret, c.Tokens.Secret.Reveal())
	require.Equal(t, 15*time.Minute, c.Tokens.AccessTTL)
	require.Equal(t, 720*time.Hour, c.Tokens.RefreshTTL)
	require.Equal(t, "file", c.Mail.Driver)
	require.Equal(t, ".data/mail", c.Mail.Dir)
	require.Equal(t, "http://localhost:3000", c.Mail.PublicURL)
	require.False(t, c.Mail.PublicURLGiven)
	require.Equal(t, SMS{Driver: "file", Dir: ".data/sms"}, c.SMS)
	require.Equal(t, Log{Level: "info", Format: "text"}, c.Log)
	require.Equal(t, Tracing{ServiceName: "tickr", Sampler: "parentbased_always_on", SamplerArg: 1}, c.Tracing)
}

func TestProductionDefaults(t *testing.T) {
	c, mistakes := load(t, production(nil))
	require.Empty(t, mistakes)
	require.False(t, c.Database.MigrateOnStart)
	require.Equal(t, "json", c.Log.Format)
	require.Equal(t, "https://tickr.example.org", c.Mail.PublicURL)
	require.True(t, c.Mail.PublicURLGiven)
	require.Equal(t, Off, c.SMS.Driver)
	require.True(t, c.HTTP.AddrGiven, "production never moves to another port")
	require.True(t, c.HTTP.OpsAddrGiven)

	c, mistakes = load(t, production(map[string]string{"DB_MIGRATE_ON_START": "true", "LOG_FORMAT": "text"}))
	require.Empty(t, mistakes)
	require.True(t, c.Database.MigrateOnStart)
	require.Equal(t, "text", c.Log.Format)
}

func TestValues(t *testing.T) {
	c, mistakes := load(t, map[string]string{
		"HTTP_ADDR":            "127.0.0.1:0",
		"OPS_ADDR":             "off",
		"HTTP_TRUSTED_PROXIES": "10.0.0.0/8, ::1,",
		"HTTP_CORS_ORIGINS":    "http://localhost:5173,https://tickr.example.org",
		"DATA_DIR":             "/srv/tickr",
		"DB_IDLE_TIMEOUT":      "1500",
		"DB_PREPARED":          "off",
		"CACHE_MAX_MB":         "0",
		"SHUTDOWN_DELAY":       "5s",
	})
	require.Empty(t, mistakes)
	require.True(t, c.HTTP.AddrGiven)
	require.True(t, c.HTTP.OpsAddrGiven)
	require.Equal(t, Off, c.HTTP.OpsAddr)
	require.Equal(t, []string{"10.0.0.0/8", "::1"}, c.HTTP.TrustedProxies)
	require.Equal(t, []string{"http://localhost:5173", "https://tickr.example.org"}, c.HTTP.CORSOrigins)
	require.Equal(t, 5*time.Second, c.HTTP.ShutdownDelay)
	require.Equal(t, 1500*time.Millisecond, time.Duration(c.Database.IdleTimeout))
	require.False(t, bool(c.Database.Prepared))
	require.Equal(t, "/srv/tickr/mail", c.Mail.Dir)
	require.Equal(t, "/srv/tickr/sms", c.SMS.Dir)
	require.Equal(t, "/srv/tickr/backups", c.Backup.Dir)
	require.Zero(t, c.Cache.MaxMB)
}

func TestMistakes(t *testing.T) {
	tests := map[string][]string{
		"APP_ENV":                  {"prod", "Production"},
		"HTTP_ADDR":                {"3000", "localhost", ":http", ":65536"},
		"OPS_ADDR":                 {"none", ":-1"},
		"HTTP_TRUSTED_PROXIES":     {"proxy.example.org", "10.0.0.0/33", "10.0.0.1;10.0.0.2"},
		"HTTP_CORS_ORIGINS":        {"*", "example.org", "https://example.org/", "ftp://example.org", "https://a@example.org"},
		"SHUTDOWN_DELAY":           {"-1s", "2m", "5"},
		"DATABASE_URL":             {"host=localhost password=s3cret", "mysql://u:s3cret@h/db", "postgres://u:s3cret@h:port/db", "postgres:///db"},
		"DB_PORT":                  {"0", "65536", "five"},
		"DB_SSLMODE":               {"on"},
		"DB_DIRECT_URL":            {"tcp://h"},
		"DB_POOL_SIZE":             {"0", "-1", "1001", "many", "1.5"},
		"DB_CONNECTION_TIMEOUT":    {"0", "-5", "10s", "99999999999999999999"},
		"DB_IDLE_TIMEOUT":          {"0", "half an hour"},
		"DB_PREPARED":              {"true", "ON", "0"},
		"DB_MIGRATE_ON_START":      {"maybe"},
		"CACHE_TTL":                {"0", "86401", "5m"},
		"CACHE_MAX_MB":             {"-1", "a lot"},
		"JWT_SECRET":               {strings.Repeat("s", 31)},
		"JWT_SECRET_PREVIOUS":      {"s3cret"},
		"ACCESS_TOKEN_TTL":         {"0", "-15m", "15"},
		"REFRESH_TOKEN_TTL":        {"0s", "30 days"},
		"MAIL_DRIVER":              {"sendmail"},
		"SMTP_URL":                 {"mail.example.org", "http://u:s3cret@h"},
		"MAIL_FROM":                {"nobody"},
		"SMS_DRIVER":               {"twilio", "OFF"},
		"PUBLIC_URL":               {"tickr.example.org", "https://", "https://h/?a=b", "ftp://h"},
		"BOOTSTRAP_ADMIN_EMAIL":    {"admin@example.org"},
		"BOOTSTRAP_ADMIN_PASSWORD": {"s3cret"},
		"LOG_LEVEL":                {"trace", "INFO"},
		"LOG_FORMAT":               {"xml"},

		"OTEL_EXPORTER_OTLP_ENDPOINT": {"localhost:4318", "grpc://localhost", "http://u:s3cret@localhost", "http://localhost?a=b", "http://:4318"},
		"OTEL_EXPORTER_OTLP_HEADERS":  {"s3cret", "=s3cret", "a b=s3cret", "a=%zz", "a=b%0d%0as3cret"},
		"OTEL_TRACES_SAMPLER":         {"sometimes", "ALWAYS_ON"},
		"OTEL_TRACES_SAMPLER_ARG":     {"-0.1", "1.1", "NaN", "half"},
	}
	// One of a pair is reported under the name of the other.
	missing := map[string]string{
		"BOOTSTRAP_ADMIN_EMAIL":    "BOOTSTRAP_ADMIN_PASSWORD",
		"BOOTSTRAP_ADMIN_PASSWORD": "BOOTSTRAP_ADMIN_EMAIL",
	}
	for name, values := range tests {
		for _, value := range values {
			t.Run(name+"="+value, func(t *testing.T) {
				_, mistakes := load(t, map[string]string{name: value})
				require.Len(t, mistakes, 1)
				reported := name
				if other := missing[name]; other != "" {
					reported = other
				}
				require.True(t, strings.HasPrefix(mistakes[0], reported+": "), mistakes[0])
				require.NotContains(t, mistakes[0], "s3cret")
			})
		}
	}
}

func TestHeaderFields(t *testing.T) {
	t.Parallel()
	fields, err := Tracing{Headers: NewSecret(" Api-Key = a%20b%3D1, x-tenant=tickr,, empty=")}.HeaderFields()
	require.NoError(t, err)
	require.Equal(t, map[string]string{"Api-Key": "a b=1", "x-tenant": "tickr", "empty": ""}, fields)
}

func TestEveryMistakeAtOnce(t *testing.T) {
	_, mistakes := load(t, map[string]string{
		"DB_POOL_SIZE": "many", "DB_PORT": "0", "JWT_SECRET": "short", "LOG_LEVEL": "loud", "CACHE_TTL": "x",
		"BOOTSTRAP_ADMIN_EMAIL": "nobody", "BOOTSTRAP_ADMIN_PASSWORD": "x",
	})
	require.ElementsMatch(t, []string{
		"DB_POOL_SIZE: must be a whole number",
		"DB_PORT: must be between 1 and 65535",
		"JWT_SECRET: must have at least 32 bytes",
		`LOG_LEVEL: "loud" is not one of debug, info, warn, error`,
		"CACHE_TTL: must be a whole number",
		"BOOTSTRAP_ADMIN_EMAIL: must be an e-mail address",
	}, mistakes)

	_, mistakes = load(t, map[string]string{"MAIL_DRIVER": "smtp"})
	require.Equal(t, []string{"SMTP_URL: " + smtpNeedsServer}, mistakes)
}

func TestProductionRefuses(t *testing.T) {
	_, mistakes := load(t, map[string]string{"APP_ENV": "production"})
	require.Len(t, mistakes, 5)

	for name, value := range map[string]string{
		"DATABASE_URL":             "",
		"JWT_SECRET":               "",
		"JWT_SECRET_PREVIOUS":      developmentSecret,
		"MAIL_DRIVER":              "file",
		"SMTP_URL":                 "",
		"SMS_DRIVER":               "file",
		"PUBLIC_URL":               defaultPublicURL + "/",
		"RATE_LIMITS":              "off",
		"BOOTSTRAP_ADMIN_PASSWORD": developmentAdminPassword,
	} {
		t.Run(name, func(t *testing.T) {
			_, mistakes := load(t, production(map[string]string{name: value, "BOOTSTRAP_ADMIN_EMAIL": "a@example.org", "BOOTSTRAP_ADMIN_PASSWORD": "long enough for anyone"}))
			if name == "BOOTSTRAP_ADMIN_PASSWORD" {
				_, mistakes = load(t, production(map[string]string{name: value, "BOOTSTRAP_ADMIN_EMAIL": "a@example.org"}))
			}
			require.Len(t, mistakes, 1)
			require.True(t, strings.HasPrefix(mistakes[0], name+": production "), mistakes[0])
		})
	}
}

func TestEnvFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "test.env")
	write := func(text string) { require.NoError(t, os.WriteFile(file, []byte(text), 0o600)) }
	load(t, nil) // clears the environment for the test
	require.NoError(t, os.Unsetenv("LOG_LEVEL"))
	require.NoError(t, os.Unsetenv("CACHE_TTL"))
	t.Setenv("CACHE_MAX_MB", "7")

	write("LOG_LEVEL=debug\nCACHE_MAX_MB=8\n#CACHE_TTL=9\nDB_HOST=db\n")
	c, err := Load(file)
	require.NoError(t, err)
	require.Equal(t, "debug", c.Log.Level, "the file completes the environment")
	require.Equal(t, 7, c.Cache.MaxMB, "the environment wins")
	require.Equal(t, 300, c.Cache.TTLSeconds)
	require.Empty(t, c.Database.Host, "an empty variable of the environment wins too")

	write("JWT_SECRET='s3cret\n")
	_, err = Load(file)
	require.ErrorContains(t, err, "--env-file: ")
	require.NotContains(t, err.Error(), "s3cret")

	_, err = Load(file + ".missing")
	require.ErrorContains(t, err, "--env-file: ")
}

func TestDSN(t *testing.T) {
	for name, host := range map[string]string{"name": "db", "IPv6": "::1", "socket": "/var/run/postgresql"} {
		t.Run(name, func(t *testing.T) {
			d := Database{
				Host: host, Port: 6543, Username: "us er@x", Password: NewSecret(`p@:/ ?#%&"'ß`), Name: "ti/ck?r", SSLMode: "disable",
			}
			parsed, err := pgx.ParseConfig(d.DSN())
			require.NoError(t, err)
			require.Equal(t, host, parsed.Host)
			require.EqualValues(t, 6543, parsed.Port)
			require.Equal(t, d.Username, parsed.User)
			require.Equal(t, d.Password.Reveal(), parsed.Password)
			require.Equal(t, d.Name, parsed.Database)
			require.Nil(t, parsed.TLSConfig)
			require.Equal(t, d.DSN(), d.DirectDSN())
		})
	}
	d := Database{URL: NewSecret("postgres://u@h/db"), Host: "other", DirectURL: NewSecret("postgres://u@direct/db")}
	require.Equal(t, "postgres://u@h/db", d.DSN())
	require.Equal(t, "postgres://u@direct/db", d.DirectDSN())
	require.False(t, d.Private())
}

func TestWrite(t *testing.T) {
	c, mistakes := load(t, production(map[string]string{
		"DATABASE_URL":          "postgres://tickr:s3cret@db.example.org/tickr?sslpassword=s3cret",
		"DB_PASSWORD":           "s3cret",
		"JWT_SECRET":            "s3cret" + strings.Repeat("k", 32),
		"DB_CONNECTION_TIMEOUT": "2500",
		"HTTP_TRUSTED_PROXIES":  "10.0.0.1, 10.0.0.2",

		"OTEL_EXPORTER_OTLP_HEADERS": "key=s3cret",
	}))
	require.Empty(t, mistakes)
	var out strings.Builder
	require.NoError(t, c.Write(&out))
	require.NotContains(t, out.String(), "s3cret")
	for _, line := range []string{
		"APP_ENV=production",
		"HTTP_TRUSTED_PROXIES=10.0.0.1,10.0.0.2",
		"DATABASE_URL=postgres://tickr:xxxxx@db.example.org/tickr",
		"DB_PASSWORD=[redacted]",
		"DB_CONNECTION_TIMEOUT=2500",
		"JWT_SECRET=[redacted]",
		"JWT_SECRET_PREVIOUS=",
		"ACCESS_TOKEN_TTL=15m0s",
		"SMTP_URL=smtp://tickr:xxxxx@mail.example.org:587",
		"OTEL_EXPORTER_OTLP_HEADERS=[redacted]",
	} {
		require.Contains(t, out.String(), line+"\n")
	}
}

// configs/dev.env documents exactly what the code reads, in the same order.
func TestDevEnvDocumentsEveryVariable(t *testing.T) {
	var read []string
	fields := map[string]bool{}
	variables(reflect.ValueOf(Config{}), func(name string, field reflect.StructField, _ reflect.Value) {
		read = append(read, name)
		if field.Type.Kind() != reflect.String && field.Type != reflect.TypeFor[Secret]() {
			require.False(t, fields[field.Name], "parse errors name fields: two are called %s", field.Name)
			fields[field.Name] = true
		}
	})

	file, err := os.Open(devEnv)
	require.NoError(t, err)
	defer func() { require.NoError(t, file.Close()) }()
	line := regexp.MustCompile(`^#?([A-Z][A-Z0-9_]+)=`)
	var documented []string
	previous := ""
	for scanner := bufio.NewScanner(file); scanner.Scan(); previous = scanner.Text() {
		if match := line.FindStringSubmatch(scanner.Text()); match != nil {
			documented = append(documented, match[1])
			require.Regexp(t, `^# .*Default|never in production$`, previous, "%s needs its meaning and default above it", match[1])
		}
	}
	require.Equal(t, read, documented)
}

func TestDevEnvWorks(t *testing.T) {
	load(t, nil)
	variables(reflect.ValueOf(Config{}), func(name string, _ reflect.StructField, _ reflect.Value) {
		require.NoError(t, os.Unsetenv(name))
	})
	c, err := Load(devEnv)
	require.NoError(t, err)
	require.True(t, c.Database.Private())
	require.False(t, c.HTTP.AddrGiven)
	require.False(t, c.Mail.PublicURLGiven)
	require.Equal(t, developmentAdminPassword, c.Bootstrap.Password.Reveal(), "production refuses this value by name")

	c, err = Load("../../configs/test.env")
	require.NoError(t, err)
	require.Equal(t, Test, c.Env)
	require.Equal(t, "tickr_test", c.Database.Name)
}
