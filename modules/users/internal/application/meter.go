package application

import (
	"errors"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/domain"
)

// Meter counts what comes of use cases, for operators to watch. It does not block.
type Meter interface {
	LogIn(o LoginOutcome)
}

// LoginOutcome is what came of somebody's asking to log in.
type LoginOutcome string

// The outcomes of a login.
const (
	LoginOK          LoginOutcome = "ok"
	LoginInvalid     LoginOutcome = "invalid"     // a field was missing
	LoginRefused     LoginOutcome = "credentials" // a wrong pair
	LoginUnverified  LoginOutcome = "not_verified"
	LoginDeactivated LoginOutcome = "deactivated"
	LoginLimited     LoginOutcome = "limited"    // asked too often
	LoginOverloaded  LoginOutcome = "overloaded" // no turn to hash the password
	LoginFailed      LoginOutcome = "failed"     // by a fault, or its client went away
)

// LoginOutcomes returns all of them.
func LoginOutcomes() []LoginOutcome {
	return []LoginOutcome{LoginOK, LoginInvalid, LoginRefused, LoginUnverified, LoginDeactivated, LoginLimited, LoginOverloaded, LoginFailed}
}

func loginOutcome(err error) LoginOutcome {
	var invalid *domain.InvalidError
	var limited *LimitedError
	switch {
	case err == nil:
		return LoginOK
	case errors.As(err, &limited):
		return LoginLimited
	case errors.As(err, &invalid):
		return LoginInvalid
	case errors.Is(err, users.ErrInvalidCredentials):
		return LoginRefused
	case errors.Is(err, users.ErrEmailNotVerified):
		return LoginUnverified
	case errors.Is(err, users.ErrDeactivated):
		return LoginDeactivated
	case errors.Is(err, users.ErrOverloaded):
		return LoginOverloaded
	}
	return LoginFailed
}
