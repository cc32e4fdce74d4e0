package cache

import (
	"context"
	"errors"
	"hash/fnv"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/platform/database"
)

const (
	mebibyte   = 1 << 20
	flightTime = 3 * time.Second
)

// clock is a time that stands until it is moved.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

func newClock() *clock { return &clock{time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)} }

func open(t *testing.T, o Options) *Cache {
	t.Helper()
	if o.Now == nil {
		o.Now = newClock().Now
	}
	if o.TTL == 0 {
		o.TTL = time.Minute
	}
	o.LoadTime, o.Spend = flightTime, database.Spend
	c, err := New(o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

// sample is a user with every optional field.
func sample() users.User {
	phone, login := "+21620123456", time.Date(2026, 4, 30, 8, 0, 0, 0, time.UTC)
	return users.User{
		ID: uuid.Must(uuid.NewV7()), Email: "ana@example.org", Phone: &phone, FirstName: "Ana", LastName: "Ben Salah",
		Role: users.Organizer, IsOrganizer: true, EmailVerified: true, IsActive: true, LastLoginAt: &login,
		CreatedAt: login.Add(-time.Hour), UpdatedAt: login, Version: 7,
	}
}

// source counts how often it is asked.
type source struct {
	user  users.User
	err   error
	loads int
}

func (s *source) load(context.Context) (users.User, error) {
	s.loads++
	return s.user, s.err
}

func (s *source) read(t *testing.T, c *Cache) users.User {
	t.Helper()
	u, err := c.User(t.Context(), s.user.ID, s.load)
	require.NoError(t, err)
	require.Equal(t, s.user, u)
	return u
}

func TestUserIsLoadedOnce(t *testing.T) {
	t.Parallel()
	c, s := open(t, Options{MaxMB: 1}), &source{user: sample()}
	s.read(t, c)
	first, second := s.read(t, c), s.read(t, c)
	require.Equal(t, 1, s.loads)
	require.NotSame(t, first.Phone, second.Phone)
	require.NotSame(t, first.LastLoginAt, second.LastLoginAt)

	c.ForgetUser(s.user.ID)
	s.read(t, c)
	require.Equal(t, 2, s.loads)
}

func TestSessionIsLoadedOnce(t *testing.T) {
	t.Parallel()
	c, session, owner, loads := open(t, Options{MaxMB: 1}), uuid.New(), uuid.New(), 0
	read := func() {
		id, err := c.Session(t.Context(), session, func(context.Context) (users.ID, error) {
			loads++
			return owner, nil
		})
		require.NoError(t, err)
		require.Equal(t, owner, id)
	}
	read()
	read()
	require.Equal(t, 1, loads)
	c.ForgetUser(session) // of the same ID, but another kind
	read()
	require.Equal(t, 1, loads)
	c.ForgetSession(session)
	read()
	require.Equal(t, 2, loads)
}

func TestUsersAreLoadedTogether(t *testing.T) {
	t.Parallel()
	c, cached, fresh, unknown := open(t, Options{MaxMB: 1}), sample(), sample(), uuid.New()
	(&source{user: cached}).read(t, c)

	var asked [][]users.ID
	load := func(_ context.Context, missing []users.ID) ([]users.User, error) {
		asked = append(asked, missing)
		return []users.User{fresh}, nil
	}
	want := map[users.ID]users.User{cached.ID: cached, fresh.ID: fresh}
	found, err := c.Users(t.Context(), []users.ID{fresh.ID, cached.ID, unknown, fresh.ID, unknown, cached.ID}, load)
	require.NoError(t, err)
	require.Equal(t, want, found)
	require.Equal(t, [][]users.ID{{fresh.ID, unknown}}, asked)

	found, err = c.Users(t.Context(), []users.ID{cached.ID, fresh.ID}, load)
	require.NoError(t, err)
	require.Equal(t, want, found)
	require.Len(t, asked, 1, "all were cached")

	found, err = c.Users(t.Context(), nil, load)
	require.NoError(t, err)
	require.Empty(t, found)
	require.Len(t, asked, 1)
}

func TestErrorsAreNotRemembered(t *testing.T) {
	t.Parallel()
	c, s := open(t, Options{MaxMB: 1}), &source{err: errors.New("database is down")}
	for range 2 {
		_, err := c.User(t.Context(), uuid.Nil, s.load)
		require.ErrorIs(t, err, s.err)
		_, err = c.Users(t.Context(), []users.ID{uuid.Nil}, func(ctx context.Context, _ []users.ID) ([]users.User, error) {
			_, err := s.load(ctx)
			return nil, err
		})
		require.ErrorIs(t, err, s.err)
	}
	require.Equal(t, 4, s.loads)
}

func TestExpiredEntriesAreNotServed(t *testing.T) {
	t.Parallel()
	for _, ttl := range []time.Duration{time.Microsecond, 900 * time.Millisecond, time.Second, 5 * time.Minute} {
		t.Run(ttl.String(), func(t *testing.T) {
			t.Parallel()
			clock := newClock()
			c, s := open(t, Options{MaxMB: 1, TTL: ttl, Now: clock.Now}), &source{user: sample()}
			s.read(t, c)
			clock.now = clock.now.Add(ttl - time.Microsecond)
			s.read(t, c)
			require.Equal(t, 1, s.loads, "still fresh")
			clock.now = clock.now.Add(time.Microsecond)
			s.read(t, c)
			require.Equal(t, 2, s.loads, "expired")
			clock.now = clock.now.Add(-time.Hour)
			s.read(t, c)
			require.Equal(t, 3, s.loads, "the clock was set back")
		})
	}
}

func TestAgeCountsFromBeforeTheLoad(t *testing.T) {
	t.Parallel()
	clock := newClock()
	c, s := open(t, Options{MaxMB: 1, Now: clock.Now}), &source{user: sample()}
	_, err := c.User(t.Context(), s.user.ID, func(ctx context.Context) (users.User, error) {
		clock.now = clock.now.Add(time.Minute)
		return s.load(ctx)
	})
	require.NoError(t, err)
	s.read(t, c)
	require.Equal(t, 2, s.loads)
}

func TestDamagedEntriesAreMisses(t *testing.T) {
	t.Parallel()
	c, s := open(t, Options{MaxMB: 1}), &source{user: sample()}
	s.read(t, c)
	key := c.users.key(s.user.ID)
	whole, err := c.users.store.entries.Get(key)
	require.NoError(t, err)

	damaged := [][]byte{append(slices.Clip(whole), 0)}
	for i := range whole {
		damaged = append(damaged, whole[:i])
		for bit := range 8 {
			flipped := slices.Clone(whole)
			flipped[i] ^= 1 << bit
			damaged = append(damaged, flipped)
		}
	}
	for _, entry := range damaged {
		require.NoError(t, c.users.store.entries.Set(key, entry))
		before := s.loads
		s.read(t, c)
		require.Equal(t, before+1, s.loads)
	}
}

// An entry of another version of the program is whole, but says something else.
func TestForeignFormatsAreMisses(t *testing.T) {
	t.Parallel()
	c, s := open(t, Options{MaxMB: 1}), &source{user: sample()}
	s.read(t, c)
	for foreign := range 256 {
		if foreign == format {
			continue
		}
		entry := appendUser(c.users.store.begin(s.user.ID).header(), s.user)
		entry[0] = byte(foreign)
		c.users.store.put(c.users.key(s.user.ID), s.user.ID, c.users.store.begin(s.user.ID), entry)
		before := s.loads
		s.read(t, c)
		require.Equal(t, before+1, s.loads)
	}
}

// An entry may be whole and still not be a user.
func TestEntriesThatDoNotDecodeAreMisses(t *testing.T) {
	t.Parallel()
	c, s := open(t, Options{MaxMB: 1}), &source{user: sample()}
	f := c.users.store.begin(s.user.ID)
	c.users.store.put(c.users.key(s.user.ID), s.user.ID, f, append(f.header(), 1))
	s.read(t, c)
	s.read(t, c)
	require.Equal(t, 1, s.loads)
}

func TestUserTooLargeForAShardIsNotAnError(t *testing.T) {
	t.Parallel()
	c, s := open(t, Options{MaxMB: 1}), &source{user: sample()}
	s.user.LastName = strings.Repeat("a", mebibyte/shards)
	s.read(t, c)
	s.read(t, c)
	require.Equal(t, 2, s.loads)
}

func TestMemoryStaysBounded(t *testing.T) {
	t.Parallel()
	const maxMB = 2
	c, s := open(t, Options{MaxMB: maxMB}), &source{user: sample()}
	for i := range 20_000 { // 6 MB in all; the odd ones overwrite one key
		if i%2 == 0 {
			s.user.ID = uuid.New()
		}
		s.user.LastName = strings.Repeat("a", i%150)
		c.ForgetUser(s.user.ID)
		s.read(t, c)
	}
	entries := c.users.store.entries
	require.LessOrEqual(t, entries.Capacity(), maxMB*mebibyte)
	require.Greater(t, entries.Len(), 1000, "what is left is still worth having")
}

// Overwriting takes new memory each time in bigcache: it must not take more than was given, nor mix entries up.
func TestMemoryStaysBoundedUnderAnOverwriteStorm(t *testing.T) {
	t.Parallel()
	const maxMB, writers, overwrites = 1, 4, 3_000 // a MiB for each writer, into the 16 KiB of its shard
	c, neighbour := open(t, Options{MaxMB: maxMB}), &source{user: sample()}
	var group sync.WaitGroup
	taken := map[uint64]bool{}
	for writer := range writers {
		s := &source{user: sample()}
		s.user.ID[15] = byte(writer) // in a stripe of its own: forgetting a neighbour in it costs a load
		for taken[shardOf(c, s.user.ID)] {
			s.user.ID[14]++ // and in a shard of its own: others would push it out while this writer waits for a processor
		}
		taken[shardOf(c, s.user.ID)] = true
		group.Go(func() {
			for i := range overwrites {
				s.user.Version = int64(i)
				s.user.LastName = strings.Repeat("a", i%500)
				c.ForgetUser(s.user.ID)
				for range 2 {
					u, err := c.User(t.Context(), s.user.ID, s.load)
					if !assert.NoError(t, err) || !assert.Equal(t, s.user.Version, u.Version) {
						return
					}
				}
			}
			assert.Equal(t, overwrites, s.loads, "the newest entry always has its place")
		})
	}
	group.Wait()
	neighbour.read(t, c)
	require.LessOrEqual(t, c.users.store.entries.Capacity(), maxMB*mebibyte)
}

// shardOf returns where bigcache keeps a user.
func shardOf(c *Cache, id users.ID) uint64 {
	hash := fnv.New64a()
	_, _ = hash.Write([]byte(c.users.key(id)))
	return hash.Sum64() % shards
}

func TestCacheOff(t *testing.T) {
	t.Parallel()
	c, s := open(t, Options{MaxMB: 0}), &source{user: sample()}
	s.read(t, c)
	s.read(t, c)
	require.Equal(t, 2, s.loads)
	for range 2 {
		found, err := c.Users(t.Context(), []users.ID{s.user.ID}, func(ctx context.Context, _ []users.ID) ([]users.User, error) {
			u, err := s.load(ctx)
			return []users.User{u}, err
		})
		require.NoError(t, err)
		require.Equal(t, map[users.ID]users.User{s.user.ID: s.user}, found)
	}
	require.Equal(t, 4, s.loads)
	c.ForgetUser(s.user.ID)
	c.ForgetSession(s.user.ID)
}

func TestCloseTwice(t *testing.T) {
	t.Parallel()
	for _, maxMB := range []int{0, 1} {
		c := open(t, Options{MaxMB: maxMB})
		require.NoError(t, c.Close())
		require.NoError(t, c.Close())
		(&source{user: sample()}).read(t, c)
	}
}

func TestImpossibleOptions(t *testing.T) {
	t.Parallel()
	for _, o := range []Options{
		{MaxMB: 1, LoadTime: time.Second},
		{MaxMB: 1, LoadTime: time.Second, TTL: -time.Second},
		{MaxMB: 1, TTL: time.Second},
		{MaxMB: -1, LoadTime: time.Second, TTL: time.Second},
	} {
		_, err := New(o)
		require.Error(t, err)
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	c, s := open(t, Options{MaxMB: 1}), &source{user: sample()}
	s.read(t, c)
	s.read(t, c)
	s.read(t, c)
	require.NoError(t, testutil.CollectAndCompare(c, strings.NewReader(`
# HELP tickr_users_cache_entries Entries held, expired ones included until they are cleaned up.
# TYPE tickr_users_cache_entries gauge
tickr_users_cache_entries 1
# HELP tickr_users_cache_hits_total Reads answered from the cache.
# TYPE tickr_users_cache_hits_total counter
tickr_users_cache_hits_total{kind="session"} 0
tickr_users_cache_hits_total{kind="user"} 2
# HELP tickr_users_cache_misses_total Reads not answered from the cache; those that miss together share one query.
# TYPE tickr_users_cache_misses_total counter
tickr_users_cache_misses_total{kind="session"} 0
tickr_users_cache_misses_total{kind="user"} 1
`), "tickr_users_cache_entries", "tickr_users_cache_hits_total", "tickr_users_cache_misses_total"))
	require.Positive(t, c.users.store.entries.Capacity())
	require.Equal(t, 2, testutil.CollectAndCount(c, "tickr_users_cache_hit_age_seconds"))
}
