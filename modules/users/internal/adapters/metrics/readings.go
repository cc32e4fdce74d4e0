package metrics

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/application"
	"github.com/tickr/tickr/platform/telemetry"
)

var (
	total   = prometheus.NewDesc("tickr_users", "Accounts, active or not.", nil, nil)
	active  = prometheus.NewDesc("tickr_users_active", "Accounts that are not deactivated.", nil, nil)
	byRole  = prometheus.NewDesc("tickr_users_by_role", "Accounts by role, active or not.", []string{"role"}, nil)
	signups = prometheus.NewDesc("tickr_users_signups_24h", "Accounts created within the last 24 hours.", nil, nil)

	waiting = prometheus.NewDesc("tickr_users_outbox_waiting", "Messages in the outbox that are to be sent, 10,000 at most.", nil, nil)
	lag     = prometheus.NewDesc("tickr_users_outbox_lag_seconds", "For how long the message that is due first has been due; 0 when none is.", nil, nil)
	dead    = prometheus.NewDesc("tickr_users_outbox_dead", "Messages in the outbox that were given up, 10,000 at most.", nil, nil)
)

// Accounts returns the numbers of accounts, as counted by count.
func Accounts(count func(context.Context) (users.Stats, error), logger *slog.Logger) *telemetry.Reading {
	descs := []*prometheus.Desc{total, active, byRole, signups}
	return telemetry.NewReading("users", logger, descs, func(ctx context.Context) ([]prometheus.Metric, error) {
		stats, err := count(ctx)
		if err != nil {
			return nil, err
		}
		figures := []prometheus.Metric{
			telemetry.Gauge(total, float64(stats.Total)), telemetry.Gauge(active, float64(stats.Active)),
			telemetry.Gauge(signups, float64(stats.Signups24h)),
		}
		for role, n := range stats.ByRole {
			figures = append(figures, telemetry.Gauge(byRole, float64(n), string(role)))
		}
		return figures, nil
	})
}

// Outbox returns what waits in the outbox.
func Outbox(outbox application.Outbox, now func() time.Time, logger *slog.Logger) *telemetry.Reading {
	descs := []*prometheus.Desc{waiting, lag, dead}
	return telemetry.NewReading("outbox", logger, descs, func(ctx context.Context) ([]prometheus.Metric, error) {
		at := now()
		backlog, err := outbox.Backlog(ctx)
		if err != nil {
			return nil, err
		}
		late := 0.0
		if backlog.Waiting > 0 {
			late = max(0, at.Sub(backlog.FirstDue).Seconds())
		}
		return []prometheus.Metric{
			telemetry.Gauge(waiting, float64(backlog.Waiting)), telemetry.Gauge(lag, late), telemetry.Gauge(dead, float64(backlog.Dead)),
		}, nil
	})
}
