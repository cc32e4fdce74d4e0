package application

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/domain"
)

const (
	// relayPoll is how often the outbox is looked at without a wake-up: what a program that died had queued is sent after that.
	relayPoll = time.Second
	// relayLease is how long a message is hidden from other instances while one hands it over: longer than a Mailer may take.
	relayLease = 3 * time.Minute
	// relayGrace is how long handing over a message may go on after the relay was stopped, and noting what came of it likewise.
	relayGrace = 5 * time.Second
	// relayMaxDelay bounds the wait between two tries.
	relayMaxDelay = 10 * time.Minute
	// relayAttempts is how often a message is tried, over about seven hours, before it is given up.
	relayAttempts = 50
)

// lanes are who hands over what of the outbox, and how many do so at once.
var lanes = []struct {
	Lane
	workers int
}{{LaneAsked, 1}, {LaneTexts, 2}, {LaneMails, 4}}

// bell tells a worker that there is something for it.
type bell chan struct{}

// ring never blocks.
func (b bell) ring() {
	select {
	case b <- struct{}{}:
	default: // the worker has not yet come for the last time
	}
}

// Bell tells a relay that there is something in the outbox.
type Bell struct{ lanes []bell }

// NewBell returns a bell for one relay.
func NewBell() Bell {
	var b Bell
	for range lanes {
		b.lanes = append(b.lanes, make(bell, 1))
	}
	return b
}

// Ring never blocks.
func (b Bell) Ring() {
	for _, lane := range b.lanes {
		lane.ring()
	}
}

// Relay hands what is in the outbox over to the Mailer and the Texter, and does what was asked for; each at least once: a program that
// dies between doing it and noting it leaves it to be done again.
type Relay struct {
	service *Service
	mailer  Mailer
	texter  Texter
	bell    Bell
}

// NewRelay returns a relay of what the service queues. It does nothing until Run.
func NewRelay(service *Service, mailer Mailer, texter Texter, bell Bell) *Relay {
	return &Relay{service: service, mailer: mailer, texter: texter, bell: bell}
}

// Run empties the outbox until ctx ends. The messages under way then are finished first, which takes a few seconds at most.
func (r *Relay) Run(ctx context.Context) {
	var workers sync.WaitGroup
	for i, lane := range lanes {
		woken := r.bell.lanes[i]
		for range lane.workers {
			mine, next := woken, make(bell, 1)
			workers.Go(func() { r.work(ctx, lane.Lane, mine, next) })
			woken = next
		}
	}
	workers.Wait()
}

// work hands over messages of a lane when it is woken, and every now and then. As soon as it has one it wakes the next worker, who may
// find another.
func (r *Relay) work(ctx context.Context, lane Lane, woken, next bell) {
	poll := time.NewTicker(relayPoll)
	defer poll.Stop()
	broken := false
	for {
		err := r.drain(ctx, lane, next.ring)
		if ctx.Err() != nil {
			return
		}
		if err != nil && !broken {
			r.service.Logger.WarnContext(ctx, "outbox cannot be read, messages wait", slog.Any("error", err))
		}
		broken = err != nil
		select {
		case <-ctx.Done():
			return
		case <-woken:
		case <-poll.C:
		}
	}
}

// Drain hands over all that is due, one message after the other. It fails only when ctx ends (the message under way is finished first,
// as by Run) or the outbox cannot be read or written; a message that cannot be handed over stays for later.
func (r *Relay) Drain(ctx context.Context) error {
	for _, lane := range lanes {
		if err := r.drain(ctx, lane.Lane, func() {}); err != nil {
			return err
		}
	}
	return nil
}

// drain is Drain for a lane. It calls found for each message that is due.
func (r *Relay) drain(ctx context.Context, lane Lane, found func()) error {
	for ctx.Err() == nil {
		err := r.sendNext(ctx, lane, found)
		if errors.Is(err, users.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}

// sendNext leases a message, hands it over and notes what came of it. It fails with users.ErrNotFound when none is due.
func (r *Relay) sendNext(ctx context.Context, lane Lane, found func()) error {
	sending, cancel := outlast(ctx, relayGrace)
	defer cancel()
	now := r.service.Now()
	m, err := r.service.Outbox.Lease(sending, lane, now, now.Add(relayLease))
	if err != nil {
		return err
	}
	found()
	failure := r.send(sending, m)

	// A message that was handed over must not be sent again because the program stops just then.
	noting, cancel := outlast(ctx, relayGrace)
	defer cancel()
	if failure == nil {
		return r.service.Outbox.Delivered(noting, m.ID)
	}
	r.service.Logger.WarnContext(ctx, "message could not be sent", slog.String("message", m.ID.String()), slog.String("kind", string(m.Kind)),
		slog.Int("attempt", m.Attempts), slog.Any("error", failure))
	return r.putOff(noting, m, failure)
}

// putOff makes a message that could not be sent due again later, or gives it up after the last attempt or a final refusal: it stays as
// a dead letter.
func (r *Relay) putOff(ctx context.Context, m Message, failure error) error {
	if m.Attempts < relayAttempts && !errors.Is(failure, ErrUndeliverable) {
		return r.service.Outbox.Retry(ctx, m.ID, r.service.Now().Add(retryDelay(m.Attempts)), failure.Error())
	}
	r.service.Logger.ErrorContext(ctx, "message was given up", slog.String("message", m.ID.String()), slog.Int("attempts", m.Attempts))
	return r.service.Outbox.Bury(ctx, m.ID, r.service.Now(), failure.Error())
}

func (r *Relay) send(ctx context.Context, m Message) error {
	to, err := r.open(m.SealedTo, m.toLabel())
	if err != nil {
		return err
	}
	token, err := r.open(m.SealedToken, m.tokenLabel())
	if err != nil {
		return err
	}
	switch m.Kind {
	case AskedReset, AskedVerification:
		return r.service.answer(ctx, m.Kind, to)
	case TextPhoneCode:
		if !r.service.Now().Before(m.CreatedAt.Add(domain.CodeTTL)) {
			return nil // it would be worth nothing
		}
		return r.texter.Send(ctx, Text{ID: m.ID, To: to, Code: token, Time: m.CreatedAt})
	default:
		return r.sendMail(ctx, m, to, token)
	}
}

// open returns what was sealed, "" when nothing was.
func (r *Relay) open(sealed, label []byte) (string, error) {
	if sealed == nil {
		return "", nil
	}
	return r.service.Sealer.Open(sealed, label)
}

func (r *Relay) sendMail(ctx context.Context, m Message, to, token string) error {
	u, err := r.service.Users.ByID(ctx, m.UserID)
	if err != nil {
		return err
	}
	kind := m.Kind
	if kind == MailConfirmEmail {
		// Decided only here, so that whoever asks for the change cannot tell whose address it is.
		switch _, err := r.service.Users.ByEmail(ctx, to); {
		case err == nil:
			kind, token = MailAddressTaken, ""
		case !errors.Is(err, users.ErrNotFound):
			return err
		}
	}
	return r.mailer.Send(ctx, Mail{
		ID: m.ID, Kind: kind, To: cmp.Or(to, u.Email()), FirstName: u.Names().First.String(), Token: token, Time: m.CreatedAt,
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
