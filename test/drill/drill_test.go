//go:build system

// Package drill loses databases on purpose, under load, and brings them back by the commands that an operator has. What clients were
// told and what PostgreSQL says it has committed are the truth that the result is compared with.
//
// Every test has a private PostgreSQL of its own, run by the real program, and a folder of data that is destroyed. DRILL says how
// much is done: `short` looks at behaviour alone, as in `make test-system`; without it the figures are measured and held to their
// bounds, as in `make drill`; `full` adds a million accounts and the long failures. It needs Debian's package pgbackrest.
package drill

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"

	"github.com/tickr/tickr/test/program"
)

// level is how much is done.
type level int

const (
	short level = iota
	normal
	full
)

var drill = map[string]level{"short": short, "full": full, "": normal}[os.Getenv("DRILL")]

// at returns what a test does at the level of this run.
func at[T any](inShort, inNormal, inFull T) T { return []T{inShort, inNormal, inFull}[drill] }

func TestMain(m *testing.M) { program.Main(reported{m}) }

// reported prints the figures of tests after them.
type reported struct{ tests *testing.M }

// Run implements dbtest.Tests.
func (r reported) Run() int {
	code := r.tests.Run()
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "FIGURE\tMEASURED\tWANTED")
	for _, row := range figures.rows {
		_, _ = fmt.Fprintln(table, strings.Join(row, "\t"))
	}
	_ = table.Flush() // to a terminal
	return code
}

var figures struct {
	mu   sync.Mutex
	rows [][]string
}

// figure notes a result for the table.
func figure(name string, measured any, wanted string) {
	figures.mu.Lock()
	defer figures.mu.Unlock()
	figures.rows = append(figures.rows, []string{name, fmt.Sprint(measured), wanted})
}
