// Package otlp is a collector that takes the traces of a program over OTLP/HTTP, and answers questions about them.
package otlp

import (
	"cmp"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// Key is what programs show the collector in a header.
const Key = "k 1"

// Collector takes traces until its test ends. A program has handed over all of its own when it has ended.
type Collector struct {
	server *httptest.Server

	mu       sync.Mutex
	uploaded strings.Builder
	spans    []*tracepb.Span
	refused  []string
}

// Start starts a collector.
func Start(t testing.TB) *Collector {
	t.Helper()
	c := &Collector{}
	c.server = httptest.NewServer(http.HandlerFunc(c.take))
	t.Cleanup(c.server.Close)
	return c
}

// Environ returns what to set for a program that is to be traced.
func (c *Collector) Environ() []string {
	return []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + c.server.URL, "OTEL_EXPORTER_OTLP_HEADERS=Api-Key=" + strings.ReplaceAll(Key, " ", "%20")}
}

func (c *Collector) take(_ http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	raw, err := io.ReadAll(r.Body)
	var request collectorpb.ExportTraceServiceRequest
	if err != nil || r.URL.Path != "/v1/traces" || r.Header.Get("Api-Key") != Key || proto.Unmarshal(raw, &request) != nil {
		c.refused = append(c.refused, r.URL.Path)
		return
	}
	c.uploaded.Write(raw)
	for _, resource := range request.GetResourceSpans() {
		for _, scope := range resource.GetScopeSpans() {
			c.spans = append(c.spans, scope.GetSpans()...)
		}
	}
}

// Refused returns the paths of requests that were no traces, or came without the key.
func (c *Collector) Refused() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.refused)
}

// Uploaded returns everything that was handed over, as it came.
func (c *Collector) Uploaded() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.uploaded.String()
}

// Spans returns all spans, oldest first.
func (c *Collector) Spans() []*tracepb.Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.SortedFunc(slices.Values(c.spans), func(a, b *tracepb.Span) int {
		return cmp.Compare(a.GetStartTimeUnixNano(), b.GetStartTimeUnixNano())
	})
}

// Named returns the spans of that name, oldest first.
func (c *Collector) Named(name string) []*tracepb.Span {
	return slices.DeleteFunc(c.Spans(), func(span *tracepb.Span) bool { return span.GetName() != name })
}

// Tree returns the names of the spans below a span in the order of their start, each with those below it in parentheses.
func (c *Collector) Tree(above *tracepb.Span) string {
	var below []string
	for _, span := range c.Spans() {
		if string(span.GetParentSpanId()) == string(above.GetSpanId()) && string(span.GetTraceId()) == string(above.GetTraceId()) {
			below = append(below, c.Tree(span))
		}
	}
	if len(below) == 0 {
		return above.GetName()
	}
	return above.GetName() + " (" + strings.Join(below, ", ") + ")"
}
