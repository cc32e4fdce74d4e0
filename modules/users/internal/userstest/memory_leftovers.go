package userstest

import (
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

type memoryLeftovers struct{ m *Memory }

// removeSome deletes the entries of a table that match, limit at most.
func removeSome[K comparable, V any](ctx context.Context, m *Memory, table func(tables) map[K]V, limit int, match func(V) bool) (n int, err error) {
	err = m.do(ctx, func(t tables) error {
		maps.DeleteFunc(table(t), func(_ K, v V) bool {
			removed := n < limit && match(v)
			if removed {
				n++
			}
			return removed
		})
		return nil
	})
	return n, err
}

func (r memoryLeftovers) RemoveSessions(ctx context.Context, before time.Time, limit int) (int, error) {
	return removeSome(ctx, r.m, func(t tables) map[uuid.UUID]domain.SessionState { return t.sessions }, limit, func(s domain.SessionState) bool {
		return cmp.Or(s.EndedAt, &s.ExpiresAt).Before(before)
	})
}

func (r memoryLeftovers) RemoveRegistrations(ctx context.Context, before time.Time, limit int) (int, error) {
	return removeSome(ctx, r.m, func(t tables) map[uuid.UUID]domain.Registration { return t.registrations }, limit, func(r domain.Registration) bool {
		return r.ExpiresAt.Before(before)
	})
}

func (r memoryLeftovers) RemoveTokens(ctx context.Context, before time.Time, limit int) (int, error) {
	return removeSome(ctx, r.m, func(t tables) map[tokenKey]domain.OneTimeToken { return t.tokens }, limit, func(t domain.OneTimeToken) bool {
		return t.ExpiresAt.Before(before)
	})
}

func (r memoryLeftovers) RemoveLimits(ctx context.Context, before time.Time, limit int) (int, error) {
	return removeSome(ctx, r.m, func(t tables) map[string]throttle { return t.throttles }, limit, func(held throttle) bool {
		return held.resetsAt.Before(before)
	})
}

func (r memoryLeftovers) RemoveOrigins(ctx context.Context, before time.Time, limit int) (int, error) {
	return removeSome(ctx, r.m, func(t tables) map[string]time.Time { return t.trusted }, limit, func(until time.Time) bool {
		return until.Before(before)
	})
}

func (r memoryLeftovers) RemoveDeadMail(ctx context.Context, before time.Time, limit int) (int, error) {
	return removeSome(ctx, r.m, func(t tables) map[uuid.UUID]outboxRow { return t.outbox }, limit, func(row outboxRow) bool {
		return row.dead && row.died.Before(before)
	})
}

// RemoveChanges leaves a gap for each, so that moments stay what they are.
func (r memoryLeftovers) RemoveChanges(ctx context.Context, before time.Time, limit int) (n int, err error) {
	err = r.m.do(ctx, func(t tables) error {
		for i, sent := range t.changes {
			if n < limit && sent.ID != uuid.Nil && sent.at.Before(before) {
				t.changes[i] = sentChange{}
				n++
			}
		}
		return nil
	})
	return n, err
}

func (t tables) unused(s domain.State, before, now time.Time) bool {
	for _, r := range t.registrations {
		if r.UserID == s.ID && now.Before(r.ExpiresAt) {
			return false
		}
	}
	for _, token := range t.tokens {
		if token.UserID == s.ID && now.Before(token.ExpiresAt) {
			return false
		}
	}
	return !s.EmailVerified && s.CreatedAt.Before(before) && s.IsActive && s.PasswordHash == nil && s.Role == users.Participant
}

func (r memoryLeftovers) Unverified(
	ctx context.Context, before, now time.Time, limit int, after *application.Cursor,
) (found []application.Cursor, err error) {
	err = r.m.do(ctx, func(t tables) error {
		for _, s := range t.users {
			at := application.Cursor{CreatedAt: s.CreatedAt, ID: s.ID}
			if t.unused(s, before, now) && (after == nil || newerCursor(at, *after) < 0) {
				found = append(found, at)
			}
		}
		return nil
	})
	slices.SortFunc(found, func(a, b application.Cursor) int { return newerCursor(b, a) })
	return found[:min(limit, len(found))], err
}

func (r memoryLeftovers) RemoveUnverified(ctx context.Context, id users.ID, before, now time.Time) error {
	return r.m.do(ctx, func(t tables) error {
		if s, ok := t.users[id]; !ok || !t.unused(s, before, now) {
			return users.ErrNotFound
		}
		delete(t.users, id)
		maps.DeleteFunc(t.registrations, func(_ uuid.UUID, r domain.Registration) bool { return r.UserID == id })
		maps.DeleteFunc(t.tokens, func(_ tokenKey, token domain.OneTimeToken) bool { return token.UserID == id })
		maps.DeleteFunc(t.outbox, func(_ uuid.UUID, row outboxRow) bool { return row.message.UserID == id })
		return nil
	})
}

type memoryMonths struct{ m *Memory }

func (r memoryMonths) Months(ctx context.Context) (months []time.Time, err error) {
	err = r.m.do(ctx, func(t tables) error {
		months = slices.SortedFunc(maps.Keys(t.months), time.Time.Compare)
		return nil
	})
	return months, err
}

func (r memoryMonths) Add(ctx context.Context, month time.Time) error {
	return r.m.do(ctx, func(t tables) error {
		t.months[month] = true
		return nil
	})
}

func (r memoryMonths) Drop(ctx context.Context, month time.Time) error {
	return r.m.do(ctx, func(t tables) error {
		delete(t.months, month)
		maps.DeleteFunc(t.audit, func(_ uuid.UUID, e application.AuditEntry) bool {
			return !e.CreatedAt.Before(month) && e.CreatedAt.Before(month.AddDate(0, 1, 0))
		})
		return nil
	})
}
