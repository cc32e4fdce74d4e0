package application

import (
	"context"
	"errors"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/domain"
)

// PhoneNumber is a number that a user wants to prove; empty: the one of the account.
type PhoneNumber struct{ Phone string }

func (n PhoneNumber) parse() (*domain.Phone, error) {
	var invalid domain.InvalidError
	phone := domain.Field(&invalid, "phone", n.Phone, domain.ParseOptionalPhone)
	return phone, invalid.Err()
}

// Validate fails with *domain.InvalidError when it is no number.
func (n PhoneNumber) Validate() error {
	_, err := n.parse()
	return err
}

// RequestPhoneCode sends a code to the number, whoever holds it; the account changes only once the code comes back. An older code is
// void. It fails with users.ErrSMSUnavailable, *LimitedError, or with *domain.InvalidError, also when no number is given and the account has none.
func (s *Service) RequestPhoneCode(ctx context.Context, actor Actor, n PhoneNumber) error {
	if err := s.mayVerifyPhone(actor); err != nil {
		return err
	}
	phone, err := n.parse()
	if err != nil {
		return err
	}
	return s.commit(ctx, func(ctx context.Context, after *effects) error {
		u, err := s.Users.LockByID(ctx, actor.ID)
		if err != nil {
			return err
		}
		if !u.IsActive() {
			return users.ErrSessionEnded
		}
		number := u.ClaimedPhone()
		if phone != nil {
			number = phone
		}
		if number == nil {
			return domain.Invalid("phone", domain.CodeRequired, "is required: your account has no phone number")
		}
		if err := s.Throttles.Take(ctx, s.textLimits(actor, *number), s.Now()); err != nil {
			return err
		}
		token, code := domain.IssueCode(u, *number, s.CodeKeys[0], s.Now())
		if err := s.OneTimeTokens.Issue(ctx, token); err != nil {
			return err
		}
		if err := s.record(ctx, actor, ActRequestPhoneCode, u.ID(), nil); err != nil {
			return err
		}
		return s.queue(ctx, draft{kind: TextPhoneCode, user: u.ID(), to: number.String(), token: code}, after)
	})
}

// VerifyPhone makes the number that the code was sent to the actor's own, proven. A holder who had proven it too loses it and is told
// by mail: numbers are handed on. It fails with users.ErrTokenInvalid for a code that is wrong, used, expired or was tried too often,
// or with users.ErrSMSUnavailable.
func (s *Service) VerifyPhone(ctx context.Context, actor Actor, code string) error {
	if err := s.mayVerifyPhone(actor); err != nil {
		return err
	}
	var refused error
	err := s.commit(ctx, func(ctx context.Context, after *effects) error {
		refused = nil
		u, err := s.Users.LockByID(ctx, actor.ID)
		if err != nil {
			return err
		}
		if !u.IsActive() {
			return users.ErrSessionEnded
		}
		token, err := s.OneTimeTokens.Try(ctx, u.ID(), s.Now())
		if err == nil && !token.IsCode(code, s.CodeKeys) {
			err = users.ErrTokenInvalid
		}
		if errors.Is(err, users.ErrTokenInvalid) {
			refused = err
			return s.recordFailure(ctx, actor, ActVerifyPhone, &actor.ID, nil) // the try counts: the transaction commits
		}
		if err != nil {
			return err
		}
		if _, err := s.OneTimeTokens.Take(ctx, token.TokenHash, s.Now(), domain.VerifyPhone); err != nil {
			return err
		}
		after.users = append(after.users, u.ID())
		if err := s.record(ctx, actor, ActVerifyPhone, u.ID(), nil); err != nil {
			return err
		}
		return s.movePhone(ctx, actor, u, token.Number(), after)
	})
	if err != nil {
		return err
	}
	return refused
}

func (s *Service) mayVerifyPhone(actor Actor) error {
	if err := actor.May(VerifyOwnPhone); err != nil {
		return err
	}
	if !s.SMS {
		return users.ErrSMSUnavailable
	}
	return nil
}

// movePhone gives u a number that u has proven to have, taking it from whoever holds it.
func (s *Service) movePhone(ctx context.Context, by Actor, u *domain.User, number domain.Phone, after *effects) error {
	holder, err := s.Users.LockByPhone(ctx, number.String())
	switch {
	case errors.Is(err, users.ErrNotFound):
	case err != nil:
		return err
	case holder.ID() != u.ID():
		if holder.PhoneVerified() {
			if err := s.queueMail(ctx, MailPhoneMoved, holder.ID(), "", after); err != nil {
				return err
			}
		}
		if err := s.record(ctx, by, ActYieldPhone, holder.ID(), nil); err != nil {
			return err
		}
		holder.SetPhone(nil, s.Now())
		after.users = append(after.users, holder.ID())
		if err := s.Users.Save(ctx, holder); err != nil {
			return err
		}
	}
	u.ProvePhone(number, s.Now())
	return s.Users.Save(ctx, u)
}
