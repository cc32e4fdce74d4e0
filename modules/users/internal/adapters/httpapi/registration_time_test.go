package httpapi

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// Times of registrations that differ by a little are told alike.
func TestEvenTime(t *testing.T) {
	t.Parallel()
	for took, told := range map[time.Duration]time.Duration{
		0: evenTime, time.Millisecond: evenTime, evenTime - 1: evenTime, evenTime: 2 * evenTime, evenTime + 1: 2 * evenTime,
	} {
		synctest.Test(t, func(t *testing.T) {
			begun, wait := time.Now(), evenly()
			time.Sleep(took)
			wait()
			require.Equal(t, told, time.Since(begun), took)
		})
	}
}
