package cache

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/platform/database"
)

// All that a request waits for together costs it no more than its budget; the loads it gave up go on for others.
func TestReaderSpendsItsOwnBudget(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const budget = flightTime / 2
		c, user, session, answer := open(t, Options{MaxMB: 1}), sample(), uuid.New(), make(chan struct{})
		load := func(context.Context) (users.User, error) {
			<-answer
			return user, nil
		}
		began := time.Now()
		ctx := database.WithBudget(t.Context(), budget)
		_, err := c.Session(ctx, session, func(context.Context) (users.ID, error) {
			time.Sleep(budget / 3) // the bubble's time
			return user.ID, nil
		})
		require.NoError(t, err)
		time.Sleep(budget) // what is no wait is free
		_, err = c.User(ctx, user.ID, load)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.True(t, database.Unavailable(err))
		require.Equal(t, 2*budget, time.Since(began))

		_, err = c.User(ctx, uuid.New(), func(context.Context) (users.User, error) {
			t.Error("loaded for a request that has no time left")
			return users.User{}, nil
		})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 2*budget, time.Since(began), "at once")

		other := start(database.WithBudget(t.Context(), budget), c, user.ID, load)
		synctest.Wait()
		close(answer)
		require.Equal(t, outcome{user: user}, end(t, other))
		_, err = c.User(ctx, user.ID, load)
		require.NoError(t, err, "what is cached costs nothing")
	})
}
