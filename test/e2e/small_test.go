package e2e

import (
	"testing"

	"github.com/stretchr/testify/suite"

	"github.com/tickr/tickr/platform/database/dbtest"
	"github.com/tickr/tickr/test/program"
)

// Small is the story of a program that remembers nothing, prepares nothing and has one connection: a cache is never the truth, and
// no request needs a second connection while it holds one.
type Small struct{ Story }

func TestStoryOfASmallProgram(t *testing.T) {
	t.Parallel()
	suite.Run(t, new(Small))
}

func (s *Small) SetupSuite() {
	s.env = append(program.Standard(s.T(), dbtest.Empty(s.T()).DSN), "CACHE_MAX_MB=0", "DB_POOL_SIZE=1", "DB_PREPARED=off")
	s.tickr = start(s.T(), s.env...)
}
