package cache

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/tickr/tickr/modules/users"
)

const readers = 200

// outcome is what a read came to.
type outcome struct {
	user     users.User
	err      error
	panicked any
}

// start reads in the background.
func start(ctx context.Context, c *Cache, id users.ID, load func(context.Context) (users.User, error)) <-chan outcome {
	ended := make(chan outcome, 1)
	go func() {
		var o outcome
		defer func() {
			o.panicked = recover()
			ended <- o
		}()
		o.user, o.err = c.User(ctx, id, load)
	}()
	return ended
}

// end returns the outcome of a read that must have ended: all that goes on in the bubble waits for the test or for time to pass.
func end(t *testing.T, read <-chan outcome) outcome {
	t.Helper()
	synctest.Wait()
	require.Len(t, read, 1, "it still waits")
	return <-read
}

func TestReadersShareOneLoad(t *testing.T) {
	t.Parallel()
	for _, maxMB := range []int{0, 1} { // also when nothing is remembered
		synctest.Test(t, func(t *testing.T) {
			c, user, answer, loads := open(t, Options{MaxMB: maxMB}), sample(), make(chan struct{}), 0
			load := func(context.Context) (users.User, error) {
				loads++
				<-answer
				return user, nil
			}
			var reads []<-chan outcome
			for range readers {
				reads = append(reads, start(t.Context(), c, user.ID, load))
			}
			synctest.Wait()
			close(answer)
			var before *string
			for _, read := range reads {
				o := end(t, read)
				require.Equal(t, outcome{user: user}, o)
				require.NotSame(t, before, o.user.Phone, "each reader has a copy")
				before = o.user.Phone
			}
			require.Equal(t, 1, loads)
		})
	}
}

// A reader that missed just before a flight landed, and comes to start another one just after, is answered by the first.
func TestReaderLateForAFlightFindsWhatItBrought(t *testing.T) {
	t.Parallel()
	c, s := open(t, Options{MaxMB: 1}), &source{user: sample()}
	_, ok := c.users.get(s.user.ID)
	require.False(t, ok)
	s.read(t, c)
	u, err := c.users.share(t.Context(), s.user.ID, s.load)
	require.NoError(t, err)
	require.Equal(t, s.user, u)
	require.Equal(t, 1, s.loads)
}

func TestReaderAfterAChangeDoesNotJoinAnOlderFlight(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, old, slow := open(t, Options{MaxMB: 1}), sample(), make(chan struct{})
		land := sync.OnceFunc(func() { close(slow) })
		defer land()
		changed := old
		changed.Version++
		before := start(t.Context(), c, old.ID, func(context.Context) (users.User, error) {
			<-slow
			return old, nil
		})
		synctest.Wait()
		c.ForgetUser(old.ID)
		current := &source{user: changed}
		after := start(t.Context(), c, old.ID, current.load)
		require.Equal(t, outcome{user: changed}, end(t, after), "while the older one is under way")
		land()
		require.Equal(t, outcome{user: old}, end(t, before), "it began before the change")
		current.read(t, c)
		require.Equal(t, 1, current.loads)
	})
}

func TestReaderWhoLeavesTakesNobodyAlong(t *testing.T) {
	t.Parallel()
	for leaver, name := range []string{"the first", "a later one"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c, user, answer := open(t, Options{MaxMB: 1}), sample(), make(chan struct{})
				load := func(ctx context.Context) (users.User, error) {
					select {
					case <-answer:
						return user, nil
					case <-ctx.Done():
						return users.User{}, ctx.Err()
					}
				}
				var reads [3]<-chan outcome
				var leave [3]context.CancelFunc
				for i := range reads {
					var ctx context.Context
					ctx, leave[i] = context.WithCancel(t.Context())
					defer leave[i]()
					reads[i] = start(ctx, c, user.ID, load)
					synctest.Wait()
				}
				leave[leaver]()
				require.ErrorIs(t, end(t, reads[leaver]).err, context.Canceled, "at once, not when the load ends")
				close(answer)
				for i, read := range reads {
					if i != leaver {
						require.Equal(t, outcome{user: user}, end(t, read))
					}
				}
			})
		})
	}
}

func TestReaderWhoHasLeftLoadsNothing(t *testing.T) {
	t.Parallel()
	c, s := open(t, Options{MaxMB: 1}), &source{user: sample()}
	ctx, leave := context.WithCancel(t.Context())
	leave()
	_, err := c.User(ctx, s.user.ID, s.load)
	require.ErrorIs(t, err, context.Canceled)
	require.Zero(t, s.loads)
}

// Neither the first reader's values (its database budget, its transaction) nor its deadline are the load's; but it ends.
func TestLoadHasATimeOfItsOwn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		type key struct{}
		c, s := open(t, Options{MaxMB: 1}), &source{user: sample()}
		var value any
		hang := func(ctx context.Context) (users.User, error) {
			value = ctx.Value(key{})
			<-ctx.Done()
			return users.User{}, ctx.Err()
		}
		hasty, cancel := context.WithTimeout(context.WithValue(t.Context(), key{}, "the first reader's"), time.Second)
		defer cancel()
		first := start(hasty, c, s.user.ID, hang)
		synctest.Wait()
		second := start(t.Context(), c, s.user.ID, hang)
		time.Sleep(time.Second) // the bubble's time
		require.ErrorIs(t, end(t, first).err, context.DeadlineExceeded)
		require.Empty(t, second)
		time.Sleep(flightTime - time.Second)
		require.ErrorIs(t, end(t, second).err, context.DeadlineExceeded)
		require.Nil(t, value)
		s.read(t, c)
	})
}

func TestPanicIsRaisedInEveryReader(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, s, answer := open(t, Options{MaxMB: 1}), &source{user: sample()}, make(chan struct{})
		bug := errors.New("a bug")
		load := func(context.Context) (users.User, error) {
			<-answer
			panic(bug)
		}
		var reads []<-chan outcome
		for range readers {
			reads = append(reads, start(t.Context(), c, s.user.ID, load))
		}
		synctest.Wait()
		close(answer)
		for _, read := range reads {
			p, _ := end(t, read).panicked.(error)
			require.ErrorIs(t, p, bug)
			require.ErrorContains(t, p, "flight_test.go", "it says where")
		}
		s.read(t, c)
	})
}

// "There is none" is told to those who wait for that load and to nobody later, however little later.
func TestAbsenceIsNotRemembered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, user, session, loads := open(t, Options{MaxMB: 1}), sample(), uuid.New(), atomic.Int64{}
		ask := func(ctx context.Context) (users.ID, error) {
			loads.Add(1)
			return uuid.Nil, users.ErrSessionEnded
		}
		for range 2 {
			var reads []<-chan outcome
			for range readers {
				reads = append(reads, start(t.Context(), c, user.ID, func(context.Context) (users.User, error) {
					return users.User{}, users.ErrNotFound
				}))
			}
			for _, read := range reads {
				require.ErrorIs(t, end(t, read).err, users.ErrNotFound)
			}
			_, err := c.Session(t.Context(), session, ask)
			require.ErrorIs(t, err, users.ErrSessionEnded)
		}
		require.EqualValues(t, 2, loads.Load())

		// The clock stands: no time has passed.
		(&source{user: user}).read(t, c)
		owner, err := c.Session(t.Context(), session, func(context.Context) (users.ID, error) { return user.ID, nil })
		require.NoError(t, err)
		require.Equal(t, user.ID, owner)
	})
}

// The load is shared, but one of the readers must have its trace: the first.
func TestLoadIsPartOfTheFirstReadersTrace(t *testing.T) {
	t.Parallel()
	spans := tracetest.NewSpanRecorder()
	tracer := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)).Tracer("test")
	ctx, request := tracer.Start(t.Context(), "request")
	c, user := open(t, Options{}), sample()
	_, err := c.User(ctx, user.ID, func(ctx context.Context) (users.User, error) {
		_, query := tracer.Start(ctx, "query")
		query.End()
		return users.User{}, users.ErrNotFound
	})
	require.ErrorIs(t, err, users.ErrNotFound)

	query, load := spans.Ended()[0], spans.Ended()[1]
	require.Equal(t, "load user", load.Name())
	require.Equal(t, request.SpanContext().SpanID(), load.Parent().SpanID())
	require.Equal(t, load.SpanContext().SpanID(), query.Parent().SpanID())
	require.NotContains(t, fmt.Sprint(load.Attributes(), load.Status(), load.Events()), user.ID.String())
}
