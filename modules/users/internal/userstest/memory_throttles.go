package userstest

import (
	"context"
	"time"

	"github.com/tickr/tickr/modules/users/internal/application"
)

type throttle struct {
	used     int
	resetsAt time.Time
}

type memoryThrottles struct{ m *Memory }

func (r memoryThrottles) Take(ctx context.Context, limits []application.Limit, now time.Time) error {
	return r.m.do(ctx, func(t tables) error {
		free := now
		for _, l := range limits {
			if held := t.throttles[l.Key]; held.resetsAt.After(free) && held.used >= l.Most {
				free = held.resetsAt
			}
		}
		if free.After(now) {
			return &application.LimitedError{RetryAfter: free.Sub(now)}
		}
		for _, l := range limits {
			held := t.throttles[l.Key]
			if !held.resetsAt.After(now) {
				held = throttle{resetsAt: now.Add(l.Per)}
			}
			held.used++
			t.throttles[l.Key] = held
		}
		return nil
	})
}

func (r memoryThrottles) Return(ctx context.Context, limits []application.Limit, now time.Time) error {
	return r.m.do(ctx, func(t tables) error {
		for _, l := range limits {
			if held := t.throttles[l.Key]; held.resetsAt.After(now) && held.used > 0 {
				held.used--
				t.throttles[l.Key] = held
			}
		}
		return nil
	})
}

func (r memoryThrottles) Lift(ctx context.Context, limits []application.Limit) error {
	return r.m.do(ctx, func(t tables) error {
		for _, l := range limits {
			delete(t.throttles, l.Key)
		}
		return nil
	})
}

func (r memoryThrottles) Trust(ctx context.Context, key string, until time.Time) error {
	return r.m.do(ctx, func(t tables) error {
		if until.After(t.trusted[key]) {
			t.trusted[key] = until
		}
		return nil
	})
}

func (r memoryThrottles) Trusted(ctx context.Context, key string, now time.Time) (trusted bool, err error) {
	err = r.m.do(ctx, func(t tables) error {
		trusted = t.trusted[key].After(now)
		return nil
	})
	return trusted, err
}
