package password

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestNetworksTakeTurns: a network that sends many keeps nobody of another one waiting, and its own come in their order.
func TestNetworksTakeTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := newEntrance(1)
		require.True(t, e.enter(t.Context(), "flood"))
		var order []string
		stand := func(network, name string) {
			go func() {
				assert.True(t, e.enter(t.Context(), network))
				order = append(order, name)
			}()
			synctest.Wait()
		}
		for i := range 3 {
			stand("flood", fmt.Sprint("flood ", i))
		}
		stand("home", "home 0")
		stand("office", "office 0")
		stand("home", "home 1")
		for range 7 {
			e.leave()
			synctest.Wait()
		}
		require.Equal(t, []string{"flood 0", "home 0", "office 0", "flood 1", "home 1", "flood 2"}, order)
		require.Equal(t, 1, e.free)
		require.Zero(t, e.turns.Len())
		require.Empty(t, e.lines)
	})
}

// TestWhoGivesUpLeavesNoTrace, and no place goes to somebody who is not there any more.
func TestWhoGivesUpLeavesNoTrace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := newEntrance(1)
		require.True(t, e.enter(t.Context(), "flood"))
		var inside atomic.Int32
		for i := range 6 { // the second of each network does not wait for long
			go func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				if i/2%2 == 1 {
					ctx, cancel = context.WithTimeout(t.Context(), time.Second)
				}
				defer cancel()
				if e.enter(ctx, []string{"flood", "home"}[i%2]) {
					inside.Add(1)
				}
			}()
			synctest.Wait()
		}
		go func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			assert.False(t, e.enter(ctx, "office"))
		}()
		time.Sleep(2 * time.Second)
		for n := range 4 {
			e.leave()
			synctest.Wait()
			require.EqualValues(t, n+1, inside.Load())
		}
		e.leave()
		require.Equal(t, 1, e.free)
		require.Zero(t, e.turns.Len())
		require.Empty(t, e.lines)
	})
}

// TestPlacesAreNeverLost, however those who come, wait, give up and leave meet.
func TestPlacesAreNeverLost(t *testing.T) {
	t.Parallel()
	const places = 3
	e := newEntrance(places)
	var inside, entered atomic.Int64
	var crowd sync.WaitGroup
	for i := range 60 {
		crowd.Go(func() {
			for range 50 {
				ctx, cancel := context.WithTimeout(context.Background(), rand.N(2*time.Millisecond))
				if e.enter(ctx, fmt.Sprint(i%7)) {
					if n := inside.Add(1); n > places {
						t.Errorf("%d are inside", n)
					}
					entered.Add(1)
					time.Sleep(rand.N(100 * time.Microsecond))
					inside.Add(-1)
					e.leave()
				}
				cancel()
			}
		})
	}
	crowd.Wait()
	require.Positive(t, entered.Load())
	require.Equal(t, places, e.free)
	require.Zero(t, e.turns.Len())
	require.Empty(t, e.lines)
}
