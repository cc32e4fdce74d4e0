package application

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/domain"
)

const (
	// relayPoll is how often the outbox is looked at without a wake-up: mail of a program that died is sent after that.
	relayPoll = time.Second
	// relayLease is how long a mail is hidden from other instances while one hands it over.
	relayLease = time.Minute
	// relayMaxDelay bounds the wait between two tries.
	relayMaxDelay = 10 * time.Minute
	// relayAttempts is how often a mail is tried, over about seven hours, before it is given up.
	relayAttempts = 50
)

// Relay hands the mail in the outbox over to the Mailer, each at least once: a program that dies between handing over and noting
// it leaves the mail to be sent again.
type Relay struct {
	outbox Outbox
	users  Users
	sealer domain.Sealer
	mailer Mailer
	now    func() time.Time
	logger *slog.Logger
	wake   chan struct{}
}

// NewRelay returns a relay that does nothing until Run.
func NewRelay(outbox Outbox, users Users, sealer domain.Sealer, mailer Mailer, now func() time.Time, logger *slog.Logger) *Relay {
	return &Relay{
		outbox: outbox, users: users, sealer: sealer, mailer: mailer, now: now, logger: logger,
		wake: make(chan struct{}, 1),
	}
}

// Wake tells the relay that mail was queued. It never blocks.
func (r *Relay) Wake() {
	select {
	case r.wake <- struct{}{}:
	default: // a wake-up is waiting already
	}
}

// Run sends mail until ctx ends.
func (r *Relay) Run(ctx context.Context) {
	poll := time.NewTicker(relayPoll)
	defer poll.Stop()
	broken := false
	for {
		err := r.Drain(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil && !broken {
			r.logger.WarnContext(ctx, "outbox cannot be read, mail waits", slog.Any("error", err))
		}
		broken = err != nil
		select {
		case <-ctx.Done():
			return
		case <-r.wake:
		case <-poll.C:
		}
	}
}

// Drain sends all mail that is due. It fails only when the outbox cannot be read or written; a mail that cannot be sent stays for
// later.
func (r *Relay) Drain(ctx context.Context) error {
	for ctx.Err() == nil {
		now := r.now()
		m, err := r.outbox.Lease(ctx, now, now.Add(relayLease))
		if errors.Is(err, users.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := r.send(ctx, m); err != nil {
			r.logger.WarnContext(ctx, "mail could not be sent", slog.String("mail", m.ID.String()), slog.String("kind", string(m.Kind)),
				slog.Int("attempt", m.Attempts), slog.Any("error", err))
			if err := r.putOff(ctx, m, err.Error()); err != nil {
				return err
			}
			continue
		}
		if err := r.outbox.Delivered(ctx, m.ID); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// putOff makes a mail that could not be sent due again later, or gives it up after the last attempt: it stays as a dead letter.
func (r *Relay) putOff(ctx context.Context, m QueuedMail, reason string) error {
	if m.Attempts < relayAttempts {
		return r.outbox.Retry(ctx, m.ID, r.now().Add(retryDelay(m.Attempts)), reason)
	}
	r.logger.ErrorContext(ctx, "mail was given up", slog.String("mail", m.ID.String()), slog.Int("attempts", m.Attempts))
	return r.outbox.Bury(ctx, m.ID, r.now(), reason)
}

func (r *Relay) send(ctx context.Context, m QueuedMail) error {
	u, err := r.users.ByID(ctx, m.UserID)
	if err != nil {
		return err
	}
	token := ""
	if m.SealedToken != nil {
		if token, err = r.sealer.Open(m.SealedToken, m.ID[:]); err != nil {
			return err
		}
	}
	return r.mailer.Send(ctx, Mail{
		ID: m.ID, Kind: m.Kind, To: u.Email(), FirstName: u.Names().First.String(), Token: token, Time: m.CreatedAt,
	})
}

// retryDelay doubles from one second with each attempt.
func retryDelay(attempts int) time.Duration {
	delay := time.Second << min(max(attempts-1, 0), 20)
	return min(delay, relayMaxDelay)
}
