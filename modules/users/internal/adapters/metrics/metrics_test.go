package metrics_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/adapters/metrics"
	"github.com/tickr/tickr/modules/users/internal/application"
	"github.com/tickr/tickr/modules/users/internal/userstest"
)

// shows requires a collector to show exactly what is written, besides tickr_reading_up, and to keep to Prometheus' rules.
func shows(t *testing.T, c prometheus.Collector, names []string, want string) {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(c)
	require.NoError(t, testutil.GatherAndCompare(registry, strings.NewReader(want), names...))
	problems, err := testutil.GatherAndLint(registry)
	require.NoError(t, err)
	require.Empty(t, problems)
}

func TestAccounts(t *testing.T) {
	t.Parallel()
	count := func(context.Context) (users.Stats, error) {
		return users.Stats{
			Total: 5, Active: 4, Signups24h: 2,
			ByRole: map[users.Role]int64{users.Participant: 3, users.Organizer: 2, users.Admin: 0},
		}, nil
	}
	names := []string{"tickr_users", "tickr_users_active", "tickr_users_by_role", "tickr_users_signups_24h"}
	shows(t, metrics.Accounts(count, slog.New(slog.DiscardHandler)), names, `
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
`)
}

func TestAccountsThatCannotBeCounted(t *testing.T) {
	t.Parallel()
	count := func(context.Context) (users.Stats, error) { return users.Stats{Total: 5}, errors.New("no database") }
	shows(t, metrics.Accounts(count, slog.New(slog.DiscardHandler)), []string{"tickr_users", "tickr_users_active"}, "")
}

func TestOutbox(t *testing.T) {
	t.Parallel()
	outbox := userstest.NewMemory().Ports().Outbox
	queued := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	names := []string{"tickr_users_outbox_waiting", "tickr_users_outbox_lag_seconds", "tickr_users_outbox_dead"}
	holds := func(at time.Time, waiting int, lag string, dead int) {
		shows(t, metrics.Outbox(outbox, func() time.Time { return at }, slog.New(slog.DiscardHandler)), names, fmt.Sprintf(`
# HELP tickr_users_outbox_dead Messages in the outbox that were given up, 10,000 at most.
# TYPE tickr_users_outbox_dead gauge
tickr_users_outbox_dead %d
# HELP tickr_users_outbox_lag_seconds For how long the message that is due first has been due; 0 when none is.
# TYPE tickr_users_outbox_lag_seconds gauge
tickr_users_outbox_lag_seconds %s
# HELP tickr_users_outbox_waiting Messages in the outbox that are to be sent, 10,000 at most.
# TYPE tickr_users_outbox_waiting gauge
tickr_users_outbox_waiting %d
`, dead, lag, waiting))
	}
	holds(queued, 0, "0", 0)
	for range 2 {
		require.NoError(t, outbox.Append(t.Context(), application.Message{ID: userstest.NewID(), Kind: application.MailVerifyEmail, CreatedAt: queued}))
	}
	holds(queued.Add(90*time.Second), 2, "90", 0)
	holds(queued.Add(-time.Second), 2, "0", 0)
	m, err := outbox.Lease(t.Context(), application.LaneMails, queued, queued.Add(time.Hour))
	require.NoError(t, err)
	require.NoError(t, outbox.Bury(t.Context(), m.ID, queued, "refused"))
	holds(queued.Add(time.Minute), 1, "60", 1)
}

// mailer answers with its error.
type mailer struct{ err error }

func (m mailer) Send(context.Context, application.Mail) error { return m.err }

func TestMeter(t *testing.T) {
	t.Parallel()
	meter := metrics.NewMeter()
	for n, outcome := range application.LoginOutcomes() {
		for range n {
			meter.LogIn(outcome)
		}
	}
	undeliverable := fmt.Errorf("mailbox: %w", application.ErrUndeliverable)
	for _, err := range []error{nil, nil, nil, errors.New("later"), errors.New("later"), undeliverable} {
		require.Equal(t, err, meter.Mailer(mailer{err}).Send(t.Context(), application.Mail{}))
	}
	shows(t, meter, nil, `
# HELP tickr_users_logins_total Attempts to log in, by what came of them.
# TYPE tickr_users_logins_total counter
tickr_users_logins_total{outcome="credentials"} 2
tickr_users_logins_total{outcome="deactivated"} 4
tickr_users_logins_total{outcome="failed"} 7
tickr_users_logins_total{outcome="invalid"} 1
tickr_users_logins_total{outcome="limited"} 5
tickr_users_logins_total{outcome="not_verified"} 3
tickr_users_logins_total{outcome="ok"} 0
tickr_users_logins_total{outcome="overloaded"} 6
# HELP tickr_users_mails_total Mails handed over, by what came of it: sent, failed (to be tried again) or refused (for good).
# TYPE tickr_users_mails_total counter
tickr_users_mails_total{outcome="failed"} 2
tickr_users_mails_total{outcome="refused"} 1
tickr_users_mails_total{outcome="sent"} 3
`)
}
