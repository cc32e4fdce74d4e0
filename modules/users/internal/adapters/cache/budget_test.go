package cache

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/platform/database"
)

// All that a request waits for together costs it no more than its budget; a load it gave up goes on for others.
func TestReaderSpendsItsOwnBudget(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const budget = flightTime / 2
		c, user, answer := open(t, Options{MaxMB: 1}), sample(), make(chan struct{})
		land := sync.OnceFunc(func() { close(answer) })
		defer land()
		slow := func(context.Context) (users.User, error) {
			<-answer
			return user, nil
		}
		ctx := database.WithBudget(t.Context(), budget)
		_, err := c.Session(ctx, uuid.New(), func(context.Context) (users.ID, error) {
			time.Sleep(budget / 3) // the bubble's time
			return user.ID, nil
		})
		require.NoError(t, err)
		time.Sleep(budget) // what is no wait is free

		read := start(ctx, c, user.ID, slow)
		time.Sleep(budget - budget/3 - time.Nanosecond)
		require.Empty(t, read)
		time.Sleep(time.Nanosecond)
		gone := end(t, read).err
		require.ErrorIs(t, gone, context.DeadlineExceeded)
		require.True(t, database.Unavailable(gone))
		unwanted := &source{user: sample()}
		require.ErrorIs(t, end(t, start(ctx, c, unwanted.user.ID, unwanted.load)).err, context.DeadlineExceeded)
		require.Zero(t, unwanted.loads)

		other := start(database.WithBudget(t.Context(), budget), c, user.ID, slow)
		synctest.Wait()
		land()
		require.Equal(t, outcome{user: user}, end(t, other))
		require.Equal(t, outcome{user: user}, end(t, start(ctx, c, user.ID, slow)), "what is cached costs nothing")
	})
}
