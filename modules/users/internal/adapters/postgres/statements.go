package postgres

import (
	"context"
	"database/sql"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/uptrace/bun"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/domain"
	"github.com/tickr/tickr/platform/database"
)

// The reads behind nearly every request, and the one that each instance makes all the time. Their text never changes, so PostgreSQL
// parses and plans each once for a connection, where it does that anew for every statement that bun writes.
const (
	selectUserByID    = "SELECT password_hash, " + shownColumns + " FROM users.users WHERE id = $1"
	selectUserByEmail = "SELECT password_hash, " + shownColumns + " FROM users.users WHERE email = $1"
	selectUserByPhone = "SELECT password_hash, " + shownColumns + " FROM users.users WHERE phone = $1"
	selectUsersByIDs  = "SELECT " + shownColumns + " FROM users.users WHERE id = ANY ($1)"
	selectSessionByID = "SELECT id, user_id, token_hash, previous_hash, exchanged_at, created_at, expires_at, ended_at, end_reason," +
		" address, user_agent" +
		" FROM users.sessions WHERE id = $1"
	// One row at least, for the moment.
	selectChangesSince = "SELECT now::text, o.id, o.kind, o.subject_id FROM pg_current_snapshot() AS now LEFT JOIN users.outbox o" +
		" ON o.due_at IS NULL AND o.xact >= pg_snapshot_xmin($1::text::pg_snapshot)" +
		" AND NOT pg_visible_in_snapshot(o.xact, $1::text::pg_snapshot) AND o.sender <> $2"

	// shownColumns are those of a user but for the hash of the password.
	shownColumns = "id, email, phone, first_name, last_name, role, is_organizer, email_verified, phone_verified, is_active, last_login_at," +
		" created_at, updated_at, deactivated_at, deactivated_by, deactivation_reason, version"
)

// shownFields returns where the shownColumns of a user go.
func shownFields(s *domain.State) []any {
	return []any{
		&s.ID, &s.Email, &s.Phone, &s.FirstName, &s.LastName, &s.Role, &s.IsOrganizer, &s.EmailVerified, &s.PhoneVerified, &s.IsActive,
		&s.LastLoginAt, &s.CreatedAt, &s.UpdatedAt, &s.DeactivatedAt, &s.DeactivatedBy, &s.DeactivationReason, &s.Version,
	}
}

// userFields returns where all columns of a user go.
func userFields(s *domain.State) []any { return append([]any{&s.PasswordHash}, shownFields(s)...) }

// sessionFields returns where the columns of a session go.
func sessionFields(s *domain.SessionState) []any {
	return []any{
		&s.ID, &s.UserID, &s.TokenHash, &s.PreviousHash, &s.ExchangedAt, &s.CreatedAt, &s.ExpiresAt, &s.EndedAt, &s.EndReason,
		&s.Address, &s.UserAgent,
	}
}

// store is a database together with the way its constant statements are sent.
type store struct {
	DB
	mode pgx.QueryExecMode
}

// read returns what a constant statement finds, its columns in the targets of a T. It takes part in the transaction of ctx.
func read[T any](ctx context.Context, s store, targets func(*T) []any, statement string, args ...any) ([]T, error) {
	if tx, ok := s.Conn(ctx).(bun.Tx); ok {
		return readInTx(ctx, tx, s.mode, targets, statement, args...)
	}
	return database.Read(s.Pool(), func() ([]T, error) {
		rows, err := s.Pool().Query(ctx, statement, append([]any{s.mode}, args...)...)
		if err != nil {
			return nil, err
		}
		return pgx.CollectRows(rows, func(columns pgx.CollectableRow) (row T, err error) {
			err = columns.Scan(targets(&row)...)
			return row, err
		})
	})
}

// readInTx goes past bun, which would write the argument into the text.
func readInTx[T any](ctx context.Context, tx bun.Tx, mode pgx.QueryExecMode, targets func(*T) []any, statement string, args ...any) ([]T, error) {
	rows, err := tx.Tx.QueryContext(ctx, statement, append([]any{mode}, args...)...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var found []T
	for rows.Next() {
		var row T
		if err := rows.Scan(targets(&row)...); err != nil {
			return nil, err
		}
		found = append(found, row)
	}
	return found, rows.Err()
}

// readOne is read of a statement that finds one row at most. It fails with sql.ErrNoRows.
func readOne[T any](ctx context.Context, s store, targets func(*T) []any, statement string, args ...any) (T, error) {
	found, err := read(ctx, s, targets, statement, args...)
	if err == nil && len(found) == 0 {
		err = sql.ErrNoRows
	}
	if err != nil {
		return *new(T), err
	}
	return found[0], nil
}

// array writes IDs as PostgreSQL does. Where nothing is prepared pgx cannot know that a slice is a uuid[], and where it can, writing
// each ID takes it ten allocations.
func array(ids []users.ID) string {
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = id.String()
	}
	return "{" + strings.Join(texts, ",") + "}"
}
