package userstest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/suite"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/application"
	"github.com/tickr/tickr/modules/users/internal/domain"
)

// RepositorySuite is what the use cases rely on: every promise of the storage ports, kept by Memory and by PostgreSQL.
type RepositorySuite struct {
	suite.Suite

	// New returns empty storage. It is called before each test.
	New func(t *testing.T) Ports

	db  Ports
	ctx context.Context // of the running test
}

// SetupTest implements suite.SetupTestSuite.
func (s *RepositorySuite) SetupTest() {
	s.db = s.New(s.T())
	s.ctx = s.T().Context()
}

var day = time.Date(2026, time.November, 1, 9, 0, 0, 123456000, time.UTC)

// state returns a valid user of the given address, nothing optional set.
func state(email string) domain.State {
	return domain.State{
		ID: NewID(), Email: email, FirstName: "Ana", LastName: "Trabelsi", Role: users.Participant, IsActive: true,
		CreatedAt: day, UpdatedAt: day, Version: 1,
	}
}

// insert stores users and returns the first of them.
func (s *RepositorySuite) insert(states ...domain.State) *domain.User {
	for _, state := range states {
		s.Require().NoError(s.db.Users.Insert(s.ctx, domain.Restore(state)))
	}
	return domain.Restore(states[0])
}

// TestTransactionCommits checks that a transaction sees its own writes, and that others see them after it.
func (s *RepositorySuite) TestTransactionCommits() {
	u := domain.Restore(state("ana@example.com"))
	s.Require().NoError(s.db.Tx.InTx(s.ctx, func(ctx context.Context) error {
		if err := s.db.Users.Insert(ctx, u); err != nil {
			return err
		}
		found, err := s.db.Users.ByID(ctx, u.ID())
		s.Require().NoError(err, "a transaction sees what it has written")
		s.Equal(u, found)
		return s.db.Registrations.Add(ctx, registration(u.ID(), "one"))
	}))
	found, err := s.db.Users.ByID(s.ctx, u.ID())
	s.Require().NoError(err)
	s.Equal(u, found)
	_, err = s.db.Registrations.Newest(s.ctx, u.ID())
	s.NoError(err)
}

// TestTransactionRollsBackEverything checks that an error or a panic undoes the writes to every table.
func (s *RepositorySuite) TestTransactionRollsBackEverything() {
	known := s.insert(state("known@example.com"))
	s.Require().NoError(s.db.Registrations.Add(s.ctx, registration(known.ID(), "known")))
	session, _ := domain.StartSession(NewID(), known.ID(), refreshKey(s.T()), Here, day, time.Hour)
	s.Require().NoError(s.db.Sessions.Insert(s.ctx, session))

	u, other := domain.Restore(state("ana@example.com")), NewID()
	write := func(ctx context.Context) error {
		changed, err := s.db.Users.LockByID(ctx, known.ID())
		if err != nil {
			return err
		}
		changed.SetPassword("hash", day)
		started, _ := domain.StartSession(other, known.ID(), refreshKey(s.T()), Here, day, time.Hour)
		_, err = s.db.Registrations.Take(ctx, domain.HashToken("known"), day)
		return errors.Join(err,
			s.db.Users.Save(ctx, changed),
			s.db.Users.Insert(ctx, u),
			s.db.Registrations.Add(ctx, registration(known.ID(), "new")),
			s.db.Sessions.Insert(ctx, started),
			s.db.Outbox.Append(ctx, mail(known.ID(), day)),
		)
	}
	failed := errors.New("changed my mind")
	s.Run("on an error", func() {
		err := s.db.Tx.InTx(s.ctx, func(ctx context.Context) error {
			s.Require().NoError(write(ctx))
			return failed
		})
		s.Require().ErrorIs(err, failed)
	})
	s.Run("on a panic", func() {
		s.Panics(func() {
			_ = s.db.Tx.InTx(s.ctx, func(ctx context.Context) error {
				s.Require().NoError(write(ctx))
				panic(failed)
			})
		})
	})

	_, err := s.db.Users.ByID(s.ctx, u.ID())
	s.Require().ErrorIs(err, users.ErrNotFound)
	found, err := s.db.Users.ByID(s.ctx, known.ID())
	s.Require().NoError(err)
	s.Equal(known, found)
	_, err = s.db.Registrations.Owner(s.ctx, domain.HashToken("new"))
	s.Require().ErrorIs(err, users.ErrTokenInvalid)
	_, err = s.db.Registrations.Owner(s.ctx, domain.HashToken("known"))
	s.Require().NoError(err, "what was taken is back")
	_, err = s.db.Sessions.ByID(s.ctx, other)
	s.Require().ErrorIs(err, users.ErrNotFound)
	_, err = s.db.Outbox.Lease(s.ctx, application.LaneMails, day, day.Add(time.Minute))
	s.Require().ErrorIs(err, users.ErrNotFound)
}

// TestNestedTransactionJoins checks that only the outermost call commits.
func (s *RepositorySuite) TestNestedTransactionJoins() {
	u, failed := domain.Restore(state("ana@example.com")), errors.New("changed my mind")
	err := s.db.Tx.InTx(s.ctx, func(ctx context.Context) error {
		s.Require().NoError(s.db.Tx.InTx(ctx, func(ctx context.Context) error { return s.db.Users.Insert(ctx, u) }))
		return failed
	})
	s.Require().ErrorIs(err, failed)
	_, err = s.db.Users.ByID(s.ctx, u.ID())
	s.Require().ErrorIs(err, users.ErrNotFound, "the inner call committed by itself")
}

// TestViolationLeavesOnlyTheRollback checks that a transaction cannot go on after a unique violation.
func (s *RepositorySuite) TestViolationLeavesOnlyTheRollback() {
	s.insert(state("ana@example.com"))
	u := domain.Restore(state("bob@example.com"))
	err := s.db.Tx.InTx(s.ctx, func(ctx context.Context) error {
		s.Require().NoError(s.db.Users.Insert(ctx, u))
		s.Require().ErrorIs(s.db.Users.Insert(ctx, domain.Restore(state("ana@example.com"))), users.ErrEmailTaken)
		_, err := s.db.Users.ByID(ctx, u.ID())
		s.Require().Error(err)
		s.Require().NotErrorIs(err, users.ErrNotFound)
		return nil
	})
	s.Require().Error(err, "there was nothing to commit")
	_, err = s.db.Users.ByID(s.ctx, u.ID())
	s.Require().ErrorIs(err, users.ErrNotFound)
}

// TestCancelledContext checks that nothing is read or written for a caller who has gone.
func (s *RepositorySuite) TestCancelledContext() {
	ctx, cancel := context.WithCancel(s.ctx)
	cancel()
	_, err := s.db.Users.ByID(ctx, NewID())
	s.Require().ErrorIs(err, context.Canceled)
	s.Require().ErrorIs(s.db.Tx.InTx(ctx, func(ctx context.Context) error {
		return s.db.Users.Insert(ctx, domain.Restore(state("ana@example.com")))
	}), context.Canceled)
}

func registration(user users.ID, token string) domain.Registration {
	return domain.Registration{
		ID: NewID(), UserID: user, TokenHash: domain.HashToken(token), PasswordHash: "hash of " + token, FirstName: "Ana", LastName: "Trabelsi",
		CreatedAt: day, ExpiresAt: day.Add(domain.RegistrationTTL),
	}
}

func mail(user users.ID, at time.Time) application.Message {
	return application.Message{ID: NewID(), Kind: application.MailVerifyEmail, UserID: user, SealedToken: []byte{0, 1, 0xff}, CreatedAt: at}
}

func refreshKey(t *testing.T) domain.RefreshKey {
	t.Helper()
	key, err := domain.NewRefreshKey("secret")
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func idsOf(found []*domain.User) []uuid.UUID {
	ids := make([]uuid.UUID, len(found))
	for i, u := range found {
		ids[i] = u.ID()
	}
	return ids
}
