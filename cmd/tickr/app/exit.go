package app

import (
	"errors"
	"strings"

	"go.uber.org/dig"

	"github.com/tickr/tickr/platform/config"
	"github.com/tickr/tickr/platform/database"
	"github.com/tickr/tickr/platform/startup"
)

// The exit codes of the program; 0 is success, a clean stop by a signal too.
const (
	exitFailure   = 1
	exitUsage     = 2
	exitConfig    = 3
	exitDatabase  = 4
	exitMigration = 5
)

// ErrUsage wraps errors about how a command was called.
var ErrUsage = errors.New("usage")

// ErrPending says that migrations are pending and the caller wanted none to be.
var ErrPending = &startup.MigrationError{Err: errors.New("migrations are pending")}

// DatabaseError is a failure of a command because the database could not be reached or did not answer in time.
type DatabaseError struct{ Err error }

func (e *DatabaseError) Error() string { return "the database cannot be reached: " + e.Err.Error() }

// Unwrap returns the reason.
func (e *DatabaseError) Unwrap() error { return e.Err }

// ExitCode returns the code the program ends with because of err.
func ExitCode(err error) int {
	var misconfigured *config.Error
	var migration *startup.MigrationError
	var unreachable *DatabaseError
	_, refused := database.Refused(err)
	switch {
	case err == nil:
		return 0
	case errors.Is(err, ErrUsage):
		return exitUsage
	case errors.As(err, &misconfigured):
		return exitConfig
	case refused || errors.As(err, &unreachable):
		return exitDatabase
	case errors.As(err, &migration):
		return exitMigration
	}
	return exitFailure
}

// Reason says why the program ends, without the path on which dependency injection came across it: in one line, or as the list
// of mistakes in a configuration.
func Reason(err error) string {
	if misconfigured, ok := errors.AsType[*config.Error](err); ok {
		return misconfigured.Error()
	}
	if reason, refused := database.Refused(err); refused {
		return "the database refuses this program: " + reason
	}
	return strings.Join(strings.Fields(dig.RootCause(err).Error()), " ")
}
