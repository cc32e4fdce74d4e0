package userstest

import (
	"bytes"
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/application"
	"github.com/tickr/tickr/modules/users/internal/domain"
)

type memoryRegistrations struct{ m *Memory }

func (r memoryRegistrations) Add(ctx context.Context, registration domain.Registration) error {
	return r.m.do(ctx, func(t tables) error {
		t.registrations[registration.ID] = registration
		return nil
	})
}

func (r memoryRegistrations) Newest(ctx context.Context, user users.ID) (newest domain.Registration, err error) {
	err = r.m.do(ctx, func(t tables) error {
		for _, registration := range t.registrations {
			if registration.UserID == user && later(registration, newest) {
				newest = registration
			}
		}
		if newest.ID == uuid.Nil {
			return users.ErrNotFound
		}
		return nil
	})
	return newest, err
}

func later(a, b domain.Registration) bool {
	return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), bytes.Compare(a.ID[:], b.ID[:])) > 0
}

func (r memoryRegistrations) Owner(ctx context.Context, tokenHash []byte) (owner users.ID, err error) {
	err = r.m.do(ctx, func(t tables) error {
		registration, err := t.registrationOf(tokenHash)
		owner = registration.UserID
		return err
	})
	return owner, err
}

func (r memoryRegistrations) Take(ctx context.Context, tokenHash []byte, now time.Time) (taken domain.Registration, err error) {
	err = r.m.do(ctx, func(t tables) error {
		registration, err := t.registrationOf(tokenHash)
		if err != nil {
			return err
		}
		if !now.Before(registration.ExpiresAt) {
			return users.ErrTokenInvalid
		}
		delete(t.registrations, registration.ID)
		taken = registration
		return nil
	})
	return taken, err
}

func (t tables) registrationOf(tokenHash []byte) (domain.Registration, error) {
	for _, registration := range t.registrations {
		if bytes.Equal(registration.TokenHash, tokenHash) {
			return registration, nil
		}
	}
	return domain.Registration{}, users.ErrTokenInvalid
}

func (r memoryRegistrations) Live(ctx context.Context, user users.ID, now time.Time) (live []domain.Registration, err error) {
	err = r.m.do(ctx, func(t tables) error {
		for _, registration := range t.registrations {
			if registration.UserID == user && now.Before(registration.ExpiresAt) {
				live = append(live, registration)
			}
		}
		return nil
	})
	slices.SortFunc(live, func(a, b domain.Registration) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), bytes.Compare(a.ID[:], b.ID[:]))
	})
	return live, err
}

func (r memoryRegistrations) Renew(ctx context.Context, id uuid.UUID, tokenHash []byte, until time.Time) error {
	return r.m.do(ctx, func(t tables) error {
		if registration, ok := t.registrations[id]; ok {
			registration.TokenHash, registration.ExpiresAt = tokenHash, until
			t.registrations[id] = registration
		}
		return nil
	})
}

func (r memoryRegistrations) Void(ctx context.Context, user users.ID) error {
	return r.void(ctx, func(registration domain.Registration) bool { return registration.UserID == user })
}

func (r memoryRegistrations) VoidExpired(ctx context.Context, user users.ID, now time.Time) error {
	return r.void(ctx, func(registration domain.Registration) bool {
		return registration.UserID == user && !now.Before(registration.ExpiresAt)
	})
}

func (r memoryRegistrations) void(ctx context.Context, match func(domain.Registration) bool) error {
	return r.m.do(ctx, func(t tables) error {
		maps.DeleteFunc(t.registrations, func(_ uuid.UUID, registration domain.Registration) bool { return match(registration) })
		return nil
	})
}

type memorySessions struct{ m *Memory }

func (r memorySessions) Insert(ctx context.Context, s *domain.Session) error { return r.Save(ctx, s) }

func (r memorySessions) Save(ctx context.Context, s *domain.Session) error {
	return r.m.do(ctx, func(t tables) error {
		t.sessions[s.State().ID] = s.State()
		return nil
	})
}

func (r memorySessions) ByID(ctx context.Context, id uuid.UUID) (session *domain.Session, err error) {
	err = r.m.do(ctx, func(t tables) error {
		state, ok := t.sessions[id]
		if !ok {
			return users.ErrNotFound
		}
		session = domain.RestoreSession(state)
		return nil
	})
	return session, err
}

func (r memorySessions) LockByID(ctx context.Context, id uuid.UUID) (*domain.Session, error) {
	return r.ByID(ctx, id)
}

func (r memorySessions) Live(ctx context.Context, user users.ID, limit int, now time.Time) (live []*domain.Session, err error) {
	err = r.m.do(ctx, func(t tables) error {
		for _, state := range t.sessions {
			if session := domain.RestoreSession(state); state.UserID == user && session.Live(now) {
				live = append(live, session)
			}
		}
		return nil
	})
	slices.SortFunc(live, func(a, b *domain.Session) int {
		return cmp.Or(b.State().CreatedAt.Compare(a.State().CreatedAt), compareIDs(b.State().ID, a.State().ID))
	})
	return live[:min(limit, len(live))], err
}

func compareIDs(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) }

func (r memorySessions) EndAll(
	ctx context.Context, user users.ID, except uuid.UUID, reason string, now time.Time,
) (ended []uuid.UUID, err error) {
	err = r.m.do(ctx, func(t tables) error {
		for id, state := range t.sessions {
			if state.UserID != user || id == except || state.EndedAt != nil {
				continue
			}
			session := domain.RestoreSession(state)
			session.End(reason, now)
			t.sessions[id] = session.State()
			ended = append(ended, id)
		}
		return nil
	})
	return ended, err
}

type memoryOutbox struct{ m *Memory }

type outboxRow struct {
	message application.Message
	due     time.Time
	reason  string
	dead    bool
	died    time.Time
}

func (r memoryOutbox) Append(ctx context.Context, message application.Message) error {
	return r.m.do(ctx, func(t tables) error {
		t.outbox[message.ID] = outboxRow{message: message, due: message.CreatedAt}
		return nil
	})
}

func (r memoryOutbox) Lease(ctx context.Context, lane application.Lane, now, until time.Time) (leased application.Message, err error) {
	err = r.m.do(ctx, func(t tables) error {
		due := slices.DeleteFunc(slices.Collect(maps.Values(t.outbox)), func(row outboxRow) bool {
			return row.dead || row.due.After(now) || !slices.Contains(lane, row.message.Kind)
		})
		if len(due) == 0 {
			return users.ErrNotFound
		}
		row := slices.MinFunc(due, func(a, b outboxRow) int {
			return cmp.Or(a.due.Compare(b.due), bytes.Compare(a.message.ID[:], b.message.ID[:]))
		})
		row.due = until
		row.message.Attempts++
		t.outbox[row.message.ID] = row
		leased = row.message
		return nil
	})
	return leased, err
}

func (r memoryOutbox) Delivered(ctx context.Context, id uuid.UUID) error {
	return r.m.do(ctx, func(t tables) error {
		delete(t.outbox, id)
		return nil
	})
}

func (r memoryOutbox) Retry(ctx context.Context, id uuid.UUID, next time.Time, reason string) error {
	return r.update(ctx, id, func(row *outboxRow) { row.due, row.reason = next, reason })
}

func (r memoryOutbox) Bury(ctx context.Context, id uuid.UUID, now time.Time, reason string) error {
	return r.update(ctx, id, func(row *outboxRow) { row.dead, row.died, row.reason = true, now, reason })
}

func (r memoryOutbox) Backlog(ctx context.Context) (backlog application.Backlog, err error) {
	err = r.m.do(ctx, func(t tables) error {
		for _, row := range t.outbox {
			if row.dead {
				backlog.Dead++
				continue
			}
			if backlog.Waiting == 0 || row.due.Before(backlog.FirstDue) {
				backlog.FirstDue = row.due
			}
			backlog.Waiting++
		}
		return nil
	})
	return backlog, err
}

func (r memoryOutbox) update(ctx context.Context, id uuid.UUID, change func(*outboxRow)) error {
	return r.m.do(ctx, func(t tables) error {
		if row, ok := t.outbox[id]; ok {
			change(&row)
			t.outbox[id] = row
		}
		return nil
	})
}
