package mail

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"net/url"
	"strconv"
	"time"

	gomail "github.com/wneessen/go-mail"

	"github.com/tickr/tickr/modules/users/internal/application"
)

// smtpTimeout bounds handing over one mail in all; it is shorter than the relay's lease.
const smtpTimeout = 20 * time.Second

// SMTPOptions says which server takes the mail.
type SMTPOptions struct {
	URL        string // smtp://user:password@host:587 (STARTTLS) or smtps://user:password@host:465 (TLS from the start)
	From       string // an address, with or without a name
	PublicURL  string // what links begin with, without a slash at the end
	RequireTLS bool   // refuse a server that does not offer STARTTLS; otherwise it is used where offered
	CurlHint   bool   // mails also show the command line that redeems their token
}

// SMTP hands mail to a server, one connection a mail. It is safe for concurrent use.
type SMTP struct {
	composer composer
	host     string
	options  []gomail.Option
}

var _ application.Mailer = (*SMTP)(nil)

// NewSMTP returns a driver without connecting. Its errors do not show the URL.
func NewSMTP(o SMTPOptions) (*SMTP, error) {
	composer, err := newComposer(o.From, o.PublicURL, o.CurlHint)
	if err != nil {
		return nil, err
	}
	server, err := url.Parse(o.URL)
	if err != nil || server.Hostname() == "" {
		return nil, errors.New("open mail server: its address is not a URL")
	}
	s := &SMTP{composer: composer, host: server.Hostname(), options: []gomail.Option{gomail.WithTimeout(smtpTimeout)}}
	switch {
	case server.Scheme == "smtps":
		s.options = append(s.options, gomail.WithSSLPort(false))
	case o.RequireTLS:
		s.options = append(s.options, gomail.WithTLSPortPolicy(gomail.TLSMandatory))
	default:
		s.options = append(s.options, gomail.WithTLSPortPolicy(gomail.TLSOpportunistic))
	}
	if server.Port() != "" {
		port, err := strconv.Atoi(server.Port())
		if err != nil {
			return nil, errors.New("open mail server: its port is not a number")
		}
		s.options = append(s.options, gomail.WithPort(port))
	}
	if user := server.User.Username(); user != "" {
		password, _ := server.User.Password()
		s.options = append(s.options,
			gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover), gomail.WithUsername(user), gomail.WithPassword(password))
	}
	if _, err := s.client(); err != nil {
		return nil, fmt.Errorf("open mail server: %w", err)
	}
	return s, nil
}

// client returns a client for one mail: a client keeps the state of its connection.
func (s *SMTP) client() (*gomail.Client, error) { return gomail.NewClient(s.host, s.options...) }

// Send implements application.Mailer. It returns when the server has taken the message over, or after 20 seconds at the latest.
func (s *SMTP) Send(ctx context.Context, m application.Mail) error {
	message, err := s.composer.compose(m)
	if err != nil {
		return err
	}
	client, err := s.client()
	if err != nil {
		return fmt.Errorf("open mail server: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, smtpTimeout)
	defer cancel()
	// go-mail looks at ctx only while it dials. A conversation that nobody waits for any more ends by the same timeout.
	sent := make(chan error, 1)
	go func() { sent <- client.DialAndSendWithContext(ctx, message) }()
	select {
	case err = <-sent:
	case <-ctx.Done():
		return fmt.Errorf("hand mail over: %w", anonymous(ctx.Err()))
	}
	// A server that hangs up before it is said goodbye to has the message nevertheless.
	if err != nil && !message.IsDelivered() {
		return fmt.Errorf("hand mail over: %w", anonymous(err))
	}
	return nil
}

// anonymous reduces an error to what does not name the recipient: servers repeat addresses in their answers, and so does go-mail.
func anonymous(err error) error {
	var refused *gomail.SendError
	var answer *textproto.Error
	var network net.Error
	switch {
	case errors.As(err, &refused):
		return fmt.Errorf("%s (code %d)", refused.Reason, refused.ErrorCode())
	case errors.As(err, &answer):
		return fmt.Errorf("the server answered with code %d", answer.Code)
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return errors.New("the server did not answer in time")
	}
	return err
}
