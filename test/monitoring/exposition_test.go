package monitoring

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/suite"

	"github.com/tickr/tickr/test/program"
)

// Exposition looks at the metrics of the real program after a short story.
type Exposition struct {
	suite.Suite

	rig      *rig
	families map[string]*dto.MetricFamily
	text     string
}

func TestExposition(t *testing.T) { suite.Run(t, new(Exposition)) }

func (s *Exposition) SetupSuite() {
	s.rig = newRig(s.T())
	s.rig.tell()
	s.rig.Await("the mail and the receiver", func() bool {
		s.families, s.text = s.rig.scrape()
		return s.families["tickr_postgres_replica_lag_bytes"] != nil && strings.Contains(s.text, "\ntickr_users_mails_total{outcome=\"sent\"} 1\n")
	})
}

// labels returns the names of the labels that series of a metric have, sorted.
func labels(family *dto.MetricFamily) []string {
	names := map[string]bool{}
	for _, series := range family.GetMetric() {
		for _, label := range series.GetLabel() {
			names[label.GetName()] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// ours tells the metrics of this program from those of the client library.
func ours(name string) bool {
	return strings.HasPrefix(name, "tickr_") || strings.HasPrefix(name, "http_")
}

// TestEveryMetricIsDocumented, with its labels, and nothing else is.
func (s *Exposition) TestEveryMetricIsDocumented() {
	documented := map[string][]string{}
	names := regexp.MustCompile("`([a-z0-9_]+)`")
	for line := range strings.Lines(string(read(s.T(), metricsDoc))) {
		cells := strings.Split(line, "|")
		if len(cells) < 4 {
			continue
		}
		columns := []string{}
		if text := strings.TrimSpace(cells[2]); text != "" {
			columns = strings.Split(text, ", ")
		}
		slices.Sort(columns)
		for _, match := range names.FindAllStringSubmatch(cells[1], -1) {
			documented[match[1]] = columns
		}
	}
	exposed := map[string][]string{}
	for name, family := range s.families {
		if ours(name) {
			exposed[name] = append([]string{}, labels(family)...)
		}
		s.NotEmpty(family.GetHelp(), name)
	}
	s.Equal(documented, exposed)
}

func (s *Exposition) TestQueriesAskForWhatThereIs() {
	for _, query := range queries(s.T()) {
		for _, wrong := range query.mistakes(s.T(), s.families) {
			s.Fail(wrong, "%s: %s", query.where, query.expr)
		}
	}
}

// TestTheTestSees wrong names, labels and values.
func (s *Exposition) TestTheTestSees() {
	for expr, want := range map[string]string{
		`sum(rate(http_requests_totals[5m]))`:                     "no metric http_requests_totals",
		`http_requests_total{code="200"}`:                         "http_requests_total has no label code",
		`sum by (code) (http_requests_total)`:                     "nothing in it has a label code",
		`tickr_users_logins_total{outcome="wrong_password"}`:      `tickr_users_logins_total: no series with outcome="wrong_password"`,
		`rate(http_request_duration_seconds{le="1"}[5m])`:         "http_request_duration_seconds has no series of its own: ask for _bucket, _sum or _count",
		`tickr_users_count`:                                       "no metric tickr_users_count",
		`histogram_quantile(0.9, http_requests_in_flight_bucket)`: "no metric http_requests_in_flight_bucket",
	} {
		s.Equal([]string{want}, query{where: "here", expr: expr}.mistakes(s.T(), s.families), expr)
	}
	s.Empty(query{where: "here", expr: `sum by (le, route) (rate(http_request_duration_seconds_bucket{route!="x"}[5m]))`, legend: "{{route}}"}.mistakes(s.T(), s.families))
	s.Equal([]string{"nothing in it has a label method"},
		query{where: "here", expr: `sum by (route) (http_requests_total)`, legend: "{{method}}"}.mistakes(s.T(), s.families))
}

func (s *Exposition) TestNothingOfClientsIsInLabels() {
	for _, canary := range canaries {
		s.NotContains(strings.ToLower(s.text), canary)
	}
	s.Contains(s.text, `http_requests_total{method="other",route="unmatched"`)
}

// TestFailingArchiveShows, and that it works again. make test-system holds it to its time.
func (s *Exposition) TestFailingArchiveShows() {
	s.True(s.rig.shows("tickr_postgres_archive_enabled 1"))
	s.rig.archiveBy("false")
	s.rig.exec("SELECT pg_switch_wal()")
	begun := time.Now()
	s.rig.Await("the failing archive", func() bool { return s.rig.shows("tickr_postgres_archive_failing 1") })
	shown := time.Since(begun)
	s.T().Logf("an archive that fails shows after %v", shown.Round(time.Second))
	if system {
		s.Less(shown, time.Minute)
	}
	s.rig.archiveBy("true")
	s.rig.Await("the archive", func() bool { return s.rig.shows("tickr_postgres_archive_failing 0") })
}

// TestScrapeDoesNotWaitForTheDatabase: in a black hole it is answered all the same, without what only the database knows.
func (s *Exposition) TestScrapeDoesNotWaitForTheDatabase() {
	_, err := s.rig.link.Toxics.AddToxicJson(strings.NewReader(`{"type":"timeout","stream":"upstream","attributes":{"timeout":0}}`))
	s.Require().NoError(err)
	s.rig.Await("figures to be missing", func() bool {
		begun := time.Now()
		families, text := s.rig.scrape()
		s.Less(time.Since(begun), 5*time.Second, "a scrape takes a second, and what a busy machine adds")
		s.NotNil(families["go_goroutines"])
		s.NotNil(families["http_requests_total"])
		s.NotNil(families["tickr_db_pool_connections"])
		s.Contains(text, "\ntickr_reading_up{reading=\"backups\"} 1\n")
		missing := families["tickr_users"] == nil && families["tickr_postgres_archive_failing"] == nil
		return missing && strings.Contains(text, "\ntickr_check_up{check=\"database\"} 0\n") && strings.Contains(text, "\ntickr_ready 0\n") &&
			strings.Contains(text, "\ntickr_reading_up{reading=\"users\"} 0\n")
	})
	s.rig.link.Toxics.ResetToxics(s.T().Context())
	s.rig.Await("figures to be back", func() bool { return s.rig.shows("tickr_ready 1") && s.rig.shows("tickr_users 2") })
	s.True(s.rig.Running())
	s.NotContains(s.rig.Logs.String(), program.AdminPassword)
}
