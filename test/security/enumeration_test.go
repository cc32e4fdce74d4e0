package security

import (
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/test/program"
)

// changing is what of an answer may differ: when it was given, and what follows from that. The ID of the request is the client's.
var changing = regexp.MustCompile(`(?m)^(Date|Retry-After): .*\r$`)

// verbatim asks about somebody from an address of the loopback network, over a connection of its own, and returns all octets of the
// answer but those that are changing.
func (r *rig) verbatim(from string, p probe, who stranger) string {
	r.t.Helper()
	api := strings.TrimPrefix(r.instances[0].API, "http://")
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	conn, err := dialer.DialContext(r.t.Context(), "tcp", api)
	require.NoError(r.t, err)
	defer func() { _ = conn.Close() }()
	require.NoError(r.t, conn.SetDeadline(time.Now().Add(program.Patience)))
	body := encoded(p.body(r, who))
	_, err = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: %s\r\nX-Request-Id: asked\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"+
		"Connection: close\r\n\r\n%s", p.route, api, len(body), body)
	require.NoError(r.t, err)
	answer, err := io.ReadAll(conn)
	require.NoError(r.t, err)
	return changing.ReplaceAllString(string(answer), "$1: -\r")
}

// TestAnswersTellNothing: whatever there is of an account, a stranger gets the same answer to the last octet, also after having asked
// too often, and not a try earlier or later.
func TestAnswersTellNothing(t *testing.T) {
	t.Parallel()
	for _, limits := range []string{"on", "off"} {
		t.Run("limits "+limits, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, 1, "RATE_LIMITS="+limits)
			for i, p := range probes {
				answers := r.tellNothing(i, p)
				last := p.status
				if limits == "on" {
					last = "HTTP/1.1 429 "
					require.Contains(t, answers[p.limit], "\r\nRetry-After: -\r\n")
				}
				require.Contains(t, answers[p.limit], last, p.name)
				require.Contains(t, answers[p.limit-1], p.status, p.name)
			}
			r.noFaults()
		})
	}
}

// tellNothing asks about one person of each kind once more than is allowed, each kind from an address of its own, and returns the
// answers, which are the same for all.
func (r *rig) tellNothing(i int, p probe) []string {
	r.t.Helper()
	answers := make([]string, p.limit+1) // about nobody
	for j, kind := range kinds {
		from := fmt.Sprintf("127.9.%d.%d", i, j+1)
		who := r.people(kind, 1)[0]
		for try := range answers {
			answer := r.verbatim(from, p, who)
			if kind == nobody {
				answers[try] = answer
			}
			require.Equal(r.t, answers[try], answer, "%s: about the %s, try %d", p.name, kind, try+1)
		}
	}
	return answers
}
