package cache

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/modules/users"
)

// A load that began before a change must not put back what it read.
func TestOldRowIsNotPutBack(t *testing.T) {
	t.Parallel()
	old := sample()
	changed := old
	changed.Version++

	reads := map[string]func(*Cache, context.Context, func() users.User) (users.User, error){
		"User": func(c *Cache, ctx context.Context, row func() users.User) (users.User, error) {
			return c.User(ctx, old.ID, func(context.Context) (users.User, error) { return row(), nil })
		},
		"Users": func(c *Cache, ctx context.Context, row func() users.User) (users.User, error) {
			found, err := c.Users(ctx, []users.ID{old.ID}, func(context.Context, []users.ID) ([]users.User, error) {
				return []users.User{row()}, nil
			})
			return found[old.ID], err
		},
	}
	for slow, readSlowly := range reads {
		for next, readNext := range reads {
			t.Run(slow+" then "+next, func(t *testing.T) {
				t.Parallel()
				c := open(t, Options{MaxMB: 1})
				u, err := readSlowly(c, t.Context(), func() users.User {
					c.ForgetUser(old.ID) // the change is acknowledged while the row is on its way
					return old
				})
				require.NoError(t, err)
				require.Equal(t, old, u)

				u, err = readNext(c, t.Context(), func() users.User { return changed })
				require.NoError(t, err)
				require.Equal(t, changed, u)
			})
		}
	}
}

func TestEndedSessionIsNotPutBack(t *testing.T) {
	t.Parallel()
	c, session, owner := open(t, Options{MaxMB: 1}), uuid.New(), uuid.New()
	_, err := c.Session(t.Context(), session, func(context.Context) (users.ID, error) {
		c.ForgetSession(session)
		return owner, nil
	})
	require.NoError(t, err)
	_, err = c.Session(t.Context(), session, func(context.Context) (users.ID, error) { return uuid.Nil, users.ErrSessionEnded })
	require.ErrorIs(t, err, users.ErrSessionEnded)
}

// Writers change rows and forget them; whoever asks after that must see at least that change.
func TestNothingOldAfterForgetting(t *testing.T) {
	t.Parallel()
	const rows, workers, rounds = 8, 8, 400
	c := open(t, Options{MaxMB: 1, Now: time.Now})
	ids := make([]users.ID, rows)
	index := make(map[users.ID]int, rows)
	for i := range ids {
		ids[i] = uuid.New()
		index[ids[i]] = i
	}
	var table [rows]atomic.Int64 // the versions as the database has them
	row := func(id users.ID) users.User {
		version := table[index[id]].Load()
		time.Sleep(time.Duration(rand.IntN(50)) * time.Microsecond) // the answer travels
		return users.User{ID: id, Version: version}
	}
	loadOne := func(id users.ID) func(context.Context) (users.User, error) {
		return func(context.Context) (users.User, error) { return row(id), nil }
	}
	loadMany := func(ctx context.Context, ids []users.ID) ([]users.User, error) {
		var found []users.User
		for _, id := range ids {
			found = append(found, row(id))
		}
		return found, ctx.Err()
	}

	var stale atomic.Int64
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for range rounds {
				id := ids[rand.IntN(rows)]
				switch rand.IntN(4) {
				case 0:
					changed := table[index[id]].Add(1)
					c.ForgetUser(id)
					if u, _ := c.User(context.Background(), id, loadOne(id)); u.Version < changed {
						stale.Add(1)
					}
				case 1:
					_, _ = c.Users(context.Background(), ids, loadMany)
				default:
					_, _ = c.User(context.Background(), id, loadOne(id))
				}
			}
		})
	}
	group.Wait()
	require.Zero(t, stale.Load())

	found, err := c.Users(t.Context(), ids, loadMany)
	require.NoError(t, err)
	for i, id := range ids {
		require.Equal(t, table[i].Load(), found[id].Version, "what is cached at the end")
	}
}
