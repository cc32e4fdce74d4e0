package mail

import (
	"context"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/modules/users/internal/application"
)

// pipes is a network whose only listener it is, for time that does not pass.
type pipes struct {
	greets time.Duration // how long a connection waits to be heard
	conns  chan net.Conn
	closed chan struct{}
}

func newPipes(greets time.Duration) *pipes {
	return &pipes{greets: greets, conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (p *pipes) dial(context.Context, string, string) (net.Conn, error) {
	here, there := net.Pipe()
	p.conns <- there
	return here, nil
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		time.Sleep(p.greets)
		return conn, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { close(p.closed); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

func TestSMTPServerThatIsSlow(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		greets, pause time.Duration
		sent          bool
		takes         time.Duration
	}{
		"slow at each step":      {greets: 9 * time.Second, pause: 12 * time.Second, sent: true, takes: 57 * time.Second},
		"never greets":           {greets: time.Hour, takes: 10 * time.Second},
		"too slow in all":        {pause: 50 * time.Second, takes: 2 * time.Minute},
		"does not answer a word": {pause: time.Hour, takes: 2 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				there, network := &server{pause: tt.pause}, newPipes(tt.greets)
				there.serve(t, network)
				s := newSMTP(t, "smtp://mail.example.org", false)
				s.dial = network.dial
				begin := time.Now()
				err := s.Send(t.Context(), sample(application.MailVerifyEmail))
				require.Equal(t, tt.takes, time.Since(begin))
				time.Sleep(2 * time.Hour) // for what might go on
				if tt.sent {
					require.NoError(t, err)
					require.Len(t, there.received(), 1)
					return
				}
				require.ErrorContains(t, err, "did not answer in time")
				require.Empty(t, there.received())
			})
		})
	}
}

func TestSMTPClosesWhatNobodyWaitsFor(t *testing.T) {
	t.Parallel()
	for scheme, greeting := range map[string]string{"smtp": "220 here\r\n", "smtps": ""} {
		t.Run(scheme, func(t *testing.T) {
			t.Parallel()
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			defer listener.Close()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			ended := make(chan error, 1)
			go func() { ended <- listenUntilClosed(listener, greeting, cancel) }()
			err = newSMTP(t, scheme+"://"+listener.Addr().String(), false).Send(ctx, sample(application.MailVerifyEmail))
			require.ErrorIs(t, err, context.Canceled)
			require.NoError(t, <-ended)
		})
	}
}

// listenUntilClosed answers nothing but a greeting, and reports when the first word is heard.
func listenUntilClosed(listener net.Listener, greeting string, heard func()) error {
	conn, err := listener.Accept()
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, greeting); err != nil {
		return err
	}
	if _, err := conn.Read(make([]byte, 1024)); err != nil {
		return err
	}
	heard()
	_, err = io.Copy(io.Discard, conn)
	return err
}

func TestSMTPServerThatIsDead(t *testing.T) {
	t.Parallel()
	dead, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, dead.Close())
	err = newSMTP(t, "smtp://"+dead.Addr().String(), false).Send(t.Context(), sample(application.MailVerifyEmail))
	require.ErrorContains(t, err, "refused")
}

func TestSMTPServerThatSpeaksNoSMTP(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	go func() { _ = listenUntilClosed(listener, "ana@example.org?\r\n", func() {}) }()
	err = newSMTP(t, "smtp://"+listener.Addr().String(), false).Send(t.Context(), sample(application.MailVerifyEmail))
	require.ErrorContains(t, err, "does not speak SMTP")
	require.NotContains(t, err.Error(), "ana")
}
