package domain

import (
	"time"

	"github.com/google/uuid"

	"github.com/tickr/tickr/modules/users"
)

// RegistrationTTL is how long the link in a registration's mail works.
const RegistrationTTL = 24 * time.Hour

// Registration is one attempt to register an address that is not verified yet. There may be several: only the mail of an attempt
// makes its password and names those of the account, so nobody can plant a password in an account that is not theirs.
type Registration struct {
	ID           uuid.UUID
	UserID       users.ID
	TokenHash    []byte
	PasswordHash string
	FirstName    string
	LastName     string
	Phone        *string // claimed when the address is verified
	CreatedAt    time.Time
	ExpiresAt    time.Time
}

// Names returns how the person called herself in this attempt.
func (r Registration) Names() Names { return Names{First: Name{r.FirstName}, Last: Name{r.LastName}} }

// ClaimedPhone returns the number to claim, or nil.
func (r Registration) ClaimedPhone() *Phone {
	if r.Phone == nil {
		return nil
	}
	return &Phone{*r.Phone}
}
