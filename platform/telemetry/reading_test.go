package telemetry

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
)

var testDesc = prometheus.NewDesc("test_figure", "A figure.", nil, nil)

// source is what a reading reads: it can be changed, fail or hang, and counts itself.
type source struct {
	value float64
	err   error
	hangs chan struct{} // until it is closed, if set, whatever becomes of ctx
	calls atomic.Int64
}

func (s *source) read(ctx context.Context) ([]prometheus.Metric, error) {
	s.calls.Add(1)
	if _, bounded := ctx.Deadline(); !bounded {
		return nil, errors.New("a reading without a deadline would go on after its scrape")
	}
	if s.hangs != nil {
		<-s.hangs
	}
	return []prometheus.Metric{Gauge(testDesc, s.value)}, s.err
}

// scene is a registry with a reading of a source.
type scene struct {
	*prometheus.Registry
	source *source
	log    bytes.Buffer
}

func newScene() *scene {
	s := &scene{Registry: prometheus.NewPedanticRegistry(), source: &source{value: 5}}
	s.MustRegister(NewReading("test", slog.New(slog.NewTextHandler(&s.log, nil)), []*prometheus.Desc{testDesc}, s.source.read))
	return s
}

// shows requires a scrape to show that value, nothing if it is empty.
func (s *scene) shows(t *testing.T, value string) {
	t.Helper()
	up, figure := "1", ""
	if value == "" {
		up = "0"
	} else {
		figure = "# HELP test_figure A figure.\n# TYPE test_figure gauge\ntest_figure " + value + "\n"
	}
	require.NoError(t, testutil.GatherAndCompare(s, strings.NewReader(figure+`# HELP tickr_reading_up Whether figures that have to be asked for could be had within a second.
# TYPE tickr_reading_up gauge
tickr_reading_up{reading="test"} `+up+"\n")))
}

func TestOneReadingServesFiveSeconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScene()
		s.shows(t, "5")
		s.source.value = 6
		time.Sleep(readingAge - time.Microsecond)
		s.shows(t, "5")
		require.Equal(t, 1, int(s.source.calls.Load()))
		time.Sleep(time.Microsecond)
		s.shows(t, "6")
		require.Equal(t, 2, int(s.source.calls.Load()))
		require.Empty(t, s.log.String())
	})
}

func TestFailedReadingShowsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScene()
		s.shows(t, "5")
		time.Sleep(readingAge)
		s.source.err = errors.New("no database")
		s.shows(t, "")
		s.shows(t, "")
		require.Equal(t, 2, int(s.source.calls.Load()), "who comes right after a failure does not try again")
		time.Sleep(retryAge)
		s.shows(t, "")
		s.source.err = nil
		time.Sleep(retryAge)
		s.shows(t, "5")
		require.Equal(t, 1, strings.Count(s.log.String(), "no database"), "told once, however long it lasts")
		require.Equal(t, 1, strings.Count(s.log.String(), "again"))
	})
}

// TestNobodyWaitsLongerThanASecond, however many scrape and whatever the source does.
func TestNobodyWaitsLongerThanASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScene()
		s.source.hangs = make(chan struct{})
		for range 3 {
			start := time.Now()
			var scrapers sync.WaitGroup
			for range 5 {
				scrapers.Go(func() { s.shows(t, "") })
			}
			scrapers.Wait()
			require.Equal(t, readingTimeout, time.Since(start))
		}
		require.Equal(t, 1, int(s.source.calls.Load()), "a reading that hangs is not joined by others")
		close(s.source.hangs)
		synctest.Wait()
		s.shows(t, "5")
	})
}
