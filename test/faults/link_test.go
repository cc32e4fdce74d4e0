package faults

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
)

// link is the network between the instances and PostgreSQL. It is in order until told otherwise.
type link struct {
	*toxiproxy.Proxy
	t *testing.T
}

// newLink returns a link to the server of dsn, and the dsn that leads over it.
func newLink(t *testing.T, dsn string) (l link, over string) {
	t.Helper()
	address, err := url.Parse(dsn)
	require.NoError(t, err)
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	l = link{toxiproxy.NewProxy(server, "postgres", "127.0.0.1:0", address.Host), t}
	require.NoError(t, l.Start())
	t.Cleanup(l.Stop)
	address.Host = l.Listen
	return l, address.String()
}

// toxic is something that is wrong with a network, in toxiproxy's words.
type toxic struct {
	kind       string
	attributes map[string]int
}

// spoil makes a toxic work on both directions, also of the connections that there are.
func (l link) spoil(x toxic) {
	l.t.Helper()
	for _, direction := range []string{"upstream", "downstream"} {
		l.spoilOnly(direction, x)
	}
}

// spoilOnly makes a toxic work on one direction: "downstream" leads to the program.
func (l link) spoilOnly(direction string, x toxic) {
	l.t.Helper()
	raw, err := json.Marshal(map[string]any{"type": x.kind, "stream": direction, "attributes": x.attributes})
	require.NoError(l.t, err)
	_, err = l.Toxics.AddToxicJson(strings.NewReader(string(raw)))
	require.NoError(l.t, err)
}

// mend ends all toxics.
func (l link) mend() { l.Toxics.ResetToxics(l.t.Context()) }
