package postgres

import (
	"context"
	"time"

	"github.com/uptrace/bun"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/domain"
)

// OneTimeTokens implements application.OneTimeTokens.
type OneTimeTokens struct{ db store }

type tokenRow struct {
	bun.BaseModel `bun:"table:users.one_time_tokens,alias:t"`
	domain.OneTimeToken
}

// Issue implements application.OneTimeTokens.
func (r OneTimeTokens) Issue(ctx context.Context, token domain.OneTimeToken) error {
	query := r.db.Conn(ctx).NewInsert().Model(&tokenRow{OneTimeToken: token}).On("CONFLICT (user_id, purpose) DO UPDATE")
	for _, column := range []string{"token_hash", "email", "target", "tries", "created_at", "expires_at"} {
		query = query.Set("? = EXCLUDED.?", bun.Ident(column), bun.Ident(column))
	}
	_, err := query.Exec(ctx)
	return fault("issue one-time token", err)
}

// Owner implements application.OneTimeTokens.
func (r OneTimeTokens) Owner(ctx context.Context, tokenHash []byte, purposes ...domain.Purpose) (users.ID, error) {
	var row tokenRow
	err := r.db.Conn(ctx).NewSelect().Model(&row).Column("user_id").
		Where("t.token_hash = ?", tokenHash).Where("t.purpose IN (?)", bun.List(purposes)).Scan(ctx)
	return row.UserID, tokenFault("find one-time token", err)
}

// Take implements application.OneTimeTokens.
func (r OneTimeTokens) Take(ctx context.Context, tokenHash []byte, now time.Time, purposes ...domain.Purpose) (domain.OneTimeToken, error) {
	var row tokenRow
	err := r.db.Conn(ctx).NewDelete().Model(&row).
		Where("t.token_hash = ?", tokenHash).Where("t.purpose IN (?)", bun.List(purposes)).Where("t.expires_at > ?", now).
		Returning("*").Scan(ctx)
	return row.OneTimeToken, tokenFault("take one-time token", err)
}

// Try implements application.OneTimeTokens.
func (r OneTimeTokens) Try(ctx context.Context, user users.ID, now time.Time) (domain.OneTimeToken, error) {
	var row tokenRow
	err := r.db.Conn(ctx).NewUpdate().Model(&row).Set("tries = t.tries + 1").
		Where("t.user_id = ?", user).Where("t.purpose = ?", domain.VerifyPhone).
		Where("t.tries < ?", domain.MaxCodeTries).Where("t.expires_at > ?", now).
		Returning("*").Scan(ctx)
	return row.OneTimeToken, tokenFault("count a try at a code", err)
}

// Has implements application.OneTimeTokens.
func (r OneTimeTokens) Has(ctx context.Context, user users.ID, purpose domain.Purpose) (bool, error) {
	has, err := r.db.Conn(ctx).NewSelect().Model((*tokenRow)(nil)).
		Where("t.user_id = ?", user).Where("t.purpose = ?", purpose).Exists(ctx)
	return has, fault("look for one-time token", err)
}

// Void implements application.OneTimeTokens.
func (r OneTimeTokens) Void(ctx context.Context, user users.ID) error {
	_, err := r.db.Conn(ctx).NewDelete().Model((*tokenRow)(nil)).Where("t.user_id = ?", user).Exec(ctx)
	return fault("void one-time tokens", err)
}
