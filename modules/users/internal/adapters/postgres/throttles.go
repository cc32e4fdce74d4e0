package postgres

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/uptrace/bun"

	"github.com/tickr/tickr/modules/users/internal/application"
)

// Throttles implements application.Throttles.
type Throttles struct{ db store }

type throttleRow struct {
	bun.BaseModel `bun:"table:users.throttles,alias:t"`

	Key      string
	Used     int
	Most     int
	ResetsAt time.Time
}

type trustedOriginRow struct {
	bun.BaseModel `bun:"table:users.trusted_origins,alias:o"`

	Key   string
	Until time.Time
}

// Take implements application.Throttles. A limit that is used up is not written: refusing costs no garbage.
func (r Throttles) Take(ctx context.Context, limits []application.Limit, now time.Time) error {
	rows := make([]throttleRow, len(limits))
	for i, l := range limits {
		rows[i] = throttleRow{Key: l.Key, Used: 1, Most: l.Most, ResetsAt: now.Add(l.Per)}
	}
	// In one order for everybody: nobody waits for whom they keep waiting.
	slices.SortFunc(rows, func(a, b throttleRow) int { return cmp.Compare(a.Key, b.Key) })
	result, err := r.db.Conn(ctx).NewInsert().Model(&rows).On("CONFLICT (key) DO UPDATE").
		Set("used = CASE WHEN t.resets_at <= ? THEN 1 ELSE t.used + 1 END", now).
		Set("resets_at = CASE WHEN t.resets_at <= ? THEN EXCLUDED.resets_at ELSE t.resets_at END", now).
		Set("most = EXCLUDED.most").
		Where("t.resets_at <= ? OR t.used < EXCLUDED.most", now).Exec(ctx)
	if err != nil {
		return fault("count a use", err)
	}
	taken, err := result.RowsAffected()
	if err != nil || int(taken) == len(rows) {
		return fault("count a use", err)
	}
	free, err := r.free(ctx, limits, now)
	if err != nil {
		return err
	}
	return &application.LimitedError{RetryAfter: free.Sub(now)}
}

// free returns when none of the limits is used up any more.
func (r Throttles) free(ctx context.Context, limits []application.Limit, now time.Time) (time.Time, error) {
	free := now
	err := r.db.Conn(ctx).NewSelect().Model((*throttleRow)(nil)).ColumnExpr("coalesce(max(t.resets_at), ?)", now).
		Where("t.key IN (?)", bun.List(keys(limits))).Where("t.used >= t.most").Where("t.resets_at > ?", now).Scan(ctx, &free)
	return free, fault("look when a limit is free", err)
}

// Return implements application.Throttles.
func (r Throttles) Return(ctx context.Context, limits []application.Limit, now time.Time) error {
	conn := r.db.Conn(ctx)
	locked := conn.NewSelect().Model((*throttleRow)(nil)).Column("key").
		Where("t.key IN (?)", bun.List(keys(limits))).Where("t.resets_at > ?", now).Order("t.key").For("UPDATE")
	_, err := conn.NewUpdate().With("locked", locked).Model((*throttleRow)(nil)).Set("used = t.used - 1").
		Where("t.key IN (SELECT key FROM locked)").Where("t.used > 0").Exec(ctx)
	return fault("give a use back", err)
}

// Lift implements application.Throttles.
func (r Throttles) Lift(ctx context.Context, limits []application.Limit) error {
	_, err := r.db.Conn(ctx).NewDelete().Model((*throttleRow)(nil)).Where("t.key IN (?)", bun.List(keys(limits))).Exec(ctx)
	return fault("lift limits", err)
}

// Trust implements application.Throttles.
func (r Throttles) Trust(ctx context.Context, key string, until time.Time) error {
	_, err := r.db.Conn(ctx).NewInsert().Model(&trustedOriginRow{Key: key, Until: until}).On("CONFLICT (key) DO UPDATE").
		Set("until = greatest(o.until, EXCLUDED.until)").Exec(ctx)
	return fault("trust an origin", err)
}

// Trusted implements application.Throttles.
func (r Throttles) Trusted(ctx context.Context, key string, now time.Time) (bool, error) {
	found, err := r.db.Conn(ctx).NewSelect().Model((*trustedOriginRow)(nil)).
		Where("o.key = ?", key).Where("o.until > ?", now).Exists(ctx)
	return found, fault("look for a trusted origin", err)
}

func keys(limits []application.Limit) []string {
	all := make([]string, len(limits))
	for i, l := range limits {
		all[i] = l.Key
	}
	return all
}
