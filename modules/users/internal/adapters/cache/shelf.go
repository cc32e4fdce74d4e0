package cache

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/singleflight"
)

// shelf is the entries of one kind, by ID.
type shelf[V any] struct {
	store    *store
	kind     string
	encode   func(to []byte, value V) []byte
	decode   func(from []byte) (value V, ok bool)
	loadTime time.Duration
	spend    func(context.Context) (context.Context, func())
	hits     prometheus.Counter
	misses   prometheus.Counter
	ages     prometheus.Observer
	flights  singleflight.Group
}

// read returns the value from the cache, or loads and remembers it. Errors are not remembered.
func (s *shelf[V]) read(ctx context.Context, id uuid.UUID, load func(context.Context) (V, error)) (V, error) {
	if value, ok := s.get(id); ok {
		return value, nil
	}
	return s.share(ctx, id, load)
}

func (s *shelf[V]) get(id uuid.UUID) (value V, ok bool) {
	raw, age, held := s.store.get(s.key(id))
	if held {
		value, ok = s.decode(raw)
	}
	if ok {
		s.hits.Inc()
		s.ages.Observe(age.Seconds())
	} else {
		s.misses.Inc()
	}
	return value, ok
}

// put remembers the value, unless id was forgotten since f began, and returns its encoding.
func (s *shelf[V]) put(id uuid.UUID, f fill, value V) []byte {
	entry := s.encode(f.header(), value)
	s.store.put(s.key(id), id, f, entry)
	return entry[headerSize:]
}

func (s *shelf[V]) forget(id uuid.UUID) { s.store.forget(s.key(id), id) }

func (s *shelf[V]) key(id uuid.UUID) string { return s.kind + ":" + id.String() }
