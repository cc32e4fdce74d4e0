// Package users is the contract of the users module: the words, questions and errors that other modules may use.
// Nothing in it runs; a sibling asks for a Directory through fx and gets the module's own.
package users

import (
	"context"
	"time"

	"github.com/google/uuid"
)

// ID identifies a user. IDs are version 7 UUIDs (RFC 9562) made by the module: they sort by creation time.
type ID = uuid.UUID

// Role says what a user may do. A user has exactly one.
type Role string

// The roles, as stored and as published.
const (
	Participant Role = "PARTICIPANT"
	Organizer   Role = "ORGANIZER"
	Admin       Role = "ADMIN"
)

// Roles lists every valid role, weakest first.
func Roles() []Role { return []Role{Participant, Organizer, Admin} }

// User is what the module publishes of an account. It is a copy: changing it changes nothing.
// It never carries a password hash or a token.
type User struct {
	ID            ID
	Email         string  // canonical: lower case, domain as A-labels (RFC 5890)
	Phone         *string // E.164, nil when none is claimed
	FirstName     string
	LastName      string
	Role          Role
	IsOrganizer   bool
	EmailVerified bool
	PhoneVerified bool
	IsActive      bool       // false: deactivated, the account is kept but may do nothing
	LastLoginAt   *time.Time // UTC, nil before the first login
	CreatedAt     time.Time  // UTC, microseconds
	UpdatedAt     time.Time  // UTC, microseconds
	Version       int64      // raised by every change except a login; the basis of the ETag
}

// Stats counts the accounts of one moment.
type Stats struct {
	Total      int64
	Active     int64
	ByRole     map[Role]int64 // every role, active or not
	Signups24h int64          // created within the last 24 hours
}

// Directory answers siblings' questions about users, in process.
//
// Answers come from a cache of this process. A change made by this process is seen by the next call that starts after the
// change was acknowledged; one made by another process is seen within a second, and while this process cannot ask the database, after
// CACHE_TTL (300 s by default) at the latest.
// Questions by e-mail always ask the database.
//
// Every method may also fail with an error that is none of the sentinels: the database could not answer.
// Values returned are copies and safe to keep.
type Directory interface {
	// Get returns the user, active or not. It fails with ErrNotFound.
	Get(ctx context.Context, id ID) (User, error)

	// GetMany returns the users that exist, by ID; unknown IDs are absent and not an error. It costs at most one query,
	// and none when all are cached. Duplicate IDs are fine.
	GetMany(ctx context.Context, ids []ID) (map[ID]User, error)

	// ByEmail returns the user with that address in any of its forms, active or not. It fails with ErrNotFound,
	// also when the address is not one.
	ByEmail(ctx context.Context, email string) (User, error)

	// ExistsByEmail reports whether an account has that address in any of its forms, active or not.
	ExistsByEmail(ctx context.Context, email string) (bool, error)

	// RequireActive returns the user if it may act. It fails with ErrNotFound or ErrDeactivated.
	RequireActive(ctx context.Context, id ID) (User, error)
}
