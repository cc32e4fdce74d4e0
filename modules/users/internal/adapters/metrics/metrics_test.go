package metrics_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/adapters/metrics"
)

// counter is a count of users that can be changed, made to fail, and counts itself.
type counter struct {
	stats users.Stats
	err   error
	calls int
}

func (c *counter) count(ctx context.Context) (users.Stats, error) {
	c.calls++
	if _, bounded := ctx.Deadline(); !bounded {
		return users.Stats{}, errors.New("a count without a deadline would keep the scraper waiting")
	}
	return c.stats, c.err
}

// scene is a registry with a collector over a counter and a clock.
type scene struct {
	*prometheus.Registry
	counter *counter
	now     time.Time
	log     bytes.Buffer
}

func newScene() *scene {
	s := &scene{
		Registry: prometheus.NewPedanticRegistry(),
		counter: &counter{stats: users.Stats{
			Total: 5, Active: 4, Signups24h: 2,
			ByRole: map[users.Role]int64{users.Participant: 3, users.Organizer: 2, users.Admin: 0},
		}},
		now: time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC),
	}
	s.MustRegister(metrics.New(s.counter.count, func() time.Time { return s.now }, slog.New(slog.NewTextHandler(&s.log, nil))))
	return s
}

// total scrapes and returns what tickr_users says, -1 when nothing.
func (s *scene) total(t *testing.T) float64 {
	t.Helper()
	families, err := s.Gather()
	require.NoError(t, err, "a scrape succeeds whatever becomes of the count")
	for _, family := range families {
		if family.GetName() == "tickr_users" {
			return family.GetMetric()[0].GetGauge().GetValue()
		}
	}
	return -1
}

func TestFigures(t *testing.T) {
	t.Parallel()
	require.NoError(t, testutil.GatherAndCompare(newScene(), strings.NewReader(`
# HELP tickr_users Accounts, active or not.
# TYPE tickr_users gauge
tickr_users 5
# HELP tickr_users_active Accounts that are not deactivated.
# TYPE tickr_users_active gauge
tickr_users_active 4
# HELP tickr_users_by_role Accounts by role, active or not.
# TYPE tickr_users_by_role gauge
tickr_users_by_role{role="ADMIN"} 0
tickr_users_by_role{role="ORGANIZER"} 2
tickr_users_by_role{role="PARTICIPANT"} 3
# HELP tickr_users_signups_24h Accounts created within the last 24 hours.
# TYPE tickr_users_signups_24h gauge
tickr_users_signups_24h 2
`)))
	problems, err := testutil.GatherAndLint(newScene())
	require.NoError(t, err)
	require.Empty(t, problems)
}

func TestOneCountServesFifteenSeconds(t *testing.T) {
	t.Parallel()
	s := newScene()
	require.InDelta(t, 5, s.total(t), 0)
	s.counter.stats.Total = 6
	for _, step := range []struct {
		later time.Duration
		want  float64
		calls int
	}{
		{0, 5, 1},
		{15*time.Second - time.Microsecond, 5, 1},
		{time.Microsecond, 6, 2},
		{-time.Hour, 6, 3}, // a clock that was set back must not freeze the figures for an hour
		{time.Second, 6, 3},
	} {
		s.now = s.now.Add(step.later)
		require.InDelta(t, step.want, s.total(t), 0)
		require.Equal(t, step.calls, s.counter.calls)
	}
}

func TestFailedCountShowsNothing(t *testing.T) {
	t.Parallel()
	s := newScene()
	s.counter.err = errors.New("no database")
	require.InDelta(t, -1, s.total(t), 0)
	require.Contains(t, s.log.String(), "no database")

	s.counter.err = nil
	require.InDelta(t, 5, s.total(t), 0, "a failure is not remembered")

	s.now, s.counter.err = s.now.Add(time.Minute), errors.New("no database again")
	require.InDelta(t, -1, s.total(t), 0, "old figures are not shown as new ones")
}
