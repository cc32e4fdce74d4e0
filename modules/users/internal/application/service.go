// Package application holds the use cases of users. Each decides who may ask, owns its transaction, and tells the cache and the
// outbox after the commit. It knows its storage, cache, hashing and mail only as the ports it declares.
package application

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/domain"
)

// Deps is what the use cases stand on.
type Deps struct {
	Tx            Transactor
	Users         Users
	Registrations Registrations
	OneTimeTokens OneTimeTokens
	Sessions      Sessions
	Outbox        Outbox
	Audit         Audit
	Changes       Changes
	Instance      *Instance
	Throttles     Throttles
	Leftovers     Leftovers
	Months        TrailMonths
	Cache         Cache
	Hasher        Hasher
	AccessTokens  AccessTokens
	Meter         Meter
	RefreshKeys   []domain.RefreshKey // the current one first
	CodeKeys      []domain.CodeKey    // likewise
	Sealer        domain.Sealer
	Pseudonyms    domain.PseudonymKey
	AccessTTL     time.Duration
	RefreshTTL    time.Duration
	SMS           bool             // whether text messages can be sent
	Wake          func()           // called after a commit that queued a message
	Now           func() time.Time // UTC, in microseconds
	NewID         func() uuid.UUID // version 7
	Logger        *slog.Logger
}

// Service is the use cases. It is safe for concurrent use.
type Service struct{ Deps }

// New returns the use cases over their dependencies.
func New(d Deps) *Service { return &Service{d} }

// effects is what is to happen once a transaction has ended.
type effects struct {
	users    []users.ID
	sessions []uuid.UUID
	messages bool
}

// maxPhoneRaces bounds how often a change starts again because somebody else took its phone number at that moment.
const maxPhoneRaces = 3

// commit runs fn in a transaction, tells other instances in it what to forget, and runs its effects after.
//
// The cache forgets even when the transaction failed: a commit whose answer was lost may have happened.
func (s *Service) commit(ctx context.Context, fn func(ctx context.Context, after *effects) error) error {
	var after effects
	var err error
	for range maxPhoneRaces {
		done := false
		err = s.Tx.InTx(ctx, func(ctx context.Context) error {
			done = false
			if err := fn(ctx, &after); err != nil {
				return err
			}
			done = true
			return s.announce(ctx, after)
		})
		if err != nil && done {
			// The commit may still be under way. What is read in the meantime is forgotten when it comes back as somebody else's.
			s.Instance.Rename()
		}
		if !errors.Is(err, ErrPhoneClaimed) {
			break
		}
	}
	for _, id := range after.users {
		s.Cache.ForgetUser(id)
	}
	for _, id := range after.sessions {
		s.Cache.ForgetSession(id)
	}
	if errors.Is(err, ErrPhoneClaimed) {
		return users.ErrPhoneTaken
	}
	if err == nil && after.messages {
		s.Wake()
	}
	return err
}

// change applies verb to a user under lock, stores the result and returns it.
func (s *Service) change(ctx context.Context, id users.ID, verb func(ctx context.Context, u *domain.User, after *effects) error) (users.User, error) {
	var view users.User
	err := s.commit(ctx, func(ctx context.Context, after *effects) error {
		u, err := s.Users.LockByID(ctx, id)
		if err != nil {
			return err
		}
		after.users = append(after.users, id)
		if err := verb(ctx, u, after); err != nil {
			return err
		}
		view = u.View()
		return s.Users.Save(ctx, u)
	})
	if err != nil {
		return users.User{}, err
	}
	return view, nil
}

// view returns a user through the cache.
func (s *Service) view(ctx context.Context, id users.ID) (users.User, error) {
	return s.Cache.User(ctx, id, func(ctx context.Context) (users.User, error) {
		found, err := s.Users.ByIDs(ctx, []users.ID{id})
		if err == nil && len(found) == 0 {
			err = users.ErrNotFound
		}
		if err != nil {
			return users.User{}, err
		}
		return found[0].View(), nil
	})
}

// views returns the users that exist, through the cache.
func (s *Service) views(ctx context.Context, ids []users.ID) (map[users.ID]users.User, error) {
	return s.Cache.Users(ctx, ids, func(ctx context.Context, missing []users.ID) ([]users.User, error) {
		found, err := s.Users.ByIDs(ctx, missing)
		if err != nil {
			return nil, err
		}
		return viewsOf(found), nil
	})
}

func viewsOf(found []*domain.User) []users.User {
	views := make([]users.User, len(found))
	for i, u := range found {
		views[i] = u.View()
	}
	return views
}

// claimPhone gives the number to u, taking it from a holder who has not proven it. nil gives u's number up.
// It fails with users.ErrPhoneTaken.
func (s *Service) claimPhone(ctx context.Context, by Actor, u *domain.User, phone *domain.Phone, after *effects) error {
	now := s.Now()
	if phone != nil {
		holder, err := s.Users.LockByPhone(ctx, phone.String())
		switch {
		case errors.Is(err, users.ErrNotFound):
		case err != nil:
			return err
		case holder.ID() != u.ID():
			if err := holder.YieldPhone(now); err != nil {
				return err
			}
			if err := s.Users.Save(ctx, holder); err != nil {
				return err
			}
			after.users = append(after.users, holder.ID())
			if err := s.record(ctx, by, ActYieldPhone, holder.ID(), nil); err != nil {
				return err
			}
		}
	}
	u.SetPhone(phone, now)
	return nil
}
