package usersfx_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/suite"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/adapters/cache"
	"github.com/tickr/tickr/modules/users/internal/adapters/postgres"
	"github.com/tickr/tickr/modules/users/internal/application"
	"github.com/tickr/tickr/modules/users/internal/domain"
	"github.com/tickr/tickr/modules/users/internal/userstest"
	"github.com/tickr/tickr/platform/database"
	"github.com/tickr/tickr/platform/database/dbtest"
)

// Caching is the use cases over the cache and PostgreSQL, where reads can be held up once they are answered, and changes once they
// are committed.
type Caching struct {
	suite.Suite

	service   *application.Service
	directory application.Directory
	cache     *cache.Cache
	key       domain.RefreshKey
	answered  *gate
	committed *gate
	loads     atomic.Int64
	changes   int
}

func TestCaching(t *testing.T) { suite.Run(t, new(Caching)) }

func (s *Caching) SetupTest() {
	db := dbtest.New(s.T(), postgres.Migrations())
	now := func() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }
	var err error
	s.cache, err = cache.New(cache.Options{
		TTL: time.Hour, MaxMB: 1, LoadTime: database.RequestBudget, Spend: database.Spend, Now: now,
	})
	s.Require().NoError(err)
	s.T().Cleanup(func() { s.Require().NoError(s.cache.Close()) })
	s.key, err = domain.NewRefreshKey("secret")
	s.Require().NoError(err)

	s.answered, s.committed = new(gate), new(gate)
	stored := postgres.NewRepositories(db)
	s.service = application.New(application.Deps{
		Tx: heldTx{db, s}, Users: heldUsers{stored.Users, s}, Sessions: heldSessions{stored.Sessions, s},
		Registrations: stored.Registrations, OneTimeTokens: stored.OneTimeTokens, Outbox: stored.Outbox, Audit: stored.Audit, Changes: stored.Changes, Throttles: application.Unlimited{},
		Instance: application.NewInstance(userstest.NewID), Cache: s.cache, Hasher: &userstest.Hasher{},
		AccessTokens: userstest.AccessTokens{Now: now}, Meter: new(userstest.Meter), RefreshKeys: []domain.RefreshKey{s.key},
		AccessTTL: time.Hour, RefreshTTL: time.Hour, Wake: func() {}, Now: now, NewID: userstest.NewID,
		Logger: slog.New(slog.DiscardHandler),
	})
	s.directory = application.NewDirectory(s.service)
}

// subject is something that is read through the cache while it is changed.
type subject struct {
	forget func()
	read   func(ctx context.Context) (version int64, err error)
	change func(ctx context.Context) (version int64, err error)
}

func (s *Caching) account(n int) users.User {
	now := s.service.Now()
	u := domain.Restore(domain.State{
		ID: userstest.NewID(), Email: fmt.Sprintf("ana%d@example.com", n), FirstName: "Ana", LastName: "Trabelsi", Role: users.Participant,
		EmailVerified: true, IsActive: true, CreatedAt: now, UpdatedAt: now, Version: 1,
	})
	s.Require().NoError(s.service.Users.Insert(s.T().Context(), u))
	return u.View()
}

func (s *Caching) user(u users.User, read func(context.Context, users.ID) (users.User, error)) subject {
	return subject{
		forget: func() { s.cache.ForgetUser(u.ID) },
		read: func(ctx context.Context) (int64, error) {
			u, err := read(ctx, u.ID)
			return u.Version, err
		},
		change: func(ctx context.Context) (int64, error) {
			s.changes++
			profile := application.Profile{FirstName: "Ana", LastName: fmt.Sprintf("Trabelsi %d", s.changes)}
			u, err := s.service.UpdateOwnProfile(ctx, application.Actor{ID: u.ID, Role: u.Role}, profile)
			return u.Version, err
		},
	}
}

func (s *Caching) one(ctx context.Context, id users.ID) (users.User, error) {
	return s.directory.Get(ctx, id)
}

func (s *Caching) many(ctx context.Context, id users.ID) (users.User, error) {
	found, err := s.directory.GetMany(ctx, []users.ID{id})
	return found[id], err
}

// session is at version 2 once it has ended.
func (s *Caching) session(u users.User) subject {
	now := s.service.Now()
	session, refresh := domain.StartSession(userstest.NewID(), u.ID, s.key, userstest.Here, now, time.Hour)
	id := session.State().ID
	s.Require().NoError(s.service.Sessions.Insert(s.T().Context(), session))
	token, err := s.service.AccessTokens.Issue(application.AccessClaims{User: u.ID, Session: id, IssuedAt: now, ExpiresAt: now.Add(time.Hour)})
	s.Require().NoError(err)
	_, err = s.directory.Get(s.T().Context(), u.ID) // only the session is asked for then
	s.Require().NoError(err)
	return subject{
		forget: func() { s.cache.ForgetSession(id) },
		read: func(ctx context.Context) (int64, error) {
			_, err := s.service.Authenticate(ctx, userstest.Here, token)
			if errors.Is(err, users.ErrSessionEnded) {
				return 2, nil
			}
			return 1, err
		},
		change: func(ctx context.Context) (int64, error) {
			return 2, s.service.LogOut(ctx, userstest.Here, refresh.Reveal())
		},
	}
}

// TestNothingOldInAnyOrder lets a reader ask (q) and take the answer (a) while a writer commits (c) and forgets (f), in each order,
// with other readers coming and going. TICKR_LONG=1 plays 10,000 rounds.
func (s *Caching) TestNothingOldInAnyOrder() {
	rounds := 500
	if os.Getenv("TICKR_LONG") != "" {
		rounds = 10_000
	}
	ana, ben := s.account(1), s.account(2)
	get, getMany := s.user(ana, s.one), s.user(ana, s.many)
	orders := []string{"qacf", "qcaf", "qcfa", "cqaf", "cqfa", "cfqa"}
	for round := range rounds {
		draw := rand.New(rand.NewPCG(0, uint64(round)))
		var on subject
		switch draw.IntN(3) {
		case 0:
			on = get
		case 1:
			on = getMany
		default:
			on = s.session(ben)
		}
		on.forget()
		order := orders[round%len(orders)]
		s.play(on, order, draw)
		s.Require().False(s.T().Failed(), "round %d, order %s", round, order)
	}
}

func (s *Caching) play(on subject, order string, draw *rand.Rand) {
	// Nobody waits so long unless nobody wakes them.
	ctx, cancel := context.WithTimeout(s.T().Context(), time.Minute)
	defer cancel()
	var told atomic.Int64 // the newest version of which the writer was told that it is stored
	var reader, writer, others sync.WaitGroup
	read := func() {
		oldest := told.Load()
		version, err := on.read(ctx)
		s.NoError(err)
		s.GreaterOrEqual(version, oldest, "served after the change")
	}
	var answer, commit *hold
	for _, step := range order {
		switch step {
		case 'q':
			answer = s.answered.close()
			reader.Go(read)
			s.Require().NoError(answer.await(ctx), "the reader asks")
		case 'a':
			answer.open()
			reader.Wait()
		case 'c':
			commit = s.committed.close()
			writer.Go(func() {
				version, err := on.change(ctx)
				s.NoError(err)
				told.Store(version)
			})
			s.Require().NoError(commit.await(ctx), "the writer commits")
		case 'f':
			commit.open()
			writer.Wait()
		}
		for range draw.IntN(3) {
			if answer != nil { // not before the reader, who would find what they loaded
				others.Go(read)
			}
		}
	}
	others.Wait()
	version, err := on.read(ctx)
	s.NoError(err)
	s.Equal(told.Load(), version, "what is cached in the end")
}

// TestColdKeysAreLoadedOnce lets 200 readers ask at once for what is not cached.
func (s *Caching) TestColdKeysAreLoadedOnce() {
	const readers = 200
	for n := range 10 {
		u := s.account(n)
		for name, on := range map[string]subject{"user": s.user(u, s.one), "session": s.session(u)} {
			on.forget()
			s.loads.Store(0)
			var ready, done sync.WaitGroup
			ready.Add(readers)
			for range readers {
				done.Go(func() {
					ready.Done()
					ready.Wait()
					version, err := on.read(s.T().Context())
					s.NoError(err)
					s.EqualValues(1, version)
				})
			}
			done.Wait()
			s.EqualValues(1, s.loads.Load(), name)
		}
	}
}

// TestAccountIsSeenOnceItExists asks for an account just before and just after.
func (s *Caching) TestAccountIsSeenOnceItExists() {
	u := s.account(1)
	unknown := u
	unknown.ID = uuid.New()
	_, err := s.directory.Get(s.T().Context(), unknown.ID)
	s.Require().ErrorIs(err, users.ErrNotFound)
	s.Require().NoError(s.service.Users.Insert(s.T().Context(), domain.Restore(domain.State{
		ID: unknown.ID, Email: "ben@example.com", FirstName: "Ben", LastName: "Trabelsi", Role: users.Participant, Version: 1,
	})))
	_, err = s.directory.Get(s.T().Context(), unknown.ID)
	s.Require().NoError(err)
}

// heldTx holds a writer up between its commit and what it does after.
type heldTx struct {
	application.Transactor
	s *Caching
}

func (h heldTx) InTx(ctx context.Context, fn func(ctx context.Context) error) error {
	err := h.Transactor.InTx(ctx, fn)
	h.s.committed.pass()
	return err
}

// heldUsers holds a reader up between the answer to its query and the cache.
type heldUsers struct {
	application.Users
	s *Caching
}

func (h heldUsers) ByIDs(ctx context.Context, ids []users.ID) ([]*domain.User, error) {
	h.s.loads.Add(1)
	found, err := h.Users.ByIDs(ctx, ids)
	h.s.answered.pass()
	return found, err
}

// heldSessions is heldUsers for sessions.
type heldSessions struct {
	application.Sessions
	s *Caching
}

func (h heldSessions) ByID(ctx context.Context, id uuid.UUID) (*domain.Session, error) {
	h.s.loads.Add(1)
	found, err := h.Sessions.ByID(ctx, id)
	h.s.answered.pass()
	return found, err
}

// gate lets everybody pass, except the first who comes after it was closed.
type gate struct{ next atomic.Pointer[hold] }

func (g *gate) close() *hold {
	h := &hold{come: make(chan struct{}), opened: make(chan struct{})}
	g.next.Store(h)
	return h
}

func (g *gate) pass() {
	if h := g.next.Swap(nil); h != nil {
		close(h.come)
		<-h.opened
	}
}

// hold is one closing of a gate.
type hold struct{ come, opened chan struct{} }

// await waits until somebody stands before the gate.
func (h *hold) await(ctx context.Context) error {
	select {
	case <-h.come:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (h *hold) open() { close(h.opened) }
