package monitoring

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/model"
	promlabels "github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/stretchr/testify/require"
)

// query is something that the dashboard or a rule asks Prometheus.
type query struct {
	where, expr, legend string
}

// queries returns all that is asked.
func queries(t *testing.T) []query {
	t.Helper()
	var all []query
	for _, r := range rules(t) {
		all = append(all, query{where: "alert " + r.Alert, expr: r.Expr, legend: r.Annotations["summary"]})
	}
	for _, p := range dashboard(t).Panels {
		for _, target := range p.Targets {
			all = append(all, query{where: "panel " + p.Title, expr: strings.ReplaceAll(target.Expr, "$__rate_interval", "1m"), legend: target.LegendFormat})
		}
	}
	require.NotEmpty(t, all)
	return all
}

// rules returns the alerts, of a file that is as Prometheus wants it.
func rules(t *testing.T) []rulefmt.Rule {
	t.Helper()
	groups, errs := rulefmt.ParseFile(rulesFile, false, model.LegacyValidation)
	require.Empty(t, errs)
	var all []rulefmt.Rule
	for _, group := range groups.Groups {
		all = append(all, group.Rules...)
	}
	return all
}

// given are the labels that Prometheus adds to every series.
var given = []string{"instance", "job"}

// mistakes compares a query with the metrics that there are.
func (q query) mistakes(t *testing.T, families map[string]*dto.MetricFamily) []string {
	t.Helper()
	expr, err := parser.ParseExpr(q.expr)
	require.NoError(t, err, q.where)
	found, wanted := slices.Clone(given), []string{}
	var wrong []string
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		switch n := node.(type) {
		case *parser.AggregateExpr:
			wanted = append(wanted, n.Grouping...)
		case *parser.VectorSelector:
			has, mistakes := selected(n, families)
			found, wrong = append(found, has...), append(wrong, mistakes...)
		}
		return nil
	})
	if len(wrong) > 0 {
		return wrong
	}
	// What an aggregation does not name is gone when its result is shown.
	shown := found
	if len(wanted) > 0 {
		shown = wanted
	}
	for _, match := range regexp.MustCompile(`{{\s*(?:\$labels\.)?(\w+)\s*}}`).FindAllStringSubmatch(q.legend, -1) {
		if !slices.Contains(shown, match[1]) {
			wrong = append(wrong, "nothing in it has a label "+match[1])
		}
	}
	for _, label := range wanted {
		if !slices.Contains(found, label) {
			wrong = append(wrong, "nothing in it has a label "+label)
		}
	}
	return wrong
}

// selected returns the labels of what a selector selects, and what is wrong with the selector.
func selected(selector *parser.VectorSelector, families map[string]*dto.MetricFamily) (has, wrong []string) {
	name := selector.Name
	if name == "up" { // Prometheus' own
		return nil, nil
	}
	family, ok := families[name]
	for _, suffix := range []string{"_bucket", "_sum", "_count"} {
		base := families[strings.TrimSuffix(name, suffix)]
		if strings.HasSuffix(name, suffix) && base.GetType() == dto.MetricType_HISTOGRAM {
			family, ok = base, true
			if suffix == "_bucket" {
				has = append(has, "le")
			}
		}
	}
	switch {
	case !ok:
		return nil, []string{"no metric " + name}
	case family.GetName() == name && family.GetType() == dto.MetricType_HISTOGRAM:
		return nil, []string{name + " has no series of its own: ask for _bucket, _sum or _count"}
	}
	has = append(has, labels(family)...)
	for _, matcher := range selector.LabelMatchers {
		switch {
		case matcher.Name == model.MetricNameLabel || slices.Contains(given, matcher.Name):
		case !slices.Contains(has, matcher.Name):
			wrong = append(wrong, fmt.Sprintf("%s has no label %s", name, matcher.Name))
		case matcher.Type == promlabels.MatchEqual && !slices.Contains(values(family, matcher.Name), matcher.Value):
			wrong = append(wrong, fmt.Sprintf("%s: no series with %s", name, matcher))
		}
	}
	return has, wrong
}

// values returns the values that a label of a metric has.
func values(family *dto.MetricFamily, name string) []string {
	found := map[string]bool{}
	for _, series := range family.GetMetric() {
		for _, label := range series.GetLabel() {
			if label.GetName() == name {
				found[label.GetValue()] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// board is what matters here of a dashboard.
type board struct {
	UID           string `json:"uid"`
	SchemaVersion int    `json:"schemaVersion"`
	Panels        []panel
}

type panel struct {
	ID         int
	Type       string
	Title      string
	Datasource *source
	GridPos    struct{ X, Y, W, H int }
	Targets    []struct {
		RefID        string `json:"refId"`
		Datasource   source
		Expr         string
		LegendFormat string
	}
}

type source struct{ Type, UID string }

func dashboard(t *testing.T) board {
	t.Helper()
	var b board
	require.NoError(t, json.Unmarshal(read(t, dashboardFile), &b))
	return b
}
