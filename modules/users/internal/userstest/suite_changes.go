package userstest

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/application"
)

func (s *RepositorySuite) announce(ctx context.Context, sender uuid.UUID, n int) []application.Change {
	changes := make([]application.Change, n)
	for i := range changes {
		changes[i] = application.Change{ID: NewID(), Kind: application.UserChanged, Subject: NewID()}
	}
	changes[0].Kind = application.SessionEnded
	s.Require().NoError(s.db.Changes.Announce(ctx, sender, day, changes))
	return changes
}

// TestChanges checks that each change is told once, to all but its sender, and only once it is committed.
func (s *RepositorySuite) TestChanges() {
	us, them := NewID(), NewID()
	s.announce(s.ctx, them, 1) // before
	begin, err := s.db.Changes.Moment(s.ctx)
	s.Require().NoError(err)
	moment := begin
	since := func(from application.Moment) (changes []application.Change) {
		changes, moment, err = s.db.Changes.Since(s.ctx, from, us)
		s.Require().NoError(err)
		return changes
	}
	s.Empty(since(moment))
	first := s.announce(s.ctx, them, 3)
	s.announce(s.ctx, us, 1)
	s.ElementsMatch(first, since(moment))
	s.Empty(since(moment))
	s.Empty(since(moment))

	changed := errors.New("changed my mind")
	s.Require().ErrorIs(s.db.Tx.InTx(s.ctx, func(ctx context.Context) error {
		s.announce(ctx, them, 1)
		return changed
	}), changed)
	s.Empty(since(moment), "it was rolled back")
	second := s.announce(s.ctx, them, 1)
	s.Equal(second, since(moment))
	s.ElementsMatch(append(first, second...), since(begin), "who lags behind hears all")
}

// TestChangesAreNotMail checks that nobody tries to send one.
func (s *RepositorySuite) TestChangesAreNotMail() {
	s.announce(s.ctx, NewID(), 2)
	_, err := s.db.Outbox.Lease(s.ctx, application.LaneMails, day.AddDate(100, 0, 0), day.AddDate(101, 0, 0))
	s.Require().ErrorIs(err, users.ErrNotFound)
	backlog, err := s.db.Outbox.Backlog(s.ctx)
	s.Require().NoError(err)
	s.Zero(backlog)
}
