package security

import (
	"io"
	"log"
	"net"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"
)

// sinks are where mail goes, and what to set for that.
var sinks = map[string]func(*testing.T) []string{
	"files": func(*testing.T) []string { return nil },
	"slow": func(t *testing.T) []string {
		t.Helper()
		listener := listen(t)
		server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return slowSink{}, nil }))
		server.Domain = "localhost"
		server.ErrorLog = log.New(io.Discard, "", 0)
		go func() { _ = server.Serve(listener) }()
		t.Cleanup(func() { _ = server.Close() })
		return handedTo(listener)
	},
	// It takes connections and never greets.
	"dead": func(t *testing.T) []string {
		t.Helper()
		return handedTo(listen(t))
	},
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	return listener
}

func handedTo(listener net.Listener) []string {
	return []string{"MAIL_DRIVER=smtp", "SMTP_URL=smtp://" + listener.Addr().String()}
}

// slowSink takes half a second for a message.
type slowSink struct{}

func (slowSink) Mail(string, *smtp.MailOptions) error { return nil }
func (slowSink) Rcpt(string, *smtp.RcptOptions) error { return nil }
func (slowSink) Reset()                               {}
func (slowSink) Logout() error                        { return nil }

func (slowSink) Data(message io.Reader) error {
	time.Sleep(500 * time.Millisecond)
	_, err := io.Copy(io.Discard, message)
	return err
}
