package usersfx

import (
	"context"
	"errors"
	"time"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/application"
	"github.com/tickr/tickr/modules/users/internal/domain"
)

// Operator is what the commands of the program may do with users. Whoever can run them may do anything.
type Operator struct{ service *application.Service }

func newOperator(s *application.Service) Operator { return Operator{s} }

// CreateAdmin makes a verified administrator. It fails with users.ErrEmailTaken, or with an error naming every wrong value.
func (o Operator) CreateAdmin(ctx context.Context, email, password, firstName, lastName string) (users.User, error) {
	return o.service.CreateAdmin(ctx, application.NewAdmin{Email: email, Password: password, FirstName: firstName, LastName: lastName})
}

// Stats counts the accounts of this moment.
func (o Operator) Stats(ctx context.Context) (users.Stats, error) { return o.service.CountUsers(ctx) }

// ShortenAudit removes the months of the audit trail that ended more than keep months ago, and returns them, the oldest first. A dry run
// removes none.
func (o Operator) ShortenAudit(ctx context.Context, keep int, dryRun bool) ([]time.Time, error) {
	return o.service.ShortenTrail(ctx, keep, dryRun)
}

// IsInvalidInput reports whether an error says that a given value breaks a rule of users.
func IsInvalidInput(err error) bool {
	var invalid *domain.InvalidError
	return errors.As(err, &invalid)
}
