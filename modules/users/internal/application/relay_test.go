package application_test

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/application"
	"github.com/tickr/tickr/modules/users/internal/domain"
	"github.com/tickr/tickr/modules/users/internal/userstest"
)

// queue puts a mail to the user into the outbox, as a use case does.
func (w *world) queue(to users.ID, token string) application.Message {
	w.t.Helper()
	m := application.Message{ID: userstest.NewID(), Kind: application.MailVerifyEmail, UserID: to, CreatedAt: w.clock.Now()}
	if token != "" {
		m.SealedToken = w.Sealer.Seal(token, m.ID[:])
	}
	require.NoError(w.t, w.Outbox.Append(w.t.Context(), m))
	return m
}

// due leases all mail that is due for an hour and returns what there was.
func (w *world) due() map[uuid.UUID]bool {
	w.t.Helper()
	due := map[uuid.UUID]bool{}
	for {
		m, err := w.Outbox.Lease(w.t.Context(), application.LaneMails, w.clock.Now(), w.clock.Now().Add(time.Hour))
		if err != nil {
			require.ErrorIs(w.t, err, users.ErrNotFound)
			return due
		}
		due[m.ID] = true
	}
}

func TestRelayDelivers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ana := w.account("ana@example.com")
	first, second := w.queue(ana.ID, "token"), w.queue(ana.ID, "")
	queued := w.clock.Now()
	w.clock.Advance(time.Second)
	require.Equal(t, []application.Mail{
		{ID: first.ID, Kind: application.MailVerifyEmail, To: "ana@example.com", FirstName: "Ana", Token: "token", Time: queued},
		{ID: second.ID, Kind: application.MailVerifyEmail, To: "ana@example.com", FirstName: "Ana", Time: queued},
	}, w.mails())
	w.clock.Advance(time.Hour)
	require.Empty(t, w.mails(), "each once")
}

func TestRelayTriesAgainLaterEachTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.queue(w.account("ana@example.com").ID, "token")
	tries := 0
	w.mailer.Fail = func(application.Mail) error {
		tries++
		return errors.New("mail server is away")
	}
	require.Empty(t, w.mails())
	for i, wait := range []time.Duration{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600, 600} {
		w.clock.Advance(wait*time.Second - time.Microsecond)
		require.Empty(t, w.mails())
		require.Equal(t, i+1, tries, "too early")
		w.clock.Advance(time.Microsecond)
		require.Empty(t, w.mails())
		require.Equal(t, i+2, tries)
	}
	w.mailer.Fail = nil
	w.clock.Advance(10 * time.Minute)
	sent := w.mails()
	require.Len(t, sent, 1)
	require.Equal(t, "token", sent[0].Token)
}

func TestRelayGivesUpAfterTheLastAttempt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ana := w.account("ana@example.com")
	nothing := w.memory.Snapshot()
	w.queue(ana.ID, "token")
	tries := 0
	w.mailer.Fail = func(application.Mail) error {
		tries++
		return errors.New("mail server is away")
	}
	for range 100 {
		require.Empty(t, w.mails())
		w.clock.Advance(10 * time.Minute)
	}
	require.Equal(t, 50, tries)
	w.mailer.Fail = nil
	kept := w.memory.Snapshot()
	require.NotEqual(t, nothing, kept)
	w.clock.Advance(1000 * time.Hour)
	require.Empty(t, w.mails())
	require.Equal(t, kept, w.memory.Snapshot(), "a dead letter stays where it is")
}

func TestRelayGivesUpWhatIsRefusedForGood(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.queue(w.account("ana@example.com").ID, "token")
	tries := 0
	w.mailer.Fail = func(application.Mail) error {
		tries++
		return fmt.Errorf("hand mail over: %w", application.ErrUndeliverable)
	}
	for range 3 {
		require.Empty(t, w.mails())
		w.clock.Advance(time.Hour)
	}
	require.Equal(t, 1, tries)
	require.Empty(t, w.due())
}

func TestRelayGoesOnAfterAFailure(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ana, bob := w.account("ana@example.com"), w.account("bob@example.com")
	lost := w.queue(unknownID, "token")
	spoilt := application.Message{
		ID: userstest.NewID(), Kind: application.MailVerifyEmail, UserID: ana.ID, SealedToken: []byte("sealed by nobody"), CreatedAt: w.clock.Now(),
	}
	require.NoError(t, w.Outbox.Append(t.Context(), spoilt))
	refused, last := w.queue(ana.ID, "refused"), w.queue(bob.ID, "last")
	w.mailer.Fail = func(m application.Mail) error {
		if m.Token == "refused" {
			return errors.New("refused")
		}
		return nil
	}
	sent := w.mails()
	require.Len(t, sent, 1)
	require.Equal(t, last.ID, sent[0].ID)

	w.clock.Advance(time.Second)
	require.Equal(t, map[uuid.UUID]bool{lost.ID: true, spoilt.ID: true, refused.ID: true}, w.due(), "what could not be sent stays")
}

func TestRelayLogsNoAddressAndNoToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.queue(w.account("ana@example.com").ID, "secret-token")
	w.mailer.Fail = func(application.Mail) error { return errors.New("mail server is away") }
	require.NoError(t, w.relay.Drain(t.Context()))
	require.Contains(t, w.log.String(), m.ID.String())
	require.Contains(t, w.log.String(), "mail server is away")
	require.NotContains(t, w.log.String(), "ana@example.com")
	require.NotContains(t, w.log.String(), "secret-token")
}

func TestRelayReportsABrokenOutbox(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(application.Mail) error{
		"while delivering": nil,
		"while failing":    func(application.Mail) error { return errors.New("refused") },
	} {
		for statement := 1; ; statement++ {
			w := newWorld(t)
			w.queue(w.account("ana@example.com").ID, "token")
			w.mailer.Fail = fail
			w.memory.BreakIn(statement)
			err := w.relay.Drain(t.Context())
			if statement == 4 { // reading the user is about one mail: it waits, like any that cannot be sent
				require.NoError(t, err, name)
				continue
			}
			if err == nil {
				require.Equal(t, 7, statement, name)
				break
			}
			require.ErrorIs(t, err, userstest.ErrBroken, name)
		}
	}
}

func TestRelayRuns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		ana := w.account("ana@example.com")
		ctx, cancel := context.WithCancel(t.Context())
		stopped := make(chan struct{})
		go func() {
			defer close(stopped)
			w.relay.Run(ctx)
		}()
		synctest.Wait()

		w.queue(ana.ID, "woken")
		for range 3 {
			w.bell.Ring() // more often than anybody listens
		}
		synctest.Wait()
		require.Len(t, w.mailer.Sent(), 1)

		w.queue(ana.ID, "nobody woke")
		time.Sleep(time.Second)
		synctest.Wait()
		require.Len(t, w.mailer.Sent(), 2)

		w.queue(ana.ID, "waits")
		w.memory.BreakIn(1)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		require.Len(t, w.mailer.Sent(), 3, "a broken outbox is tried again")

		cancel()
		synctest.Wait()
		select {
		case <-stopped:
		default:
			t.Fatal("still running")
		}
	})
}

func TestRelayStopsBeforeItStarts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.queue(w.account("ana@example.com").ID, "token")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w.relay.Run(ctx)
	require.ErrorIs(t, w.relay.Drain(ctx), context.Canceled)
	require.Empty(t, w.mailer.Sent())
}

// A stop comes while mails are handed over: they are finished and noted, and the next one stays for the next program.
func TestRelayFinishesTheMailsUnderWay(t *testing.T) {
	t.Parallel()
	const workers = 4
	for name, tt := range map[string]struct {
		takes   time.Duration
		failure error
		stops   time.Duration // after it was told to
		dueIn   time.Duration // from the stop on; 0: it was sent or given up
	}{
		"delivered":          {takes: 3 * time.Second, stops: 3 * time.Second},
		"refused":            {takes: 3 * time.Second, failure: errors.New("refused"), stops: 3 * time.Second, dueIn: time.Second},
		"undeliverable":      {takes: 3 * time.Second, failure: application.ErrUndeliverable, stops: 3 * time.Second},
		"longer than it may": {takes: time.Minute, stops: 5 * time.Second, dueIn: time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				ana := w.account("ana@example.com")
				var underWay []application.Message
				for range workers {
					underWay = append(underWay, w.queue(ana.ID, "under way"))
				}
				next := w.queue(ana.ID, "next")
				var sends atomic.Int32
				slow := mailerFunc(func(ctx context.Context, _ application.Mail) error {
					sends.Add(1)
					select {
					case <-time.After(tt.takes):
						return tt.failure
					case <-ctx.Done():
						return ctx.Err()
					}
				})
				relay := application.NewRelay(w.Service, slow, w.texter, w.bell)
				ctx, cancel := context.WithCancel(t.Context())
				stopped := make(chan struct{})
				go func() {
					defer close(stopped)
					relay.Run(ctx)
				}()
				synctest.Wait()

				told := time.Now()
				cancel()
				<-stopped
				require.Equal(t, tt.stops, time.Since(told))
				require.EqualValues(t, workers, sends.Load())

				due := map[uuid.UUID]bool{next.ID: true}
				for _, m := range underWay {
					if tt.dueIn > 0 {
						due[m.ID] = true
					}
				}
				w.clock.Advance(tt.dueIn)
				require.Equal(t, due, w.due())
			})
		})
	}
}

// A mail server that answers nobody holds up mail alone: codes go out, and what was asked for is done.
func TestLanesDoNotHoldEachOtherUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		ana := w.account("ana@example.com")
		silent := mailerFunc(func(ctx context.Context, _ application.Mail) error {
			<-ctx.Done()
			return ctx.Err()
		})
		relay := application.NewRelay(w.Service, silent, w.texter, w.bell)
		ctx, cancel := context.WithCancel(t.Context())
		var stopped sync.WaitGroup
		stopped.Go(func() { relay.Run(ctx) })
		for range 20 {
			w.queue(ana.ID, "held up")
		}
		w.bell.Ring()
		synctest.Wait()

		require.NoError(t, w.RequestPhoneCode(t.Context(), actorOf(ana), application.PhoneNumber{Phone: "+21620123456"}))
		require.NoError(t, w.RequestReset(t.Context(), userstest.Here, application.Address{Email: "ana@example.com"}))
		w.bell.Ring()
		synctest.Wait()
		require.Len(t, w.texter.Sent(), 1)
		asked, err := w.OneTimeTokens.Has(t.Context(), ana.ID, domain.ResetPassword)
		require.NoError(t, err)
		require.True(t, asked)
		cancel()
		stopped.Wait()
	})
}

// Every kind of message is in one lane.
func TestLanesAreComplete(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), "messages.go", nil, 0)
	require.NoError(t, err)
	var kinds []application.MessageKind
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok {
			if kind, ok := spec.Type.(*ast.Ident); ok && kind.Name == "MessageKind" {
				value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
				require.NoError(t, err)
				kinds = append(kinds, application.MessageKind(value))
			}
		}
		return true
	})
	require.NotEmpty(t, kinds)
	require.ElementsMatch(t, kinds, slices.Concat(application.LaneAsked, application.LaneTexts, application.LaneMails))
}

type mailerFunc func(context.Context, application.Mail) error

func (f mailerFunc) Send(ctx context.Context, m application.Mail) error { return f(ctx, m) }

func TestWakeNeverBlocks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for range 100 {
		w.bell.Ring() // nobody runs it
	}
}
