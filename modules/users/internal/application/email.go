package application

import (
	"context"
	"errors"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/domain"
)

// EmailChange is a user who wants another address, and proves with the password to be the one.
type EmailChange struct{ New, Password string }

func (c EmailChange) parse() (domain.Email, error) {
	var invalid domain.InvalidError
	email := domain.Field(&invalid, "newEmail", c.New, domain.ParseEmail)
	domain.Field(&invalid, "password", c.Password, domain.ParseGiven)
	return email, invalid.Err()
}

// Validate fails with *domain.InvalidError naming every wrong field.
func (c EmailChange) Validate() error {
	_, err := c.parse()
	return err
}

// RequestEmailChange mails a link to the new address, and a notice to the one of the account. When the new address belongs to another
// account its owner is told instead; the caller cannot see the difference. It fails with *domain.InvalidError, also when the password
// is wrong or the address is the actor's already, or with users.ErrOverloaded.
func (s *Service) RequestEmailChange(ctx context.Context, actor Actor, c EmailChange) error {
	if err := actor.May(ChangeOwnEmail); err != nil {
		return err
	}
	email, err := c.parse()
	if err != nil {
		return err
	}
	isNew := func(u *domain.User) error {
		if email.String() == u.Email() {
			return domain.Invalid("newEmail", domain.CodeInvalid, "is your address already")
		}
		return nil
	}
	return s.reauthenticated(ctx, actor, ActRequestEmailChange, "password", c.Password, isNew, func(ctx context.Context, u *domain.User, after *effects) error {
		if err := s.Throttles.Take(ctx, s.emailChangeLimits(actor, email), s.Now()); err != nil {
			return err
		}
		token, secret := domain.IssueToken(u, domain.ConfirmEmail, email.String(), s.Now())
		if err := s.OneTimeTokens.Issue(ctx, token); err != nil {
			return err
		}
		// To this address, also when the change is through before the mail goes out.
		if err := s.queue(ctx, draft{kind: MailEmailChangeRequested, user: u.ID(), to: u.Email()}, after); err != nil {
			return err
		}
		return s.queue(ctx, draft{kind: MailConfirmEmail, user: u.ID(), to: email.String(), token: secret}, after)
	})
}

// ConfirmEmail makes the address that the token was mailed to that of the account, tells the old one, and voids whatever else was
// issued for the account. Sessions go on: the change was asked for with the password. It fails with users.ErrTokenInvalid, also when
// the address was taken meanwhile, the account deactivated, or its address changed otherwise.
func (s *Service) ConfirmEmail(ctx context.Context, from domain.Origin, secret string) error {
	tokenHash := domain.HashToken(secret)
	owner, err := s.OneTimeTokens.Owner(ctx, tokenHash, domain.ConfirmEmail)
	if err != nil {
		return err
	}
	_, err = s.change(ctx, owner, func(ctx context.Context, u *domain.User, after *effects) error {
		token, err := s.OneTimeTokens.Take(ctx, tokenHash, s.Now(), domain.ConfirmEmail)
		if err != nil {
			return err
		}
		if !token.StillFor(u) {
			return users.ErrTokenInvalid
		}
		old := u.Email()
		u.ChangeEmail(token.NewEmail(), s.Now())
		if err := s.OneTimeTokens.Void(ctx, u.ID()); err != nil {
			return err
		}
		if err := s.record(ctx, somebody(from), ActChangeEmail, u.ID(), nil); err != nil {
			return err
		}
		return s.queue(ctx, draft{kind: MailEmailChanged, user: u.ID(), to: old}, after)
	})
	if errors.Is(err, users.ErrEmailTaken) || errors.Is(err, users.ErrNotFound) {
		return users.ErrTokenInvalid
	}
	return err
}
