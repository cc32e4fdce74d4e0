package monitoring

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// TestDashboardIsWhole: no Grafana runs where this is tested, so this looks for what makes one refuse or garble a dashboard.
func TestDashboardIsWhole(t *testing.T) {
	t.Parallel()
	var sources struct{ Datasources []source }
	require.NoError(t, yaml.Unmarshal(read(t, provisioning+"/datasources/prometheus.yml"), &sources))
	require.Len(t, sources.Datasources, 1)

	b := dashboard(t)
	require.NotEmpty(t, b.UID)
	require.Equal(t, 39, b.SchemaVersion, "Grafana 11 and 12 read it without converting")
	ids, taken := map[int]bool{}, map[[2]int]string{}
	for _, p := range b.Panels {
		require.NotEmpty(t, p.Title)
		require.False(t, ids[p.ID], "%s: two panels have the ID %d", p.Title, p.ID)
		ids[p.ID] = true
		require.Positive(t, p.GridPos.W, p.Title)
		require.Positive(t, p.GridPos.H, p.Title)
		require.LessOrEqual(t, p.GridPos.X+p.GridPos.W, 24, "%s is wider than the page", p.Title)
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				require.Empty(t, taken[[2]int{x, y}], "%s lies on it", p.Title)
				taken[[2]int{x, y}] = p.Title
			}
		}
		if p.Type == "row" {
			continue
		}
		require.Contains(t, []string{"stat", "bargauge", "timeseries", "table"}, p.Type)
		require.Equal(t, sources.Datasources[0], *p.Datasource, p.Title)
		require.NotEmpty(t, p.Targets, p.Title)
		refs := map[string]bool{}
		for _, target := range p.Targets {
			require.Equal(t, sources.Datasources[0], target.Datasource, p.Title)
			require.False(t, refs[target.RefID], "%s: two queries are %s", p.Title, target.RefID)
			refs[target.RefID] = true
		}
	}
}

// TestEveryAlertIsExplainedAndTested: it leads to its paragraph, and is shown to fire and to stay silent.
func TestEveryAlertIsExplainedAndTested(t *testing.T) {
	t.Parallel()
	var tests struct {
		Tests []struct {
			Cases []struct {
				Alert  string `yaml:"alertname"`
				Alerts []any  `yaml:"exp_alerts"`
			} `yaml:"alert_rule_test"`
		}
	}
	require.NoError(t, yaml.Unmarshal(read(t, rulesTests), &tests))
	fires, silent := map[string]bool{}, map[string]bool{}
	for _, test := range tests.Tests {
		for _, c := range test.Cases {
			if len(c.Alerts) > 0 {
				fires[c.Alert] = true
			} else {
				silent[c.Alert] = true
			}
		}
	}
	var headings []string
	for _, match := range regexp.MustCompile(`(?m)^## (\w+)$`).FindAllStringSubmatch(string(read(t, alertsDoc)), -1) {
		headings = append(headings, match[1])
	}
	var alerts []string
	for _, rule := range rules(t) {
		alerts = append(alerts, rule.Alert)
		require.Contains(t, []string{"page", "ticket"}, rule.Labels["severity"], rule.Alert)
		require.NotEmpty(t, rule.Annotations["summary"], rule.Alert)
		require.Equal(t, "docs/operations/alerts.md#"+strings.ToLower(rule.Alert), rule.Annotations["runbook"])
		require.True(t, fires[rule.Alert], "%s is not shown to fire", rule.Alert)
		require.True(t, silent[rule.Alert], "%s is not shown to stay silent", rule.Alert)
	}
	require.Equal(t, alerts, headings)
	require.Len(t, slices.Compact(slices.Sorted(slices.Values(alerts))), len(alerts))
}
