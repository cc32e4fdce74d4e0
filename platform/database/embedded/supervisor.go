package embedded

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

const (
	firstBackoff = 200 * time.Millisecond
	maxBackoff   = 5 * time.Second
)

// supervisor keeps a server running on one port until it is stopped.
type supervisor struct {
	port int
	quit context.CancelFunc
	done chan struct{}
	err  error // of the last shutdown; valid once done is closed
}

func supervise(c *cluster, server *child, port int) *supervisor {
	ctx, quit := context.WithCancel(context.Background())
	s := &supervisor{port: port, quit: quit, done: make(chan struct{})}
	go func() {
		defer close(s.done)
		for server != nil {
			select {
			case <-ctx.Done():
				s.err = server.end(c.stopSignal)
				return
			case <-server.done:
				c.log.Error("PostgreSQL ended by itself, starting it again", slog.Any("error", server.err))
				server = c.restart(ctx, port)
			}
		}
	}()
	return s
}

// restart tries until the server runs, or returns nil when ctx ends.
func (c *cluster) restart(ctx context.Context, port int) *child {
	for backoff := firstBackoff; ; backoff = min(2*backoff, maxBackoff) {
		if pause(ctx, backoff) != nil {
			return nil
		}
		server, err := c.start(ctx, port)
		if err == nil {
			c.log.Info("PostgreSQL runs again")
			return server
		}
		if ctx.Err() == nil {
			c.log.Error("PostgreSQL does not start", slog.Any("error", err))
		}
	}
}

// stop shuts the server down and waits for it.
func (s *supervisor) stop() error {
	s.quit()
	<-s.done
	if s.err != nil {
		return fmt.Errorf("stop PostgreSQL: %w", s.err)
	}
	return nil
}
