package mail

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/textproto"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/wneessen/go-mail/smtp"

	"github.com/tickr/tickr/modules/users/internal/application"
)

const (
	// smtpGreeting bounds connecting to the server, and then its greeting.
	smtpGreeting = 10 * time.Second
	// smtpTimeout bounds handing over one mail in all. A server may take minutes to accept a message (RFC 5321, 4.5.3.2.6), and one
	// that is not waited for gets it again. The relay's lease is longer.
	smtpTimeout = 2 * time.Minute
	// smtpFarewell bounds what does not matter any more.
	smtpFarewell = 5 * time.Second
)

// SMTPOptions says which server takes the mail.
type SMTPOptions struct {
	URL        string // smtp://user:password@host:587 (STARTTLS) or smtps://user:password@host:465 (TLS from the start)
	From       string // an address, with or without a name
	PublicURL  string // what links begin with, without a slash at the end
	RequireTLS bool   // refuse a server that does not offer STARTTLS; otherwise it is used where offered
	APIURL     string // where a command line redeems the token of a mail, which then shows it; empty: it does not
}

// SMTP hands mail to a server, one connection a mail. It is safe for concurrent use.
type SMTP struct {
	composer   composer
	host       string
	address    string
	user       *url.Userinfo // nil: no login
	helo       string
	tls        *tls.Config
	fromStart  bool // TLS comes before the greeting
	requireTLS bool
	dial       func(ctx context.Context, network, address string) (net.Conn, error)
}

var _ application.Mailer = (*SMTP)(nil)

// NewSMTP returns a driver without connecting. Its errors do not show the URL.
func NewSMTP(o SMTPOptions) (*SMTP, error) {
	composer, err := newComposer(o.From, o.PublicURL, o.APIURL)
	if err != nil {
		return nil, err
	}
	server, err := url.Parse(o.URL)
	if err != nil || server.Hostname() == "" {
		return nil, errors.New("open mail server: its address is not a URL")
	}
	port := "587"
	if server.Scheme == "smtps" {
		port = "465"
	}
	port = cmp.Or(server.Port(), port)
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return nil, errors.New("open mail server: its port is not one")
	}
	helo, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("open mail server: %w", err)
	}
	return &SMTP{
		composer: composer, host: server.Hostname(), address: net.JoinHostPort(server.Hostname(), port), user: server.User, helo: helo,
		tls:       &tls.Config{ServerName: server.Hostname(), MinVersion: tls.VersionTLS12},
		fromStart: server.Scheme == "smtps", requireTLS: o.RequireTLS,
		dial: (&net.Dialer{Timeout: smtpGreeting}).DialContext,
	}, nil
}

// Send implements application.Mailer.
func (s *SMTP) Send(ctx context.Context, m application.Mail) error {
	ctx, cancel := context.WithTimeout(ctx, smtpTimeout)
	defer cancel()
	if err := s.send(ctx, m); err != nil {
		return fmt.Errorf("hand mail over: %w", anonymous(ctx, err))
	}
	return nil
}

// send returns when the server has taken the message over. No conversation goes on after that.
func (s *SMTP) send(ctx context.Context, m application.Mail) error {
	conn, err := s.dial(ctx, "tcp", s.address)
	if err != nil {
		return err
	}
	defer conn.Close() //nolint:errcheck // by then the message is handed over, or is not
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	client, err := s.greet(conn)
	if err != nil {
		return err
	}
	defer func() {
		_ = conn.SetDeadline(time.Now().Add(smtpFarewell)) //nolint:forbidigo // sockets go by the machine's clock
		_ = client.Quit()                                  // the message is handed over, or is not
	}()
	if err := s.introduce(client); err != nil {
		return err
	}
	eightBit, _ := client.Extension("8BITMIME")
	message, err := s.composer.compose(m, eightBit)
	if err != nil {
		return err
	}
	if err := client.Mail(envelope(s.composer.from.Address)); err != nil {
		return err // also for good, but about this program and not about one mail
	}
	if err := client.Rcpt(envelope(m.To)); err != nil {
		return refused(err)
	}
	data, err := client.Data()
	if err != nil {
		return refused(err)
	}
	if _, err := data.Write(message); err != nil {
		return err
	}
	return refused(data.Close())
}

// greet waits for the server's greeting on a new connection.
func (s *SMTP) greet(conn net.Conn) (*smtp.Client, error) {
	if err := conn.SetDeadline(time.Now().Add(smtpGreeting)); err != nil { //nolint:forbidigo // likewise
		return nil, err
	}
	spoken := conn
	if s.fromStart {
		spoken = tls.Client(conn, s.tls)
	}
	client, err := smtp.NewClient(spoken, s.host)
	if err != nil {
		return nil, err
	}
	return client, conn.SetDeadline(time.Time{}) // from here on the connection is closed when time is up
}

// introduce makes the conversation private and logs in.
func (s *SMTP) introduce(client *smtp.Client) error {
	client.SkipSMTPUTF8(true) // addresses here are ASCII, and the next server may refuse a message that claims to need more
	if err := client.Hello(s.helo); err != nil {
		return err
	}
	if !s.fromStart {
		offered, _ := client.Extension("STARTTLS")
		if !offered && s.requireTLS {
			return errors.New("the server does not offer STARTTLS")
		}
		if offered {
			if err := client.StartTLS(s.tls); err != nil {
				return err
			}
		}
	}
	if s.user.Username() == "" {
		return nil
	}
	_, offered := client.Extension("AUTH")
	login, err := s.login(strings.Fields(strings.ToUpper(offered)))
	if err != nil {
		return err
	}
	return client.Auth(login)
}

// login returns the safest way to log in among those a server offers. Those that show the password refuse to without TLS, except on
// this machine.
func (s *SMTP) login(offered []string) (smtp.Auth, error) {
	user := s.user.Username()
	password, _ := s.user.Password()
	for _, way := range []struct {
		name string
		auth smtp.Auth
	}{
		{"SCRAM-SHA-256", smtp.ScramSHA256Auth(user, password)},
		{"SCRAM-SHA-1", smtp.ScramSHA1Auth(user, password)},
		{"CRAM-MD5", smtp.CRAMMD5Auth(user, password)},
		{"PLAIN", smtp.PlainAuth("", user, password, s.host, false)},
		{"LOGIN", smtp.LoginAuth(user, password, s.host, false)},
	} {
		if slices.Contains(offered, way.name) {
			return way.auth, nil
		}
	}
	return nil, errors.New("the server offers no login that is known here")
}

// envelope writes an address as commands want it.
func envelope(address string) string { return (&mail.Address{Address: address}).String() }

// refused returns the fate of a message: an answer of 500 and above is final.
func refused(err error) error {
	var answer *textproto.Error
	if errors.As(err, &answer) && answer.Code >= 500 {
		return fmt.Errorf("%w (code %d)", application.ErrUndeliverable, answer.Code)
	}
	return err
}

// anonymous reduces an error to what does not name the recipient: servers repeat addresses in their answers. Without an answer it is
// the end of ctx that counts, which closed the connection.
func anonymous(ctx context.Context, err error) error {
	var answer *textproto.Error
	var nonsense textproto.ProtocolError
	var network net.Error
	switch {
	case errors.As(err, &answer):
		return fmt.Errorf("the server answered with code %d", answer.Code)
	case errors.As(err, &nonsense):
		return errors.New("the server does not speak SMTP")
	case errors.Is(err, application.ErrUndeliverable):
		return err
	case errors.Is(ctx.Err(), context.Canceled):
		return ctx.Err()
	case ctx.Err() != nil, errors.As(err, &network) && network.Timeout():
		return errors.New("the server did not answer in time")
	}
	return err
}
