package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/application"
	"github.com/tickr/tickr/modules/users/internal/domain"
)

// Sample is what the arguments of the Catalogue are taken from: the time, an ID that no row has, and a row of each table.
type Sample struct {
	Now          time.Time
	NewID        uuid.UUID
	User         domain.State
	Session      domain.SessionState
	Registration domain.Registration
	Token        domain.OneTimeToken
	Message      application.Message
	Moment       application.Moment // before all changes
	Limit        application.Limit  // used up
	Origin       string             // the key of a trusted one
}

// Example returns a sample of rows that there are not.
func Example(now time.Time) Sample {
	id, hash := uuid.UUID{15: 1}, domain.HashToken("token")
	return Sample{
		Now: now, NewID: uuid.UUID{15: 2}, Moment: "3:3:",
		User:         domain.State{ID: id, Email: "nobody@example.com", Role: users.Participant, CreatedAt: now, UpdatedAt: now},
		Session:      domain.SessionState{ID: id, UserID: id, TokenHash: hash, CreatedAt: now, ExpiresAt: now},
		Registration: domain.Registration{ID: id, UserID: id, TokenHash: hash, CreatedAt: now, ExpiresAt: now},
		Token: domain.OneTimeToken{
			UserID: id, Purpose: domain.ResetPassword, TokenHash: hash, Email: "nobody@example.com", CreatedAt: now, ExpiresAt: now,
		},
		Message: application.Message{ID: id, Kind: application.MailVerifyEmail, UserID: id, SealedToken: hash, CreatedAt: now},
		Limit:   application.Limit{Key: "nobody", Most: 1, Per: time.Hour}, Origin: "nowhere",
	}
}

// ReadSample returns a sample of rows that there are: an account with a number, a live session, the attempt and the token that
// expire last, the message that is due first, a limit that is used up and an origin that is trusted, where there are such. What a table does not have is that of Example.
func ReadSample(ctx context.Context, db DB, newID uuid.UUID, now time.Time) (Sample, error) {
	sample, conn := Example(now), db.Conn(ctx)
	sample.NewID = newID
	user, session := userRow{State: sample.User}, sessionRow{SessionState: sample.Session}
	registration, token := registrationRow{Registration: sample.Registration}, tokenRow{OneTimeToken: sample.Token}
	message := outboxRow{
		ID: sample.Message.ID, Kind: sample.Message.Kind, UserID: sample.Message.UserID, SealedToken: sample.Message.SealedToken, CreatedAt: now,
	}
	limit, origin := throttleRow{Key: sample.Limit.Key}, trustedOriginRow{Key: sample.Origin}
	for _, query := range []*bun.SelectQuery{
		conn.NewSelect().Model(&user).OrderExpr("u.created_at DESC, u.id DESC"),
		conn.NewSelect().Model(&user).Where("u.phone IS NOT NULL"), // rather than the one before
		conn.NewSelect().Model(&session).Where("s.ended_at IS NULL").OrderExpr("s.id DESC"),
		conn.NewSelect().Model(&registration).OrderExpr("r.expires_at DESC"),
		conn.NewSelect().Model(&token).OrderExpr("t.expires_at DESC"),
		conn.NewSelect().Model(&message).Where("o.dead_at IS NULL").Where("o.due_at IS NOT NULL").OrderExpr("o.due_at, o.id"),
		conn.NewSelect().Model(&limit).Where("t.used >= t.most").OrderExpr("t.resets_at DESC"),
		conn.NewSelect().Model(&origin).OrderExpr("o.until DESC"),
	} {
		if err := query.Limit(1).Scan(ctx); err != nil && !errors.Is(err, sql.ErrNoRows) {
			return Sample{}, fmt.Errorf("take a sample of the data: %w", err)
		}
	}
	sample.User, sample.Session, sample.Registration = user.State, session.SessionState, registration.Registration
	sample.Token, sample.Message = token.OneTimeToken, message.message()
	sample.Limit.Key, sample.Origin = limit.Key, origin.Key
	return sample, nil
}
