package postgres

import (
	"context"
	"time"

	"github.com/uptrace/bun"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/application"
	"github.com/tickr/tickr/platform/database"
)

// Leftovers implements application.Leftovers.
type Leftovers struct{ db store }

// RemoveSessions implements application.Leftovers.
func (r Leftovers) RemoveSessions(ctx context.Context, before time.Time, limit int) (int, error) {
	return r.removeOldest(ctx, "remove old sessions", (*sessionRow)(nil), "id", "coalesce(s.ended_at, s.expires_at)", before, limit)
}

// RemoveRegistrations implements application.Leftovers.
func (r Leftovers) RemoveRegistrations(ctx context.Context, before time.Time, limit int) (int, error) {
	return r.removeOldest(ctx, "remove expired registrations", (*registrationRow)(nil), "id", "r.expires_at", before, limit)
}

// RemoveTokens implements application.Leftovers.
func (r Leftovers) RemoveTokens(ctx context.Context, before time.Time, limit int) (int, error) {
	return r.removeOldest(ctx, "remove expired tokens", (*tokenRow)(nil), "token_hash", "t.expires_at", before, limit)
}

// RemoveLimits implements application.Leftovers.
func (r Leftovers) RemoveLimits(ctx context.Context, before time.Time, limit int) (int, error) {
	return r.removeOldest(ctx, "remove old limits", (*throttleRow)(nil), "key", "t.resets_at", before, limit)
}

// RemoveOrigins implements application.Leftovers.
func (r Leftovers) RemoveOrigins(ctx context.Context, before time.Time, limit int) (int, error) {
	return r.removeOldest(ctx, "remove origins not trusted any more", (*trustedOriginRow)(nil), "key", "o.until", before, limit)
}

// RemoveDeadMail implements application.Leftovers.
func (r Leftovers) RemoveDeadMail(ctx context.Context, before time.Time, limit int) (int, error) {
	return r.removeOldest(ctx, "remove dead mail", (*outboxRow)(nil), "id", "o.dead_at", before, limit)
}

// unlocked passes over rows that somebody else has locked.
const unlocked = "UPDATE SKIP LOCKED"

// removeOldest deletes the first rows of a table by a time, if they are from before another.
func (r Leftovers) removeOldest(ctx context.Context, attempt string, model any, key, at string, before time.Time, limit int) (int, error) {
	conn := r.db.Conn(ctx)
	return deleted(ctx, attempt, conn.NewDelete().Model(model).Where("?TableAlias.? IN (?)", bun.Ident(key), conn.NewSelect().Model(model).
		Column(key).Where("? < ?", bun.Safe(at), before).OrderExpr(at).Limit(int64(limit)).For(unlocked)))
}

// RemoveChanges implements application.Leftovers. It looks at the first changes only: they are nearly in the order of their time.
func (r Leftovers) RemoveChanges(ctx context.Context, before time.Time, limit int) (int, error) {
	conn := r.db.Conn(ctx)
	first := conn.NewSelect().Model((*outboxRow)(nil)).Column("id", "created_at").Where("o.due_at IS NULL").
		OrderExpr("o.xact").Limit(int64(limit)).For(unlocked)
	return deleted(ctx, "remove old changes", conn.NewDelete().Model((*outboxRow)(nil)).
		Where("o.id IN (SELECT id FROM (?) AS first WHERE created_at < ?)", first, before))
}

// deleted carries a removal out and returns how many rows it took.
func deleted(ctx context.Context, attempt string, query *bun.DeleteQuery) (int, error) {
	result, err := query.Exec(ctx)
	if err != nil {
		return 0, fault(attempt, err)
	}
	n, err := result.RowsAffected()
	return int(n), fault(attempt, err)
}

// Unverified implements application.Leftovers.
func (r Leftovers) Unverified(
	ctx context.Context, before, now time.Time, limit int, after *application.Cursor,
) (found []application.Cursor, err error) {
	query := r.db.Conn(ctx).NewSelect().Model((*userRow)(nil)).ApplyQueryBuilder(unused(before, now)).
		Column("created_at", "id").OrderExpr("u.created_at, u.id").Limit(int64(limit))
	if after != nil {
		query = query.Where("(u.created_at, u.id) > (?, ?)", after.CreatedAt, after.ID)
	}
	return found, fault("find unverified accounts", query.Scan(ctx, &found))
}

// RemoveUnverified implements application.Leftovers.
func (r Leftovers) RemoveUnverified(ctx context.Context, id users.ID, before, now time.Time) error {
	if err := r.lockUnverified(ctx, id); err != nil {
		return err
	}
	// A statement of its own: its snapshot, taken once the lock is held, shows what those have done who had it before.
	return r.removeUnused(ctx, id, before, now)
}

func (r Leftovers) lockUnverified(ctx context.Context, id users.ID) error {
	var locked users.ID
	return fault("lock an unverified account", r.db.Conn(ctx).NewSelect().Model((*userRow)(nil)).Column("id").
		Where("u.id = ?", id).For(unlocked).Scan(ctx, &locked))
}

func (r Leftovers) removeUnused(ctx context.Context, id users.ID, before, now time.Time) error {
	var removed users.ID
	err := r.db.Conn(ctx).NewDelete().Model((*userRow)(nil)).Where("u.id = ?", id).ApplyQueryBuilder(unused(before, now)).
		Returning("id").Scan(ctx, &removed)
	if _, referred := database.ForeignKeyViolation(err); referred {
		return users.ErrNotFound
	}
	return fault("remove an unverified account", err)
}

// unused narrows a query of users to those that nobody has begun to use.
func unused(before, now time.Time) func(bun.QueryBuilder) bun.QueryBuilder {
	return func(query bun.QueryBuilder) bun.QueryBuilder {
		return query.Where("NOT u.email_verified").Where("u.created_at < ?", before).
			Where("u.is_active").Where("u.password_hash IS NULL").Where("u.role = ?", users.Participant).
			Where("NOT EXISTS (SELECT FROM users.registrations r WHERE r.user_id = u.id AND r.expires_at > ?)", now).
			Where("NOT EXISTS (SELECT FROM users.one_time_tokens t WHERE t.user_id = u.id AND t.expires_at > ?)", now)
	}
}
