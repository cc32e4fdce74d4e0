package application

import (
	"context"

	"github.com/google/uuid"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/domain"
)

// MaxSessions is how many sessions are shown at most: those begun last.
const MaxSessions = 100

// OwnSessions returns the actor's live sessions, the one begun last first.
func (s *Service) OwnSessions(ctx context.Context, actor Actor) ([]*domain.Session, error) {
	if err := actor.May(ViewOwnSessions); err != nil {
		return nil, err
	}
	return s.Sessions.Live(ctx, actor.ID, MaxSessions, s.Now())
}

// EndOwnSession ends one of the actor's live sessions, also the one that asks. It fails with users.ErrNotFound for any other.
func (s *Service) EndOwnSession(ctx context.Context, actor Actor, id uuid.UUID) error {
	if err := actor.May(EndOwnSession); err != nil {
		return err
	}
	return s.commit(ctx, func(ctx context.Context, after *effects) error {
		session, err := s.Sessions.LockByID(ctx, id)
		if err != nil {
			return err
		}
		if session.State().UserID != actor.ID || !session.Live(s.Now()) {
			return users.ErrNotFound
		}
		after.sessions = append(after.sessions, id)
		session.End(domain.EndedByOwner, s.Now())
		if err := s.record(ctx, actor, ActEndSessions, actor.ID, sessionDetails(session)); err != nil {
			return err
		}
		return s.Sessions.Save(ctx, session)
	})
}

// EndOtherSessions ends all sessions of the actor but the one that asks.
func (s *Service) EndOtherSessions(ctx context.Context, actor Actor) error {
	if err := actor.May(EndOtherSessions); err != nil {
		return err
	}
	return s.endSessionsOf(ctx, actor, actor.ID, actor.Session, domain.EndedByOwner)
}

// EndSessions ends all sessions of any account, the actor's own included. It fails with users.ErrForbidden or users.ErrNotFound.
func (s *Service) EndSessions(ctx context.Context, actor Actor, id users.ID) error {
	if err := actor.May(EndSessions); err != nil {
		return err
	}
	return s.endSessionsOf(ctx, actor, id, uuid.Nil, domain.EndedByAdmin)
}

func (s *Service) endSessionsOf(ctx context.Context, actor Actor, id users.ID, except uuid.UUID, reason string) error {
	return s.commit(ctx, func(ctx context.Context, after *effects) error {
		// A login at this moment comes before or after: it locks the user, too.
		if _, err := s.Users.LockByID(ctx, id); err != nil {
			return err
		}
		if err := s.record(ctx, actor, ActEndSessions, id, nil); err != nil {
			return err
		}
		return s.endSessions(ctx, id, except, reason, after)
	})
}
