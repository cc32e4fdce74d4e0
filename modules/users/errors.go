package users

import "errors"

// The expected failures of the module. Compare with errors.Is.
var (
	// ErrNotFound: there is no such user, or no such session of theirs.
	ErrNotFound = errors.New("user not found")
	// ErrDeactivated: the user exists and is deactivated.
	ErrDeactivated = errors.New("user is deactivated")
	// ErrEmailTaken: another account has that e-mail address.
	ErrEmailTaken = errors.New("e-mail address is taken")
	// ErrPhoneTaken: another account has proven that phone number to be its own.
	ErrPhoneTaken = errors.New("phone number is taken")
	// ErrForbidden: the actor may not do this.
	ErrForbidden = errors.New("not allowed")
	// ErrLastAdmin: the change would leave no active administrator.
	ErrLastAdmin = errors.New("the last active administrator cannot be removed")
	// ErrStale: the user was changed since the version the caller has seen.
	ErrStale = errors.New("user was changed meanwhile")
	// ErrInvalidCredentials: no account has that pair of address and password.
	ErrInvalidCredentials = errors.New("wrong e-mail or password")
	// ErrEmailNotVerified: the password is right, but the address was never verified.
	ErrEmailNotVerified = errors.New("e-mail address is not verified")
	// ErrSMSUnavailable: the program cannot send text messages.
	ErrSMSUnavailable = errors.New("text messages cannot be sent")
	// ErrTokenInvalid: a one-time token is unknown, used, superseded or expired.
	ErrTokenInvalid = errors.New("token is invalid or expired")
	// ErrTokenExpired: an access token was valid and has expired.
	ErrTokenExpired = errors.New("access token has expired")
	// ErrUnauthenticated: no access token, or one that this program did not issue.
	ErrUnauthenticated = errors.New("not authenticated")
	// ErrSessionEnded: the session of a token was ended, or its user was deactivated.
	ErrSessionEnded = errors.New("session has ended")
	// ErrOverloaded: too much work is waiting; the same call may succeed a little later.
	ErrOverloaded = errors.New("too busy, try again later")
)
