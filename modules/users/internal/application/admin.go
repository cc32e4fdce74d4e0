package application

import (
	"context"
	"slices"
	"time"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/domain"
)

// User returns any account. It fails with users.ErrForbidden or users.ErrNotFound.
func (s *Service) User(ctx context.Context, actor Actor, id users.ID) (users.User, error) {
	if err := actor.May(ViewUser); err != nil {
		return users.User{}, err
	}
	return s.view(ctx, id)
}

// NewAccount is an account made by an administrator.
type NewAccount struct {
	Email, FirstName, LastName string
	Phone                      string // empty: none
	Role                       string // empty: PARTICIPANT
}

type parsedAccount struct {
	email domain.Email
	names domain.Names
	phone *domain.Phone
	role  users.Role
}

func (a NewAccount) parse() (parsedAccount, error) {
	var invalid domain.InvalidError
	if a.Role == "" {
		a.Role = string(users.Participant)
	}
	p := parsedAccount{
		email: domain.Field(&invalid, "email", a.Email, domain.ParseEmail),
		names: parseNames(&invalid, a.FirstName, a.LastName),
		phone: domain.Field(&invalid, "phone", a.Phone, domain.ParseOptionalPhone),
		role:  domain.Field(&invalid, "role", a.Role, domain.ParseRole),
	}
	return p, invalid.Err()
}

// Validate fails with *domain.InvalidError naming every wrong field.
func (a NewAccount) Validate() error {
	_, err := a.parse()
	return err
}

// CreateUser makes an account without a password, its address not verified, and mails the person an invitation to set one. It fails with users.ErrForbidden,
// *domain.InvalidError, users.ErrEmailTaken or users.ErrPhoneTaken.
func (s *Service) CreateUser(ctx context.Context, actor Actor, a NewAccount) (users.User, error) {
	if err := actor.May(CreateUser); err != nil {
		return users.User{}, err
	}
	p, err := a.parse()
	if err != nil {
		return users.User{}, err
	}
	var view users.User
	err = s.commit(ctx, func(ctx context.Context, after *effects) error {
		u := domain.NewUser(s.NewID(), p.email, p.names, s.Now())
		u.SetRole(p.role, s.Now())
		if err := s.claimPhone(ctx, actor, u, p.phone, after); err != nil {
			return err
		}
		view = u.View()
		if err := s.Users.Insert(ctx, u); err != nil {
			return err
		}
		if err := s.record(ctx, actor, ActCreate, u.ID(), Details{"role": string(u.Role())}); err != nil {
			return err
		}
		return s.mailToken(ctx, actor, u, domain.AcceptInvitation, MailInvitation, after)
	})
	if err != nil {
		return users.User{}, err
	}
	return view, nil
}

// UserChange changes what is given and leaves the rest: nil is not given. An empty phone gives the number up.
type UserChange struct{ FirstName, LastName, Phone, Role *string }

type parsedChange struct {
	first, last *domain.Name
	setPhone    bool
	phone       *domain.Phone
	role        *users.Role
}

func (c UserChange) parse() (parsedChange, error) {
	var invalid domain.InvalidError
	p := parsedChange{
		first: optional(&invalid, "firstName", c.FirstName, domain.ParseName),
		last:  optional(&invalid, "lastName", c.LastName, domain.ParseName),
		role:  optional(&invalid, "role", c.Role, domain.ParseRole),
	}
	if c.Phone != nil {
		p.setPhone = true
		p.phone = domain.Field(&invalid, "phone", *c.Phone, domain.ParseOptionalPhone)
	}
	return p, invalid.Err()
}

func optional[T any](invalid *domain.InvalidError, name string, raw *string, parse func(string) (T, *domain.Violation)) *T {
	if raw == nil {
		return nil
	}
	value := domain.Field(invalid, name, *raw, parse)
	return &value
}

// Validate fails with *domain.InvalidError naming every wrong field.
func (c UserChange) Validate() error {
	_, err := c.parse()
	return err
}

// UpdateUser changes any account, if its version is one of ifVersion (nil: whatever its version). It fails with
// users.ErrForbidden, users.ErrNotFound, users.ErrStale, *domain.InvalidError, users.ErrPhoneTaken or users.ErrLastAdmin.
func (s *Service) UpdateUser(ctx context.Context, actor Actor, id users.ID, c UserChange, ifVersion []int64) (users.User, error) {
	if err := actor.May(UpdateUser); err != nil {
		return users.User{}, err
	}
	p, err := c.parse()
	if err != nil {
		return users.User{}, err
	}
	return s.change(ctx, id, func(ctx context.Context, u *domain.User, after *effects) error {
		if ifVersion != nil && !slices.Contains(ifVersion, u.Version()) {
			return users.ErrStale
		}
		before, names := u.State(), u.Names()
		if p.first != nil {
			names.First = *p.first
		}
		if p.last != nil {
			names.Last = *p.last
		}
		u.Rename(names, s.Now())
		if p.role != nil && *p.role != u.Role() {
			if err := s.keepAnAdmin(ctx, u); err != nil {
				return err
			}
			u.SetRole(*p.role, s.Now())
		}
		if p.setPhone {
			if err := s.claimPhone(ctx, actor, u, p.phone, after); err != nil {
				return err
			}
		}
		return s.recordChanges(ctx, actor, before, u)
	})
}

// Deactivate ends the use of any account and its sessions; the row stays. Doing it again changes nothing. It fails with
// users.ErrForbidden, users.ErrNotFound, users.ErrLastAdmin or *domain.InvalidError.
func (s *Service) Deactivate(ctx context.Context, actor Actor, id users.ID, reason string) (users.User, error) {
	if err := actor.May(DeactivateUser); err != nil {
		return users.User{}, err
	}
	var invalid domain.InvalidError
	reason = domain.Field(&invalid, "reason", reason, domain.ParseReason)
	if err := invalid.Err(); err != nil {
		return users.User{}, err
	}
	return s.deactivate(ctx, actor, id, reason)
}

// Reactivate makes a deactivated account usable again; its old sessions stay ended. It fails with users.ErrForbidden or
// users.ErrNotFound.
func (s *Service) Reactivate(ctx context.Context, actor Actor, id users.ID) (users.User, error) {
	if err := actor.May(ReactivateUser); err != nil {
		return users.User{}, err
	}
	return s.change(ctx, id, func(ctx context.Context, u *domain.User, _ *effects) error {
		if u.IsActive() {
			return nil
		}
		u.Reactivate(s.Now())
		return s.record(ctx, actor, ActReactivate, id, nil)
	})
}

// MaxBatch is how many IDs one batch may ask for.
const MaxBatch = 500

// Batch returns the users of the given IDs in the asked order, each once, and the IDs that nobody has. It fails with
// users.ErrForbidden or *domain.InvalidError.
func (s *Service) Batch(ctx context.Context, actor Actor, ids []users.ID) (found []users.User, missing []users.ID, err error) {
	if err := actor.May(BatchUsers); err != nil {
		return nil, nil, err
	}
	if len(ids) > MaxBatch {
		return nil, nil, domain.Invalid("ids", domain.CodeTooLong, "must have at most 500 items")
	}
	views, err := s.views(ctx, ids)
	if err != nil {
		return nil, nil, err
	}
	asked := make(map[users.ID]bool, len(ids))
	for _, id := range ids {
		if asked[id] {
			continue
		}
		asked[id] = true
		if u, ok := views[id]; ok {
			found = append(found, u)
		} else {
			missing = append(missing, id)
		}
	}
	return found, missing, nil
}

// Stats counts the accounts of this moment. It fails with users.ErrForbidden.
func (s *Service) Stats(ctx context.Context, actor Actor) (users.Stats, error) {
	if err := actor.May(ViewStats); err != nil {
		return users.Stats{}, err
	}
	return s.CountUsers(ctx)
}

// CountUsers is Stats for the program itself: metrics and commands.
func (s *Service) CountUsers(ctx context.Context) (users.Stats, error) {
	return s.Users.Stats(ctx, s.Now().Add(-24*time.Hour))
}
