package metrics_test

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/modules/users/internal/adapters/metrics"
)

func TestLag(t *testing.T) {
	t.Parallel()
	lag := metrics.NewLag(func() time.Duration { return 1500 * time.Millisecond })
	require.NoError(t, testutil.CollectAndCompare(lag, strings.NewReader(`
# HELP tickr_users_cache_lag_seconds Time since the changes of other instances were last read: what they changed before is not served any more.
# TYPE tickr_users_cache_lag_seconds gauge
tickr_users_cache_lag_seconds 1.5
`)))
}
