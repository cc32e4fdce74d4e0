package application

import (
	"context"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/domain"
)

// BecomeOrganizer makes the actor an organizer; an administrator stays one besides. Doing it again changes nothing.
func (s *Service) BecomeOrganizer(ctx context.Context, actor Actor) (users.User, error) {
	if err := actor.May(BecomeOrganizer); err != nil {
		return users.User{}, err
	}
	return s.change(ctx, actor.ID, func(ctx context.Context, u *domain.User, _ *effects) error {
		if !u.IsActive() {
			return users.ErrSessionEnded
		}
		before := u.Version()
		u.BecomeOrganizer(s.Now())
		if u.Version() == before {
			return nil
		}
		return s.record(ctx, actor, ActBecomeOrganizer, u.ID(), nil)
	})
}
