// Package monitoring holds what the program tells of itself to what is asked of it: the metrics of the real program against the
// dashboard, the alert rules and their documentation.
//
// The build tag system, as in `make test-system`, adds what takes a real Prometheus and its promtool, in Debian's package prometheus.
package monitoring

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/test/program"
)

func TestMain(m *testing.M) { program.Main(m) }

const repository = "../.."

// The files that are checked.
const (
	rulesFile     = repository + "/configs/prometheus/rules.yml"
	rulesTests    = "testdata/rules_test.yml"
	dashboardFile = repository + "/configs/grafana/dashboards/tickr.json"
	provisioning  = repository + "/configs/grafana/provisioning"
	metricsDoc    = repository + "/docs/operations/metrics.md"
	alertsDoc     = repository + "/docs/operations/alerts.md"
)

func read(t *testing.T, path string) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Clean(path))
	require.NoError(t, err)
	return raw
}
