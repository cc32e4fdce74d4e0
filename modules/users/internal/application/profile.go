package application

import (
	"context"

	"github.com/google/uuid"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/domain"
)

// OwnProfile returns the actor's account.
func (s *Service) OwnProfile(ctx context.Context, actor Actor) (users.User, error) {
	if err := actor.May(ViewOwnProfile); err != nil {
		return users.User{}, err
	}
	return s.view(ctx, actor.ID)
}

// Profile is what a user says of themselves. It replaces what was there: an empty phone gives the number up.
type Profile struct{ FirstName, LastName, Phone string }

func (p Profile) parse() (domain.Names, *domain.Phone, error) {
	var invalid domain.InvalidError
	names := parseNames(&invalid, p.FirstName, p.LastName)
	phone := domain.Field(&invalid, "phone", p.Phone, domain.ParseOptionalPhone)
	return names, phone, invalid.Err()
}

// Validate fails with *domain.InvalidError naming every wrong field.
func (p Profile) Validate() error {
	_, _, err := p.parse()
	return err
}

// UpdateOwnProfile replaces the actor's names and phone. It fails with *domain.InvalidError or users.ErrPhoneTaken.
func (s *Service) UpdateOwnProfile(ctx context.Context, actor Actor, p Profile) (users.User, error) {
	if err := actor.May(UpdateOwnProfile); err != nil {
		return users.User{}, err
	}
	names, phone, err := p.parse()
	if err != nil {
		return users.User{}, err
	}
	return s.change(ctx, actor.ID, func(ctx context.Context, u *domain.User, after *effects) error {
		if !u.IsActive() {
			return users.ErrSessionEnded
		}
		before := u.State()
		u.Rename(names, s.Now())
		if err := s.claimPhone(ctx, actor, u, phone, after); err != nil {
			return err
		}
		return s.recordChanges(ctx, actor, before, u)
	})
}

// PasswordChange is a user replacing their password.
type PasswordChange struct{ Current, New string }

// parse also refuses a new password that is made of what is known of its owner.
func (c PasswordChange) parse(person ...string) (domain.Password, error) {
	var invalid domain.InvalidError
	domain.Field(&invalid, "currentPassword", c.Current, domain.ParseGiven)
	password := domain.Field(&invalid, "newPassword", c.New, func(raw string) (domain.Password, *domain.Violation) {
		return domain.ParsePassword(raw, person...)
	})
	return password, invalid.Err()
}

// Validate fails with *domain.InvalidError naming every field that is wrong whoever asks.
func (c PasswordChange) Validate() error {
	_, err := c.parse()
	return err
}

// ChangeOwnPassword replaces the actor's password, ends the actor's other sessions and voids whatever was issued for the account. It
// fails with *domain.InvalidError, also when the current password is wrong, or with users.ErrOverloaded.
func (s *Service) ChangeOwnPassword(ctx context.Context, actor Actor, c PasswordChange) error {
	if err := actor.May(ChangeOwnPassword); err != nil {
		return err
	}
	if err := c.Validate(); err != nil {
		return err
	}
	var hash string
	prepare := func(u *domain.User) error {
		state := u.State()
		password, err := c.parse(state.Email, state.FirstName, state.LastName)
		if err == nil {
			hash, err = s.Hasher.Hash(ctx, password)
		}
		return err
	}
	return s.reauthenticated(ctx, actor, ActChangePassword, "currentPassword", c.Current, prepare, func(ctx context.Context, u *domain.User, after *effects) error {
		u.SetPassword(hash, s.Now())
		return s.passwordSet(ctx, u, actor.Session, domain.EndedByPassword, after)
	})
}

// DeactivateOwn deactivates the actor's account and ends its sessions. It fails with users.ErrLastAdmin.
func (s *Service) DeactivateOwn(ctx context.Context, actor Actor) error {
	if err := actor.May(DeactivateOwn); err != nil {
		return err
	}
	_, err := s.deactivate(ctx, actor, actor.ID, "")
	return err
}

// deactivate ends the use of an account, all its sessions and its one-time tokens. Attempts to register it stay, and activate nothing
// while it is deactivated.
func (s *Service) deactivate(ctx context.Context, actor Actor, id users.ID, reason string) (users.User, error) {
	return s.change(ctx, id, func(ctx context.Context, u *domain.User, after *effects) error {
		if err := s.keepAnAdmin(ctx, u); err != nil {
			return err
		}
		if u.IsActive() {
			if err := s.record(ctx, actor, ActDeactivate, id, given("reason", reason)); err != nil {
				return err
			}
		}
		u.Deactivate(actor.ID, reason, s.Now())
		if err := s.OneTimeTokens.Void(ctx, id); err != nil {
			return err
		}
		return s.endSessions(ctx, id, uuid.Nil, domain.EndedByDeactivation, after)
	})
}

// keepAnAdmin fails with users.ErrLastAdmin when u is the only active administrator.
func (s *Service) keepAnAdmin(ctx context.Context, u *domain.User) error {
	if u.Role() != users.Admin || !u.IsActive() {
		return nil
	}
	another, err := s.Users.OtherActiveAdmin(ctx, u.ID())
	if err == nil && !another {
		err = users.ErrLastAdmin
	}
	return err
}
