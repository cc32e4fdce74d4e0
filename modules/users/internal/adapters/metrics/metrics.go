// Package metrics shows the figures about users to Prometheus.
package metrics

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tickr/tickr/modules/users"
)

const (
	// maxAge is how old the figures of a scrape may be: several scrapers cost one count.
	maxAge = 15 * time.Second
	// timeout bounds one count.
	timeout = 2 * time.Second
)

var (
	total   = prometheus.NewDesc("tickr_users", "Accounts, active or not.", nil, nil)
	active  = prometheus.NewDesc("tickr_users_active", "Accounts that are not deactivated.", nil, nil)
	byRole  = prometheus.NewDesc("tickr_users_by_role", "Accounts by role, active or not.", []string{"role"}, nil)
	signups = prometheus.NewDesc("tickr_users_signups_24h", "Accounts created within the last 24 hours.", nil, nil)
)

// Collector counts users when it is scraped, at most every 15 seconds. While the database does not answer it shows nothing.
type Collector struct {
	count  func(context.Context) (users.Stats, error)
	now    func() time.Time
	logger *slog.Logger

	mu      sync.Mutex
	stats   users.Stats
	counted time.Time
}

// New returns a collector over a count.
func New(count func(context.Context) (users.Stats, error), now func() time.Time, logger *slog.Logger) *Collector {
	return &Collector{count: count, now: now, logger: logger}
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(ch chan<- *prometheus.Desc) {
	ch <- total
	ch <- active
	ch <- byRole
	ch <- signups
}

// Collect implements prometheus.Collector.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	stats, err := c.figures()
	if err != nil {
		c.logger.Warn("users cannot be counted for metrics", slog.Any("error", err))
		return
	}
	gauge := func(desc *prometheus.Desc, value int64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, float64(value), labels...)
	}
	gauge(total, stats.Total)
	gauge(active, stats.Active)
	for role, n := range stats.ByRole {
		gauge(byRole, n, string(role))
	}
	gauge(signups, stats.Signups24h)
}

func (c *Collector) figures() (users.Stats, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if age := c.now().Sub(c.counted); age >= 0 && age < maxAge {
		return c.stats, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	stats, err := c.count(ctx)
	if err != nil {
		return users.Stats{}, err
	}
	c.stats, c.counted = stats, c.now()
	return stats, nil
}
