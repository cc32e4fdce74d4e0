package postgres

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// TrailMonths implements application.TrailMonths by partitions of the audit log. It needs the right to create tables.
type TrailMonths struct{ db DB }

// NewTrailMonths returns the months of the audit log in a database.
func NewTrailMonths(db DB) TrailMonths { return TrailMonths{db} }

const (
	// trailLock is the advisory lock under which partitions are added.
	trailLock = 0x7469636b7202
	// partitionLayout names a partition by its month.
	partitionLayout = "audit_log_2006_01"
)

// Months implements application.TrailMonths.
func (r TrailMonths) Months(ctx context.Context) ([]time.Time, error) {
	var names []string
	err := r.db.Conn(ctx).NewRaw(`SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
		WHERE i.inhparent = to_regclass(?)`, "users.audit_log").Scan(ctx, &names)
	if err != nil {
		return nil, fault("list the months of the audit log", err)
	}
	var months []time.Time
	for _, name := range names {
		if month, err := time.Parse(partitionLayout, name); err == nil { // the default partition has none
			months = append(months, month)
		}
	}
	slices.SortFunc(months, time.Time.Compare)
	return months, nil
}

// Add implements application.TrailMonths. Nobody can write to the trail meanwhile: whoever had begun to, and waited for the default
// partition alone, would find that its row does not belong there any more. It takes some milliseconds, as there is hardly anything to
// move into a month that has not come yet.
func (r TrailMonths) Add(ctx context.Context, month time.Time) error {
	for _, statement := range []string{
		"SET LOCAL lock_timeout = '500ms'",
		fmt.Sprintf("SELECT pg_advisory_xact_lock(%d)", trailLock),
	} {
		if err := r.exec(ctx, statement); err != nil {
			return err
		}
	}
	// Somebody else may have added it before the lock was free.
	known, err := r.Months(ctx)
	if err != nil || slices.ContainsFunc(known, month.Equal) {
		return err
	}
	partition, from, to := ident(month), month.Format(time.DateOnly), month.AddDate(0, 1, 0).Format(time.DateOnly)
	for _, statement := range []string{
		"CREATE TABLE " + partition + " (LIKE users.audit_log)",
		"LOCK TABLE ONLY users.audit_log IN SHARE ROW EXCLUSIVE MODE",
		fmt.Sprintf(`WITH moved AS (DELETE FROM users.audit_log_default WHERE created_at >= '%s' AND created_at < '%s' RETURNING *)
			INSERT INTO %s SELECT * FROM moved`, from, to, partition),
		fmt.Sprintf("ALTER TABLE users.audit_log ATTACH PARTITION %s FOR VALUES FROM ('%s') TO ('%s')", partition, from, to),
	} {
		if err := r.exec(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// Drop implements application.TrailMonths. Everybody waits for the table meanwhile: hardly a moment, unless somebody reads it, and
// then no longer than the lock is waited for.
func (r TrailMonths) Drop(ctx context.Context, month time.Time) error {
	if err := r.exec(ctx, "SET LOCAL lock_timeout = '1s'"); err != nil {
		return err
	}
	return r.exec(ctx, "DROP TABLE "+ident(month))
}

func (r TrailMonths) exec(ctx context.Context, statement string) error {
	_, err := r.db.Conn(ctx).ExecContext(ctx, statement)
	return fault("change the months of the audit log", err)
}

// ident returns the name of a month's partition, which no input is part of.
func ident(month time.Time) string { return "users." + month.Format(partitionLayout) }
