package config

import (
	"net"
	"net/mail"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"time"
)

const (
	minSecretBytes   = 32
	maxPoolSize      = 1000
	maxCacheTTL      = 24 * 60 * 60 // seconds
	maxCacheMB       = 16 << 10
	maxShutdownDelay = time.Minute
)

func (c Config) check(found *mistakes) {
	found.oneOf("APP_ENV", string(c.Env), string(Development), string(Test), string(Production))
	c.HTTP.check(found)
	c.Database.check(found)
	found.between("CACHE_TTL", c.Cache.TTLSeconds, 1, maxCacheTTL)
	found.between("CACHE_MAX_MB", c.Cache.MaxMB, 0, maxCacheMB)
	c.Tokens.check(found)
	c.Mail.check(found)
	found.oneOf("SMS_DRIVER", c.SMS.Driver, "file", Off)
	c.Bootstrap.check(found)
	found.oneOf("LOG_LEVEL", c.Log.Level, "debug", "info", "warn", "error")
	found.oneOf("LOG_FORMAT", c.Log.Format, "text", "json")
	c.Tracing.check(found)
}

func (h HTTP) check(found *mistakes) {
	if !validAddr(h.Addr) {
		found.add("HTTP_ADDR", "%q is not host:port or :port", h.Addr)
	}
	if h.OpsAddr != Off && !validAddr(h.OpsAddr) {
		found.add("OPS_ADDR", "%q is neither host:port nor %q", h.OpsAddr, Off)
	}
	for _, proxy := range h.TrustedProxies {
		_, addrErr := netip.ParseAddr(proxy)
		_, blockErr := netip.ParsePrefix(proxy)
		if addrErr != nil && blockErr != nil {
			found.add("HTTP_TRUSTED_PROXIES", "%q is neither an IP address nor a CIDR block", proxy)
		}
	}
	for _, origin := range h.CORSOrigins {
		u, err := url.Parse(origin)
		if err != nil || !isWeb(u) || u.Scheme+"://"+u.Host != origin {
			found.add("HTTP_CORS_ORIGINS", "%q is not scheme://host[:port] with http or https", origin)
		}
	}
	if h.ShutdownDelay < 0 || h.ShutdownDelay > maxShutdownDelay {
		found.add("SHUTDOWN_DELAY", "must be between 0s and %v", maxShutdownDelay)
	}
}

func validAddr(addr string) bool {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	_, err = strconv.ParseUint(port, 10, 16)
	return err == nil
}

func isWeb(u *url.URL) bool {
	return (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" && u.User == nil
}

func (d Database) check(found *mistakes) {
	found.postgres("DATABASE_URL", d.URL)
	found.postgres("DB_DIRECT_URL", d.DirectURL)
	found.between("DB_PORT", d.Port, 1, 65535)
	found.oneOf("DB_SSLMODE", d.SSLMode, "disable", "allow", "prefer", "require", "verify-ca", "verify-full")
	found.between("DB_POOL_SIZE", d.PoolSize, 1, maxPoolSize)
	found.positive("DB_CONNECTION_TIMEOUT", time.Duration(d.ConnectionTimeout))
	found.positive("DB_IDLE_TIMEOUT", time.Duration(d.IdleTimeout))
}

// isAddress tells whether a secret is a URL of one of the schemes that names a
// host, in its usual place or as the parameter that unix sockets need.
func isAddress(s Secret, schemes ...string) bool {
	u, err := url.Parse(s.Reveal())
	return err == nil && slices.Contains(schemes, u.Scheme) && (u.Host != "" || u.Query().Has("host"))
}

func (t Tokens) check(found *mistakes) {
	found.key("JWT_SECRET", t.Secret)
	found.key("JWT_SECRET_PREVIOUS", t.PreviousSecret)
	found.atLeastASecond("ACCESS_TOKEN_TTL", t.AccessTTL) // tokens tell time in whole seconds
	found.atLeastASecond("REFRESH_TOKEN_TTL", t.RefreshTTL)
}

const smtpNeedsServer = "production and the smtp driver need the address of a mail server"

func (m Mail) check(found *mistakes) {
	found.oneOf("MAIL_DRIVER", m.Driver, "file", "smtp")
	if m.Driver == "smtp" && m.SMTPURL.Reveal() == "" {
		found.add("SMTP_URL", smtpNeedsServer)
	}
	if m.SMTPURL.Reveal() != "" && !isAddress(m.SMTPURL, "smtp", "smtps") {
		found.add("SMTP_URL", "must look like smtp://user:password@host:587 (special characters percent-encoded)")
	}
	if _, err := mail.ParseAddress(m.From); err != nil {
		found.add("MAIL_FROM", "must be an address, with or without a name: Tickr <no-reply@example.org>")
	}
	u, err := url.Parse(m.PublicURL)
	if err != nil || !isWeb(u) || u.RawQuery != "" || u.Fragment != "" {
		found.add("PUBLIC_URL", "must be an http or https address without parameters, such as https://tickr.example.org")
	}
}

func (b Bootstrap) check(found *mistakes) {
	password := b.Password.Reveal()
	switch {
	case b.Email == "" && password == "":
		return
	case b.Email == "":
		found.add("BOOTSTRAP_ADMIN_EMAIL", "must be set together with BOOTSTRAP_ADMIN_PASSWORD")
	case password == "":
		found.add("BOOTSTRAP_ADMIN_PASSWORD", "must be set together with BOOTSTRAP_ADMIN_EMAIL")
	default:
		if address, err := mail.ParseAddress(b.Email); err != nil || address.Name != "" {
			found.add("BOOTSTRAP_ADMIN_EMAIL", "must be an e-mail address")
		}
	}
}

func (t Tracing) check(found *mistakes) {
	if u, err := url.Parse(t.Endpoint); t.Endpoint != "" && (err != nil || !isWeb(u) || u.RawQuery != "" || u.Fragment != "") {
		found.add("OTEL_EXPORTER_OTLP_ENDPOINT", "must be an http or https address without user and parameters, such as http://localhost:4318")
	}
	if _, err := t.HeaderFields(); err != nil {
		found.add("OTEL_EXPORTER_OTLP_HEADERS", "%v", err)
	}
	found.oneOf("OTEL_TRACES_SAMPLER", t.Sampler, "always_on", "always_off", "traceidratio",
		"parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio")
	if !(t.SamplerArg >= 0 && t.SamplerArg <= 1) { // NaN is neither
		found.add("OTEL_TRACES_SAMPLER_ARG", "must be between 0 and 1")
	}
}

func (c Config) checkProduction(found *mistakes) {
	if c.Database.Private() {
		found.add("DATABASE_URL", "production needs a database: set it or DB_HOST")
	}
	found.development("JWT_SECRET", c.Tokens.Secret, developmentSecret)
	found.development("JWT_SECRET_PREVIOUS", c.Tokens.PreviousSecret, developmentSecret)
	if !c.RateLimits {
		found.add("RATE_LIMITS", "production limits how often anything is asked")
	}
	if c.Mail.Driver != "smtp" {
		found.add("MAIL_DRIVER", "production demands smtp")
	}
	if c.Mail.SMTPURL.Reveal() == "" {
		found.add("SMTP_URL", smtpNeedsServer)
	}
	if c.SMS.Driver != Off {
		found.add("SMS_DRIVER", "production has no driver for text messages yet: %s", Off)
	}
	if !c.Mail.PublicURLGiven || c.Mail.PublicURL == defaultPublicURL {
		found.add("PUBLIC_URL", "production needs the public address of the front end")
	}
	found.development("BOOTSTRAP_ADMIN_PASSWORD", c.Bootstrap.Password, developmentAdminPassword)
}
