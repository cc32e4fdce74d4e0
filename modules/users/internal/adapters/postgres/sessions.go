package postgres

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/domain"
)

// Sessions implements application.Sessions.
type Sessions struct{ db store }

type sessionRow struct {
	bun.BaseModel `bun:"table:users.sessions,alias:s"`
	domain.SessionState
}

// Insert implements application.Sessions.
func (r Sessions) Insert(ctx context.Context, s *domain.Session) error {
	_, err := r.db.Conn(ctx).NewInsert().Model(&sessionRow{SessionState: s.State()}).Exec(ctx)
	return fault("insert session", err)
}

// Save implements application.Sessions.
func (r Sessions) Save(ctx context.Context, s *domain.Session) error {
	state := s.State()
	_, err := r.db.Conn(ctx).NewUpdate().Model(&sessionRow{SessionState: state}).
		Column("token_hash", "previous_hash", "exchanged_at", "expires_at", "ended_at", "end_reason", "address", "user_agent").
		Where("s.id = ?", state.ID).Exec(ctx)
	return fault("save session", err)
}

// ByID implements application.Sessions.
func (r Sessions) ByID(ctx context.Context, id uuid.UUID) (*domain.Session, error) {
	state, err := readOne(ctx, r.db, sessionFields, selectSessionByID, id)
	if err != nil {
		return nil, fault("find session", err)
	}
	return domain.RestoreSession(state), nil
}

// LockByID implements application.Sessions.
func (r Sessions) LockByID(ctx context.Context, id uuid.UUID) (*domain.Session, error) {
	var row sessionRow
	if err := r.db.Conn(ctx).NewSelect().Model(&row).Where("s.id = ?", id).For(forChange).Scan(ctx); err != nil {
		return nil, fault("lock session", err)
	}
	return domain.RestoreSession(row.SessionState), nil
}

// Live implements application.Sessions.
func (r Sessions) Live(ctx context.Context, user users.ID, limit int, now time.Time) ([]*domain.Session, error) {
	var rows []sessionRow
	err := r.db.Conn(ctx).NewSelect().Model(&rows).Where("s.user_id = ?", user).Where("s.ended_at IS NULL").Where("s.expires_at > ?", now).
		OrderExpr("s.created_at DESC, s.id DESC").Limit(int64(limit)).Scan(ctx)
	live := make([]*domain.Session, len(rows))
	for i, row := range rows {
		live[i] = domain.RestoreSession(row.SessionState)
	}
	return live, fault("list sessions", err)
}

// EndAll implements application.Sessions.
func (r Sessions) EndAll(ctx context.Context, user users.ID, except uuid.UUID, reason string, now time.Time) ([]uuid.UUID, error) {
	var ended []uuid.UUID
	err := r.db.Conn(ctx).NewUpdate().Model((*sessionRow)(nil)).
		Set("ended_at = ?", now).Set("end_reason = ?", reason).
		Where("s.user_id = ?", user).Where("s.ended_at IS NULL").Where("s.id <> ?", except).
		Returning("id").Scan(ctx, &ended)
	return ended, fault("end sessions", err)
}
