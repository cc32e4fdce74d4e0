package cache

import (
	"context"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/modules/users"
)

func TestForgetAll(t *testing.T) {
	t.Parallel()
	c := open(t, Options{MaxMB: 1})
	first, second := &source{user: sample()}, &source{user: sample()}
	session, sessionLoads := uuid.New(), 0
	read := func() {
		t.Helper()
		first.read(t, c)
		second.read(t, c)
		_, err := c.Session(t.Context(), session, func(context.Context) (users.ID, error) { sessionLoads++; return first.user.ID, nil })
		require.NoError(t, err)
	}
	for round := range 3 {
		read()
		read()
		require.Equal(t, []int{round + 1, round + 1, round + 1}, []int{first.loads, second.loads, sessionLoads})
		c.ForgetAll()
	}
}

// What was loaded before is not remembered after, whichever stripe it is of.
func TestForgetAllRefusesLoadsUnderWay(t *testing.T) {
	t.Parallel()
	c := open(t, Options{MaxMB: 1})
	for range 300 { // more than there are stripes
		old := sample()
		_, err := c.User(t.Context(), old.ID, func(context.Context) (users.User, error) {
			c.ForgetAll()
			return old, nil
		})
		require.NoError(t, err)
		fresh := old
		fresh.Version++
		found, err := c.User(t.Context(), old.ID, func(context.Context) (users.User, error) { return fresh, nil })
		require.NoError(t, err)
		require.Equal(t, fresh, found)
	}
}

func TestForgetAllOfACacheThatIsOff(t *testing.T) {
	t.Parallel()
	c, s := open(t, Options{MaxMB: 0}), &source{user: sample()}
	c.ForgetAll()
	s.read(t, c)
}
