package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/domain"
)

// Registrations implements application.Registrations.
type Registrations struct{ db store }

type registrationRow struct {
	bun.BaseModel `bun:"table:users.registrations,alias:r"`
	domain.Registration
}

// Add implements application.Registrations.
func (r Registrations) Add(ctx context.Context, registration domain.Registration) error {
	_, err := r.db.Conn(ctx).NewInsert().Model(&registrationRow{Registration: registration}).Exec(ctx)
	return fault("add registration", err)
}

// Newest implements application.Registrations.
func (r Registrations) Newest(ctx context.Context, user users.ID) (domain.Registration, error) {
	var row registrationRow
	err := r.db.Conn(ctx).NewSelect().Model(&row).Where("r.user_id = ?", user).
		OrderExpr("r.created_at DESC, r.id DESC").Limit(1).Scan(ctx)
	return row.Registration, fault("find newest registration", err)
}

// Owner implements application.Registrations.
func (r Registrations) Owner(ctx context.Context, tokenHash []byte) (users.ID, error) {
	var row registrationRow
	err := r.db.Conn(ctx).NewSelect().Model(&row).Column("user_id").Where("r.token_hash = ?", tokenHash).Scan(ctx)
	return row.UserID, tokenFault("find registration by token", err)
}

// Take implements application.Registrations.
func (r Registrations) Take(ctx context.Context, tokenHash []byte, now time.Time) (domain.Registration, error) {
	var row registrationRow
	err := r.db.Conn(ctx).NewDelete().Model(&row).
		Where("r.token_hash = ?", tokenHash).Where("r.expires_at > ?", now).Returning("*").Scan(ctx)
	return row.Registration, tokenFault("take registration", err)
}

// Live implements application.Registrations.
func (r Registrations) Live(ctx context.Context, user users.ID, now time.Time) ([]domain.Registration, error) {
	var rows []registrationRow
	err := r.db.Conn(ctx).NewSelect().Model(&rows).Where("r.user_id = ?", user).Where("r.expires_at > ?", now).
		OrderExpr("r.created_at, r.id").Scan(ctx)
	live := make([]domain.Registration, len(rows))
	for i, row := range rows {
		live[i] = row.Registration
	}
	return live, fault("find live registrations", err)
}

// Renew implements application.Registrations.
func (r Registrations) Renew(ctx context.Context, id uuid.UUID, tokenHash []byte, until time.Time) error {
	_, err := r.db.Conn(ctx).NewUpdate().Model((*registrationRow)(nil)).
		Set("token_hash = ?", tokenHash).Set("expires_at = ?", until).Where("r.id = ?", id).Exec(ctx)
	return fault("renew registration", err)
}

// Void implements application.Registrations.
func (r Registrations) Void(ctx context.Context, user users.ID) error {
	_, err := r.db.Conn(ctx).NewDelete().Model((*registrationRow)(nil)).Where("r.user_id = ?", user).Exec(ctx)
	return fault("void registrations", err)
}

// VoidExpired implements application.Registrations.
func (r Registrations) VoidExpired(ctx context.Context, user users.ID, now time.Time) error {
	_, err := r.db.Conn(ctx).NewDelete().Model((*registrationRow)(nil)).
		Where("r.user_id = ?", user).Where("r.expires_at <= ?", now).Exec(ctx)
	return fault("void expired registrations", err)
}

// tokenFault is fault for statements that look for a token: none found means a bad token.
func tokenFault(attempt string, err error) error {
	err = fault(attempt, err)
	if errors.Is(err, users.ErrNotFound) {
		return users.ErrTokenInvalid
	}
	return err
}
