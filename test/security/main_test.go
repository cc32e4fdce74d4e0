// Package security attacks the real program, over real PostgreSQL and through two instances where that makes a difference, and counts
// what gets through.
//
// `make test` plays a short form and looks at the behaviour; TICKR_SECURITY=1, as in `make test-security`, attacks as often and as
// long as promised, and holds the program to the figures, which docs/operations/security.md lists.
package security

import (
	"os"
	"testing"

	"github.com/stretchr/testify/suite"

	"github.com/tickr/tickr/test/program"
)

// long says that attacks come as often as they should, and that the figures are looked at: make test-security.
var long = os.Getenv("TICKR_SECURITY") != ""

// inLong returns what a test does in its long form, or in its short one.
func inLong[T any](much, little T) T {
	if long {
		return much
	}
	return little
}

func TestMain(m *testing.M) { program.Main(m) }

// Defence are the attacks that share two instances.
type Defence struct {
	suite.Suite

	*rig
}

func TestDefence(t *testing.T) {
	t.Parallel()
	suite.Run(t, new(Defence))
}

func (s *Defence) SetupSuite() { s.rig = newRig(s.T(), 2) }

func (s *Defence) SetupTest() { s.t = s.T() }

func (s *Defence) TearDownTest() { s.noFaults() }
