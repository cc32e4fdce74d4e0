package userstest_test

import (
	"testing"

	"github.com/stretchr/testify/suite"

	"github.com/tickr/tickr/modules/users/internal/userstest"
)

func TestMemory(t *testing.T) {
	suite.Run(t, &userstest.RepositorySuite{New: func(*testing.T) userstest.Ports { return userstest.NewMemory().Ports() }})
}
