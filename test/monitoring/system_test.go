//go:build system

package monitoring

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/test/program"
)

// system says that figures are looked at.
const system = true

// run runs a program of Debian's package prometheus to its end, and requires success.
func run(t *testing.T, name string, args ...string) {
	t.Helper()
	output, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	require.NoError(t, err, "%s\n(missing? test/system-packages.sh prometheus)", output)
}

func TestPromtoolAgrees(t *testing.T) {
	t.Parallel()
	run(t, "promtool", "check", "config", repository+"/configs/prometheus/prometheus.yml")
	run(t, "promtool", "check", "rules", rulesFile)
	run(t, "promtool", "test", "rules", rulesTests)
}

// prometheus is a real server that scrapes the program.
type prometheus struct {
	t   *testing.T
	api string
}

func startPrometheus(t *testing.T, target string) prometheus {
	t.Helper()
	dir := t.TempDir()
	rules, err := filepath.Abs(rulesFile)
	require.NoError(t, err)
	config := fmt.Sprintf("global: {scrape_interval: 1s, evaluation_interval: 1s}\nrule_files: [%q]\n"+
		"scrape_configs: [{job_name: tickr, static_configs: [{targets: [%q]}]}]\n", rules, target)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "prometheus.yml"), []byte(config), 0o600))
	address := "127.0.0.1:" + program.FreePort(t)
	var log program.Lines
	// It is ended by the cleanup, after those that come with the test.
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), "prometheus", "--config.file="+filepath.Join(dir, "prometheus.yml"),
		"--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+address)
	cmd.Stdout, cmd.Stderr = &log, &log
	require.NoError(t, cmd.Start(), "missing? test/system-packages.sh prometheus")
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("Prometheus printed:\n%s", log.String())
		}
	})
	return prometheus{t, "http://" + address}
}

// answer is what Prometheus' HTTP API answers.
type answer struct {
	Status, Error string
	Data          struct {
		Result []struct{ Value [2]any }
		Groups []struct {
			Rules []struct{ Name, Health, State, LastError string }
		}
	}
}

func (p prometheus) ask(path string) (answer, error) {
	request, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, p.api+path, nil)
	if err != nil {
		return answer{}, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		return answer{}, err
	}
	var a answer
	if err := json.Unmarshal(raw, &a); err != nil {
		return answer{}, fmt.Errorf("%s: %w", raw, err)
	}
	return a, nil
}

// mayBeEmpty are panels that show something only when something is wrong, or that need what the rig has not.
var mayBeEmpty = []string{"panel Newest backup"}

// TestPrometheusAnswersEveryQuery of the dashboard with series, and every rule without an error.
func TestPrometheusAnswersEveryQuery(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	p := startPrometheus(t, strings.TrimSuffix(strings.TrimPrefix(r.metrics, "http://"), "/metrics"))
	// Rates need what happens between scrapes: the story is told again until all is answered.
	var silent []string
	require.Eventually(t, func() bool {
		r.tell()
		silent = silent[:0]
		for _, q := range queries(t) {
			if !strings.HasPrefix(q.where, "panel ") {
				continue
			}
			a, err := p.ask("/api/v1/query?query=" + url.QueryEscape(q.expr))
			if err != nil || a.Status != "success" || len(a.Data.Result) == 0 && !slices.Contains(mayBeEmpty, q.where) {
				silent = append(silent, fmt.Sprintf("%s: %s: %v %s", q.where, q.expr, err, a.Error))
			}
		}
		return len(silent) == 0
	}, program.Patience, time.Second, "unanswered: %v", &silent)

	require.Eventually(t, func() bool {
		a, err := p.ask("/api/v1/rules")
		if err != nil || len(a.Data.Groups) == 0 {
			return false
		}
		seen := 0
		for _, group := range a.Data.Groups {
			for _, rule := range group.Rules {
				require.NotEqual(t, "err", rule.Health, "%s: %s", rule.Name, rule.LastError)
				if rule.Health == "ok" {
					seen++
				}
			}
		}
		return seen == len(rules(t))
	}, program.Patience, time.Second, "not all rules were judged")
}
