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
	// relayLease is how long a mail is hidden from other instances while one hands it over: longer than a Mailer may take.
	relayLease = 3 * time.Minute
	// relayGrace is how long handing over a mail may go on after the relay was stopped, and noting what came of it likewise.
	relayGrace = 5 * time.Second
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

// Run sends mail until ctx ends. The mail under way then is finished first, which takes a few seconds at most.
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

// Drain sends all mail that is due. It fails only when ctx ends (the mail under way is finished first, as by Run) or the outbox
// cannot be read or written; a mail that cannot be sent stays for later.
func (r *Relay) Drain(ctx context.Context) error {
	for ctx.Err() == nil {
		err := r.sendNext(ctx)
		if errors.Is(err, users.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}

// sendNext leases a mail, hands it over and notes what came of it. It fails with users.ErrNotFound when none is due.
func (r *Relay) sendNext(ctx context.Context) error {
	sending, cancel := outlast(ctx, relayGrace)
	defer cancel()
	now := r.now()
	m, err := r.outbox.Lease(sending, now, now.Add(relayLease))
	if err != nil {
		return err
	}
	failure := r.send(sending, m)

	// A mail that was handed over must not be sent again because the program stops just then.
	noting, cancel := outlast(ctx, relayGrace)
	defer cancel()
	if failure == nil {
		return r.outbox.Delivered(noting, m.ID)
	}
	r.logger.WarnContext(ctx, "mail could not be sent", slog.String("mail", m.ID.String()), slog.String("kind", string(m.Kind)),
		slog.Int("attempt", m.Attempts), slog.Any("error", failure))
	return r.putOff(noting, m, failure)
}

// putOff makes a mail that could not be sent due again later, or gives it up after the last attempt or a final refusal: it stays as
// a dead letter.
func (r *Relay) putOff(ctx context.Context, m QueuedMail, failure error) error {
	if m.Attempts < relayAttempts && !errors.Is(failure, ErrUndeliverable) {
		return r.outbox.Retry(ctx, m.ID, r.now().Add(retryDelay(m.Attempts)), failure.Error())
	}
	r.logger.ErrorContext(ctx, "mail was given up", slog.String("mail", m.ID.String()), slog.Int("attempts", m.Attempts))
	return r.outbox.Bury(ctx, m.ID, r.now(), failure.Error())
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

// outlast returns a context that ends grace after ctx does.
func outlast(ctx context.Context, grace time.Duration) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(grace, cancel) })
	return longer, func() { stop(); cancel() }
}
