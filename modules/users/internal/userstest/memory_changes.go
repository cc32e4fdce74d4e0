package userstest

import (
	"context"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/tickr/tickr/modules/users/internal/application"
)

type sentChange struct {
	application.Change
	sender uuid.UUID
	at     time.Time
}

// memoryChanges counts: as transactions run one after the other, a moment is how many changes there were.
type memoryChanges struct{ m *Memory }

func (r memoryChanges) Announce(ctx context.Context, sender uuid.UUID, now time.Time, changes []application.Change) error {
	return r.m.do(ctx, func(t tables) error {
		for _, change := range changes {
			t.changes[len(t.changes)] = sentChange{change, sender, now}
		}
		return nil
	})
}

func (r memoryChanges) Moment(ctx context.Context) (moment application.Moment, err error) {
	err = r.m.do(ctx, func(t tables) error {
		moment = application.Moment(strconv.Itoa(len(t.changes)))
		return nil
	})
	return moment, err
}

func (r memoryChanges) Since(
	ctx context.Context, moment application.Moment, without uuid.UUID,
) (changes []application.Change, now application.Moment, err error) {
	seen, err := strconv.Atoi(string(moment))
	if err != nil {
		return nil, "", err
	}
	err = r.m.do(ctx, func(t tables) error {
		for n := seen; n < len(t.changes); n++ {
			if sent := t.changes[n]; sent.sender != without && sent.ID != uuid.Nil {
				changes = append(changes, sent.Change)
			}
		}
		now = application.Moment(strconv.Itoa(len(t.changes)))
		return nil
	})
	return changes, now, err
}
