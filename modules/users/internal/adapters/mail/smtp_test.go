package mail

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"
	gomail "github.com/wneessen/go-mail"

	"github.com/tickr/tickr/modules/users/internal/application"
)

// server is a real SMTP server that keeps what it is given.
type server struct {
	address string
	roots   *x509.CertPool

	mu       sync.Mutex
	messages [][]byte
	inTLS    bool
	refuse   error // answer to RCPT
}

func (s *server) received() [][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.messages
}

// newServer starts a server; secure offers STARTTLS.
func newServer(t *testing.T, secure bool) *server {
	t.Helper()
	s := &server{}
	backend := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		return &conversation{server: s, conn: c}, nil
	}))
	backend.Domain = "localhost"
	backend.AllowInsecureAuth = true
	if secure {
		var certificate tls.Certificate
		certificate, s.roots = certificateFor(t, "127.0.0.1")
		backend.TLSConfig = &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s.address = listener.Addr().String()
	go func() { _ = backend.Serve(listener) }()
	t.Cleanup(func() { _ = backend.Close() })
	return s
}

func certificateFor(t *testing.T, ip string) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.ParseIP(ip)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	certificate, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	roots := x509.NewCertPool()
	roots.AddCert(certificate)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
}

// conversation is what the server says to one client.
type conversation struct {
	*server
	conn *smtp.Conn
}

func (c *conversation) AuthMechanisms() []string { return []string{sasl.Plain} }

func (c *conversation) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, username, password string) error {
		if username != "tickr" || password != "s3cret" {
			return errors.New("wrong user or password")
		}
		return nil
	}), nil
}

func (c *conversation) Mail(string, *smtp.MailOptions) error { return nil }

func (c *conversation) Rcpt(string, *smtp.RcptOptions) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.refuse
}

func (c *conversation) Data(r io.Reader) error {
	message, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	_, secure := c.conn.TLSConnectionState()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.messages, c.inTLS = append(c.messages, message), secure
	return nil
}

func (c *conversation) Reset()        {}
func (c *conversation) Logout() error { return nil }

func newSMTP(t *testing.T, url string, requireTLS bool) *SMTP {
	t.Helper()
	s, err := NewSMTP(SMTPOptions{URL: url, From: "Tickr <no-reply@tickr.example>", PublicURL: publicURL, RequireTLS: requireTLS})
	require.NoError(t, err)
	return s
}

func (s *SMTP) trusting(roots *x509.CertPool) *SMTP {
	s.options = append(s.options, gomail.WithTLSConfig(&tls.Config{RootCAs: roots, ServerName: "127.0.0.1", MinVersion: tls.VersionTLS12}))
	return s
}

func TestSMTPHandsTheMessageOver(t *testing.T) {
	t.Parallel()
	there := newServer(t, false)
	s := newSMTP(t, "smtp://"+there.address, false)
	require.NoError(t, s.Send(t.Context(), sample(application.MailVerifyEmail)))
	require.NoError(t, s.Send(t.Context(), sample(application.MailVerifyEmail)))
	require.Len(t, there.received(), 2)
	header, body := read(t, there.received()[0])
	require.Equal(t, "<ana@example.org>", header.Get("To"))
	require.Contains(t, body, publicURL+"/verify-email?token="+token+"\r\n")
	again, _ := read(t, there.received()[1])
	require.Equal(t, header.Get("Message-Id"), again.Get("Message-Id"), "a duplicate can be told by its ID")
}

func TestSMTPDemandsTLS(t *testing.T) {
	t.Parallel()
	plain := newServer(t, false)
	require.Error(t, newSMTP(t, "smtp://"+plain.address, true).Send(t.Context(), sample(application.MailVerifyEmail)))
	require.Empty(t, plain.received())

	secure := newServer(t, true)
	require.Error(t, newSMTP(t, "smtp://"+secure.address, true).Send(t.Context(), sample(application.MailVerifyEmail)), "nobody vouches for it")
	require.Empty(t, secure.received())

	require.NoError(t, newSMTP(t, "smtp://"+secure.address, true).trusting(secure.roots).Send(t.Context(), sample(application.MailVerifyEmail)))
	require.Len(t, secure.received(), 1)
	require.True(t, secure.inTLS)
}

func TestSMTPLogsIn(t *testing.T) {
	t.Parallel()
	there := newServer(t, true)
	right := newSMTP(t, "smtp://tickr:s3cret@"+there.address, true).trusting(there.roots)
	require.NoError(t, right.Send(t.Context(), sample(application.MailVerifyEmail)))
	wrong := newSMTP(t, "smtp://tickr:canary@"+there.address, true).trusting(there.roots)
	err := wrong.Send(t.Context(), sample(application.MailVerifyEmail))
	require.Error(t, err)
	require.NotContains(t, err.Error(), "canary")
	require.Len(t, there.received(), 1)
}

func TestSMTPErrorsNameNobody(t *testing.T) {
	t.Parallel()
	there := newServer(t, false)
	there.refuse = &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "<ana@example.org> is unknown here"}
	err := newSMTP(t, "smtp://"+there.address, false).Send(t.Context(), sample(application.MailVerifyEmail))
	require.ErrorContains(t, err, "550")
	require.NotContains(t, err.Error(), "ana")
	require.NotContains(t, err.Error(), token)
}

func TestSMTPServerThatIsSlowOrDead(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer silent.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	require.Error(t, newSMTP(t, "smtp://"+silent.Addr().String(), false).Send(ctx, sample(application.MailVerifyEmail)))
	require.NoError(t, t.Context().Err())

	require.NoError(t, silent.Close())
	err = newSMTP(t, "smtp://"+silent.Addr().String(), false).Send(t.Context(), sample(application.MailVerifyEmail))
	require.ErrorContains(t, err, "refused")
}

func TestSMTPRefusesBadOptions(t *testing.T) {
	t.Parallel()
	for _, o := range []SMTPOptions{
		{URL: "smtp://", From: "a@example.org"}, {URL: "://canary", From: "a@example.org"}, {URL: "smtp://mail.example.org", From: "nonsense"},
	} {
		_, err := NewSMTP(o)
		require.Error(t, err)
		require.NotContains(t, err.Error(), "canary")
	}
}
