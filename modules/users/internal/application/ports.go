package application

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/domain"
)

// Transactor runs fn in one transaction, which the repositories called with fn's ctx take part in. A call within fn joins it.
// fn may run more than once (after a deadlock): it must not act on anything outside the transaction.
type Transactor interface {
	InTx(ctx context.Context, fn func(ctx context.Context) error) error
}

// ErrPhoneClaimed is how Insert and Save of Users report that another account took the number since it was looked for.
var ErrPhoneClaimed = errors.New("phone number was claimed meanwhile")

// Users stores accounts. Finders fail with users.ErrNotFound; the Lock finders keep the row locked until the transaction ends.
type Users interface {
	// Insert adds a user. It fails with users.ErrEmailTaken or ErrPhoneClaimed; the transaction can then only be rolled back.
	Insert(ctx context.Context, u *domain.User) error
	// InsertIfNew adds a user without a phone, unless its address is taken: then it does nothing.
	InsertIfNew(ctx context.Context, u *domain.User) error
	// Save stores a user that the transaction has locked. It fails like Insert.
	Save(ctx context.Context, u *domain.User) error

	ByID(ctx context.Context, id users.ID) (*domain.User, error)
	ByEmail(ctx context.Context, email string) (*domain.User, error)
	ByPhone(ctx context.Context, phone string) (*domain.User, error)
	// ByIDs returns those that exist, in no order and without their password hashes: they are to be shown.
	ByIDs(ctx context.Context, ids []users.ID) ([]*domain.User, error)
	LockByID(ctx context.Context, id users.ID) (*domain.User, error)
	LockByEmail(ctx context.Context, email string) (*domain.User, error)
	LockByPhone(ctx context.Context, phone string) (*domain.User, error)

	// List returns at most page.Limit users that match, in the order of the page, without their password hashes.
	List(ctx context.Context, f Filter, page Page) ([]*domain.User, error)
	Count(ctx context.Context, f Filter) (int64, error)
	// Stats counts accounts; those created since the given time are the new ones.
	Stats(ctx context.Context, since time.Time) (users.Stats, error)

	// AdminExists reports whether any account, active or not, is an administrator.
	AdminExists(ctx context.Context) (bool, error)
	// OtherActiveAdmin reports whether an active administrator besides id exists. Until the transaction ends, no other
	// transaction gets an answer to this question.
	OtherActiveAdmin(ctx context.Context, id users.ID) (bool, error)
}

// Registrations stores attempts to register an address that is not verified yet.
type Registrations interface {
	Add(ctx context.Context, r domain.Registration) error
	// Newest returns the user's latest attempt. It fails with users.ErrNotFound.
	Newest(ctx context.Context, user users.ID) (domain.Registration, error)
	// Owner returns whose attempt a token belongs to. It fails with users.ErrTokenInvalid.
	Owner(ctx context.Context, tokenHash []byte) (users.ID, error)
	// Take removes the attempt of a token and returns it, at most once. It fails with users.ErrTokenInvalid.
	Take(ctx context.Context, tokenHash []byte, now time.Time) (domain.Registration, error)
	// Live returns the user's attempts that have not expired at now, the oldest first.
	Live(ctx context.Context, user users.ID, now time.Time) ([]domain.Registration, error)
	// Renew gives an attempt another token, which works until then. The old one is worth nothing from then on.
	Renew(ctx context.Context, id uuid.UUID, tokenHash []byte, until time.Time) error
	// Void removes all attempts of a user.
	Void(ctx context.Context, user users.ID) error
	// VoidExpired removes the user's attempts that expired before now.
	VoidExpired(ctx context.Context, user users.ID, now time.Time) error
}

// OneTimeTokens stores what was issued to prove something once. A user has one token of a purpose at most.
type OneTimeTokens interface {
	// Issue stores a token in the place of the one that its user has of that purpose.
	Issue(ctx context.Context, t domain.OneTimeToken) error
	// Owner returns whose token of one of the purposes has that hash. It fails with users.ErrTokenInvalid.
	Owner(ctx context.Context, tokenHash []byte, purposes ...domain.Purpose) (users.ID, error)
	// Take removes that token and returns it, at most once and not when it has expired at now. It fails with users.ErrTokenInvalid.
	Take(ctx context.Context, tokenHash []byte, now time.Time, purposes ...domain.Purpose) (domain.OneTimeToken, error)
	// Try counts a try at the user's code and returns its token. It fails with users.ErrTokenInvalid when there is none, when it has
	// expired at now, or when all tries are used up. However many try at once, no more than domain.MaxCodeTries get it.
	Try(ctx context.Context, user users.ID, now time.Time) (domain.OneTimeToken, error)
	// Has reports whether the user has a token of that purpose, expired or not.
	Has(ctx context.Context, user users.ID, purpose domain.Purpose) (bool, error)
	// Void removes all tokens of a user.
	Void(ctx context.Context, user users.ID) error
}

// Sessions stores logins. Finders fail with users.ErrNotFound.
type Sessions interface {
	Insert(ctx context.Context, s *domain.Session) error
	Save(ctx context.Context, s *domain.Session) error
	ByID(ctx context.Context, id uuid.UUID) (*domain.Session, error)
	LockByID(ctx context.Context, id uuid.UUID) (*domain.Session, error)
	// Live returns at most limit of the user's sessions that have neither ended nor expired at now, the one begun last first.
	Live(ctx context.Context, user users.ID, limit int, now time.Time) ([]*domain.Session, error)
	// EndAll ends the user's live sessions except one (uuid.Nil: none is spared) and returns the IDs of the ended.
	EndAll(ctx context.Context, user users.ID, except uuid.UUID, reason string, now time.Time) ([]uuid.UUID, error)
}

// Cache remembers what was read. load is called on a miss; what it returns is remembered unless the subject was forgotten since
// load began, so that a slow reader cannot put an old row back. Errors are not remembered.
type Cache interface {
	User(ctx context.Context, id users.ID, load func(context.Context) (users.User, error)) (users.User, error)
	// Users asks load once for all that are missing. Unknown IDs are absent from the answer.
	Users(ctx context.Context, ids []users.ID, load func(context.Context, []users.ID) ([]users.User, error)) (map[users.ID]users.User, error)
	// Session remembers whose live session that is.
	Session(ctx context.Context, id uuid.UUID, load func(context.Context) (users.ID, error)) (users.ID, error)
	ForgetUser(id users.ID)
	ForgetSession(id uuid.UUID)
	ForgetAll()
}

// ErrBadHash is how Verify of Hasher reports a stored hash that is none, or that asks for absurd work. It says nothing of the hash:
// that is a secret.
var ErrBadHash = errors.New("stored password hash is unreadable or beyond its limits")

// Hasher turns passwords into hashes. Hash and Verify wait for a free processor and fail with users.ErrOverloaded when that takes
// too long.
type Hasher interface {
	// Enter waits until so few are between Enter and leave that their turns come soon. Networks are let in by turns, so that none
	// keeps out the others. It fails with users.ErrOverloaded.
	Enter(ctx context.Context, network string) (leave func(), err error)
	// Hash returns a PHC string.
	Hash(ctx context.Context, p domain.Password) (string, error)
	// Verify reports whether hash is one of p. An empty hash matches nothing. Refusing a password costs the same whatever hash there is,
	// or none. It fails with ErrBadHash.
	Verify(ctx context.Context, p domain.Password, hash string) (bool, error)
	// Outdated reports whether hash, which is one of p, should be replaced by what Hash makes of p today.
	Outdated(p domain.Password, hash string) bool
}

// AccessClaims is what an access token says.
type AccessClaims struct {
	User      users.ID
	Session   uuid.UUID
	IssuedAt  time.Time
	ExpiresAt time.Time
}

// AccessTokens signs and checks access tokens.
type AccessTokens interface {
	Issue(c AccessClaims) (string, error)
	// Verify fails with users.ErrTokenExpired or users.ErrUnauthenticated.
	Verify(token string) (AccessClaims, error)
}
