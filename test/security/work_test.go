package security

import (
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/test/otlp"
)

// TestAnswersTakeTheSameWork: what there is of an account changes none of the steps that a stranger waits for, neither the statements
// nor the hashing. The figures are those of TestAnswersTakeTheSameTime; this is why they hold.
func TestAnswersTakeTheSameWork(t *testing.T) {
	t.Parallel()
	c := otlp.Start(t)
	r := newRig(t, 1, c.Environ()...)
	const rounds = 2
	asked := map[string]int{}
	for _, p := range probes {
		crowd := map[string][]stranger{}
		for _, kind := range kinds {
			crowd[kind] = r.people(kind, rounds)
		}
		for i := range rounds {
			for _, kind := range kinds {
				require.Contains(t, r.verbatim("127.0.0.1", p, crowd[kind][i]), p.status)
				asked[p.route]++
			}
		}
	}
	require.Equal(t, 0, r.instances[0].Stop(syscall.SIGTERM))

	for route, n := range asked {
		answered := c.Named("POST " + route)
		answered = answered[len(answered)-n:] // without those of the rig itself
		for _, span := range answered {
			require.Equal(t, c.Tree(answered[0]), c.Tree(span))
		}
	}
}
