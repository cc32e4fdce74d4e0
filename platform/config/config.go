// Package config reads the program's environment into typed values and reports
// every mistake in it at once. It knows no module: what a value is for is
// decided by those who are given it.
package config

import (
	"cmp"
	"errors"
	"maps"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"
	"github.com/joho/godotenv"
	"golang.org/x/net/http/httpguts"
)

// Environment is what the program runs as: Development, Test or Production.
type Environment string

// The environments. Production refuses development secrets and drivers.
const (
	Development Environment = "development"
	Test        Environment = "test"
	Production  Environment = "production"
)

// Values that are fine on a laptop and refused in production.
const (
	developmentSecret        = "development-only-secret-never-for-production"
	developmentAdminPassword = "copper-lantern-orbit-velvet"
	defaultPublicURL         = "http://localhost:3000"
)

// Off is the value of OPS_ADDR that asks for no operations port, and of SMS_DRIVER that asks for no text messages.
const Off = "off"

// Config is the whole configuration. The order of its fields is the order of
// configs/dev.env and of Write.
type Config struct {
	Env      Environment `env:"APP_ENV" envDefault:"development"`
	HTTP     HTTP
	Database Database
	Private  Private
	Backup   Backup
	Cache    Cache
	Tokens   Tokens
	Mail     Mail
	SMS      SMS
	// RateLimits is off only outside production: nobody is throttled then.
	RateLimits Switch `env:"RATE_LIMITS" envDefault:"on"`
	Bootstrap  Bootstrap
	Log        Log
	Tracing    Tracing
}

// HTTP says where the program listens and whom it believes.
type HTTP struct {
	Addr           string   `env:"HTTP_ADDR" envDefault:":3000"`
	OpsAddr        string   `env:"OPS_ADDR" envDefault:"127.0.0.1:9090"` // Off: none
	TrustedProxies []string `env:"HTTP_TRUSTED_PROXIES"`                 // addresses or CIDR blocks
	CORSOrigins    []string `env:"HTTP_CORS_ORIGINS"`                    // scheme://host[:port]

	// ShutdownDelay is how long readyz answers 503 before the listener closes.
	ShutdownDelay time.Duration `env:"SHUTDOWN_DELAY" envDefault:"0s"`

	// AddrGiven and OpsAddrGiven tell that exactly this address is wanted, so
	// that a taken port is an error: it was set, or this is production.
	AddrGiven, OpsAddrGiven bool
}

// Database says how to reach PostgreSQL. URL wins over the single values; with
// neither URL nor Host the program runs a server of its own.
type Database struct {
	URL      Secret `env:"DATABASE_URL" print:"url"`
	Host     string `env:"DB_HOST"` // a name, an address or the folder of a unix socket
	Port     int    `env:"DB_PORT" envDefault:"5432"`
	Username string `env:"DB_USERNAME" envDefault:"postgres"`
	Password Secret `env:"DB_PASSWORD" envDefault:"postgres"`
	Name     string `env:"DB_NAME" envDefault:"tickr"`
	SSLMode  string `env:"DB_SSLMODE" envDefault:"prefer"`

	// DirectURL leads past a pooler, for migrations and listening.
	DirectURL Secret `env:"DB_DIRECT_URL" print:"url"`

	PoolSize int `env:"DB_POOL_SIZE" envDefault:"20"`
	// ConnectionTimeout bounds dialling and, separately, the wait for a free connection.
	ConnectionTimeout Millis `env:"DB_CONNECTION_TIMEOUT" envDefault:"10000"`
	IdleTimeout       Millis `env:"DB_IDLE_TIMEOUT" envDefault:"30000"`

	// Prepared keeps prepared statements in connections: off behind PgBouncer in transaction mode.
	Prepared Switch `env:"DB_PREPARED" envDefault:"on"`

	MigrateOnStart bool `env:"DB_MIGRATE_ON_START"` // unset: true, false in production
}

// Private is about the PostgreSQL that the program runs itself.
type Private struct {
	DataDir string `env:"DATA_DIR"`   // unset: .data; also the home of captured mail and text messages
	BinDir  string `env:"PG_BIN_DIR"` // empty: PATH and the usual folders
}

// Backup says where backups go.
type Backup struct {
	Dir string `env:"BACKUP_DIR"` // unset: DATA_DIR/backups
}

// Cache bounds the profile cache.
type Cache struct {
	TTLSeconds int `env:"CACHE_TTL" envDefault:"300"`
	MaxMB      int `env:"CACHE_MAX_MB" envDefault:"64"` // 0: no cache
}

// TTL is the age at which an entry is no longer served.
func (c Cache) TTL() time.Duration { return time.Duration(c.TTLSeconds) * time.Second }

// Tokens holds the signing keys, at least 32 bytes each, and lifetimes.
type Tokens struct {
	Secret         Secret        `env:"JWT_SECRET"`          // signs; unset: a development value
	PreviousSecret Secret        `env:"JWT_SECRET_PREVIOUS"` // verifies, never signs; may be unset
	AccessTTL      time.Duration `env:"ACCESS_TOKEN_TTL" envDefault:"15m"`
	RefreshTTL     time.Duration `env:"REFRESH_TOKEN_TTL" envDefault:"720h"`
}

// Mail says how mail leaves and what its links point to.
type Mail struct {
	Driver    string `env:"MAIL_DRIVER" envDefault:"file"` // file or smtp
	Dir       string `env:"MAIL_DIR"`                      // unset: DATA_DIR/mail
	SMTPURL   Secret `env:"SMTP_URL" print:"url"`
	From      string `env:"MAIL_FROM" envDefault:"Tickr <no-reply@tickr.test>"`
	PublicURL string `env:"PUBLIC_URL"` // without a trailing slash

	// APIURL is where command lines in mails reach this program, outside production. No variable sets it: the program does, once
	// it listens.
	APIURL string

	// PublicURLGiven tells that PublicURL was set.
	PublicURLGiven bool
}

// SMS says how text messages leave.
type SMS struct {
	Driver string `env:"SMS_DRIVER"` // file or Off; unset: file, Off in production
	Dir    string `env:"SMS_DIR"`    // unset: DATA_DIR/sms
}

// Bootstrap is the administrator created when there is none; both or neither are set.
type Bootstrap struct {
	Email    string `env:"BOOTSTRAP_ADMIN_EMAIL"`
	Password Secret `env:"BOOTSTRAP_ADMIN_PASSWORD"`
}

// Log says how much is logged and in which form.
type Log struct {
	Level  string `env:"LOG_LEVEL" envDefault:"info"` // debug, info, warn or error
	Format string `env:"LOG_FORMAT"`                  // text or json; unset: text, json in production
}

// Tracing says where traces go. Its variables are OpenTelemetry's.
type Tracing struct {
	Endpoint    string  `env:"OTEL_EXPORTER_OTLP_ENDPOINT"` // of an OTLP/HTTP collector; empty: no tracing
	Headers     Secret  `env:"OTEL_EXPORTER_OTLP_HEADERS"`  // see HeaderFields
	ServiceName string  `env:"OTEL_SERVICE_NAME" envDefault:"tickr"`
	Sampler     string  `env:"OTEL_TRACES_SAMPLER" envDefault:"parentbased_always_on"`
	SamplerArg  float64 `env:"OTEL_TRACES_SAMPLER_ARG" envDefault:"1"` // share of traces that a sampler by ratio keeps
}

// HeaderFields returns the Headers, written name=value,name=value with the
// values percent-encoded. Its error shows none of them.
func (t Tracing) HeaderFields() (map[string]string, error) {
	fields := map[string]string{}
	for _, pair := range trimmed(strings.Split(t.Headers.Reveal(), ",")) {
		name, encoded, assigned := strings.Cut(pair, "=")
		name = strings.TrimSpace(name)
		value, err := url.PathUnescape(strings.TrimSpace(encoded))
		if !assigned || err != nil || !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value) {
			return nil, errors.New("must look like name=value,name=value (values percent-encoded)")
		}
		fields[name] = value
	}
	return fields, nil
}

// Switch is a boolean that its variable gives as on or off.
type Switch bool

// UnmarshalText reads on or off.
func (s *Switch) UnmarshalText(text []byte) error {
	switch string(text) {
	case "on":
		*s = true
	case "off":
		*s = false
	default:
		return errors.New("neither on nor off")
	}
	return nil
}

// String is on or off.
func (s Switch) String() string {
	if s {
		return "on"
	}
	return "off"
}

// Millis is a duration that its variable gives in whole milliseconds.
type Millis time.Duration

// UnmarshalText reads a whole number of milliseconds.
func (m *Millis) UnmarshalText(text []byte) error {
	// 32 bits: more than three weeks, and no overflow in nanoseconds.
	n, err := strconv.ParseInt(string(text), 10, 32)
	*m = Millis(time.Duration(n) * time.Millisecond)
	return err
}

// String is the number of milliseconds.
func (m Millis) String() string { return strconv.FormatInt(time.Duration(m).Milliseconds(), 10) }

// Load reads the environment, completed by the file envFile when that is not
// empty: a variable that the environment has, even empty, wins over the file.
// An empty variable counts as unset. Its only error is an *Error that lists
// every mistake.
func Load(envFile string) (Config, error) {
	var found mistakes
	vars := environment(envFile, &found)
	production := vars["APP_ENV"] == string(Production)
	given := func(name string) bool { return vars[name] != "" }

	c := Config{
		HTTP: HTTP{
			AddrGiven:    given("HTTP_ADDR") || production,
			OpsAddrGiven: given("OPS_ADDR") || production,
		},
		Mail: Mail{PublicURLGiven: given("PUBLIC_URL")},
	}
	setDefaults(vars, production)
	if err := env.ParseWithOptions(&c, env.Options{Environment: vars}); err != nil {
		found.parsing(err)
	}
	c.HTTP.TrustedProxies = trimmed(c.HTTP.TrustedProxies)
	c.HTTP.CORSOrigins = trimmed(c.HTTP.CORSOrigins)
	c.Mail.PublicURL = strings.TrimRight(c.Mail.PublicURL, "/")

	c.check(&found)
	if production {
		c.checkProduction(&found)
	}
	if len(found.lines) > 0 {
		return Config{}, &Error{Mistakes: found.lines}
	}
	return c, nil
}

// environment is the process environment over the variables of envFile, without
// the empty ones.
func environment(envFile string, found *mistakes) map[string]string {
	vars := map[string]string{}
	if envFile != "" {
		vars = fileVariables(envFile, found)
	}
	maps.Copy(vars, env.ToMap(os.Environ()))
	maps.DeleteFunc(vars, func(_, value string) bool { return value == "" })
	return vars
}

// fileVariables reads an environment file.
func fileVariables(envFile string, found *mistakes) map[string]string {
	text, err := os.ReadFile(envFile)
	if err != nil {
		found.add("--env-file", "%v", err)
		return map[string]string{}
	}
	vars, err := godotenv.UnmarshalBytes(text)
	if err != nil {
		// The parser's own error quotes the file, and that may be a secret.
		found.add("--env-file", "%s is not a list of NAME=value lines", envFile)
		return map[string]string{}
	}
	return vars
}

// setDefaults fills in what the tags of Config cannot say: defaults that depend
// on another value, and those that production compares with.
func setDefaults(vars map[string]string, production bool) {
	dataDir, format, sms := cmp.Or(vars["DATA_DIR"], ".data"), "text", "file"
	if production {
		format, sms = "json", Off
	}
	for name, value := range map[string]string{
		"DB_MIGRATE_ON_START": strconv.FormatBool(!production),
		"DATA_DIR":            dataDir,
		"BACKUP_DIR":          filepath.Join(dataDir, "backups"),
		"JWT_SECRET":          developmentSecret,
		"MAIL_DIR":            filepath.Join(dataDir, "mail"),
		"SMS_DRIVER":          sms,
		"SMS_DIR":             filepath.Join(dataDir, "sms"),
		"PUBLIC_URL":          defaultPublicURL,
		"LOG_FORMAT":          format,
	} {
		if vars[name] == "" {
			vars[name] = value
		}
	}
}

func trimmed(list []string) []string {
	for i := range list {
		list[i] = strings.TrimSpace(list[i])
	}
	return slices.DeleteFunc(list, func(s string) bool { return s == "" })
}

// Private tells that no server is named: the program runs its own.
func (d Database) Private() bool { return d.URL.Reveal() == "" && d.Host == "" }

// DSN is the address of the database as a URL with the password in it; never
// log it. It is empty when Private.
func (d Database) DSN() string {
	switch {
	case d.Private():
		return ""
	case d.URL.Reveal() != "":
		return d.URL.Reveal()
	}
	dsn := url.URL{
		Scheme: "postgres",
		User:   url.UserPassword(d.Username, d.Password.Reveal()),
		Path:   "/" + d.Name,
	}
	query := url.Values{"sslmode": {d.SSLMode}}
	if strings.HasPrefix(d.Host, "/") {
		query.Set("host", d.Host)
		query.Set("port", strconv.Itoa(d.Port))
	} else {
		dsn.Host = net.JoinHostPort(d.Host, strconv.Itoa(d.Port))
	}
	dsn.RawQuery = query.Encode()
	return dsn.String()
}

// DirectDSN is the address past a pooler, and DSN where none is given.
func (d Database) DirectDSN() string {
	if direct := d.DirectURL.Reveal(); direct != "" {
		return direct
	}
	return d.DSN()
}
