package application

import (
	"context"
	"errors"
	"fmt"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/domain"
)

// reauthenticated applies verb to the actor's account under lock, once the password given in a field was found to be its own. between
// is called after that and outside the transaction. A wrong password is recorded as act tried in vain, a right one as act. It fails with
// *domain.InvalidError naming the field, with *LimitedError or users.ErrOverloaded.
func (s *Service) reauthenticated(
	ctx context.Context, actor Actor, act Act, field, given string, between func(u *domain.User) error,
	verb func(ctx context.Context, u *domain.User, after *effects) error,
) error {
	wrong := domain.Invalid(field, domain.CodeIncorrect, "is not your current password")
	attempt := func() error {
		u, err := s.Users.ByID(ctx, actor.ID)
		if err != nil {
			return err
		}
		known := u.PasswordHash()
		ok, err := s.verify(ctx, u, domain.GivenPassword(given), known)
		if err != nil {
			return err
		}
		if !ok {
			if err := s.recordFailure(ctx, actor, act, &actor.ID, Details{"reason": "credentials"}); err != nil {
				return fmt.Errorf("%w: %w", errUnrecorded, err)
			}
			return wrong
		}
		if err := between(u); err != nil {
			return err
		}
		_, err = s.change(ctx, actor.ID, func(ctx context.Context, u *domain.User, after *effects) error {
			switch {
			case !u.IsActive():
				return users.ErrSessionEnded
			case u.PasswordHash() != known:
				return errHashReplaced
			}
			if err := s.record(ctx, actor, act, u.ID(), nil); err != nil {
				return err
			}
			return verb(ctx, u, after)
		})
		return err
	}
	return s.guess(ctx, s.confirmLimits(actor), wrong, func() error {
		err := attempt()
		if errors.Is(err, errHashReplaced) {
			err = attempt()
		}
		if errors.Is(err, errHashReplaced) {
			return wrong
		}
		return err
	})
}
