package postgres

import (
	"context"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/tickr/tickr/modules/users/internal/application"
)

// Changes implements application.Changes, in rows of the outbox that are never due. A moment is a snapshot of PostgreSQL: what it does
// not show and a later one does was committed in between, whatever its number and its time.
type Changes struct{ db store }

// Announce implements application.Changes.
func (r Changes) Announce(ctx context.Context, sender uuid.UUID, now time.Time, changes []application.Change) error {
	ids, subjects := make([]uuid.UUID, len(changes)), make([]uuid.UUID, len(changes))
	kinds := make([]string, len(changes))
	for i, change := range changes {
		ids[i], kinds[i], subjects[i] = change.ID, string(change.Kind), change.Subject
	}
	_, err := r.db.Conn(ctx).NewRaw(`INSERT INTO users.outbox (id, kind, subject_id, sender, created_at)
		SELECT id, kind, subject, ?, ? FROM unnest(?::uuid[], ?::text[], ?::uuid[]) AS change (id, kind, subject)`,
		sender, now, array(ids), "{"+strings.Join(kinds, ",")+"}", array(subjects)).Exec(ctx)
	return fault("announce changes", err)
}

// Moment implements application.Changes.
func (r Changes) Moment(ctx context.Context) (moment application.Moment, err error) {
	err = r.db.Conn(ctx).NewRaw("SELECT pg_current_snapshot()::text").Scan(ctx, &moment)
	return moment, fault("read the moment", err)
}

// noted is a change, or none, and the moment at which it was looked for.
type noted struct {
	moment        application.Moment
	id, subjectID *uuid.UUID
	kind          *application.ChangeKind
}

func notedFields(n *noted) []any { return []any{&n.moment, &n.id, &n.kind, &n.subjectID} }

// Since implements application.Changes.
func (r Changes) Since(
	ctx context.Context, moment application.Moment, without uuid.UUID,
) (changes []application.Change, now application.Moment, err error) {
	found, err := read(ctx, r.db, notedFields, selectChangesSince, string(moment), without)
	if err != nil {
		return nil, "", fault("read changes", err)
	}
	for _, n := range found { // one at least
		now = n.moment
		if n.id != nil {
			changes = append(changes, application.Change{ID: *n.id, Kind: *n.kind, Subject: *n.subjectID})
		}
	}
	return changes, now, nil
}
