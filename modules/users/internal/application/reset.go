package application

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/domain"
)

// Address is an e-mail address somebody names who may or may not have an account.
type Address struct{ Email string }

func (a Address) parse() (domain.Email, error) {
	var invalid domain.InvalidError
	email := domain.Field(&invalid, "email", a.Email, domain.ParseEmail)
	return email, invalid.Err()
}

// Validate fails with *domain.InvalidError when it is no address.
func (a Address) Validate() error {
	_, err := a.parse()
	return err
}

// RequestReset has a link to a new password mailed to the address, if it is that of an active account. An address that was never
// verified counts: whoever can read its mail may have the account. It fails with *domain.InvalidError or *LimitedError.
func (s *Service) RequestReset(ctx context.Context, from domain.Origin, a Address) error {
	return s.ask(ctx, from, AskedReset, ActRequestReset, a)
}

// ResendVerification has each live attempt to register the address mailed a new link of its own, which voids the older one; an invited
// person gets a new invitation. It fails with *domain.InvalidError or *LimitedError.
func (s *Service) ResendVerification(ctx context.Context, from domain.Origin, a Address) error {
	return s.ask(ctx, from, AskedVerification, ActRequestVerification, a)
}

// ask notes what was asked for, without a look at whether there is such an account.
func (s *Service) ask(ctx context.Context, from domain.Origin, kind MessageKind, act Act, a Address) error {
	email, err := a.parse()
	if err != nil {
		return err
	}
	return s.commit(ctx, func(ctx context.Context, after *effects) error {
		if err := s.Throttles.Take(ctx, s.askLimits(kind, email), s.Now()); err != nil {
			return err
		}
		details := Details{"account": s.Pseudonyms.Pseudonym("account", email.String())}
		if err := s.Audit.Append(ctx, s.entry(somebody(from), act, Success, nil, details)); err != nil {
			return err
		}
		return s.queue(ctx, draft{kind: kind, to: email.String()}, after)
	})
}

// answer does what was asked for by naming an address, if it is that of an active account.
func (s *Service) answer(ctx context.Context, kind MessageKind, email string) error {
	return s.commit(ctx, func(ctx context.Context, after *effects) error {
		u, err := s.Users.LockByEmail(ctx, email)
		switch {
		case errors.Is(err, users.ErrNotFound):
			return nil
		case err != nil:
			return err
		case !u.IsActive():
			return nil
		case kind == AskedReset:
			return s.mailToken(ctx, Actor{}, u, domain.ResetPassword, MailResetPassword, after)
		case u.EmailVerified():
			return nil
		}
		return s.resendVerification(ctx, u, after)
	})
}

// mailToken issues a token that proves the address of u, and mails it there.
func (s *Service) mailToken(
	ctx context.Context, by Actor, u *domain.User, purpose domain.Purpose, kind MessageKind, after *effects,
) error {
	token, secret := domain.IssueToken(u, purpose, "", s.Now())
	if err := s.OneTimeTokens.Issue(ctx, token); err != nil {
		return err
	}
	if err := s.record(ctx, by, ActIssueToken, u.ID(), Details{"purpose": string(purpose)}); err != nil {
		return err
	}
	return s.queueMail(ctx, kind, u.ID(), secret, after)
}

// maxResent bounds how many mails one request causes: others may have registered the address many times.
const maxResent = 10

func (s *Service) resendVerification(ctx context.Context, u *domain.User, after *effects) error {
	attempts, err := s.Registrations.Live(ctx, u.ID(), s.Now())
	if err != nil {
		return err
	}
	if !u.OpenToRegistration() {
		attempts = nil // none of them would be accepted
	}
	for _, r := range attempts[max(0, len(attempts)-maxResent):] {
		token := domain.NewOneTimeToken()
		if err := s.Registrations.Renew(ctx, r.ID, domain.HashToken(token), s.Now().Add(domain.RegistrationTTL)); err != nil {
			return err
		}
		if err := s.record(ctx, Actor{}, ActIssueToken, u.ID(), Details{"purpose": "verify_email"}); err != nil {
			return err
		}
		if err := s.queueMail(ctx, MailVerifyEmail, u.ID(), token, after); err != nil {
			return err
		}
	}
	invited, err := s.OneTimeTokens.Has(ctx, u.ID(), domain.AcceptInvitation)
	if err != nil || !invited {
		return err
	}
	return s.mailToken(ctx, Actor{}, u, domain.AcceptInvitation, MailInvitation, after)
}

// Reset is somebody setting a password by a mailed token, which proves the address.
type Reset struct{ Token, New string }

// parse also refuses a new password that is made of what is known of its owner.
func (r Reset) parse(person ...string) (domain.Password, error) {
	var invalid domain.InvalidError
	password := domain.Field(&invalid, "newPassword", r.New, func(raw string) (domain.Password, *domain.Violation) {
		return domain.ParsePassword(raw, person...)
	})
	return password, invalid.Err()
}

// Validate fails with *domain.InvalidError naming every field that is wrong whoever asks.
func (r Reset) Validate() error {
	_, err := r.parse()
	return err
}

// ResetPassword sets the password of the account whose reset or invitation the token is, proves its address, and ends all its sessions
// and whatever else was issued for it. A refused password leaves the token as it was. It fails with users.ErrTokenInvalid, also when
// the account was deactivated or its address changed, with *domain.InvalidError or users.ErrOverloaded.
func (s *Service) ResetPassword(ctx context.Context, from domain.Origin, r Reset) error {
	err := s.resetPassword(ctx, from, r)
	if errors.Is(err, users.ErrNotFound) {
		return users.ErrTokenInvalid // the account was deleted meanwhile, and its tokens with it
	}
	return err
}

func (s *Service) resetPassword(ctx context.Context, from domain.Origin, r Reset) error {
	tokenHash := domain.HashToken(r.Token)
	// Looked for before the hashing, which costs: that a token of 256 bits is wrong is no secret.
	owner, err := s.OneTimeTokens.Owner(ctx, tokenHash, domain.ResetPassword, domain.AcceptInvitation)
	if err != nil {
		return err
	}
	u, err := s.Users.ByID(ctx, owner)
	if err != nil {
		return err
	}
	state := u.State()
	password, err := r.parse(state.Email, state.FirstName, state.LastName)
	if err != nil {
		return err
	}
	hash, err := s.Hasher.Hash(ctx, password)
	if err != nil {
		return err
	}
	_, err = s.change(ctx, owner, func(ctx context.Context, u *domain.User, after *effects) error {
		token, err := s.OneTimeTokens.Take(ctx, tokenHash, s.Now(), domain.ResetPassword, domain.AcceptInvitation)
		if err != nil {
			return err
		}
		if !token.StillFor(u) {
			return users.ErrTokenInvalid
		}
		u.ResetPassword(hash, s.Now())
		if err := s.letIn(ctx, u, from); err != nil {
			return err
		}
		if err := s.record(ctx, somebody(from), ActResetPassword, u.ID(), Details{"purpose": string(token.Purpose)}); err != nil {
			return err
		}
		return s.passwordSet(ctx, u, uuid.Nil, domain.EndedByReset, after)
	})
	return err
}

// passwordSet does what a new password of u brings with it: sessions but one end, what was issued before is void, and u is told.
func (s *Service) passwordSet(ctx context.Context, u *domain.User, except uuid.UUID, reason string, after *effects) error {
	if err := s.voidIssued(ctx, u); err != nil {
		return err
	}
	if err := s.endSessions(ctx, u.ID(), except, reason, after); err != nil {
		return err
	}
	// To this address, also when it is changed before the mail goes out.
	return s.queue(ctx, draft{kind: MailPasswordChanged, user: u.ID(), to: u.Email()}, after)
}
