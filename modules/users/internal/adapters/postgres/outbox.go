package postgres

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/application"
)

// Outbox implements application.Outbox.
type Outbox struct{ db store }

type outboxRow struct {
	bun.BaseModel `bun:"table:users.outbox,alias:o"`

	ID          uuid.UUID
	Kind        application.MessageKind
	UserID      users.ID `bun:",nullzero"`
	SealedTo    []byte
	SealedToken []byte
	CreatedAt   time.Time
	DueAt       time.Time
	Attempts    int
	LastError   *string
	DeadAt      *time.Time // when it was given up
}

// Append implements application.Outbox.
func (r Outbox) Append(ctx context.Context, m application.Message) error {
	_, err := r.db.Conn(ctx).NewInsert().Model(&outboxRow{
		ID: m.ID, Kind: m.Kind, UserID: m.UserID, SealedTo: m.SealedTo, SealedToken: m.SealedToken, CreatedAt: m.CreatedAt, DueAt: m.CreatedAt,
	}).Exec(ctx)
	return fault("queue message", err)
}

// Lease implements application.Outbox.
func (r Outbox) Lease(ctx context.Context, lane application.Lane, now, until time.Time) (application.Message, error) {
	conn := r.db.Conn(ctx)
	due := conn.NewSelect().Model((*outboxRow)(nil)).Column("id").Where("o.dead_at IS NULL").Where("o.due_at <= ?", now).
		Where("o.kind IN (?)", bun.List(lane)).
		OrderExpr("o.due_at, o.id").Limit(1).For("UPDATE SKIP LOCKED")
	var row outboxRow
	err := conn.NewUpdate().Model(&row).Set("due_at = ?", until).Set("attempts = o.attempts + 1").
		Where("o.id = (?)", due).Returning("*").Scan(ctx)
	if err != nil {
		return application.Message{}, fault("lease message", err)
	}
	return row.message(), nil
}

func (r outboxRow) message() application.Message {
	return application.Message{
		ID: r.ID, Kind: r.Kind, UserID: r.UserID, SealedTo: r.SealedTo, SealedToken: r.SealedToken, CreatedAt: r.CreatedAt, Attempts: r.Attempts,
	}
}

// Delivered implements application.Outbox.
func (r Outbox) Delivered(ctx context.Context, id uuid.UUID) error {
	_, err := r.db.Conn(ctx).NewDelete().Model((*outboxRow)(nil)).Where("o.id = ?", id).Exec(ctx)
	return fault("remove delivered message", err)
}

// maxReason is the length of the column, in characters.
const maxReason = 500

// Retry implements application.Outbox.
func (r Outbox) Retry(ctx context.Context, id uuid.UUID, next time.Time, reason string) error {
	_, err := r.db.Conn(ctx).NewUpdate().Model((*outboxRow)(nil)).
		Set("due_at = ?", next).Set("last_error = ?", clipped(reason)).Where("o.id = ?", id).Exec(ctx)
	return fault("put message off", err)
}

// Bury implements application.Outbox.
func (r Outbox) Bury(ctx context.Context, id uuid.UUID, now time.Time, reason string) error {
	_, err := r.db.Conn(ctx).NewUpdate().Model((*outboxRow)(nil)).
		Set("dead_at = ?", now).Set("last_error = ?", clipped(reason)).Where("o.id = ?", id).Exec(ctx)
	return fault("give message up", err)
}

// Backlog implements application.Outbox.
func (r Outbox) Backlog(ctx context.Context) (application.Backlog, error) {
	conn := r.db.Conn(ctx)
	some := func(where, order string) *bun.SelectQuery {
		return conn.NewSelect().Model((*outboxRow)(nil)).ColumnExpr("1").Where(where).OrderExpr(order).Limit(application.MaxBacklog)
	}
	var row struct {
		Waiting, Dead int64
		FirstDue      *time.Time
	}
	err := conn.NewSelect().
		ColumnExpr("(SELECT count(*) FROM (?) AS w) AS waiting", some("o.dead_at IS NULL AND o.due_at IS NOT NULL", "o.due_at")).
		ColumnExpr("(SELECT count(*) FROM (?) AS d) AS dead", some("o.dead_at IS NOT NULL", "o.dead_at")).
		ColumnExpr("(?) AS first_due", conn.NewSelect().Model((*outboxRow)(nil)).ColumnExpr("min(o.due_at)").Where("o.dead_at IS NULL").Where("o.due_at IS NOT NULL")).
		Scan(ctx, &row)
	backlog := application.Backlog{Waiting: row.Waiting, Dead: row.Dead}
	if row.FirstDue != nil {
		backlog.FirstDue = *row.FirstDue
	}
	return backlog, fault("look at the outbox", err)
}

func clipped(reason string) string {
	if runes := []rune(reason); len(runes) > maxReason {
		return string(runes[:maxReason])
	}
	return reason
}
