package domain

import (
	"crypto/hmac"
	"crypto/rand"
	"fmt"
	"math/big"
	"time"

	"github.com/tickr/tickr/modules/users"
)

// Purpose is what a one-time token is for. One that was issued for another purpose is worth nothing.
type Purpose string

// The purposes.
const (
	ResetPassword    Purpose = "reset_password"
	AcceptInvitation Purpose = "accept_invitation"
	ConfirmEmail     Purpose = "confirm_email"
	VerifyPhone      Purpose = "verify_phone"
)

// How long one-time tokens work.
const (
	ResetTTL        = time.Hour
	InvitationTTL   = 7 * 24 * time.Hour
	ConfirmEmailTTL = 24 * time.Hour
	CodeTTL         = 5 * time.Minute
)

// MaxCodeTries is how often a code may be tried. One guess in 200,000 is right then.
const MaxCodeTries = 5

func (p Purpose) ttl() time.Duration {
	switch p {
	case AcceptInvitation:
		return InvitationTTL
	case ConfirmEmail:
		return ConfirmEmailTTL
	case VerifyPhone:
		return CodeTTL
	default:
		return ResetTTL
	}
}

// OneTimeToken is what is stored of a secret by which a person proves something once. A user has one of a purpose at most.
type OneTimeToken struct {
	UserID    users.ID
	Purpose   Purpose
	TokenHash []byte
	Email     string  // the address of the account when it was issued
	Target    *string // what is proven: the new address, the number; nil: the address of the account
	Tries     int     // of a code
	CreatedAt time.Time
	ExpiresAt time.Time
}

// IssueToken returns a token for u and its secret, to be mailed. An empty target is none.
func IssueToken(u *User, purpose Purpose, target string, now time.Time) (OneTimeToken, string) {
	secret := NewOneTimeToken()
	return newToken(u, purpose, target, HashToken(secret), now), secret
}

// IssueCode returns a token by which u proves to have a number, and its code, to be sent there.
func IssueCode(u *User, number Phone, key CodeKey, now time.Time) (OneTimeToken, string) {
	n, err := rand.Int(rand.Reader, big.NewInt(1_000_000))
	if err != nil {
		panic(err) // never: crypto/rand ends the program instead
	}
	code := fmt.Sprintf("%06d", n)
	return newToken(u, VerifyPhone, number.String(), key.hash(u.ID(), number.String(), code), now), code
}

func newToken(u *User, purpose Purpose, target string, hash []byte, now time.Time) OneTimeToken {
	t := OneTimeToken{
		UserID: u.ID(), Purpose: purpose, TokenHash: hash, Email: u.Email(), CreatedAt: now, ExpiresAt: now.Add(purpose.ttl()),
	}
	if target != "" {
		t.Target = &target
	}
	return t
}

// NewEmail returns the address that a ConfirmEmail token proves.
func (t OneTimeToken) NewEmail() Email { return Email{*t.Target} }

// Number returns the number that a VerifyPhone token proves.
func (t OneTimeToken) Number() Phone { return Phone{*t.Target} }

// StillFor reports whether the token may change u: not when u was deactivated, nor when its address is another one by now.
func (t OneTimeToken) StillFor(u *User) bool {
	return t.UserID == u.ID() && u.IsActive() && t.Email == u.Email()
}

// IsCode reports whether code is the one of the token, made with any of the keys.
func (t OneTimeToken) IsCode(code string, keys []CodeKey) bool {
	for _, key := range keys {
		if t.Target != nil && hmac.Equal(key.hash(t.UserID, *t.Target, code), t.TokenHash) {
			return true
		}
	}
	return false
}

// CodeKey hashes codes. Six digits have no entropy to speak of: whoever has the database tries all, unless the hash needs a key
// that is not in it. It does not print, for the same reason as a RefreshToken.
type CodeKey struct{ key *string }

// NewCodeKey derives the key from the program's secret (HKDF, RFC 5869).
func NewCodeKey(secret string) (CodeKey, error) {
	key, err := deriveKey(secret, "phone code")
	return CodeKey{&key}, err
}

// hash binds a code to whom it was issued and what it proves. No two sets of parts join to the same text: an ID has 16 octets, and
// a NUL ends the number.
func (k CodeKey) hash(user users.ID, number, code string) []byte {
	return mac(*k.key, user[:], []byte(number), []byte{0}, []byte(code))
}
