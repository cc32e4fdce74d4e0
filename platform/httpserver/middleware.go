package httpserver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"runtime/debug"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/gin-contrib/cors"
	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"

	"github.com/tickr/tickr/platform/telemetry"
)

const requestIDHeader = "X-Request-Id"

var requestIDPattern = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// answerHeaders are set on every answer; the documentation page widens its
// Content-Security-Policy.
var answerHeaders = map[string]string{
	"Cache-Control":           "no-store",
	"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
	"Referrer-Policy":         "no-referrer",
	"X-Content-Type-Options":  "nosniff",
	"X-Frame-Options":         "DENY",
}

// Labels are bounded: a client must not be able to make up time series.
const (
	unmatchedRoute = "unmatched"
	otherMethod    = "other"
)

var methods = []string{
	http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions,
}

// probes are the routes that nobody asks for: their requests are logged at
// debug, and not traced.
var probes = []string{livePath, readyPath, healthPath, oldHealthPath}

// observer is the outermost middleware: it names each request, bounds it, and
// leaves one line in the log, its metrics and its span behind.
type observer struct {
	logger         *slog.Logger
	tracer         trace.Tracer
	requestContext func(context.Context) context.Context
	requests       *prometheus.CounterVec
	durations      *prometheus.HistogramVec
	inFlight       prometheus.Gauge
	panics         prometheus.Counter
}

func newObserver(options Options) (*observer, error) {
	o := &observer{
		logger:         options.Logger,
		tracer:         options.TracerProvider.Tracer(telemetry.Scope),
		requestContext: options.RequestContext,
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "http_requests_total",
			Help: "HTTP requests answered.",
		}, []string{"method", "route", "status"}),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "http_request_duration_seconds",
			Help:    "Time to answer an HTTP request.",
			Buckets: prometheus.DefBuckets,
		}, []string{"method", "route"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "http_requests_in_flight",
			Help: "HTTP requests being answered.",
		}),
		panics: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "http_panics_total",
			Help: "HTTP requests that ended in a panic.",
		}),
	}
	for _, collector := range []prometheus.Collector{o.requests, o.durations, o.inFlight, o.panics} {
		if err := options.Registry.Register(collector); err != nil {
			return nil, fmt.Errorf("register HTTP metrics: %w", err)
		}
	}
	return o, nil
}

func (o *observer) observe(c *gin.Context) {
	start := time.Now()
	id := c.GetHeader(requestIDHeader)
	if !requestIDPattern.MatchString(id) {
		id = uuid.Must(uuid.NewV7()).String()
	}
	ctx, cancel := context.WithTimeout(telemetry.WithRequestID(c.Request.Context(), id), requestTimeout)
	defer cancel()
	ctx = continued(ctx, c.Request.Header)
	if !slices.Contains(probes, c.FullPath()) {
		ctx, _ = o.tracer.Start(ctx, "request", serverSpan)
	}
	if o.requestContext != nil {
		ctx = o.requestContext(ctx)
	}
	c.Request = c.Request.WithContext(withClient(ctx, c))

	c.Header(requestIDHeader, id)
	for name, value := range answerHeaders {
		c.Header(name, value)
	}
	o.inFlight.Inc()
	// Deferred for the request that is cut off by a panic.
	defer func() {
		o.inFlight.Dec()
		o.record(ctx, c, time.Since(start))
	}()
	c.Next()
}

func (o *observer) record(ctx context.Context, c *gin.Context, took time.Duration) {
	method, route, status := c.Request.Method, c.FullPath(), c.Writer.Status()
	if !slices.Contains(methods, method) {
		method = otherMethod
	}
	if route == "" {
		route = unmatchedRoute
	}
	o.requests.WithLabelValues(method, route, strconv.Itoa(status)).Inc()
	o.durations.WithLabelValues(method, route).Observe(took.Seconds())
	endSpan(trace.SpanFromContext(ctx), method, route, status)

	level, fault := slog.LevelInfo, faultOf(c)
	attrs := []slog.Attr{
		slog.String("method", method),
		slog.String("route", route),
		slog.Int("status", status),
		slog.Duration("duration", took),
		slog.Int("bytes", max(c.Writer.Size(), 0)),
		slog.String("client", c.ClientIP()),
	}
	switch {
	case fault != nil:
		level = slog.LevelError
		if status == http.StatusServiceUnavailable { // mostly too many requests, or a database that is away
			level = slog.LevelWarn
		}
		attrs = append(attrs, slog.Any("error", fault))
		if p, ok := errors.AsType[*panicked](fault); ok {
			o.panics.Inc()
			attrs = append(attrs, slog.String("stack", string(p.stack)))
		}
	case slices.Contains(probes, route):
		level = slog.LevelDebug
	}
	o.logger.LogAttrs(ctx, level, "request", attrs...)
}

// faultOf returns why the request of c failed, if by a fault of ours.
func faultOf(c *gin.Context) error {
	faults := make([]error, len(c.Errors))
	for i, fault := range c.Errors {
		faults[i] = fault.Err
	}
	return errors.Join(faults...)
}

// panicked is what a handler panicked with, and where.
type panicked struct {
	reason any
	stack  []byte
}

// Error is the reason.
func (p *panicked) Error() string { return fmt.Sprint("panic: ", p.reason) }

// recoverPanics answers a panic with a 500, or cuts the connection when part of
// an answer is out already, so that nobody takes the part for the whole.
func recoverPanics(c *gin.Context) {
	defer func() {
		reason := recover()
		if reason == nil {
			return
		}
		err, _ := reason.(error)
		if errors.Is(err, http.ErrAbortHandler) {
			panic(reason)
		}
		// huma panics when it cannot write.
		if errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) {
			c.Abort()
			return
		}
		_ = c.Error(&panicked{reason, debug.Stack()})
		if c.Writer.Written() {
			panic(http.ErrAbortHandler)
		}
		internalError.write(c)
	}()
	c.Next()
}

// corsFor lets browsers show answers to the front ends at the given origins.
func corsFor(origins []string) (gin.HandlerFunc, error) {
	if len(origins) == 0 {
		return func(*gin.Context) {}, nil
	}
	config := cors.Config{
		AllowOrigins:  origins,
		AllowMethods:  []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete},
		AllowHeaders:  []string{"Authorization", "Content-Type", "If-Match", requestIDHeader, traceHeader},
		ExposeHeaders: []string{"ETag", "Location", requestIDHeader, "Retry-After"},
		MaxAge:        10 * time.Minute,
	}
	if err := config.Validate(); err != nil {
		return nil, fmt.Errorf("allow CORS origins: %w", err)
	}
	allow := cors.New(config)
	return func(c *gin.Context) {
		// The middleware answers 403 with nothing in it to other origins. It is
		// their browser that must refuse them, and it does without the headers.
		if slices.Contains(origins, c.GetHeader("Origin")) {
			allow(c)
			return
		}
		c.Header("Vary", "Origin")
	}, nil
}
