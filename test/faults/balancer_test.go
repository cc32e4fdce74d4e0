package faults

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"sync/atomic"
	"testing"
	"time"
)

// balancer hands requests to its backends in turn, at its URL. It asks each all the time whether it is ready; when none is, it takes
// the next, as Envoy does, so that what clients see is the program's answer. A request that failed goes to another backend only
// when it was never sent, because the connection was not accepted; what net/http itself sends again are reads. 502 is the balancer's own: there was no answer.
type balancer struct {
	*httptest.Server
	transport http.Transport
	backends  []*backend
	turn      atomic.Uint64
}

// backend is an instance of the program as its balancer sees it.
type backend struct {
	host  string
	ready atomic.Bool
}

const (
	probeInterval = 50 * time.Millisecond
	probeTimeout  = 2 * time.Second // the program answers within one
)

func newBalancer(t *testing.T, hosts ...string) *balancer {
	t.Helper()
	b := &balancer{transport: http.Transport{MaxIdleConnsPerHost: 1000, IdleConnTimeout: 10 * time.Second}}
	for _, host := range hosts {
		added := &backend{host: host}
		b.backends = append(b.backends, added)
		go added.watch(t.Context()) // which ends before the cleanups
	}
	b.Server = httptest.NewServer(&httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.Out.URL.Scheme = "http" },
		Transport: b,
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) {
			w.WriteHeader(http.StatusBadGateway)
		},
	})
	t.Cleanup(func() {
		b.Close()
		b.transport.CloseIdleConnections()
	})
	return b
}

// watch asks the backend whether it is ready, until ctx ends.
func (b *backend) watch(ctx context.Context) {
	client := http.Client{Timeout: probeTimeout}
	defer client.CloseIdleConnections()
	for ctx.Err() == nil {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+b.host+"/readyz", http.NoBody)
		if err != nil {
			panic(err) // the host is one
		}
		response, err := client.Do(request)
		b.ready.Store(err == nil && response.StatusCode == http.StatusOK)
		if err == nil {
			_ = response.Body.Close()
		}
		time.Sleep(probeInterval)
	}
}

// RoundTrip implements http.RoundTripper.
func (b *balancer) RoundTrip(request *http.Request) (*http.Response, error) {
	var body []byte
	var err error
	if request.Body != nil {
		if body, err = io.ReadAll(request.Body); err != nil {
			return nil, err
		}
	}
	for _, next := range b.order() {
		request = request.Clone(request.Context())
		request.URL.Host = next.host
		if body != nil {
			request.Body = io.NopCloser(bytes.NewReader(body))
		}
		var response *http.Response
		if response, err = b.transport.RoundTrip(request); err == nil || !neverSent(err) {
			return response, err
		}
	}
	return nil, err
}

// order returns the backends to try: those that are ready, or all when none is, the one whose turn it is first.
func (b *balancer) order() []*backend {
	turn := int(b.turn.Add(1) % uint64(len(b.backends)))
	var ready []*backend
	all := append(b.backends[turn:len(b.backends):len(b.backends)], b.backends[:turn]...)
	for _, next := range all {
		if next.ready.Load() {
			ready = append(ready, next)
		}
	}
	if len(ready) == 0 {
		return all
	}
	return ready
}

func neverSent(err error) bool {
	refused, ok := errors.AsType[*net.OpError](err)
	return ok && refused.Op == "dial"
}
