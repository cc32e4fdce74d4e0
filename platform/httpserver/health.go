package httpserver

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tickr/tickr/platform/telemetry"
)

const (
	livePath      = "/livez"
	readyPath     = "/readyz"
	healthPath    = "/healthz"
	oldHealthPath = "/api/health"
	checkBudget   = time.Second

	pass = "pass"
	fail = "fail"
)

var errNoAnswer = errors.New("no answer in time")

// Check is one thing that must work for the server to be ready.
type Check struct {
	Name string
	// Probe returns why it does not work. It has one second; its error is
	// logged, never shown.
	Probe func(context.Context) error
}

// summary is what the health routes answer.
type summary struct {
	Status string            `json:"status"`
	Checks map[string]string `json:"checks,omitempty"`
}

var (
	readyDesc = prometheus.NewDesc("tickr_ready", "Whether requests should be sent here: all checks pass, and no stop has begun.", nil, nil)
	checkDesc = prometheus.NewDesc("tickr_check_up", "Whether a check passes within a second.", []string{"check"}, nil)
)

// health answers the health routes, and Prometheus alike.
type health struct {
	checks   []Check
	logger   *slog.Logger
	draining atomic.Bool

	mu      sync.Mutex
	failing map[string]bool
}

func newHealth(checks []Check, logger *slog.Logger) *health {
	return &health{checks: checks, logger: logger, failing: map[string]bool{}}
}

func (h *health) register(engine *gin.Engine) {
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		engine.Handle(method, livePath, func(c *gin.Context) { c.JSON(http.StatusOK, summary{Status: pass}) })
		engine.Handle(method, readyPath, h.ready)
		engine.Handle(method, healthPath, h.ready)
	}
	engine.GET(oldHealthPath, func(c *gin.Context) { c.Redirect(http.StatusPermanentRedirect, healthPath) })
}

func (h *health) ready(c *gin.Context) {
	answer, status := summary{Status: pass, Checks: map[string]string{}}, http.StatusOK
	// A prober that hangs up must not make the checks fail.
	for name, err := range h.probe(context.WithoutCancel(c.Request.Context())) {
		answer.Checks[name] = pass
		if err != nil {
			answer.Checks[name], answer.Status = fail, fail
		}
		h.note(c.Request.Context(), name, err)
	}
	if h.draining.Load() {
		answer.Status = fail
	}
	if answer.Status == fail {
		status = http.StatusServiceUnavailable
		c.Header("Retry-After", strconv.Itoa(int(defaultRetryAfter/time.Second)))
	}
	c.JSON(status, answer)
}

// Describe implements prometheus.Collector.
func (h *health) Describe(descs chan<- *prometheus.Desc) {
	descs <- readyDesc
	descs <- checkDesc
}

// Collect implements prometheus.Collector.
func (h *health) Collect(metrics chan<- prometheus.Metric) {
	ready := !h.draining.Load()
	for name, err := range h.probe(context.Background()) {
		h.note(context.Background(), name, err)
		ready = ready && err == nil
		metrics <- telemetry.Truth(checkDesc, err == nil, name)
	}
	metrics <- telemetry.Truth(readyDesc, ready)
}

// probe runs all checks at once and gives up on those that take too long.
func (h *health) probe(ctx context.Context) map[string]error {
	ctx, cancel := context.WithTimeout(ctx, checkBudget)
	defer cancel()
	type outcome struct {
		name string
		err  error
	}
	outcomes := make(chan outcome, len(h.checks))
	errs := map[string]error{}
	for _, check := range h.checks {
		errs[check.Name] = errNoAnswer
		go func() { outcomes <- outcome{check.Name, check.Probe(ctx)} }()
	}
	for range h.checks {
		select {
		case o := <-outcomes:
			errs[o.name] = o.err
		case <-ctx.Done():
			return errs
		}
	}
	return errs
}

// note logs a check when it begins to fail and when it works again.
func (h *health) note(ctx context.Context, name string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if failing := err != nil; failing == h.failing[name] {
		return
	} else if h.failing[name] = failing; failing {
		h.logger.WarnContext(ctx, "not ready", slog.String("check", name), slog.Any("error", err))
	} else {
		h.logger.InfoContext(ctx, "ready again", slog.String("check", name))
	}
}
