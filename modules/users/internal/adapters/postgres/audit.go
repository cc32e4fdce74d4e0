package postgres

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/application"
	"github.com/tickr/tickr/modules/users/internal/domain"
)

// Audit implements application.Audit.
type Audit struct{ db store }

type auditRow struct {
	bun.BaseModel `bun:"table:users.audit_log,alias:a"`

	ID        uuid.UUID
	CreatedAt time.Time
	ActorID   *users.ID
	Act       application.Act
	SubjectID *users.ID
	Outcome   application.Outcome
	domain.Origin
	Details application.Details
}

// Append implements application.Audit.
func (r Audit) Append(ctx context.Context, e application.AuditEntry) error {
	_, err := r.db.Conn(ctx).NewInsert().Model(&auditRow{
		ID: e.ID, CreatedAt: e.CreatedAt, ActorID: e.ActorID, Act: e.Act, SubjectID: e.SubjectID, Outcome: e.Outcome, Origin: e.Origin,
		Details: e.Details,
	}).Exec(ctx)
	return fault("record an act", err)
}

// OfSubject implements application.Audit.
func (r Audit) OfSubject(ctx context.Context, subject users.ID, limit int, after *application.Cursor) ([]application.AuditEntry, error) {
	var rows []auditRow
	query := r.db.Conn(ctx).NewSelect().Model(&rows).Where("a.subject_id = ?", subject).
		OrderExpr("a.created_at DESC, a.id DESC").Limit(int64(limit))
	if after != nil {
		query = query.Where("(a.created_at, a.id) < (?, ?)", after.CreatedAt, after.ID)
	}
	if err := query.Scan(ctx); err != nil {
		return nil, fault("read the audit trail of a user", err)
	}
	entries := make([]application.AuditEntry, len(rows))
	for i, row := range rows {
		entries[i] = application.AuditEntry{
			ID: row.ID, CreatedAt: row.CreatedAt, ActorID: row.ActorID, Act: row.Act, SubjectID: row.SubjectID, Outcome: row.Outcome,
			Origin: row.Origin, Details: row.Details,
		}
	}
	return entries, nil
}
