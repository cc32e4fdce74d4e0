package application

import (
	"context"
	"slices"
	"time"
)

// monthsAhead is for how many months after this one the audit trail has a place ready: as long as no instance need run.
const monthsAhead = 3

// TrailMonths are the parts of the audit trail that come and go as wholes. A month is its first moment, in UTC.
type TrailMonths interface {
	// Months returns those that have a part of their own, the oldest first.
	Months(ctx context.Context) ([]time.Time, error)
	// Add makes a part for a month, and moves into it what was recorded before it was there. Where there is one, nothing happens.
	// It is for a transaction of its own.
	Add(ctx context.Context, month time.Time) error
	// Drop removes a month with all that was recorded in it. It is for a transaction of its own.
	Drop(ctx context.Context, month time.Time) error
}

// PrepareTrail makes the parts of the audit trail for this month and those ahead. Instances may all call it at once.
func (s *Service) PrepareTrail(ctx context.Context) error {
	ready, err := s.Months.Months(ctx)
	if err != nil {
		return err
	}
	for ahead := range monthsAhead + 1 {
		month := firstOf(s.Now()).AddDate(0, ahead, 0)
		if slices.ContainsFunc(ready, month.Equal) {
			continue
		}
		if err := s.Tx.InTx(ctx, func(ctx context.Context) error { return s.Months.Add(ctx, month) }); err != nil {
			return err
		}
	}
	return nil
}

// ShortenTrail removes the months of the audit trail that ended more than keep months ago, and returns them, the oldest first; each is
// recorded in what remains. A dry run removes none. What was removed before a failure stays so.
func (s *Service) ShortenTrail(ctx context.Context, keep int, dryRun bool) (dropped []time.Time, err error) {
	all, err := s.Months.Months(ctx)
	if err != nil {
		return nil, err
	}
	oldest := firstOf(s.Now()).AddDate(0, -keep, 0)
	for _, month := range all {
		if !month.Before(oldest) {
			break
		}
		if !dryRun {
			if err := s.dropMonth(ctx, month); err != nil {
				return dropped, err
			}
		}
		dropped = append(dropped, month)
	}
	return dropped, nil
}

func (s *Service) dropMonth(ctx context.Context, month time.Time) error {
	return s.Tx.InTx(ctx, func(ctx context.Context) error {
		if err := s.Months.Drop(ctx, month); err != nil {
			return err
		}
		return s.Audit.Append(ctx, s.entry(Actor{}, ActShortenTrail, Success, nil, Details{"month": month.Format("2006-01")}))
	})
}

func firstOf(t time.Time) time.Time { return time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC) }
