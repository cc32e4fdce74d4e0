package cache

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"sync"
	"time"

	"github.com/allegro/bigcache/v3"
	"github.com/google/uuid"
)

const (
	// format is the first byte of every entry. It changes with the codec, so that no entry is read as what it is not.
	format = 2
	// headerSize is the format and the time of reading.
	headerSize = 1 + 8
	// sumSize is the checksum at the end of every entry: most damage would still decode, to a user who never was.
	sumSize = crc32.Size

	// shards is small enough for a shard of the smallest cache, 16 KiB, to hold the largest user several times.
	shards = 64
	// typicalSize is about what a user takes. It only sizes the first allocation.
	typicalSize = 256
	// cleanEvery is how often expired entries give their memory back. They are not served in the meantime.
	cleanEvery = time.Minute
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// entries is what the store needs of bigcache.
type entries interface {
	Get(key string) ([]byte, error)
	Set(key string, entry []byte) error
	Delete(key string) error
	Reset() error
	Len() int
	Capacity() int
	Close() error
}

// store keeps encoded values for a limited time. Only it touches bigcache, so that nobody can put a value around the guard.
type store struct {
	entries entries
	ttl     time.Duration
	now     func() time.Time
	stripes [256]stripe
}

// stripe guards the keys of a 256th of all IDs. Its generation counts what was forgotten of them.
type stripe struct {
	mu         sync.Mutex
	generation uint64
}

// fill is taken before a value is loaded and allows to put it unless its stripe was forgotten since.
type fill struct {
	generation uint64
	at         time.Time
}

func newStore(o Options) (*store, error) {
	s := &store{entries: off{}, ttl: o.TTL, now: o.Now}
	if o.MaxMB == 0 {
		return s, nil
	}
	// Not the context of a start-up: the clean-up would end with it.
	big, err := bigcache.New(context.Background(), bigcache.Config{
		Shards: shards,
		// In whole seconds, rounded down by bigcache. The store keeps the exact age of entries itself.
		LifeWindow:       o.TTL + time.Second,
		CleanWindow:      cleanEvery,
		MaxEntrySize:     typicalSize,
		HardMaxCacheSize: o.MaxMB,
	})
	if err != nil {
		return nil, fmt.Errorf("open cache: %w", err)
	}
	s.entries = big
	return s, nil
}

func (s *store) begin(id uuid.UUID) fill {
	at := s.now()
	stripe := s.stripe(id)
	stripe.mu.Lock()
	defer stripe.mu.Unlock()
	return fill{generation: stripe.generation, at: at}
}

// header begins an entry.
func (f fill) header() []byte {
	return binary.BigEndian.AppendUint64(append(make([]byte, 0, typicalSize), format), uint64(f.at.UnixMicro()))
}

// put stores an entry that begins with f's header.
func (s *store) put(key string, id uuid.UUID, f fill, entry []byte) {
	entry = binary.BigEndian.AppendUint32(entry, crc32.Checksum(entry, castagnoli))
	stripe := s.stripe(id)
	stripe.mu.Lock()
	defer stripe.mu.Unlock()
	if stripe.generation == f.generation {
		_ = s.entries.Set(key, entry) // fails for an entry that is larger than a shard: it is not remembered
	}
}

// get returns what lies between the header and the checksum of an entry that may be served, and how old it is.
func (s *store) get(key string) ([]byte, time.Duration, bool) {
	entry, err := s.entries.Get(key)
	if err != nil || len(entry) < headerSize+sumSize || entry[0] != format {
		return nil, 0, false
	}
	entry, sum := entry[:len(entry)-sumSize], entry[len(entry)-sumSize:]
	if binary.BigEndian.Uint32(sum) != crc32.Checksum(entry, castagnoli) {
		return nil, 0, false
	}
	age := s.now().Sub(time.UnixMicro(int64(binary.BigEndian.Uint64(entry[1:])))) //nolint:gosec // header made it from one
	// An entry from the future was stored before the clock was set back: its age is unknown.
	if age < 0 || age >= s.ttl {
		return nil, 0, false
	}
	return entry[headerSize:], age, true
}

func (s *store) forget(key string, id uuid.UUID) {
	stripe := s.stripe(id)
	stripe.mu.Lock()
	defer stripe.mu.Unlock()
	stripe.generation++
	_ = s.entries.Delete(key) // fails only when there is nothing to delete
}

// forgetAll drops every entry. What is loaded meanwhile is not put: each stripe is forgotten before.
func (s *store) forgetAll() {
	for i := range s.stripes {
		s.stripes[i].mu.Lock()
		s.stripes[i].generation++
		s.stripes[i].mu.Unlock()
	}
	_ = s.entries.Reset() // never fails
}

// stripe returns the guard of an ID. The last octet of a version 4 or 7 UUID is random.
func (s *store) stripe(id uuid.UUID) *stripe { return &s.stripes[id[len(id)-1]] }

// off holds nothing.
type off struct{}

func (off) Get(string) ([]byte, error) { return nil, bigcache.ErrEntryNotFound }
func (off) Set(string, []byte) error   { return nil }
func (off) Delete(string) error        { return nil }
func (off) Reset() error               { return nil }
func (off) Len() int                   { return 0 }
func (off) Capacity() int              { return 0 }
func (off) Close() error               { return nil }
