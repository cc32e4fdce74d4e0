package cache

import (
	"reflect"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tickr/tickr/modules/users"
)

// anyUser draws every field by reflection: a field that is added to the view and forgotten in the codec fails the round trip.
var anyUser = rapid.MakeCustom[users.User](rapid.MakeConfig{Types: map[reflect.Type]*rapid.Generator[any]{
	reflect.TypeFor[time.Time](): rapid.Custom(func(t *rapid.T) any {
		const first, last = -62135596800_000000, 253402300799_999999 // years 1 to 9999
		return time.UnixMicro(rapid.Int64Range(first, last).Draw(t, "µs")).UTC()
	}),
}})

func TestUserRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		u := anyUser.Draw(t, "user")
		decoded, ok := decodeUser(appendUser(nil, u))
		require.True(t, ok)
		require.Equal(t, u, decoded)
	})
}

func TestTimesAreKeptInUTC(t *testing.T) {
	t.Parallel()
	u := users.User{CreatedAt: time.Date(2026, 3, 4, 5, 6, 7, 123_456_000, time.FixedZone("Tunis", 3600))}
	decoded, ok := decodeUser(appendUser(nil, u))
	require.True(t, ok)
	require.Equal(t, u.CreatedAt.UTC(), decoded.CreatedAt)
}

func TestOnlyWholeEncodingsDecode(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		whole := appendUser(nil, anyUser.Draw(t, "user"))
		cut := rapid.IntRange(0, len(whole)-1).Draw(t, "cut")
		_, ok := decodeUser(whole[:cut])
		require.False(t, ok, "cut after %d of %d bytes", cut, len(whole))
		_, ok = decodeUser(append(whole, 0))
		require.False(t, ok, "something follows")
	})

	id := uuid.New()
	_, ok := decodeID(id[:15])
	require.False(t, ok)
	_, ok = decodeID(append(id[:], 0))
	require.False(t, ok)
}

func FuzzDecodeUser(f *testing.F) {
	f.Add(appendUser(nil, users.User{ID: uuid.New(), Email: "ana@example.org", Role: users.Admin}))
	f.Fuzz(func(t *testing.T, raw []byte) {
		u, ok := decodeUser(raw)
		if !ok {
			return
		}
		again, ok := decodeUser(appendUser(nil, u))
		require.True(t, ok)
		require.Equal(t, u, again)
	})
}
