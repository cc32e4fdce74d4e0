package telemetry

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	// readingAge is how old the figures of a scrape may be: several scrapers cost one reading.
	readingAge = 5 * time.Second
	// readingTimeout is how long a scrape waits for figures.
	readingTimeout = time.Second
	// retryAge is how long a failure answers for those who come meanwhile.
	retryAge = 2 * time.Second
)

var errReadingLate = errors.New("no answer in time")

// Reading is figures that have to be asked for, of a database or a folder. It is read when it is scraped, once at a time and at most
// every five seconds. A scrape waits one second at most and then does without: old figures are not shown as new ones. Beside its figures
// it shows tickr_reading_up, with its name, as 1 or 0.
type Reading struct {
	name   string
	up     *prometheus.Desc
	descs  []*prometheus.Desc
	read   func(ctx context.Context) ([]prometheus.Metric, error)
	logger *slog.Logger

	mu      sync.Mutex
	metrics []prometheus.Metric // nil: the last reading failed
	until   time.Time           // they need not be read again
	pending chan struct{}       // closed when the reading under way has ended
	failing bool
}

// NewReading returns a reading by the given function of metrics that have the given descriptions. The function has one second; it may
// overstay it, and is not called again until it has returned.
func NewReading(name string, logger *slog.Logger, descs []*prometheus.Desc, read func(ctx context.Context) ([]prometheus.Metric, error)) *Reading {
	return &Reading{
		name: name, descs: descs, read: read, logger: logger,
		up: prometheus.NewDesc("tickr_reading_up", "Whether figures that have to be asked for could be had within a second.", nil,
			prometheus.Labels{"reading": name}),
	}
}

// Gauge returns a number that goes up and down.
func Gauge(desc *prometheus.Desc, value float64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
}

// Truth returns 1 or 0.
func Truth(desc *prometheus.Desc, is bool, labels ...string) prometheus.Metric {
	if is {
		return Gauge(desc, 1, labels...)
	}
	return Gauge(desc, 0, labels...)
}

// Counter returns a number that somebody else counts up.
func Counter(desc *prometheus.Desc, value float64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(desc, prometheus.CounterValue, value, labels...)
}

// Describe implements prometheus.Collector.
func (r *Reading) Describe(descs chan<- *prometheus.Desc) {
	descs <- r.up
	for _, desc := range r.descs {
		descs <- desc
	}
}

// Collect implements prometheus.Collector.
func (r *Reading) Collect(metrics chan<- prometheus.Metric) {
	current, ok := r.current()
	metrics <- Truth(r.up, ok)
	for _, metric := range current {
		metrics <- metric
	}
}

// current returns the figures, read anew if they are too old.
func (r *Reading) current() ([]prometheus.Metric, bool) {
	r.mu.Lock()
	if time.Now().Before(r.until) {
		defer r.mu.Unlock()
		return r.metrics, !r.failing
	}
	if r.pending == nil {
		r.pending = make(chan struct{})
		go r.renew(r.pending)
	}
	pending := r.pending
	r.mu.Unlock()

	select {
	case <-pending:
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.metrics, !r.failing
	case <-time.After(readingTimeout):
		r.mu.Lock()
		defer r.mu.Unlock()
		r.note(errReadingLate)
		return nil, false
	}
}

func (r *Reading) renew(done chan struct{}) {
	ctx, cancel := context.WithTimeout(context.Background(), readingTimeout)
	defer cancel()
	metrics, err := r.read(ctx)

	r.mu.Lock()
	defer r.mu.Unlock()
	r.metrics, r.until = metrics, time.Now().Add(readingAge)
	if err != nil {
		r.metrics, r.until = nil, time.Now().Add(retryAge)
	}
	r.note(err)
	r.pending = nil
	close(done)
}

// note logs, while r is locked, that figures begin to be missing and that they are there again.
func (r *Reading) note(err error) {
	if failing := err != nil; failing == r.failing {
		return
	} else if r.failing = failing; failing {
		r.logger.Warn("figures cannot be read for metrics", slog.String("reading", r.name), slog.Any("error", err))
	} else {
		r.logger.Info("figures can be read for metrics again", slog.String("reading", r.name))
	}
}
