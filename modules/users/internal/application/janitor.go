package application

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/tickr/tickr/modules/users"
)

const (
	// cleanEvery is how often each instance looks for what can go.
	cleanEvery = 5 * time.Minute
	// cleanBatch is how many rows one statement removes at most: it holds their locks for some milliseconds.
	cleanBatch = 500
	// cleanPause is between two statements, so that a backlog does not take the database for itself.
	cleanPause = 100 * time.Millisecond

	// sessionRetention is how long a session is kept after its end.
	sessionRetention = 30 * 24 * time.Hour
	// unverifiedRetention is how long an account is kept whose address nobody has proven.
	unverifiedRetention = 7 * 24 * time.Hour
	// deadMailRetention is how long mail is kept that was given up.
	deadMailRetention = 30 * 24 * time.Hour
)

// Leftovers are rows that nobody needs any more. Each of the removals takes limit rows at most, passes over those that somebody else
// has locked, and returns how many it took.
type Leftovers interface {
	// RemoveSessions removes sessions that ended or expired before a time.
	RemoveSessions(ctx context.Context, before time.Time, limit int) (int, error)
	// RemoveRegistrations removes attempts that expired before a time.
	RemoveRegistrations(ctx context.Context, before time.Time, limit int) (int, error)
	// RemoveTokens removes one-time tokens that expired before a time.
	RemoveTokens(ctx context.Context, before time.Time, limit int) (int, error)
	// RemoveLimits removes counts of limits that began anew before a time.
	RemoveLimits(ctx context.Context, before time.Time, limit int) (int, error)
	// RemoveOrigins removes origins that were trusted until before a time.
	RemoveOrigins(ctx context.Context, before time.Time, limit int) (int, error)
	// RemoveDeadMail removes mail that was given up before a time.
	RemoveDeadMail(ctx context.Context, before time.Time, limit int) (int, error)
	// RemoveChanges removes changes that were announced before a time.
	RemoveChanges(ctx context.Context, before time.Time, limit int) (int, error)

	// Unverified returns at most limit accounts created before a time, the oldest first, from after on, that nobody has begun to use: their
	// address is not proven, they have no password and no role but the first, and no attempt to register them and no token of theirs still works at now.
	Unverified(ctx context.Context, before, now time.Time, limit int, after *Cursor) ([]Cursor, error)
	// RemoveUnverified removes such an account if it still is one. It fails with users.ErrNotFound if it is not, if somebody else has
	// locked it, or if something refers to it; the transaction can then only be rolled back.
	RemoveUnverified(ctx context.Context, id users.ID, before, now time.Time) error
}

// Janitor removes what nobody needs any more, in small steps. Any number of instances may do so at once.
type Janitor struct{ service *Service }

// NewJanitor returns a janitor that does nothing until Run.
func NewJanitor(s *Service) Janitor { return Janitor{s} }

// Run cleans up every five minutes until ctx ends.
func (j Janitor) Run(ctx context.Context) {
	tick := time.NewTicker(cleanEvery)
	defer tick.Stop()
	for {
		if err := j.CleanUp(ctx); err != nil && ctx.Err() == nil {
			j.service.Logger.WarnContext(ctx, "clean-up was cut short", slog.Any("error", err))
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// CleanUp removes all that can go now. It fails when one kind of it could not be removed, and goes on with the others.
func (j Janitor) CleanUp(ctx context.Context) error {
	s := j.service
	now := s.Now()
	return errors.Join(
		s.PrepareTrail(ctx),
		j.remove(ctx, s.Leftovers.RemoveSessions, now.Add(-sessionRetention)),
		j.remove(ctx, s.Leftovers.RemoveRegistrations, now),
		j.remove(ctx, s.Leftovers.RemoveTokens, now),
		j.remove(ctx, s.Leftovers.RemoveLimits, now),
		j.remove(ctx, s.Leftovers.RemoveOrigins, now),
		j.remove(ctx, s.Leftovers.RemoveDeadMail, now.Add(-deadMailRetention)),
		j.remove(ctx, s.Leftovers.RemoveChanges, now.Add(-ChangeRetention)),
		j.removeUnverified(ctx, now.Add(-unverifiedRetention), now),
	)
}

// remove calls batch until it finds little.
func (j Janitor) remove(ctx context.Context, batch func(context.Context, time.Time, int) (int, error), before time.Time) error {
	for {
		n, err := batch(ctx, before, cleanBatch)
		if err != nil || n < cleanBatch {
			return err
		}
		if err := pause(ctx); err != nil {
			return err
		}
	}
}

// removeUnverified removes accounts that nobody has begun to use, each in a transaction of its own: one to which something refers
// stays, and must not keep the others.
func (j Janitor) removeUnverified(ctx context.Context, before, now time.Time) error {
	s := j.service
	var after *Cursor
	for {
		found, err := s.Leftovers.Unverified(ctx, before, now, cleanBatch, after)
		if err != nil {
			return err
		}
		for _, account := range found {
			err := s.commit(ctx, func(ctx context.Context, after *effects) error {
				if err := s.Leftovers.RemoveUnverified(ctx, account.ID, before, now); err != nil {
					return err
				}
				after.users = append(after.users, account.ID)
				return s.record(ctx, Actor{}, ActRemove, account.ID, nil)
			})
			if err != nil && !errors.Is(err, users.ErrNotFound) {
				return err
			}
		}
		if len(found) < cleanBatch {
			return nil
		}
		after = &found[len(found)-1]
		if err := pause(ctx); err != nil {
			return err
		}
	}
}

func pause(ctx context.Context) error {
	timer := time.NewTimer(cleanPause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
