package application

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/tickr/tickr/modules/users"
)

// MessageKind says what a message is: the text of a mail, a text message, or something asked for that is still to be done.
type MessageKind string

// The mails. Those with a token say where it is to be redeemed.
const (
	MailVerifyEmail          MessageKind = "verify_email"
	MailAlreadyRegistered    MessageKind = "already_registered"
	MailDeactivated          MessageKind = "deactivated"
	MailResetPassword        MessageKind = "reset_password"
	MailPasswordChanged      MessageKind = "password_changed"
	MailInvitation           MessageKind = "invitation"
	MailConfirmEmail         MessageKind = "confirm_email"
	MailAddressTaken         MessageKind = "address_taken"
	MailEmailChangeRequested MessageKind = "email_change_requested"
	MailEmailChanged         MessageKind = "email_changed"
	MailPhoneMoved           MessageKind = "phone_moved"
)

// TextPhoneCode is the one text message: a code for the number it goes to.
const TextPhoneCode MessageKind = "phone_code"

// What can be asked for by naming an address. It is done by the relay, when nobody waits for it any more: whoever asked learns neither
// from the answer nor from its time whether there is such an account.
const (
	AskedReset        MessageKind = "asked_reset"
	AskedVerification MessageKind = "asked_verification"
)

// Lane is the kinds of messages that wait for the same thing. Each is handed over apart from the others: a mail server that is slow or
// away holds up no code.
type Lane []MessageKind

// The lanes of the outbox. Every kind is in one.
var (
	LaneAsked = Lane{AskedReset, AskedVerification}
	LaneTexts = Lane{TextPhoneCode}
	LaneMails = Lane{
		MailVerifyEmail, MailAlreadyRegistered, MailDeactivated, MailResetPassword, MailPasswordChanged, MailInvitation, MailConfirmEmail,
		MailAddressTaken, MailEmailChangeRequested, MailEmailChanged, MailPhoneMoved,
	}
)

// Message waits in the outbox to be handed over.
type Message struct {
	ID          uuid.UUID
	Kind        MessageKind
	UserID      users.ID // whom it is about; the zero ID: only an address is known
	SealedTo    []byte   // the address or number it goes to; nil: the one stored for the user when it is sent
	SealedToken []byte   // nil when it carries no token
	CreatedAt   time.Time
	Attempts    int // times it was leased, this one included
}

// toLabel and tokenLabel are what the sealed parts of a message open with: none fits into the place of another.
func (m Message) toLabel() []byte    { return append(m.ID[:], "to"...) }
func (m Message) tokenLabel() []byte { return m.ID[:] }

// Outbox stores messages in the transaction that causes them, to be handed over after.
type Outbox interface {
	Append(ctx context.Context, m Message) error
	// Lease returns a message of the lane that is due and hides it from others until the given time. It fails with users.ErrNotFound.
	Lease(ctx context.Context, lane Lane, now, until time.Time) (Message, error)
	// Delivered removes a message.
	Delivered(ctx context.Context, id uuid.UUID) error
	// Retry makes a message due again at next; reason says what went wrong, without addresses.
	Retry(ctx context.Context, id uuid.UUID, next time.Time, reason string) error
	// Bury keeps a message that is given up: it is never due again. Somebody has to look at it.
	Bury(ctx context.Context, id uuid.UUID, now time.Time, reason string) error
	// Backlog says what the outbox holds.
	Backlog(ctx context.Context) (Backlog, error)
}

// MaxBacklog is how far a Backlog counts.
const MaxBacklog = 10_000

// Backlog is what waits in an outbox, and what was given up.
type Backlog struct {
	Waiting, Dead int64     // MaxBacklog when there is as much or more
	FirstDue      time.Time // of what waits, in UTC; zero when nothing does. What is leased is due when its lease ends.
}

// Mail is one mail to be handed over. ID is the same at each try.
type Mail struct {
	ID        uuid.UUID
	Kind      MessageKind
	To        string
	FirstName string
	Token     string
	Time      time.Time
}

// Text is one text message to be handed over: a code for the number To. ID is the same at each try.
type Text struct {
	ID   uuid.UUID
	To   string // E.164
	Code string
	Time time.Time
}

// ErrUndeliverable is how Send of Mailer and Texter report a message that was refused for good: trying again is useless.
var ErrUndeliverable = errors.New("message was refused for good")

// Mailer hands a mail over to whoever delivers it. Its errors carry no address.
type Mailer interface {
	// Send returns within two minutes, at once when ctx ends, and then nothing of it goes on. It fails with ErrUndeliverable, or
	// otherwise when the mail should be tried again.
	Send(ctx context.Context, m Mail) error
}

// Texter hands a text message over likewise. Its errors carry neither number nor code.
type Texter interface {
	Send(ctx context.Context, t Text) error
}

// draft is a message as a use case thinks of it. An empty to is the address stored for the user.
type draft struct {
	kind      MessageKind
	user      users.ID
	to, token string
}

// queue writes a message into the outbox, in the transaction of ctx.
func (s *Service) queue(ctx context.Context, d draft, after *effects) error {
	m := Message{ID: s.NewID(), Kind: d.kind, UserID: d.user, CreatedAt: s.Now()}
	if d.to != "" {
		m.SealedTo = s.Sealer.Seal(d.to, m.toLabel())
	}
	if d.token != "" {
		m.SealedToken = s.Sealer.Seal(d.token, m.tokenLabel())
	}
	after.messages = true
	return s.Outbox.Append(ctx, m)
}

// queueMail writes a mail to the user into the outbox, in the transaction of ctx.
func (s *Service) queueMail(ctx context.Context, kind MessageKind, to users.ID, token string, after *effects) error {
	return s.queue(ctx, draft{kind: kind, user: to, token: token}, after)
}
