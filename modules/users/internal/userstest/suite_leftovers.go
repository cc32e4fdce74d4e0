package userstest

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/application"
	"github.com/tickr/tickr/modules/users/internal/domain"
)

// drained calls a removal with a small limit until it finds nothing, and returns how many it took in all.
func (s *RepositorySuite) drained(remove func(context.Context, time.Time, int) (int, error), before time.Time) (total int) {
	for {
		n, err := remove(s.ctx, before, 2)
		s.Require().NoError(err)
		s.Require().LessOrEqual(n, 2)
		if total += n; n == 0 {
			return total
		}
	}
}

// TestRemovingSessions checks that what ended or expired before a time goes, and nothing else.
func (s *RepositorySuite) TestRemovingSessions() {
	u := s.insert(state("ana@example.com"))
	add := func(expires, ended time.Duration) uuid.UUID {
		session, _ := domain.StartSession(NewID(), u.ID(), refreshKey(s.T()), Here, day, expires)
		if ended > 0 {
			session.End(domain.EndedByLogout, day.Add(ended))
		}
		s.Require().NoError(s.db.Sessions.Insert(s.ctx, session))
		return session.State().ID
	}
	for range 3 {
		add(time.Hour-time.Microsecond, 0)
		add(1000*time.Hour, time.Hour-time.Microsecond)
	}
	kept := []uuid.UUID{add(time.Hour, 0), add(1000*time.Hour, time.Hour), add(time.Minute, 2*time.Hour), add(1000*time.Hour, 0)}
	s.Equal(6, s.drained(s.db.Leftovers.RemoveSessions, day.Add(time.Hour)))
	for _, id := range kept {
		_, err := s.db.Sessions.ByID(s.ctx, id)
		s.NoError(err)
	}
}

// TestRemovingRegistrations checks that those go that expired before a time.
func (s *RepositorySuite) TestRemovingRegistrations() {
	u := s.insert(state("ana@example.com"))
	for i := range 5 {
		r := registration(u.ID(), fmt.Sprint(i))
		r.ExpiresAt = day.Add(time.Duration(i) * time.Microsecond)
		s.addRegistrations(r)
	}
	s.Equal(3, s.drained(s.db.Leftovers.RemoveRegistrations, day.Add(3*time.Microsecond)))
	_, err := s.db.Registrations.Owner(s.ctx, domain.HashToken("2"))
	s.Require().ErrorIs(err, users.ErrTokenInvalid)
	_, err = s.db.Registrations.Owner(s.ctx, domain.HashToken("3"))
	s.NoError(err)
}

// TestRemovingTokens checks that those go that expired before a time, and that one that works keeps its account.
func (s *RepositorySuite) TestRemovingTokens() {
	reset := func(email string) domain.OneTimeToken {
		token, _ := domain.IssueToken(s.insert(state(email)), domain.ResetPassword, "", day)
		s.Require().NoError(s.db.OneTimeTokens.Issue(s.ctx, token))
		return token
	}
	token := reset("ana@example.com")
	s.Require().ErrorIs(s.removeUnverified(token.UserID, token.ExpiresAt, token.ExpiresAt.Add(-time.Microsecond)), users.ErrNotFound)
	s.Equal(0, s.drained(s.db.Leftovers.RemoveTokens, token.ExpiresAt))
	for i := range 3 {
		reset(fmt.Sprint(i))
	}
	s.Equal(4, s.drained(s.db.Leftovers.RemoveTokens, token.ExpiresAt.Add(time.Microsecond)))
	_, err := s.db.OneTimeTokens.Owner(s.ctx, token.TokenHash, domain.ResetPassword)
	s.Require().ErrorIs(err, users.ErrTokenInvalid)
	s.NoError(s.removeUnverified(token.UserID, token.ExpiresAt, token.ExpiresAt))
}

// TestRemovingLimits checks that counts go whose window is over, and origins that are not trusted any more.
func (s *RepositorySuite) TestRemovingLimits() {
	for i := range 5 {
		at := day.Add(time.Duration(i) * time.Microsecond)
		s.Require().NoError(s.db.Throttles.Take(s.ctx, []application.Limit{{Key: fmt.Sprint(i), Most: 1, Per: time.Hour}}, at))
		s.Require().NoError(s.db.Throttles.Trust(s.ctx, fmt.Sprint(i), at))
	}
	s.Equal(3, s.drained(s.db.Leftovers.RemoveLimits, day.Add(time.Hour+3*time.Microsecond)))
	s.Equal(3, s.drained(s.db.Leftovers.RemoveOrigins, day.Add(3*time.Microsecond)))
	var limited *application.LimitedError
	s.Require().ErrorAs(s.db.Throttles.Take(s.ctx, []application.Limit{{Key: "3", Most: 1, Per: time.Hour}}, day.Add(time.Hour)), &limited)
	trusted, err := s.db.Throttles.Trusted(s.ctx, "3", day)
	s.Require().NoError(err)
	s.True(trusted)
}

// TestRemovingFromTheOutbox checks that mail goes only when it was given up, changes only when they are old, and each by its own method.
func (s *RepositorySuite) TestRemovingFromTheOutbox() {
	u := s.insert(state("ana@example.com"))
	for i := range 4 {
		m := mail(u.ID(), day)
		s.Require().NoError(s.db.Outbox.Append(s.ctx, m))
		s.Require().NoError(s.db.Outbox.Bury(s.ctx, m.ID, day.Add(time.Duration(i)*time.Microsecond), "refused"))
	}
	s.Require().NoError(s.db.Outbox.Append(s.ctx, mail(u.ID(), day)))
	s.announce(s.ctx, NewID(), 5)
	moment, err := s.db.Changes.Moment(s.ctx)
	s.Require().NoError(err)

	s.Equal(3, s.drained(s.db.Leftovers.RemoveDeadMail, day.Add(3*time.Microsecond)))
	s.Equal(0, s.drained(s.db.Leftovers.RemoveChanges, day))
	s.Equal(5, s.drained(s.db.Leftovers.RemoveChanges, day.Add(time.Microsecond)))
	backlog, err := s.db.Outbox.Backlog(s.ctx)
	s.Require().NoError(err)
	s.EqualValues(1, backlog.Waiting)
	s.EqualValues(1, backlog.Dead)
	later := s.announce(s.ctx, NewID(), 1)
	heard, _, err := s.db.Changes.Since(s.ctx, moment, NewID())
	s.Require().NoError(err)
	s.Equal(later, heard, "what is removed moves no moment")
}

// TestUnverifiedAccounts checks which accounts count as unused, in which order they are found, and that only they can be removed.
func (s *RepositorySuite) TestUnverifiedAccounts() {
	before, now := day.Add(time.Hour), day.Add(time.Hour)
	unused := func(email string, change func(*domain.State)) domain.State {
		u := state(email)
		if change != nil {
			change(&u)
		}
		s.insert(u)
		return u
	}
	attempt := func(u domain.State, expires time.Time) {
		r := registration(u.ID, u.Email)
		r.ExpiresAt = expires
		s.addRegistrations(r)
	}
	second := unused("second@example.com", func(u *domain.State) { u.CreatedAt = day.Add(time.Microsecond) })
	first := unused("first@example.com", nil)
	attempt(first, now)
	third := unused("third@example.com", func(u *domain.State) { u.CreatedAt = before.Add(-time.Microsecond) })
	for email, change := range map[string]func(*domain.State){
		"new": func(u *domain.State) { u.CreatedAt = before }, "verified": func(u *domain.State) { u.EmailVerified = true },
		"password": func(u *domain.State) { u.PasswordHash = new("hash") }, "deactivated": func(u *domain.State) { u.IsActive = false },
		"organizer": func(u *domain.State) { u.Role = users.Organizer }, "admin": func(u *domain.State) { u.Role = users.Admin },
	} {
		s.Require().ErrorIs(s.removeUnverified(unused(email, change).ID, before, now), users.ErrNotFound, email)
	}
	open := unused("open@example.com", nil)
	attempt(open, now.Add(time.Microsecond))
	s.Require().ErrorIs(s.removeUnverified(open.ID, before, now), users.ErrNotFound)

	find := func(limit int, after *application.Cursor) (ids []users.ID) {
		found, err := s.db.Leftovers.Unverified(s.ctx, before, now, limit, after)
		s.Require().NoError(err)
		for _, at := range found {
			ids = append(ids, at.ID)
		}
		return ids
	}
	s.Equal([]users.ID{first.ID, second.ID, third.ID}, find(10, nil))
	s.Equal([]users.ID{first.ID, second.ID}, find(2, nil))
	s.Equal([]users.ID{third.ID}, find(2, &application.Cursor{CreatedAt: second.CreatedAt, ID: second.ID}))

	s.Require().NoError(s.db.Outbox.Append(s.ctx, mail(first.ID, day)))
	s.Require().NoError(s.removeUnverified(first.ID, before, now))
	s.Require().ErrorIs(s.removeUnverified(first.ID, before, now), users.ErrNotFound)
	_, err := s.db.Users.ByID(s.ctx, first.ID)
	s.Require().ErrorIs(err, users.ErrNotFound)
	_, err = s.db.Outbox.Lease(s.ctx, application.LaneMails, day, day.Add(time.Minute))
	s.Require().ErrorIs(err, users.ErrNotFound, "its mail goes with it")
	s.Equal([]users.ID{second.ID, third.ID}, find(10, nil))
}

func (s *RepositorySuite) removeUnverified(id users.ID, before, now time.Time) error {
	return s.db.Tx.InTx(s.ctx, func(ctx context.Context) error { return s.db.Leftovers.RemoveUnverified(ctx, id, before, now) })
}

// TestTrailMonths checks that months come and go, and what was recorded in them.
func (s *RepositorySuite) TestTrailMonths() {
	november := time.Date(2026, time.November, 1, 0, 0, 0, 0, time.UTC)
	months := func() []time.Time {
		found, err := s.db.Months.Months(s.ctx)
		s.Require().NoError(err)
		return found
	}
	in := func(change func(context.Context, time.Time) error, month time.Time) {
		s.Require().NoError(s.db.Tx.InTx(s.ctx, func(ctx context.Context) error { return change(ctx, month) }))
	}
	s.Empty(months())
	subject := NewID()
	last, first := s.act(&subject, november.AddDate(0, 1, 0).Add(-time.Microsecond)), s.act(&subject, november)
	next, previous := s.act(&subject, november.AddDate(0, 1, 0)), s.act(&subject, november.Add(-time.Microsecond))
	for range 2 {
		in(s.db.Months.Add, november.AddDate(0, 1, 0))
		in(s.db.Months.Add, november)
		s.Equal([]time.Time{november, november.AddDate(0, 1, 0)}, months())
	}
	inside := s.act(&subject, november.AddDate(0, 0, 9))
	trail := func() []application.AuditEntry {
		found, err := s.db.Audit.OfSubject(s.ctx, subject, 10, nil)
		s.Require().NoError(err)
		return found
	}
	s.Equal([]application.AuditEntry{next, last, inside, first, previous}, trail(), "nothing is lost when a month comes late")
	in(s.db.Months.Drop, november)
	s.Equal([]application.AuditEntry{next, previous}, trail())
	s.Equal([]time.Time{november.AddDate(0, 1, 0)}, months())
}
