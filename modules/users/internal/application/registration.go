package application

import (
	"context"
	"errors"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/domain"
)

// Registration is a person asking for an account.
type Registration struct {
	Email, Password, FirstName, LastName string
	Phone                                string // empty: none
}

type parsedRegistration struct {
	email    domain.Email
	names    domain.Names
	phone    *domain.Phone
	password domain.Password
}

func (r Registration) parse() (parsedRegistration, error) {
	var invalid domain.InvalidError
	p := parsedRegistration{
		email: domain.Field(&invalid, "email", r.Email, domain.ParseEmail),
		names: parseNames(&invalid, r.FirstName, r.LastName),
		phone: domain.Field(&invalid, "phone", r.Phone, domain.ParseOptionalPhone),
		password: domain.Field(&invalid, "password", r.Password, func(raw string) (domain.Password, *domain.Violation) {
			return domain.ParsePassword(raw, r.Email, r.FirstName, r.LastName)
		}),
	}
	return p, invalid.Err()
}

func parseNames(invalid *domain.InvalidError, first, last string) domain.Names {
	return domain.Names{
		First: domain.Field(invalid, "firstName", first, domain.ParseName),
		Last:  domain.Field(invalid, "lastName", last, domain.ParseName),
	}
}

// Validate fails with *domain.InvalidError naming every wrong field.
func (r Registration) Validate() error {
	_, err := r.parse()
	return err
}

// Register creates an unverified account, or adds an attempt to one, and mails its link. When the address belongs to a verified
// account, or to one that an administrator gave a role, its owner is told by mail instead, and of a deactivated one how to come back;
// the caller cannot see the difference, nor measure it: the password is hashed and the same statements run in every case. An address that
// is registered again and again is mailed no more for a while, whoever has it; ResendVerification mails the newest attempts. It fails with
// *domain.InvalidError, *LimitedError or users.ErrOverloaded.
func (s *Service) Register(ctx context.Context, from domain.Origin, r Registration) error {
	p, err := r.parse()
	if err != nil {
		return err
	}
	if err := s.take(ctx, s.registerLimits(from)...); err != nil {
		return err
	}
	hash, err := s.Hasher.Hash(ctx, p.password)
	if err != nil {
		if errors.Is(err, users.ErrOverloaded) {
			s.giveBack(ctx, s.registerLimits(from))
		}
		return err
	}
	// Not said: whoever asks would learn how often others did.
	err = s.take(ctx, s.mailLimits(p.email)...)
	_, flooded := errors.AsType[*LimitedError](err)
	if err != nil && !flooded {
		return err
	}
	attempt := func(ctx context.Context, after *effects) error {
		if err := s.Users.InsertIfNew(ctx, domain.NewUser(s.NewID(), p.email, p.names, s.Now())); err != nil {
			return err
		}
		u, err := s.Users.LockByEmail(ctx, p.email.String())
		if err != nil {
			return err
		}
		e := s.entry(somebody(from), ActRegister, Success, new(u.ID()), nil)
		kind, token, now := MailVerifyEmail, domain.NewOneTimeToken(), s.Now()
		r := domain.Registration{
			ID: s.NewID(), UserID: u.ID(), TokenHash: domain.HashToken(token), PasswordHash: hash,
			FirstName: p.names.First.String(), LastName: p.names.Last.String(),
			CreatedAt: now, ExpiresAt: now.Add(domain.RegistrationTTL),
		}
		if p.phone != nil {
			number := p.phone.String()
			r.Phone = &number
		}
		if !u.OpenToRegistration() {
			kind, token = MailAlreadyRegistered, ""
			if !u.IsActive() {
				kind = MailDeactivated
			}
			e.Outcome, e.Details["reason"] = Failure, "taken"
			r.ExpiresAt = now // noted all the same, and dropped with the old attempts: it takes the time that any takes
		}
		if err := s.Registrations.Add(ctx, r); err != nil {
			return err
		}
		if err := s.Registrations.VoidExpired(ctx, u.ID(), now); err != nil {
			return err
		}
		if flooded {
			e.Details["mail"] = "withheld"
		}
		if err := s.Audit.Append(ctx, e); err != nil || flooded {
			return err
		}
		return s.queueMail(ctx, kind, u.ID(), token, after)
	}
	err = s.commit(ctx, attempt)
	if errors.Is(err, users.ErrNotFound) {
		// The account was removed at this moment, as nobody had proven it: now it is new.
		err = s.commit(ctx, attempt)
	}
	return err
}

// VerifyEmail activates the account with the password and names of the attempt whose mail carried the token, and voids the other
// attempts. A phone number that somebody else has proven to be theirs is left out. It fails with users.ErrTokenInvalid.
func (s *Service) VerifyEmail(ctx context.Context, from domain.Origin, token string) error {
	hash := domain.HashToken(token)
	owner, err := s.Registrations.Owner(ctx, hash)
	if err != nil {
		return err
	}
	err = s.activate(ctx, from, owner, hash, true)
	if errors.Is(err, users.ErrPhoneTaken) {
		// Others took the number at this moment, again and again. The address is proven all the same.
		err = s.activate(ctx, from, owner, hash, false)
	}
	if errors.Is(err, users.ErrNotFound) {
		return users.ErrTokenInvalid
	}
	return err
}

// activate applies the registration of a token to its account.
func (s *Service) activate(ctx context.Context, from domain.Origin, owner users.ID, tokenHash []byte, withPhone bool) error {
	_, err := s.change(ctx, owner, func(ctx context.Context, u *domain.User, after *effects) error {
		// The user is locked first, as Register does: two tokens of one account then wait for each other.
		r, err := s.Registrations.Take(ctx, tokenHash, s.Now())
		if err != nil {
			return err
		}
		if !u.OpenToRegistration() {
			return users.ErrTokenInvalid
		}
		if err := s.voidIssued(ctx, u); err != nil {
			return err
		}
		u.Activate(r.Names(), r.PasswordHash, s.Now())
		if phone := r.ClaimedPhone(); phone != nil && withPhone {
			if err := s.claimPhone(ctx, somebody(from), u, phone, after); err != nil && !errors.Is(err, users.ErrPhoneTaken) {
				return err
			}
		}
		return s.record(ctx, somebody(from), ActVerifyEmail, u.ID(), nil)
	})
	return err
}

// voidIssued voids every link to the account that was mailed before: the attempts to register it, resets, invitations.
func (s *Service) voidIssued(ctx context.Context, u *domain.User) error {
	if err := s.Registrations.Void(ctx, u.ID()); err != nil {
		return err
	}
	return s.OneTimeTokens.Void(ctx, u.ID())
}
