package userstest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/application"
	"github.com/tickr/tickr/modules/users/internal/domain"
)

// race runs fn n times at once, each in a goroutine, and returns what each returned.
func race[T any](n int, fn func(i int) T) []T {
	results := make([]T, n)
	var ready, done sync.WaitGroup
	ready.Add(n)
	for i := range n {
		done.Go(func() {
			ready.Done()
			ready.Wait()
			results[i] = fn(i)
		})
	}
	done.Wait()
	return results
}

// count returns how many of the errors are target; nil counts successes.
func count(errs []error, target error) int {
	n := 0
	for _, err := range errs {
		if errors.Is(err, target) {
			n++
		}
	}
	return n
}

// TestRaceNoUpdateIsLost checks that each of the Lock finders makes others wait.
func (s *RepositorySuite) TestRaceNoUpdateIsLost() {
	const racers = 8
	u := state("ana@example.com")
	u.Phone = new("+21620123456")
	s.insert(u)
	finders := map[string]func(ctx context.Context) (*domain.User, error){
		"LockByID":    func(ctx context.Context) (*domain.User, error) { return s.db.Users.LockByID(ctx, u.ID) },
		"LockByEmail": func(ctx context.Context) (*domain.User, error) { return s.db.Users.LockByEmail(ctx, u.Email) },
		"LockByPhone": func(ctx context.Context) (*domain.User, error) { return s.db.Users.LockByPhone(ctx, *u.Phone) },
	}
	for name, lock := range finders {
		s.Run(name, func() {
			before, err := s.db.Users.ByID(s.ctx, u.ID)
			s.Require().NoError(err)
			errs := race(racers, func(i int) error {
				return s.db.Tx.InTx(s.ctx, func(ctx context.Context) error {
					u, err := lock(ctx)
					if err != nil {
						return err
					}
					first, violation := domain.ParseName(fmt.Sprintf("%s %d", name, i))
					if violation != nil {
						return violation
					}
					u.Rename(domain.Names{First: first, Last: first}, day)
					return s.db.Users.Save(ctx, u)
				})
			})
			s.Require().NoError(errors.Join(errs...))
			after, err := s.db.Users.ByID(s.ctx, u.ID)
			s.Require().NoError(err)
			s.Equal(before.Version()+racers, after.Version())
		})
	}
}

// TestRaceOneAddressIsOneAccount checks that of many who insert one address one succeeds.
func (s *RepositorySuite) TestRaceOneAddressIsOneAccount() {
	const racers = 8
	errs := race(racers, func(int) error { return s.db.Users.Insert(s.ctx, domain.Restore(state("ana@example.com"))) })
	s.Equal(1, count(errs, nil))
	s.Equal(racers-1, count(errs, users.ErrEmailTaken))
	n, err := s.db.Users.Count(s.ctx, application.Filter{})
	s.Require().NoError(err)
	s.Equal(int64(1), n)
}

// TestRaceOneNumberHasOneHolder checks that of many who claim one number one succeeds.
func (s *RepositorySuite) TestRaceOneNumberHasOneHolder() {
	const racers = 8
	errs := race(racers, func(i int) error {
		u := state(fmt.Sprintf("user%d@example.com", i))
		u.Phone = new("+21620123456")
		return s.db.Users.Insert(s.ctx, domain.Restore(u))
	})
	s.Equal(1, count(errs, nil))
	s.Equal(racers-1, count(errs, application.ErrPhoneClaimed))
}

// TestRaceTokenIsTakenOnce checks that of many who take one token one gets it.
func (s *RepositorySuite) TestRaceTokenIsTakenOnce() {
	const racers = 16
	u := s.insert(state("ana@example.com"))
	s.addRegistrations(registration(u.ID(), "token"))
	errs := race(racers, func(int) error {
		return s.db.Tx.InTx(s.ctx, func(ctx context.Context) error {
			_, err := s.db.Registrations.Take(ctx, domain.HashToken("token"), day)
			return err
		})
	})
	s.Equal(1, count(errs, nil))
	s.Equal(racers-1, count(errs, users.ErrTokenInvalid))
}

// TestRaceOneAdminRemains checks that two administrators who deactivate each other cannot both succeed.
func (s *RepositorySuite) TestRaceOneAdminRemains() {
	admins := make([]domain.State, 2)
	for i := range admins {
		admins[i] = state(fmt.Sprintf("admin%d@example.com", i))
		admins[i].Role = users.Admin
	}
	s.insert(admins...)
	for range 10 {
		errs := race(len(admins), func(i int) error {
			return s.db.Tx.InTx(s.ctx, func(ctx context.Context) error {
				u, err := s.db.Users.LockByID(ctx, admins[i].ID)
				if err != nil {
					return err
				}
				another, err := s.db.Users.OtherActiveAdmin(ctx, u.ID())
				if err != nil {
					return err
				}
				if !another {
					return users.ErrLastAdmin
				}
				u.Deactivate(u.ID(), "", day)
				return s.db.Users.Save(ctx, u)
			})
		})
		s.Require().Equal(1, count(errs, nil))
		s.Require().Equal(1, count(errs, users.ErrLastAdmin))
		for _, admin := range admins {
			s.Require().NoError(s.db.Users.Save(s.ctx, domain.Restore(admin)))
		}
	}
}

// TestRaceNoSessionUpdateIsLost checks that locking a session makes others wait.
func (s *RepositorySuite) TestRaceNoSessionUpdateIsLost() {
	const racers = 8
	started := s.startSession(s.insert(state("ana@example.com")).ID())
	errs := race(racers, func(int) error {
		return s.db.Tx.InTx(s.ctx, func(ctx context.Context) error {
			session, err := s.db.Sessions.LockByID(ctx, started.ID)
			if err != nil {
				return err
			}
			extended := session.State()
			extended.ExpiresAt = extended.ExpiresAt.Add(time.Minute)
			return s.db.Sessions.Save(ctx, domain.RestoreSession(extended))
		})
	})
	s.Require().NoError(errors.Join(errs...))
	started.ExpiresAt = started.ExpiresAt.Add(racers * time.Minute)
	s.requireSession(started)
}

// TestRaceMailIsLeasedToOneWorker checks that several workers share the mail without overlap.
func (s *RepositorySuite) TestRaceMailIsLeasedToOneWorker() {
	const mails, workers = 24, 4
	u := s.insert(state("ana@example.com"))
	for range mails {
		s.Require().NoError(s.db.Outbox.Append(s.ctx, mail(u.ID(), day)))
	}
	type outcome struct {
		leased []uuid.UUID
		err    error
	}
	outcomes := race(workers, func(int) (o outcome) {
		for {
			m, err := s.db.Outbox.Lease(s.ctx, application.LaneMails, day, day.Add(time.Minute))
			if err != nil {
				o.err = err
				return o
			}
			o.leased = append(o.leased, m.ID)
		}
	})
	seen := map[uuid.UUID]int{}
	for _, o := range outcomes {
		s.Require().ErrorIs(o.err, users.ErrNotFound)
		for _, id := range o.leased {
			seen[id]++
			s.Equal(1, seen[id])
		}
	}
	s.Len(seen, mails)
}
