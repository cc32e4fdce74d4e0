package httpapi

import (
	"errors"
	"net/http"
	"time"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/application"
	"github.com/tickr/tickr/modules/users/internal/domain"
	"github.com/tickr/tickr/platform/database"
	"github.com/tickr/tickr/platform/httpserver"
)

// expected says how each expected failure is answered.
var expected = []struct {
	err          error
	status       int
	code, detail string
}{
	{users.ErrUnauthenticated, http.StatusUnauthorized, "unauthenticated", "A valid token is needed."},
	{users.ErrTokenExpired, http.StatusUnauthorized, "token_expired", "The access token has expired; refresh it."},
	{users.ErrSessionEnded, http.StatusUnauthorized, "session_ended", "The session has ended; log in again."},
	{users.ErrInvalidCredentials, http.StatusUnauthorized, "invalid_credentials", "The e-mail or the password is wrong."},
	{users.ErrEmailNotVerified, http.StatusForbidden, "email_not_verified", "Verify the e-mail address first; its link was mailed."},
	{users.ErrDeactivated, http.StatusForbidden, "account_deactivated", "The account is deactivated."},
	{users.ErrForbidden, http.StatusForbidden, "forbidden", "Your role does not allow this."},
	{users.ErrNotFound, http.StatusNotFound, "not_found", "There is nothing with this ID."},
	{users.ErrEmailTaken, http.StatusConflict, "email_taken", "Another account has this e-mail address."},
	{users.ErrPhoneTaken, http.StatusConflict, "phone_taken", "Another account has this phone number."},
	{users.ErrLastAdmin, http.StatusConflict, "last_admin", "The last active administrator can be neither deactivated nor demoted."},
	{users.ErrStale, http.StatusPreconditionFailed, "stale_version", "The user was changed meanwhile; fetch the new version."},
	{users.ErrTokenInvalid, http.StatusUnprocessableEntity, "token_invalid", "The token or code is wrong, used or expired."},
	{users.ErrSMSUnavailable, http.StatusServiceUnavailable, "sms_unavailable", "Text messages cannot be sent at the moment."},
	{users.ErrOverloaded, http.StatusServiceUnavailable, "overloaded", "Too many requests at this moment; try again shortly."},
}

// retryAfter is when a client may try again what the program could not do at this moment.
const retryAfter = 2 * time.Second

// problem says how an error of a handler is answered; nil means a fault.
func problem(err error) *httpserver.Problem {
	if invalid, ok := errors.AsType[*domain.InvalidError](err); ok {
		return httpserver.Invalid(fieldErrors(invalid)...)
	}
	if limited, ok := errors.AsType[*application.LimitedError](err); ok {
		return httpserver.NewProblem(http.StatusTooManyRequests, "rate_limited", "Too many requests; try again later.").RetryAfter(limited.RetryAfter)
	}
	for _, e := range expected {
		if errors.Is(err, e.err) {
			p := httpserver.NewProblem(e.status, e.code, e.detail)
			if e.status == http.StatusServiceUnavailable {
				p = p.RetryAfter(retryAfter)
			}
			return p
		}
	}
	if database.Unavailable(err) {
		return httpserver.NewProblem(http.StatusServiceUnavailable, "unavailable", "The service cannot do this at the moment.").RetryAfter(retryAfter)
	}
	return nil
}

func fieldErrors(invalid *domain.InvalidError) []httpserver.FieldError {
	fields := make([]httpserver.FieldError, len(invalid.Fields))
	for i, f := range invalid.Fields {
		fields[i] = httpserver.FieldError{Field: f.Field, Code: f.Code, Message: f.Message}
	}
	return fields
}

// violations lists the fields that err names, for huma to merge with those that break the schema.
func violations(err error) []error {
	invalid, ok := errors.AsType[*domain.InvalidError](err)
	if !ok {
		return nil
	}
	fields := fieldErrors(invalid)
	errs := make([]error, len(fields))
	for i, f := range fields {
		errs[i] = f
	}
	return errs
}
