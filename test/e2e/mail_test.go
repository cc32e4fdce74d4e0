package e2e

import (
	"crypto/tls"
	"encoding/pem"
	"io"
	"log"
	"net"
	"net/http/httptest"
	"net/mail"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/platform/database/dbtest"
	"github.com/tickr/tickr/test/program"
)

const (
	// mailPoll is how long mail may wait where nothing is in its way.
	mailPoll = time.Second
	// mailTimeout is how long the program waits for a server that does not greet: a request that waited for it would take as long.
	mailTimeout = 10 * time.Second
	// mailLease is how long a mail stays with the program that tried it last.
	mailLease = "3 minutes"
)

// mailServer is a real SMTP server. It keeps what it is handed.
type mailServer struct {
	t        *testing.T
	listener net.Listener
	address  string

	mu       sync.Mutex
	senders  int // heard, with or without a message
	messages []message
	lose     int // answers to messages that are lost from here on
}

// message is what the server was handed, and whether under TLS.
type message struct {
	raw    string
	id     string
	secure bool
}

// newMailServer returns a server that hangs: it takes connections and never greets.
func newMailServer(t *testing.T) *mailServer {
	t.Helper()
	s := &mailServer{t: t}
	s.listen("127.0.0.1:0")
	return s
}

func (s *mailServer) listen(address string) {
	s.t.Helper()
	var err error
	s.listener, err = net.Listen("tcp", address)
	require.NoError(s.t, err)
	s.address = s.listener.Addr().String()
	s.t.Cleanup(func() { _ = s.listener.Close() })
}

// die makes the server refuse connections.
func (s *mailServer) die() { require.NoError(s.t, s.listener.Close()) }

// revive ends die: the server hangs.
func (s *mailServer) revive() { s.listen(s.address) }

// serve makes the server work, also for the connections that hang. It offers STARTTLS when it has certificates.
func (s *mailServer) serve(certificates ...tls.Certificate) {
	server := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		return conversation{s, c}, nil
	}))
	server.Domain = "localhost"
	server.ErrorLog = log.New(io.Discard, "", 0)
	if len(certificates) > 0 {
		server.TLSConfig = &tls.Config{Certificates: certificates}
	}
	go func() { _ = server.Serve(s.listener) }()
	s.t.Cleanup(func() { _ = server.Close() })
}

func (s *mailServer) received() []message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.messages)
}

// heard reports how often somebody began to hand a message over.
func (s *mailServer) heard() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.senders
}

// conversation is what the server says to one client.
type conversation struct {
	server *mailServer
	conn   *smtp.Conn
}

func (c conversation) Mail(string, *smtp.MailOptions) error {
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	c.server.senders++
	return nil
}

func (c conversation) Rcpt(string, *smtp.RcptOptions) error { return nil }

func (c conversation) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	parsed, err := mail.ReadMessage(strings.NewReader(string(raw)))
	if err != nil {
		return err
	}
	_, secure := c.conn.TLSConnectionState()
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	c.server.messages = append(c.server.messages, message{raw: string(raw), id: parsed.Header.Get("Message-Id"), secure: secure})
	if c.server.lose > 0 {
		c.server.lose--
		return c.conn.Conn().Close()
	}
	return nil
}

func (c conversation) Reset()        {}
func (c conversation) Logout() error { return nil }

// certificate returns one for 127.0.0.1 that only vouches for itself, and the name of a file with it for whoever trusts it.
func certificate(t *testing.T) (certificate tls.Certificate, file string) {
	t.Helper()
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	file = filepath.Join(t.TempDir(), "trusted.pem")
	block := &pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}
	require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(block), 0o600))
	return server.TLS.Certificates[0], file
}

// mailing is the environment of a program that hands its mail to a server.
func mailing(t *testing.T, db *dbtest.DB, s *mailServer) []string {
	t.Helper()
	return append(program.Standard(t, db.DSN), "MAIL_DRIVER=smtp", "SMTP_URL=smtp://"+s.address)
}

// register asks for an account and requires that no mail server was waited for.
func (p *instance) register(email string) {
	p.t.Helper()
	begin := time.Now()
	p.client().do("POST", "/api/auth/register", object{
		"email": email, "password": password, "firstName": "Amira", "lastName": "Ben Salah",
	}).is(202)
	require.Less(p.t, time.Since(begin), mailTimeout)
}

// awaitMail waits until the outbox is empty: from then on nothing is sent again. It returns what the server has.
func (p *instance) awaitMail(db *dbtest.DB, s *mailServer) []message {
	p.t.Helper()
	p.Await("all mail to be handed over", func() bool { return outbox(p.t, db, "count(*)") == 0 })
	return s.received()
}

// outbox returns an aggregate over the mail that waits.
func outbox(t *testing.T, db *dbtest.DB, aggregate string) (n int) {
	t.Helper()
	require.NoError(t, db.Pool().QueryRow(t.Context(), "SELECT "+aggregate+" FROM users.outbox").Scan(&n))
	return n
}

func TestMailReachesAServerAndItsLinkWorks(t *testing.T) {
	t.Parallel()
	s, db := newMailServer(t), dbtest.Empty(t)
	s.serve()
	p := start(t, mailing(t, db, s)...)
	emails, fastest := []string{"a@example.com", "b@example.com", "c@example.com"}, program.Patience
	for i, email := range emails {
		p.register(email)
		begin := time.Now()
		p.Await("the mail", func() bool { return len(s.received()) > i })
		fastest = min(fastest, time.Since(begin))
	}
	require.Less(t, fastest, mailPoll)

	for i, got := range p.awaitMail(db, s) {
		require.Contains(t, got.raw, "To: <"+emails[i]+">\r\n")
		link := linkTo("/verify-email").FindStringSubmatch(got.raw)
		require.NotNil(t, link, got.raw)
		p.client().do("POST", "/api/auth/verify-email", object{"token": link[1]}).is(200)
		p.client().logIn(emails[i], password)
	}
}

func TestMailWaitsForADeadServer(t *testing.T) {
	t.Parallel()
	s, db := newMailServer(t), dbtest.Empty(t)
	s.die()
	p := start(t, mailing(t, db, s)...)
	p.register("patient@example.com")
	p.Await("two tries", func() bool { return outbox(t, db, "max(attempts)") >= 2 })
	p.client().do("GET", "/readyz", nil).is(200)

	s.revive()
	s.serve()
	require.Len(t, p.awaitMail(db, s), 1)
	require.NotContains(t, p.Logs.String(), "patient@example.com")
}

func TestNoRequestWaitsForAServerThatHangs(t *testing.T) {
	t.Parallel()
	s, db := newMailServer(t), dbtest.Empty(t)
	p := start(t, mailing(t, db, s)...)
	p.register("first@example.com")
	p.Await("a try", func() bool { return outbox(t, db, "max(attempts)") == 1 })
	p.register("second@example.com")
	require.Equal(t, 2, outbox(t, db, "count(*)"))

	s.serve()
	messages := p.awaitMail(db, s)
	require.Len(t, messages, 2)
	require.NotEqual(t, messages[0].id, messages[1].id)
}

func TestLostAnswerMakesADuplicateThatShows(t *testing.T) {
	t.Parallel()
	s, db := newMailServer(t), dbtest.Empty(t)
	s.lose = 1
	s.serve()
	p := start(t, mailing(t, db, s)...)
	p.register("twice@example.com")
	p.Await("both copies", func() bool { return len(s.received()) >= 2 })
	messages := p.awaitMail(db, s)
	require.Len(t, messages, 2)
	require.NotEmpty(t, messages[0].id)
	require.Equal(t, messages[0], messages[1])
}

func TestKilledProgramLeavesItsMailToTheNext(t *testing.T) {
	t.Parallel()
	s, db := newMailServer(t), dbtest.Empty(t)
	env := mailing(t, db, s)
	p := start(t, env...)
	p.register("survivor@example.com")
	p.Await("the mail to be on its way", func() bool { return outbox(t, db, "max(attempts)") == 1 })
	p.Kill()

	s.serve()
	require.Empty(t, s.received())
	_, err := db.Pool().Exec(t.Context(), "UPDATE users.outbox SET due_at = due_at - interval '"+mailLease+"'") // time passes
	require.NoError(t, err)
	require.Len(t, start(t, env...).awaitMail(db, s), 1)
}

func TestMailLeavesOnlyUnderTLS(t *testing.T) {
	t.Parallel()
	for _, environment := range []string{"test", "production"} {
		for name, secure := range map[string]bool{"no TLS": false, "a certificate that nobody knows": true} {
			t.Run(environment+", "+name, func(t *testing.T) {
				t.Parallel()
				s, db := newMailServer(t), dbtest.Empty(t)
				if secure {
					unknown, _ := certificate(t)
					s.serve(unknown)
				} else {
					s.serve()
				}
				p := start(t, append(production(t, db, s), "APP_ENV="+environment, "DB_MIGRATE_ON_START=true")...)
				p.register("secret@example.com")
				require.NotEmpty(t, p.AwaitLog("message could not be sent")["error"])
				require.Zero(t, s.heard())
				require.Equal(t, 1, outbox(t, db, "count(*)"))
			})
		}
	}
}

// production is the environment of a program that the public uses.
func production(t *testing.T, db *dbtest.DB, s *mailServer) []string {
	t.Helper()
	return append(mailing(t, db, s),
		"APP_ENV=production", "RATE_LIMITS=on", "JWT_SECRET=a-secret-of-the-tests-and-of-nothing-else", "PUBLIC_URL=https://tickr.example",
		"MAIL_FROM=Tickr <no-reply@tickr.example>",
	)
}

func TestProductionStarts(t *testing.T) {
	t.Parallel()
	s, db := newMailServer(t), dbtest.Empty(t)
	known, file := certificate(t)
	s.serve(known)
	address := "127.0.0.1:" + program.FreePort(t)
	env := append(production(t, db, s), "HTTP_ADDR="+address, "SSL_CERT_FILE="+file)
	p := launch(t, env...)
	p.API = "http://" + address
	p.Await("the listener", func() bool {
		a, err := p.client().try("GET", "/livez", nil)
		return err == nil && a.Status == 200
	})
	p.client().do("GET", "/readyz", nil).isStatus(503)

	up := program.Run(t, "", env, "migrate", "up")
	require.Equal(t, 0, up.Code, up.ErrOut)
	p.AwaitReady()
	p.client().do("GET", "/readyz", nil).is(200)
	require.Empty(t, p.Out.String(), "the welcome is for developers")

	p.register("customer@example.com")
	messages := p.awaitMail(db, s)
	require.Len(t, messages, 1)
	require.True(t, messages[0].secure)
	require.Contains(t, messages[0].raw, "https://tickr.example/verify-email?token=")
	require.NotContains(t, messages[0].raw, "curl")
	link := linkTo("/verify-email").FindStringSubmatch(messages[0].raw)
	p.client().do("POST", "/api/auth/verify-email", object{"token": link[1]}).is(200)
	p.client().logIn("customer@example.com", password)
	require.Equal(t, 0, p.Stop(syscall.SIGTERM))
}
