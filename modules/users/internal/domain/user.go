// Package domain holds the rules of users: what a valid address, name or password is, and what may happen to an account.
// It knows nothing of HTTP, SQL, clocks or configuration: whatever varies comes in as a parameter.
package domain

import (
	"time"

	"github.com/tickr/tickr/modules/users"
)

// State is everything stored of a user, as it is stored. Only postgres reads and writes it; everybody else asks a User.
type State struct {
	ID                 users.ID
	Email              string
	Phone              *string
	PasswordHash       *string // PHC string; nil while no password was set
	FirstName          string
	LastName           string
	Role               users.Role
	IsOrganizer        bool
	EmailVerified      bool
	PhoneVerified      bool
	IsActive           bool
	LastLoginAt        *time.Time
	CreatedAt          time.Time
	UpdatedAt          time.Time
	DeactivatedAt      *time.Time
	DeactivatedBy      *users.ID
	DeactivationReason *string
	Version            int64
}

// User is an account. Its verbs keep its rules; each that changes something raises the version, except a login.
type User struct{ state State }

// NewUser returns an active participant whose address is not verified and who has no password yet.
func NewUser(id users.ID, email Email, names Names, now time.Time) *User {
	return &User{State{
		ID: id, Email: email.String(), FirstName: names.First.String(), LastName: names.Last.String(),
		Role: users.Participant, IsActive: true, CreatedAt: now, UpdatedAt: now, Version: 1,
	}}
}

// Restore returns a stored user.
func Restore(state State) *User { return &User{state} }

// State returns a copy of what is to be stored.
func (u *User) State() State { return u.state }

// View returns what is published of the user.
func (u *User) View() users.User {
	s := u.state
	return users.User{
		ID: s.ID, Email: s.Email, Phone: s.Phone, FirstName: s.FirstName, LastName: s.LastName,
		Role: s.Role, IsOrganizer: s.IsOrganizer, EmailVerified: s.EmailVerified, PhoneVerified: s.PhoneVerified,
		IsActive: s.IsActive, LastLoginAt: s.LastLoginAt, CreatedAt: s.CreatedAt, UpdatedAt: s.UpdatedAt, Version: s.Version,
	}
}

// ID returns the user's ID.
func (u *User) ID() users.ID { return u.state.ID }

// Email returns the canonical address.
func (u *User) Email() string { return u.state.Email }

// Role returns the user's role.
func (u *User) Role() users.Role { return u.state.Role }

// Names returns how the user is called.
func (u *User) Names() Names {
	return Names{First: Name{u.state.FirstName}, Last: Name{u.state.LastName}}
}

// Phone returns the number in E.164 form, or nil.
func (u *User) Phone() *string { return u.state.Phone }

// ClaimedPhone returns the number, proven or not, or nil.
func (u *User) ClaimedPhone() *Phone {
	if u.state.Phone == nil {
		return nil
	}
	return &Phone{*u.state.Phone}
}

// Version returns the version, which starts at 1.
func (u *User) Version() int64 { return u.state.Version }

// IsActive reports whether the account may be used.
func (u *User) IsActive() bool { return u.state.IsActive }

// EmailVerified reports whether somebody has proven to read mail at the address.
func (u *User) EmailVerified() bool { return u.state.EmailVerified }

// PhoneVerified reports whether the user has proven to have the number.
func (u *User) PhoneVerified() bool { return u.state.PhoneVerified }

// PasswordHash returns the stored hash, or "" while there is none.
func (u *User) PasswordHash() string {
	if u.state.PasswordHash == nil {
		return ""
	}
	return *u.state.PasswordHash
}

// OpenToRegistration reports whether whoever proves the address may have the account by registering it: it is nobody's yet, and no role
// was given to it that a password planted by a stranger could be waiting for.
func (u *User) OpenToRegistration() bool {
	return u.state.IsActive && !u.state.EmailVerified && u.state.Role == users.Participant && !u.state.IsOrganizer
}

// MayLogIn says whether a person who knows the password may log in: nil, users.ErrDeactivated or users.ErrEmailNotVerified.
func (u *User) MayLogIn() error {
	switch {
	case !u.state.IsActive:
		return users.ErrDeactivated
	case !u.state.EmailVerified:
		return users.ErrEmailNotVerified
	}
	return nil
}

// Activate verifies the address and takes over the names and the password of the registration that proved it.
func (u *User) Activate(names Names, passwordHash string, now time.Time) {
	u.state.EmailVerified = true
	u.state.PasswordHash = &passwordHash
	u.state.FirstName, u.state.LastName = names.First.String(), names.Last.String()
	u.touch(now)
}

// ResetPassword replaces the password of somebody who has proven to read mail at the address.
func (u *User) ResetPassword(hash string, now time.Time) {
	u.state.EmailVerified = true
	u.SetPassword(hash, now)
}

// ChangeEmail replaces the address by one that is proven.
func (u *User) ChangeEmail(email Email, now time.Time) {
	u.state.Email, u.state.EmailVerified = email.String(), true
	u.touch(now)
}

// Rename changes how the user is called.
func (u *User) Rename(names Names, now time.Time) {
	if names == u.Names() {
		return
	}
	u.state.FirstName, u.state.LastName = names.First.String(), names.Last.String()
	u.touch(now)
}

// SetPhone claims a number, unverified, or gives up the one held when phone is nil. Claiming the same number again keeps
// what is known of it.
func (u *User) SetPhone(phone *Phone, now time.Time) {
	switch held := u.state.Phone; {
	case phone == nil && held == nil, phone != nil && held != nil && phone.String() == *held:
		return
	case phone == nil:
		u.state.Phone = nil
	default:
		number := phone.String()
		u.state.Phone = &number
	}
	u.state.PhoneVerified = false
	u.touch(now)
}

// ProvePhone claims a number that is proven to be this user's.
func (u *User) ProvePhone(phone Phone, now time.Time) {
	number := phone.String()
	u.state.Phone, u.state.PhoneVerified = &number, true
	u.touch(now)
}

// YieldPhone gives the number up to another claimant. It fails with users.ErrPhoneTaken when the number is proven to be this
// user's.
func (u *User) YieldPhone(now time.Time) error {
	if u.state.PhoneVerified {
		return users.ErrPhoneTaken
	}
	u.SetPhone(nil, now)
	return nil
}

// SetPassword replaces the stored password.
func (u *User) SetPassword(hash string, now time.Time) {
	u.state.PasswordHash = &hash
	u.touch(now)
}

// Rehash replaces the stored form of the same password. It is not a change of the account.
func (u *User) Rehash(hash string) { u.state.PasswordHash = &hash }

// SetRole changes the role. An organizer is one in every respect; a participant is not; an administrator stays what it was.
func (u *User) SetRole(role users.Role, now time.Time) {
	if role == u.state.Role {
		return
	}
	u.state.Role = role
	switch role {
	case users.Organizer:
		u.state.IsOrganizer = true
	case users.Participant:
		u.state.IsOrganizer = false
	case users.Admin:
	}
	u.touch(now)
}

// BecomeOrganizer makes a participant an organizer, and an administrator one besides. Doing it again changes nothing.
func (u *User) BecomeOrganizer(now time.Time) {
	if u.state.IsOrganizer && u.state.Role != users.Participant {
		return
	}
	u.state.IsOrganizer = true
	if u.state.Role == users.Participant {
		u.state.Role = users.Organizer
	}
	u.touch(now)
}

// Deactivate ends the use of the account; the row stays. Doing it again changes nothing.
func (u *User) Deactivate(by users.ID, reason string, now time.Time) {
	if !u.state.IsActive {
		return
	}
	u.state.IsActive = false
	u.state.DeactivatedAt, u.state.DeactivatedBy = &now, &by
	if reason != "" {
		u.state.DeactivationReason = &reason
	}
	u.touch(now)
}

// Reactivate makes a deactivated account usable again. Doing it again changes nothing.
func (u *User) Reactivate(now time.Time) {
	if u.state.IsActive {
		return
	}
	u.state.IsActive = true
	u.state.DeactivatedAt, u.state.DeactivatedBy, u.state.DeactivationReason = nil, nil, nil
	u.touch(now)
}

// LoggedIn notes the time of a login. It is not a change of the account: neither the version nor updatedAt moves.
func (u *User) LoggedIn(now time.Time) { u.state.LastLoginAt = &now }

// touch marks a change. The clock of another instance may be ahead; time does not go back for that.
func (u *User) touch(now time.Time) {
	if now.After(u.state.UpdatedAt) {
		u.state.UpdatedAt = now
	}
	u.state.Version++
}
