package userstest

import (
	"bytes"
	"cmp"
	"context"
	"slices"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/application"
)

type memoryAudit struct{ m *Memory }

func (r memoryAudit) Append(ctx context.Context, e application.AuditEntry) error {
	return r.m.do(ctx, func(t tables) error {
		t.audit[e.ID] = e
		return nil
	})
}

func (r memoryAudit) OfSubject(
	ctx context.Context, subject users.ID, limit int, after *application.Cursor,
) (found []application.AuditEntry, err error) {
	err = r.m.do(ctx, func(t tables) error {
		for _, e := range t.audit {
			at := application.Cursor{CreatedAt: e.CreatedAt, ID: e.ID}
			if e.SubjectID != nil && *e.SubjectID == subject && (after == nil || newerCursor(at, *after) > 0) {
				found = append(found, e)
			}
		}
		return nil
	})
	slices.SortFunc(found, func(a, b application.AuditEntry) int {
		return newerCursor(application.Cursor{CreatedAt: a.CreatedAt, ID: a.ID}, application.Cursor{CreatedAt: b.CreatedAt, ID: b.ID})
	})
	return found[:min(limit, len(found))], err
}

// newerCursor sorts the newest first.
func newerCursor(a, b application.Cursor) int {
	return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), bytes.Compare(b.ID[:], a.ID[:]))
}
