package httpserver_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/platform/httpserver"
)

// clientOf returns who a handler takes for the client of a request from an address, with headers in pairs.
func clientOf(t *testing.T, proxies []string, from string, headers ...string) (seen httpserver.Client) {
	t.Helper()
	s, err := httpserver.New(httpserver.Options{Title: "Test", Version: "1", TrustedProxies: proxies})
	require.NoError(t, err)
	huma.Get(s.API(), "/api/client", func(ctx context.Context, _ *struct{}) (*struct{}, error) {
		seen = httpserver.ClientOf(ctx)
		return nil, nil
	})
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api/client", nil)
	r.RemoteAddr = from
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	answer := httptest.NewRecorder()
	s.Handler().ServeHTTP(answer, r)
	require.Equal(t, http.StatusNoContent, answer.Code, answer.Body.String())
	return seen
}

func TestClientAddress(t *testing.T) {
	t.Parallel()
	proxy := []string{"10.0.0.0/8", "fd00::/8"}
	for name, test := range map[string]struct {
		from    string
		headers []string
		want    string
	}{
		"direct":                 {"192.0.2.1:4711", nil, "192.0.2.1"},
		"direct IPv6":            {"[2001:db8::1]:4711", nil, "2001:db8::1"},
		"IPv4 within IPv6":       {"[::ffff:192.0.2.1]:4711", nil, "192.0.2.1"},
		"with a zone":            {"[fe80::1%eth0]:4711", nil, "fe80::1"},
		"a client's own claim":   {"192.0.2.1:4711", []string{"X-Forwarded-For", "6.6.6.6"}, "192.0.2.1"},
		"a proxy's word":         {"10.0.0.1:4711", []string{"X-Forwarded-For", "192.0.2.1"}, "192.0.2.1"},
		"an IPv6 proxy's word":   {"[fd00::1]:4711", []string{"X-Forwarded-For", "2001:db8::1"}, "2001:db8::1"},
		"mapped by a proxy":      {"10.0.0.1:4711", []string{"X-Forwarded-For", "::ffff:192.0.2.1"}, "192.0.2.1"},
		"a claim before a proxy": {"10.0.0.1:4711", []string{"X-Forwarded-For", "6.6.6.6, 192.0.2.1"}, "192.0.2.1"},
		"two proxies":            {"10.0.0.1:4711", []string{"X-Forwarded-For", "6.6.6.6, 192.0.2.1, 10.0.0.2"}, "192.0.2.1"},
		"several lines":          {"10.0.0.1:4711", []string{"X-Forwarded-For", "6.6.6.6", "X-Forwarded-For", "192.0.2.1"}, "192.0.2.1"},
		"garbage":                {"10.0.0.1:4711", []string{"X-Forwarded-For", "192.0.2.1, nonsense"}, "10.0.0.1"},
		"nothing":                {"10.0.0.1:4711", []string{"X-Forwarded-For", ""}, "10.0.0.1"},
		"other headers": {"10.0.0.1:4711", []string{
			"Forwarded", "for=6.6.6.6", "X-Real-Ip", "6.6.6.6", "True-Client-Ip", "6.6.6.6", "Cf-Connecting-Ip", "6.6.6.6",
			"X-Client-Ip", "6.6.6.6", "X-Cluster-Client-Ip", "6.6.6.6", "Fastly-Client-Ip", "6.6.6.6", "X-Appengine-Remote-Addr", "6.6.6.6",
			"X-Forwarded", "6.6.6.6", "Via", "1.1 6.6.6.6",
		}, "10.0.0.1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, test.want, clientOf(t, proxy, test.from, test.headers...).Address.String())
		})
	}
	t.Run("nobody is trusted unless named", func(t *testing.T) {
		t.Parallel()
		for _, from := range []string{"127.0.0.1:4711", "[::1]:4711", "10.0.0.1:4711"} {
			require.NotEqual(t, "6.6.6.6", clientOf(t, nil, from, "X-Forwarded-For", "6.6.6.6").Address.String())
		}
	})
}

func TestClientUserAgent(t *testing.T) {
	t.Parallel()
	require.Equal(t, "curl/8.0", clientOf(t, nil, "192.0.2.1:1", "User-Agent", "curl/8.0").UserAgent)
	require.Empty(t, clientOf(t, nil, "192.0.2.1:1").UserAgent)
	require.Equal(t, httpserver.Client{}, httpserver.ClientOf(t.Context()))
}
