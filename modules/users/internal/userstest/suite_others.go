package userstest

import (
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/application"
	"github.com/tickr/tickr/modules/users/internal/domain"
)

func (s *RepositorySuite) addRegistrations(all ...domain.Registration) {
	for _, r := range all {
		s.Require().NoError(s.db.Registrations.Add(s.ctx, r))
	}
}

// TestRegistrationRoundTrip checks that every field comes back as it was stored.
func (s *RepositorySuite) TestRegistrationRoundTrip() {
	u := s.insert(state("ana@example.com"))
	bare, full := registration(u.ID(), "bare"), registration(u.ID(), "full")
	full.Phone, full.CreatedAt = new("+21620123456"), day.Add(time.Microsecond)
	for _, want := range []domain.Registration{bare, full} {
		s.addRegistrations(want)
		got, err := s.db.Registrations.Newest(s.ctx, u.ID())
		s.Require().NoError(err)
		s.Equal(want, got)
		got, err = s.db.Registrations.Take(s.ctx, want.TokenHash, day)
		s.Require().NoError(err)
		s.Equal(want, got)
	}
}

// TestNewestRegistration checks that the latest attempt of the user is found, of one moment the one with the later ID.
func (s *RepositorySuite) TestNewestRegistration() {
	ana, bob := s.insert(state("ana@example.com")), s.insert(state("bob@example.com"))
	_, err := s.db.Registrations.Newest(s.ctx, ana.ID())
	s.Require().ErrorIs(err, users.ErrNotFound)

	first, second, third := registration(ana.ID(), "first"), registration(ana.ID(), "second"), registration(ana.ID(), "third")
	older, foreign := registration(ana.ID(), "older"), registration(bob.ID(), "foreign")
	older.CreatedAt, foreign.CreatedAt = day.Add(-time.Microsecond), day.Add(time.Hour)
	s.addRegistrations(first, third, second, older, foreign)
	newest, err := s.db.Registrations.Newest(s.ctx, ana.ID())
	s.Require().NoError(err)
	s.Equal(third, newest)
}

// TestRegistrationIsTakenOnce checks that a token works once, and only before it expires.
func (s *RepositorySuite) TestRegistrationIsTakenOnce() {
	u := s.insert(state("ana@example.com"))
	r := registration(u.ID(), "token")
	s.addRegistrations(r, registration(u.ID(), "other"))
	owner, err := s.db.Registrations.Owner(s.ctx, r.TokenHash)
	s.Require().NoError(err)
	s.Equal(u.ID(), owner)

	for range 2 {
		_, err = s.db.Registrations.Take(s.ctx, r.TokenHash, r.ExpiresAt)
		s.Require().ErrorIs(err, users.ErrTokenInvalid, "expired at that moment")
	}
	_, err = s.db.Registrations.Take(s.ctx, r.TokenHash, r.ExpiresAt.Add(-time.Microsecond))
	s.Require().NoError(err)
	_, err = s.db.Registrations.Take(s.ctx, r.TokenHash, day)
	s.Require().ErrorIs(err, users.ErrTokenInvalid)
	_, err = s.db.Registrations.Owner(s.ctx, r.TokenHash)
	s.Require().ErrorIs(err, users.ErrTokenInvalid)
	_, err = s.db.Registrations.Owner(s.ctx, domain.HashToken("never issued"))
	s.Require().ErrorIs(err, users.ErrTokenInvalid)
	_, err = s.db.Registrations.Owner(s.ctx, domain.HashToken("other"))
	s.NoError(err, "each token by itself")
}

// TestLiveRegistrations checks which attempts of the user are live, in what order, and that a renewed one has another token.
func (s *RepositorySuite) TestLiveRegistrations() {
	ana, bob := s.insert(state("ana@example.com")), s.insert(state("bob@example.com"))
	first, second, older, stale := registration(ana.ID(), "first"), registration(ana.ID(), "second"), registration(ana.ID(), "older"), registration(ana.ID(), "stale")
	older.CreatedAt, stale.ExpiresAt = day.Add(-time.Microsecond), day
	s.addRegistrations(second, first, stale, older, registration(bob.ID(), "foreign"))
	live := func() []domain.Registration {
		live, err := s.db.Registrations.Live(s.ctx, ana.ID(), day)
		s.Require().NoError(err)
		return live
	}
	s.Equal([]domain.Registration{older, first, second}, live())

	first.TokenHash, first.ExpiresAt = domain.HashToken("renewed"), day.Add(48*time.Hour)
	s.Require().NoError(s.db.Registrations.Renew(s.ctx, first.ID, first.TokenHash, first.ExpiresAt))
	s.Equal([]domain.Registration{older, first, second}, live())
	_, err := s.db.Registrations.Owner(s.ctx, domain.HashToken("first"))
	s.Require().ErrorIs(err, users.ErrTokenInvalid)
}

// TestVoidingRegistrations checks that voiding removes the user's attempts, all or the expired ones, and nobody else's.
func (s *RepositorySuite) TestVoidingRegistrations() {
	ana, bob := s.insert(state("ana@example.com")), s.insert(state("bob@example.com"))
	stale := registration(ana.ID(), "stale")
	stale.ExpiresAt = day
	foreign := registration(bob.ID(), "foreign")
	foreign.ExpiresAt = day
	s.addRegistrations(stale, foreign, registration(ana.ID(), "fresh"))
	left := func() (tokens []string) {
		for _, token := range []string{"stale", "fresh", "foreign"} {
			if _, err := s.db.Registrations.Owner(s.ctx, domain.HashToken(token)); err == nil {
				tokens = append(tokens, token)
			}
		}
		return tokens
	}
	s.Require().NoError(s.db.Registrations.VoidExpired(s.ctx, ana.ID(), day.Add(-time.Microsecond)))
	s.Equal([]string{"stale", "fresh", "foreign"}, left())
	s.Require().NoError(s.db.Registrations.VoidExpired(s.ctx, ana.ID(), day.Add(time.Microsecond)))
	s.Equal([]string{"fresh", "foreign"}, left())
	for range 2 {
		s.Require().NoError(s.db.Registrations.Void(s.ctx, ana.ID()))
		s.Equal([]string{"foreign"}, left())
	}
}

func (s *RepositorySuite) startSession(user users.ID) domain.SessionState {
	session, _ := domain.StartSession(NewID(), user, refreshKey(s.T()), Here, day, time.Hour)
	s.Require().NoError(s.db.Sessions.Insert(s.ctx, session))
	return session.State()
}

func (s *RepositorySuite) requireSession(want domain.SessionState) {
	found, err := s.db.Sessions.ByID(s.ctx, want.ID)
	s.Require().NoError(err)
	s.Require().Equal(want, found.State())
	found, err = s.db.Sessions.LockByID(s.ctx, want.ID)
	s.Require().NoError(err)
	s.Require().Equal(want, found.State())
}

// TestSessionRoundTrip checks that every field comes back as it was stored, also after each kind of change.
func (s *RepositorySuite) TestSessionRoundTrip() {
	u := s.insert(state("ana@example.com"))
	want, other := s.startSession(u.ID()), s.startSession(u.ID())
	s.requireSession(want)

	want.PreviousHash, want.TokenHash = want.TokenHash, domain.HashToken("next")
	want.ExchangedAt, want.ExpiresAt = new(day.Add(time.Microsecond)), day.Add(2*time.Hour)
	s.Require().NoError(s.db.Sessions.Save(s.ctx, domain.RestoreSession(want)))
	s.requireSession(want)
	want.EndedAt, want.EndReason = new(day.Add(time.Second)), new(domain.EndedByLogout)
	s.Require().NoError(s.db.Sessions.Save(s.ctx, domain.RestoreSession(want)))
	s.requireSession(want)
	s.requireSession(other)

	_, err := s.db.Sessions.ByID(s.ctx, NewID())
	s.Require().ErrorIs(err, users.ErrNotFound)
	_, err = s.db.Sessions.LockByID(s.ctx, NewID())
	s.Require().ErrorIs(err, users.ErrNotFound)
}

// TestLiveSessions checks which sessions are listed, in which order, and how many.
func (s *RepositorySuite) TestLiveSessions() {
	ana, bob := s.insert(state("ana@example.com")), s.insert(state("bob@example.com"))
	start := func(user users.ID, at, ttl time.Duration) uuid.UUID {
		session, _ := domain.StartSession(NewID(), user, refreshKey(s.T()), Here, day.Add(at), ttl)
		s.Require().NoError(s.db.Sessions.Insert(s.ctx, session))
		return session.State().ID
	}
	start(bob.ID(), 0, time.Hour)
	start(ana.ID(), 0, time.Minute) // expires at the moment asked for
	ended := domain.RestoreSession(s.startSession(ana.ID()))
	ended.End(domain.EndedByLogout, day)
	s.Require().NoError(s.db.Sessions.Save(s.ctx, ended))
	third, second := start(ana.ID(), time.Second, time.Hour), start(ana.ID(), time.Second, time.Hour)
	last, first := start(ana.ID(), 0, time.Minute+time.Microsecond), start(ana.ID(), 2*time.Second, time.Hour)

	list := func(limit int) (ids []uuid.UUID) {
		live, err := s.db.Sessions.Live(s.ctx, ana.ID(), limit, day.Add(time.Minute))
		s.Require().NoError(err)
		for _, session := range live {
			ids = append(ids, session.State().ID)
		}
		return ids
	}
	s.Equal([]uuid.UUID{first, second, third, last}, list(10))
	s.Equal([]uuid.UUID{first, second, third}, list(3))
	live, err := s.db.Sessions.Live(s.ctx, ana.ID(), 1, day)
	s.Require().NoError(err)
	s.Equal(Here, live[0].State().Origin)
	s.Equal(first, live[0].State().ID)
}

// TestEndingAllSessions checks which sessions end, with what reason, and that exactly those are named.
func (s *RepositorySuite) TestEndingAllSessions() {
	ana, bob := s.insert(state("ana@example.com")), s.insert(state("bob@example.com"))
	kept, first, second, foreign := s.startSession(ana.ID()), s.startSession(ana.ID()), s.startSession(ana.ID()), s.startSession(bob.ID())
	done := domain.RestoreSession(s.startSession(ana.ID()))
	done.End(domain.EndedByLogout, day)
	s.Require().NoError(s.db.Sessions.Save(s.ctx, done))

	now := day.Add(time.Minute)
	ended, err := s.db.Sessions.EndAll(s.ctx, ana.ID(), kept.ID, domain.EndedByPassword, now)
	s.Require().NoError(err)
	s.ElementsMatch([]uuid.UUID{first.ID, second.ID}, ended)
	for _, state := range []*domain.SessionState{&first, &second} {
		state.EndedAt, state.EndReason = &now, new(domain.EndedByPassword)
		s.requireSession(*state)
	}
	s.requireSession(kept)
	s.requireSession(foreign)
	s.requireSession(done.State())

	ended, err = s.db.Sessions.EndAll(s.ctx, ana.ID(), uuid.Nil, domain.EndedByDeactivation, now)
	s.Require().NoError(err)
	s.Equal([]uuid.UUID{kept.ID}, ended, "none is spared")
	ended, err = s.db.Sessions.EndAll(s.ctx, ana.ID(), uuid.Nil, domain.EndedByDeactivation, now)
	s.Require().NoError(err)
	s.Empty(ended)
}

// TestOutbox checks when a mail is leased and to how many, and how it is put off and removed.
func (s *RepositorySuite) TestOutbox() {
	u := s.insert(state("ana@example.com"))
	all := slices.Concat(application.LaneMails, application.LaneTexts, application.LaneAsked)
	lease := func(at time.Duration) (application.Message, error) {
		return s.db.Outbox.Lease(s.ctx, all, day.Add(at), day.Add(at+time.Minute))
	}
	_, err := lease(0)
	s.Require().ErrorIs(err, users.ErrNotFound)

	third := mail(u.ID(), day.Add(time.Second)) // the lowest ID, yet due last
	first, second := mail(u.ID(), day), mail(u.ID(), day)
	second.Kind, second.SealedToken, second.SealedTo, second.UserID = application.AskedReset, nil, []byte{0, 2, 0xff}, users.ID{}
	for _, m := range []application.Message{third, second, first} {
		s.Require().NoError(s.db.Outbox.Append(s.ctx, m))
	}
	s.Run("leases what is due, the oldest first", func() {
		for _, want := range []application.Message{first, second} {
			want.Attempts = 1
			got, err := lease(0)
			s.Require().NoError(err)
			s.Equal(want, got)
		}
		_, err := lease(time.Second - time.Microsecond)
		s.Require().ErrorIs(err, users.ErrNotFound, "the third is not due, the others are hidden")
	})
	s.Run("shows again what was not reported", func() {
		_, err := lease(time.Second)
		s.Require().NoError(err)
		got, err := lease(2 * time.Minute)
		s.Require().NoError(err)
		s.Equal(first.ID, got.ID)
		s.Equal(2, got.Attempts)
	})
	s.Run("delivered mail is gone", func() {
		s.Require().NoError(s.db.Outbox.Delivered(s.ctx, first.ID))
		s.Require().NoError(s.db.Outbox.Delivered(s.ctx, third.ID))
		got, err := lease(time.Hour)
		s.Require().NoError(err)
		s.Equal(second.ID, got.ID)
		_, err = lease(time.Hour)
		s.Require().ErrorIs(err, users.ErrNotFound)
	})
	s.Run("a retry is due when it says", func() {
		next := 2 * time.Hour
		s.Require().NoError(s.db.Outbox.Retry(s.ctx, second.ID, day.Add(next), "mail server: try later"))
		_, err := lease(next - time.Microsecond)
		s.Require().ErrorIs(err, users.ErrNotFound)
		got, err := lease(next)
		s.Require().NoError(err)
		s.Equal(3, got.Attempts)
	})
	s.Run("only of its lane", func() {
		_, err := s.db.Outbox.Lease(s.ctx, application.LaneTexts, day.Add(1000*time.Hour), day.Add(1001*time.Hour))
		s.Require().ErrorIs(err, users.ErrNotFound)
	})
	s.Run("a buried mail is never due again", func() {
		s.Require().NoError(s.db.Outbox.Bury(s.ctx, second.ID, day.Add(3*time.Hour), strings.Repeat("é", 501)))
		_, err := lease(1000 * time.Hour)
		s.Require().ErrorIs(err, users.ErrNotFound)
	})
}

// TestBacklog checks what is told of mail that waits, that is leased and that was given up.
func (s *RepositorySuite) TestBacklog() {
	backlog := func() application.Backlog {
		b, err := s.db.Outbox.Backlog(s.ctx)
		s.Require().NoError(err)
		return b
	}
	s.Equal(application.Backlog{}, backlog())

	u := s.insert(state("ana@example.com"))
	first, second := mail(u.ID(), day), mail(u.ID(), day.Add(time.Minute))
	s.Require().NoError(s.db.Outbox.Append(s.ctx, second))
	s.Require().NoError(s.db.Outbox.Append(s.ctx, first))
	s.Equal(application.Backlog{Waiting: 2, FirstDue: day}, backlog())

	_, err := s.db.Outbox.Lease(s.ctx, application.LaneMails, day, day.Add(time.Hour))
	s.Require().NoError(err)
	s.Equal(application.Backlog{Waiting: 2, FirstDue: second.CreatedAt}, backlog())
	s.Require().NoError(s.db.Outbox.Bury(s.ctx, first.ID, day, "refused"))
	s.Equal(application.Backlog{Waiting: 1, Dead: 1, FirstDue: second.CreatedAt}, backlog())
	s.Require().NoError(s.db.Outbox.Delivered(s.ctx, second.ID))
	s.Equal(application.Backlog{Dead: 1}, backlog())
}
