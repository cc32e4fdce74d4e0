package mail

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/modules/users/internal/application"
)

// server is a real SMTP server that keeps what it is given.
type server struct {
	startTLS, fromStart bool
	old                 bool          // it knows no 8BITMIME
	pause               time.Duration // before each answer but the greeting
	mail, rcpt, data    error         // answers

	address string
	roots   *x509.CertPool

	mu       sync.Mutex
	messages [][]byte
	inTLS    bool
}

func (s *server) received() [][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.messages
}

// newServer starts a server on a port of its own.
func newServer(t *testing.T, s *server) *server {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s.address = listener.Addr().String()
	s.serve(t, listener)
	return s
}

func (s *server) serve(t *testing.T, listener net.Listener) {
	t.Helper()
	backend := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		time.Sleep(s.pause)
		return &conversation{server: s, conn: c}, nil
	}))
	backend.Domain = "localhost"
	backend.AllowInsecureAuth = true
	backend.ErrorLog = log.New(io.Discard, "", 0)
	if s.old {
		listener = oldListener{listener}
	}
	if s.startTLS || s.fromStart {
		var certificate tls.Certificate
		certificate, s.roots = certificateFor(t, "127.0.0.1")
		config := &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
		if s.fromStart {
			listener = tls.NewListener(listener, config)
		} else {
			backend.TLSConfig = config
		}
	}
	go func() { _ = backend.Serve(listener) }()
	t.Cleanup(func() { _ = backend.Close() })
}

// oldListener hides what servers did not offer once.
type oldListener struct{ net.Listener }

func (l oldListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	return oldConn{conn}, err
}

type oldConn struct{ net.Conn }

func (c oldConn) Write(p []byte) (int, error) {
	return c.Conn.Write(bytes.ReplaceAll(p, []byte("8BITMIME"), []byte("X-NOTHIN")))
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
			return smtp.ErrAuthFailed
		}
		return nil
	}), nil
}

func (c *conversation) Mail(_ string, o *smtp.MailOptions) error {
	time.Sleep(c.pause)
	if c.old && o.Body != "" {
		return errors.New("what is a body?")
	}
	return c.mail
}

func (c *conversation) Rcpt(string, *smtp.RcptOptions) error {
	time.Sleep(c.pause)
	return c.rcpt
}

func (c *conversation) Data(r io.Reader) error {
	message, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	time.Sleep(c.pause)
	if c.data != nil {
		return c.data
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
	s.tls.RootCAs = roots
	return s
}

func TestSMTPHandsTheMessageOver(t *testing.T) {
	t.Parallel()
	there := newServer(t, &server{})
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
	plain := newServer(t, &server{})
	require.Error(t, newSMTP(t, "smtp://"+plain.address, true).Send(t.Context(), sample(application.MailVerifyEmail)))
	require.Empty(t, plain.received())

	secure := newServer(t, &server{startTLS: true})
	require.Error(t, newSMTP(t, "smtp://"+secure.address, true).Send(t.Context(), sample(application.MailVerifyEmail)), "nobody vouches for it")
	require.Empty(t, secure.received())

	require.NoError(t, newSMTP(t, "smtp://"+secure.address, true).trusting(secure.roots).Send(t.Context(), sample(application.MailVerifyEmail)))
	require.Len(t, secure.received(), 1)
	require.True(t, secure.inTLS)
}

func TestSMTPLogsIn(t *testing.T) {
	t.Parallel()
	there := newServer(t, &server{startTLS: true})
	right := newSMTP(t, "smtp://tickr:s3cret@"+there.address, true).trusting(there.roots)
	require.NoError(t, right.Send(t.Context(), sample(application.MailVerifyEmail)))
	wrong := newSMTP(t, "smtp://tickr:canary@"+there.address, true).trusting(there.roots)
	err := wrong.Send(t.Context(), sample(application.MailVerifyEmail))
	require.Error(t, err)
	require.NotContains(t, err.Error(), "canary")
	require.Len(t, there.received(), 1)
}

func TestSMTPFromTheStartInTLS(t *testing.T) {
	t.Parallel()
	there := newServer(t, &server{fromStart: true})
	require.Error(t, newSMTP(t, "smtps://"+there.address, true).Send(t.Context(), sample(application.MailVerifyEmail)), "nobody vouches for it")
	s := newSMTP(t, "smtps://tickr:s3cret@"+there.address, true).trusting(there.roots)
	require.NoError(t, s.Send(t.Context(), sample(application.MailVerifyEmail)))
	require.Len(t, there.received(), 1)
	require.True(t, there.inTLS)
}

func TestSMTPServerWithout8BitMIME(t *testing.T) {
	t.Parallel()
	there := newServer(t, &server{old: true})
	s := newSMTP(t, "smtp://"+there.address, false)
	require.NoError(t, s.Send(t.Context(), sample(application.MailVerifyEmail)))
	other := sample(application.MailAlreadyRegistered)
	other.FirstName = "Zoé"
	require.NoError(t, s.Send(t.Context(), other))
	received := there.received()
	require.Len(t, received, 2)
	header, body := read(t, received[0])
	require.Equal(t, "7bit", header.Get("Content-Transfer-Encoding"))
	require.Contains(t, body, "\r\n"+publicURL+"/verify-email?token="+token+"\r\n")
	header, body = read(t, received[1])
	require.Equal(t, "quoted-printable", header.Get("Content-Transfer-Encoding"))
	require.Contains(t, body, "Hello Zo=C3=A9,\r\n")
}

func TestSMTPRefusals(t *testing.T) {
	t.Parallel()
	answer := func(code int) error {
		return &smtp.SMTPError{Code: code, EnhancedCode: smtp.EnhancedCode{code / 100, 1, 1}, Message: "<ana@example.org> is unknown here"}
	}
	for name, tt := range map[string]struct {
		server *server
		user   string
		final  bool
		says   string
	}{
		"recipient, for good": {server: &server{rcpt: answer(550)}, final: true, says: "550"},
		"recipient, for now":  {server: &server{rcpt: answer(450)}, says: "450"},
		"message, for good":   {server: &server{data: answer(554)}, final: true, says: "554"},
		"message, for now":    {server: &server{data: answer(451)}, says: "451"},
		"sender, for good":    {server: &server{mail: answer(550)}, says: "550"},
		"password":            {server: &server{startTLS: true}, user: "tickr:wrong@", says: "535"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			there := newServer(t, tt.server)
			err := newSMTP(t, "smtp://"+tt.user+there.address, false).trusting(there.roots).Send(t.Context(), sample(application.MailVerifyEmail))
			require.Equal(t, tt.final, errors.Is(err, application.ErrUndeliverable))
			require.ErrorContains(t, err, tt.says)
			require.NotContains(t, err.Error(), "ana")
			require.NotContains(t, err.Error(), token)
			require.Empty(t, there.received())
		})
	}
}

func TestSMTPRefusesBadOptions(t *testing.T) {
	t.Parallel()
	for _, o := range []SMTPOptions{
		{URL: "smtp://", From: "a@example.org"}, {URL: "://canary", From: "a@example.org"},
		{URL: "smtp://mail.example.org:70000", From: "a@example.org"}, {URL: "smtp://mail.example.org", From: "nonsense"},
	} {
		_, err := NewSMTP(o)
		require.Error(t, err)
		require.NotContains(t, err.Error(), "canary")
	}
}
