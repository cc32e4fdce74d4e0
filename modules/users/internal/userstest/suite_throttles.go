package userstest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tickr/tickr/modules/users/internal/application"
)

// take counts a use as the use cases do: in a transaction of its own.
func (s *RepositorySuite) take(now time.Time, limits ...application.Limit) error {
	return s.db.Tx.InTx(s.ctx, func(ctx context.Context) error { return s.db.Throttles.Take(ctx, limits, now) })
}

// requireLimited checks that err refuses a use for so long.
func (s *RepositorySuite) requireLimited(err error, wait time.Duration) {
	s.T().Helper()
	var limited *application.LimitedError
	s.Require().ErrorAs(err, &limited)
	s.Equal(wait, limited.RetryAfter)
}

// TestThrottleWindow checks that a window begins with the first use, ends after its time, and that others do not use it up.
func (s *RepositorySuite) TestThrottleWindow() {
	limit := application.Limit{Key: "one", Most: 2, Per: time.Hour}
	s.Require().NoError(s.take(day, limit))
	s.Require().NoError(s.take(day.Add(time.Minute), limit))
	s.requireLimited(s.take(day.Add(20*time.Minute), limit), 40*time.Minute)
	s.requireLimited(s.take(day.Add(time.Hour-time.Microsecond), limit), time.Microsecond)
	s.Require().NoError(s.take(day.Add(20*time.Minute), application.Limit{Key: "other", Most: 1, Per: time.Hour}))
	s.Require().NoError(s.take(day.Add(time.Hour), limit), "the window is over")
	s.Require().NoError(s.take(day.Add(61*time.Minute), limit))
	s.requireLimited(s.take(day.Add(90*time.Minute), limit), 30*time.Minute)
}

// TestThrottlesAreTakenTogether checks that a use is counted against all limits or none, and that the longest wait is told.
func (s *RepositorySuite) TestThrottlesAreTakenTogether() {
	few := application.Limit{Key: "b few", Most: 1, Per: time.Hour}
	fewer := application.Limit{Key: "c few for longer", Most: 1, Per: 2 * time.Hour}
	many := application.Limit{Key: "a many", Most: 2, Per: time.Hour}
	s.Require().NoError(s.take(day, many, few))
	s.requireLimited(s.take(day, few, many), time.Hour)
	s.Require().NoError(s.take(day, many), "what was refused has not been counted")
	s.requireLimited(s.take(day, many), time.Hour)
	s.Require().NoError(s.take(day, fewer))
	s.requireLimited(s.take(day, many, fewer, few), 2*time.Hour)
}

// TestThrottleReturn checks that a use can be given back, once for each that was taken, and only in its window.
func (s *RepositorySuite) TestThrottleReturn() {
	limits := []application.Limit{{Key: "b", Most: 1, Per: time.Hour}, {Key: "a", Most: 1, Per: time.Hour}}
	s.Require().NoError(s.db.Throttles.Return(s.ctx, limits, day), "nothing was taken yet")
	s.Require().NoError(s.take(day, limits...))
	s.Require().NoError(s.db.Throttles.Return(s.ctx, limits, day))
	s.Require().NoError(s.db.Throttles.Return(s.ctx, limits, day))
	s.Require().NoError(s.take(day, limits...))
	s.requireLimited(s.take(day, limits...), time.Hour)

	later := day.Add(time.Hour)
	s.Require().NoError(s.db.Throttles.Return(s.ctx, limits, later))
	s.Require().NoError(s.take(later, limits...))
	s.requireLimited(s.take(later, limits...), time.Hour)
}

// TestThrottleLift checks that a limit can be lifted, and no other with it.
func (s *RepositorySuite) TestThrottleLift() {
	lifted, kept := application.Limit{Key: "a", Most: 1, Per: time.Hour}, application.Limit{Key: "b", Most: 1, Per: time.Hour}
	s.Require().NoError(s.take(day, lifted, kept))
	s.Require().NoError(s.db.Throttles.Lift(s.ctx, []application.Limit{lifted}))
	s.Require().NoError(s.take(day, lifted))
	s.requireLimited(s.take(day, kept), time.Hour)
}

// TestThrottleIsExact checks that of many uses at once, of several limits in any order, as many are counted as there may be.
func (s *RepositorySuite) TestThrottleIsExact() {
	limits := []application.Limit{{Key: "a", Most: 5, Per: time.Hour}, {Key: "b", Most: 7, Per: time.Hour}}
	swapped := []application.Limit{limits[1], limits[0]}
	var taken, refused atomic.Int32
	var all sync.WaitGroup
	for i := range 60 {
		all.Go(func() {
			these := limits
			if i%2 == 0 {
				these = swapped
			}
			err := s.take(day, these...)
			if limited := new(application.LimitedError); errors.As(err, &limited) {
				refused.Add(1)
				return
			}
			s.NoError(err)
			taken.Add(1)
		})
	}
	all.Wait()
	s.EqualValues(5, taken.Load())
	s.EqualValues(55, refused.Load())
	s.Require().NoError(s.take(day, limits[1]))
	s.Require().NoError(s.take(day, limits[1]), "the refused were counted against none")
	s.requireLimited(s.take(day, limits[1]), time.Hour)
}

// TestTrustedOrigins checks that an origin is trusted until its time, which is never brought forward.
func (s *RepositorySuite) TestTrustedOrigins() {
	trusted := func(key string, now time.Time) bool {
		found, err := s.db.Throttles.Trusted(s.ctx, key, now)
		s.Require().NoError(err)
		return found
	}
	s.False(trusted("home", day))
	s.Require().NoError(s.db.Throttles.Trust(s.ctx, "home", day.Add(time.Hour)))
	s.True(trusted("home", day))
	s.False(trusted("office", day))
	s.False(trusted("home", day.Add(time.Hour)))
	s.Require().NoError(s.db.Throttles.Trust(s.ctx, "home", day.Add(time.Minute)))
	s.True(trusted("home", day.Add(time.Minute)))
	s.Require().NoError(s.db.Throttles.Trust(s.ctx, "home", day.Add(2*time.Hour)))
	s.True(trusted("home", day.Add(time.Hour)))
}
