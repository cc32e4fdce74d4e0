// Package httpserver is the program's HTTP side without its routes: gin and
// huma set up with limits, strict JSON, problem documents, request ids, logs,
// metrics, traces, health, the OpenAPI document and a page to read it. It knows no
// module; modules register operations on Server.API.
package httpserver

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"reflect"
	"strconv"
	"sync"
	"syscall"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"
	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// BearerScheme is the name under which the OpenAPI document describes access
// tokens. An operation that wants one says so in its Security; to enforce it is
// the part of a huma middleware.
const BearerScheme = "bearer"

// Options says what a Server is and whom it believes. The zero value serves.
type Options struct {
	Title, Version string // of the OpenAPI document

	// TrustedProxies are the addresses and CIDR blocks whose X-Forwarded-For
	// tells the client's address. None: everybody is who connects.
	TrustedProxies []string
	// CORSOrigins are the front ends, as scheme://host[:port], that browsers
	// let read answers.
	CORSOrigins []string

	Logger         *slog.Logger         // nil: nothing is logged
	Registry       *prometheus.Registry // nil: a registry nobody reads
	TracerProvider trace.TracerProvider // nil: nothing is traced

	// RequestContext, when given, derives the context that handlers get.
	RequestContext func(context.Context) context.Context
	// Checks decide whether the server is ready.
	Checks []Check
	// Prepared, when given, says whether operations may be served at all: until then they are answered with 503.
	Prepared func() bool
}

// API is what modules register their routes with. Its name is ours, so that who only passes it on need not speak huma.
type API = huma.API

// Server answers HTTP requests. Register all operations before it serves.
type Server struct {
	api     huma.API
	http    *http.Server
	health  *health
	openAPI func() ([]byte, error)
}

// New returns a server that does not listen yet.
func New(o Options) (*Server, error) {
	setGlobals()
	o.Logger = cmp.Or(o.Logger, slog.New(slog.DiscardHandler))
	o.Registry = cmp.Or(o.Registry, prometheus.NewRegistry())
	o.TracerProvider = cmp.Or[trace.TracerProvider](o.TracerProvider, noop.NewTracerProvider())
	observer, err := newObserver(o)
	if err != nil {
		return nil, err
	}
	allowOrigins, err := corsFor(o.CORSOrigins)
	if err != nil {
		return nil, err
	}

	engine := gin.New()
	// gin would believe X-Forwarded-For from everybody, and always does on a
	// unix socket: Listen opens TCP only.
	if err := engine.SetTrustedProxies(o.TrustedProxies); err != nil {
		return nil, fmt.Errorf("trust proxies: %w", err)
	}
	engine.RemoteIPHeaders = []string{"X-Forwarded-For"}
	engine.HandleMethodNotAllowed = true
	engine.UseRawPath = true // an encoded slash is no separator: a proxy in front does not take it for one either
	engine.RedirectTrailingSlash = false
	engine.Use(observer.observe, recoverPanics, allowOrigins, make(bodies, largeBodies).requireReadable)
	engine.NoRoute(standard(http.StatusNotFound, "There is nothing at this address.").write)
	engine.NoMethod(standard(http.StatusMethodNotAllowed, "This address does not answer that method.").write)

	s := &Server{
		api:    humagin.New(engine, apiConfig(o.Title, o.Version)),
		health: newHealth(o.Checks, o.Logger),
		http: &http.Server{
			Handler:           engine,
			ReadHeaderTimeout: headerTimeout,
			ReadTimeout:       readTimeout,
			WriteTimeout:      writeTimeout,
			IdleTimeout:       idleTimeout,
			MaxHeaderBytes:    maxHeaderBytes,
			ErrorLog:          slog.NewLogLogger(o.Logger.Handler(), slog.LevelWarn),
		},
	}
	if o.Prepared != nil {
		s.api.UseMiddleware(refuseUntil(s.api, o.Prepared))
	}
	s.api.UseMiddleware(refuseUnexpectedBody(s.api))
	s.openAPI = sync.OnceValues(func() ([]byte, error) { return json.Marshal(s.api.OpenAPI()) })
	s.health.register(engine)
	if err := o.Registry.Register(s.health); err != nil {
		return nil, fmt.Errorf("register health metrics: %w", err)
	}
	if err := s.registerDocs(engine); err != nil {
		return nil, err
	}
	return s, nil
}

func apiConfig(title, version string) huma.Config {
	config := huma.DefaultConfig(title, version)
	// The hooks would add $schema links, built from the Host header, to every
	// answer; the pages come from other hosts.
	config.CreateHooks = nil
	config.OpenAPIPath, config.DocsPath, config.SchemasPath = "", "", ""
	config.Formats = map[string]huma.Format{"application/json": jsonFormat, "json": jsonFormat}
	config.Transformers = []huma.Transformer{completeProblem}
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		BearerScheme: {Type: "http", Scheme: "bearer", BearerFormat: "JWT"},
	}
	config.OnAddOperation = []huma.AddOpFunc{func(api *huma.OpenAPI, op *huma.Operation) {
		// requireReadable has read the body; huma would refuse one of exactly
		// its limit.
		op.MaxBodyBytes = -1
		op.Responses["default"] = &huma.Response{
			Description: "Problem",
			Content: map[string]*huma.MediaType{
				problemType: {Schema: api.Components.Schemas.Schema(reflect.TypeFor[Problem](), true, "")},
			},
		}
	}}
	return config
}

// API is where modules register their operations, with their full path. Bodies
// are JSON and strict, limits are set; see MapErrors for errors.
func (s *Server) API() API { return s.api }

// Handler answers requests without a listener, for tests.
func (s *Server) Handler() http.Handler { return s.http.Handler }

// OpenAPI returns the OpenAPI 3.1 document as JSON. Operations that are
// registered after its first call are not in it.
func (s *Server) OpenAPI() ([]byte, error) { return s.openAPI() }

// Serve answers the connections of listener until Shutdown, and then returns
// nil at once, while Shutdown still waits for the last requests.
func (s *Server) Serve(listener net.Listener) error {
	if err := s.http.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve HTTP: %w", err)
	}
	return nil
}

// Drain makes the server say from now on that it is not ready, so that load
// balancers turn away before Shutdown.
func (s *Server) Drain() { s.health.draining.Store(true) }

// Shutdown closes the listener and waits for the requests under way. When ctx
// ends first it cuts them off and returns the reason.
func (s *Server) Shutdown(ctx context.Context) error {
	if err := s.http.Shutdown(ctx); err != nil {
		return errors.Join(fmt.Errorf("wait for requests: %w", err), s.http.Close())
	}
	return nil
}

// portsTried is how far Listen looks before it takes any port.
const portsTried = 20

// Listen opens the TCP address addr. A port that is taken is an error when the
// address was given, and moves to the next free one otherwise; the listener's
// address tells which.
func Listen(ctx context.Context, addr string, given bool) (net.Listener, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", addr)
	if err == nil || given || !errors.Is(err, syscall.EADDRINUSE) {
		return listener, err
	}
	host, port, splitErr := net.SplitHostPort(addr)
	taken, numberErr := strconv.Atoi(port)
	if splitErr != nil || numberErr != nil {
		return nil, err
	}
	for next := taken + 1; next <= min(taken+portsTried, 65535); next++ {
		if listener, err := config.Listen(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(next))); err == nil {
			return listener, nil
		}
	}
	return config.Listen(ctx, "tcp", net.JoinHostPort(host, "0"))
}
