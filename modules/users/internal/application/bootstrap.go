package application

import (
	"context"
	"errors"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/domain"
)

// NewAdmin is an administrator made from outside the API: by an operator's command, or at the first start.
type NewAdmin struct{ Email, Password, FirstName, LastName string }

type parsedAdmin struct {
	email    domain.Email
	password domain.Password
	names    domain.Names
}

func (a NewAdmin) parse() (parsedAdmin, error) {
	var invalid domain.InvalidError
	p := parsedAdmin{
		email: domain.Field(&invalid, "email", a.Email, domain.ParseEmail),
		password: domain.Field(&invalid, "password", a.Password, func(raw string) (domain.Password, *domain.Violation) {
			return domain.ParsePassword(raw, a.Email, a.FirstName, a.LastName)
		}),
		names: parseNames(&invalid, a.FirstName, a.LastName),
	}
	return p, invalid.Err()
}

// Validate fails with *domain.InvalidError naming every wrong field.
func (a NewAdmin) Validate() error {
	_, err := a.parse()
	return err
}

// CreateAdmin makes a verified administrator who can log in at once, of an account that was never verified where there is one. It
// fails with *domain.InvalidError or users.ErrEmailTaken.
func (s *Service) CreateAdmin(ctx context.Context, a NewAdmin) (users.User, error) {
	p, err := a.parse()
	if err != nil {
		return users.User{}, err
	}
	hash, err := s.Hasher.Hash(ctx, p.password)
	if err != nil {
		return users.User{}, err
	}
	u := domain.NewUser(s.NewID(), p.email, p.names, s.Now())
	u.Activate(p.names, hash, s.Now())
	u.SetRole(users.Admin, s.Now())
	err = s.commit(ctx, func(ctx context.Context, _ *effects) error {
		if err := s.Users.Insert(ctx, u); err != nil {
			return err
		}
		return s.record(ctx, Actor{}, ActCreate, u.ID(), Details{"role": string(u.Role())})
	})
	if errors.Is(err, users.ErrEmailTaken) {
		return s.promoteUnverified(ctx, p, hash)
	}
	if err != nil {
		return users.User{}, err
	}
	return u.View(), nil
}

// promoteUnverified makes an administrator of an account whose address nobody has proven: anybody can register an address, and
// must not keep the operator from it by that. It fails with users.ErrEmailTaken when the account is somebody's.
func (s *Service) promoteUnverified(ctx context.Context, p parsedAdmin, hash string) (users.User, error) {
	known, err := s.Users.ByEmail(ctx, p.email.String())
	if err != nil {
		return users.User{}, err
	}
	return s.change(ctx, known.ID(), func(ctx context.Context, u *domain.User, _ *effects) error {
		if u.EmailVerified() || !u.IsActive() {
			return users.ErrEmailTaken
		}
		if err := s.voidIssued(ctx, u); err != nil {
			return err
		}
		u.Activate(p.names, hash, s.Now())
		u.SetRole(users.Admin, s.Now())
		return s.record(ctx, Actor{}, ActCreate, u.ID(), Details{"role": string(u.Role())})
	})
}

// Bootstrap makes that administrator when there is none at all, and reports whether it did. Instances that start at once may all
// call it.
func (s *Service) Bootstrap(ctx context.Context, a NewAdmin) (created bool, err error) {
	exists, err := s.Users.AdminExists(ctx)
	if err != nil || exists {
		return false, err
	}
	_, err = s.CreateAdmin(ctx, a)
	if errors.Is(err, users.ErrEmailTaken) {
		// Another instance was faster, unless a user who is not an administrator has the address.
		exists, existsErr := s.Users.AdminExists(ctx)
		if existsErr != nil || exists {
			return false, existsErr
		}
	}
	return err == nil, err
}
