// Package cache remembers users and sessions in the memory of this process, over bigcache. It is a copy of what the database said
// and never the truth: whatever goes wrong in it counts as a miss, and the program is right without it.
package cache

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/application"
)

// Options bounds a Cache.
type Options struct {
	// TTL is the age, counted from the moment before the row was read, at which an entry is no longer served. It must be positive.
	TTL time.Duration
	// MaxMB bounds the memory of the entries, in MiB; the index adds up to a fifth. The oldest entries make room for new ones.
	// 0: nothing is remembered, everything is loaded.
	MaxMB int
	// LoadTime bounds a load that calls share, whatever they may spend themselves. It must be positive.
	LoadTime time.Duration
	// Spend returns a ctx that ends when the caller who waits under ctx may not wait for the database any longer, and what tells that
	// the wait is over.
	Spend func(ctx context.Context) (waiting context.Context, done func())
	Now   func() time.Time
}

// Cache remembers users and whose live session a session is. It is safe for concurrent use. Values returned are copies. It is
// not for use inside a transaction: what is not committed must not be remembered.
//
// After ForgetUser, ForgetSession or ForgetAll has returned, no call that starts later is answered from before it, even when a slow load
// that began earlier returns later.
//
// Errors, and so "there is none" (users.ErrNotFound, users.ErrSessionEnded), are not remembered at all: only who waits for a load
// is told them. IDs cannot be guessed, so hardly anybody asks for what is not there, and who does must not push out what is.
type Cache struct {
	store    *store
	users    shelf[users.User]
	sessions shelf[users.ID]
	metrics  []prometheus.Collector
	close    func() error
}

var _ application.Cache = (*Cache)(nil)

// New returns an empty cache, to be closed after use.
func New(o Options) (*Cache, error) {
	if o.TTL <= 0 || o.LoadTime <= 0 {
		return nil, errors.New("open cache: its times must be positive")
	}
	s, err := newStore(o)
	if err != nil {
		return nil, err
	}
	hits := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "tickr_users_cache_hits_total", Help: "Reads answered from the cache.",
	}, []string{"kind"})
	misses := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "tickr_users_cache_misses_total", Help: "Reads not answered from the cache; those that miss together share one query.",
	}, []string{"kind"})
	ages := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "tickr_users_cache_hit_age_seconds", Help: "How long ago what the cache answers was read.",
		Buckets: []float64{1, 5, 15, 30, 60, 120, 300, 900, 3600},
	}, []string{"kind"})
	return &Cache{
		store: s,
		users: shelf[users.User]{
			store: s, kind: "user", encode: appendUser, decode: decodeUser, loadTime: o.LoadTime, spend: o.Spend,
			hits: hits.WithLabelValues("user"), misses: misses.WithLabelValues("user"), ages: ages.WithLabelValues("user"),
		},
		sessions: shelf[users.ID]{
			store: s, kind: "session", encode: appendID, decode: decodeID, loadTime: o.LoadTime, spend: o.Spend,
			hits: hits.WithLabelValues("session"), misses: misses.WithLabelValues("session"), ages: ages.WithLabelValues("session"),
		},
		metrics: []prometheus.Collector{
			hits, misses, ages,
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{
				Name: "tickr_users_cache_entries", Help: "Entries held, expired ones included until they are cleaned up.",
			}, func() float64 { return float64(s.entries.Len()) }),
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{
				Name: "tickr_users_cache_bytes", Help: "Memory reserved for entries.",
			}, func() float64 { return float64(s.entries.Capacity()) }),
		},
		close: sync.OnceValue(s.entries.Close),
	}, nil
}

// User implements application.Cache. Calls for one user that miss together share one load. It gets a context of its own, which
// ends after Options.LoadTime and carries no value of theirs but the first one's trace; a call whose ctx ends meanwhile, or who may spend no more, fails, and
// the others do not.
func (c *Cache) User(ctx context.Context, id users.ID, load func(context.Context) (users.User, error)) (users.User, error) {
	return c.users.read(ctx, id, load)
}

// Users implements application.Cache. Its load runs under ctx and is not shared.
func (c *Cache) Users(ctx context.Context, ids []users.ID, load func(context.Context, []users.ID) ([]users.User, error)) (map[users.ID]users.User, error) {
	found := make(map[users.ID]users.User, len(ids))
	fills := make(map[users.ID]fill)
	var missing []users.ID
	for _, id := range ids {
		if _, seen := found[id]; seen {
			continue
		}
		if _, seen := fills[id]; seen {
			continue
		}
		if u, ok := c.users.get(id); ok {
			found[id] = u
			continue
		}
		fills[id] = c.users.store.begin(id)
		missing = append(missing, id)
	}
	if len(missing) == 0 {
		return found, nil
	}
	loaded, err := load(ctx, missing)
	if err != nil {
		return nil, err
	}
	for _, u := range loaded {
		c.users.put(u.ID, fills[u.ID], u)
		found[u.ID] = u
	}
	return found, nil
}

// Session implements application.Cache. It shares loads as User does.
func (c *Cache) Session(ctx context.Context, id uuid.UUID, load func(context.Context) (users.ID, error)) (users.ID, error) {
	return c.sessions.read(ctx, id, load)
}

// ForgetUser implements application.Cache.
func (c *Cache) ForgetUser(id users.ID) { c.users.forget(id) }

// ForgetSession implements application.Cache.
func (c *Cache) ForgetSession(id uuid.UUID) { c.sessions.forget(id) }

// ForgetAll implements application.Cache.
func (c *Cache) ForgetAll() { c.store.forgetAll() }

// Close ends the clean-up in the background. Closing again does nothing; a closed cache still answers.
func (c *Cache) Close() error { return c.close() }

// Describe implements prometheus.Collector.
func (c *Cache) Describe(descs chan<- *prometheus.Desc) {
	for _, m := range c.metrics {
		m.Describe(descs)
	}
}

// Collect implements prometheus.Collector.
func (c *Cache) Collect(metrics chan<- prometheus.Metric) {
	for _, m := range c.metrics {
		m.Collect(metrics)
	}
}
