// Package e2e runs the real program over HTTP and its commands over their exit codes, with real PostgreSQL and real files.
package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tickr/tickr/test/program"
)

func TestMain(m *testing.M) { program.Main(m) }

// instance is a running program, and the test that talks to it.
type instance struct {
	*program.Program

	t *testing.T
}

// launch starts `tickr serve` without waiting for it.
func launch(t *testing.T, set ...string) *instance {
	t.Helper()
	return &instance{program.Launch(t, set...), t}
}

// start starts `tickr serve` and waits until it is ready.
func start(t *testing.T, set ...string) *instance {
	t.Helper()
	return &instance{program.Start(t, set...), t}
}

// value returns a variable of an environment.
func value(set []string, name string) string {
	for _, pair := range set {
		if v, ok := strings.CutPrefix(pair, name+"="); ok {
			return v
		}
	}
	panic(fmt.Sprintf("%s is not set", name))
}
