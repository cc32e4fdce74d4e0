package cache

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/allegro/bigcache/v3"

	"github.com/tickr/tickr/modules/users"
)

// rows are two users who share a stripe. At first there is only one of them.
var rows = []users.ID{{0: 1, 15: 7}, {0: 2, 15: 7}}

// stage is a cache over a table of users, and actors who read and change them. An actor stops wherever another could overtake it,
// and goes on when it is its turn. So a play can be repeated, and every order can be played.
type stage struct {
	cache   *Cache
	entries *mapEntries

	mu      sync.Mutex
	table   map[users.ID]int64 // the versions as the database has them; 0: there is no such user
	told    map[users.ID]int64 // the newest versions of which a writer was told that they are stored
	loads   int
	waiting []turn
	stops   int // number of the next stop
	acting  int
	wrong   []string

	patience context.Context // of the readers who leave
	callAway context.CancelFunc
}

// turn is what an actor waits for. Those of one play differ in at, and in each repetition they are the same.
type turn struct {
	at   int
	come chan struct{}
}

// actor does one thing on a stage. It calls pause between its steps.
type actor func(ctx context.Context, s *stage, pause func())

func newStage(t *testing.T) *stage {
	t.Helper()
	s := &stage{cache: open(t, Options{}), table: map[users.ID]int64{}, told: map[users.ID]int64{}}
	s.entries = &mapEntries{held: map[string][]byte{}, afterGet: s.pause}
	s.cache.users.store.entries = s.entries
	return s
}

// play lets the actors act in a bubble. choose says who of n goes on. It returns what went wrong.
func (s *stage) play(ctx context.Context, choose func(n int) int, actors ...actor) []string {
	clear(s.table)
	clear(s.told)
	clear(s.entries.held)
	s.table[rows[0]] = 1
	s.loads, s.wrong = 0, nil
	s.acting, s.stops = len(actors), len(actors)
	s.patience, s.callAway = context.WithCancel(ctx)
	defer s.callAway()
	for i, act := range actors {
		go func() {
			pause := func() { s.await(i) }
			pause()
			act(ctx, s, pause)
			s.do(func() { s.acting-- })
		}()
	}
	for {
		synctest.Wait() // each waits for its turn, or in a flight for the turn of another
		if len(s.waiting) == 0 {
			break
		}
		slices.SortFunc(s.waiting, func(a, b turn) int { return cmp.Compare(a.at, b.at) })
		i := choose(len(s.waiting))
		come := s.waiting[i].come
		s.waiting = slices.Delete(s.waiting, i, i+1)
		close(come)
	}
	if s.acting > 0 {
		return append(s.wrong, fmt.Sprintf("%d wait for ever", s.acting))
	}
	for _, id := range rows {
		if u, ok := s.cache.users.get(id); ok && u.Version != s.table[id] {
			s.fault("version %d of a user is left in the cache, in the table is %d", u.Version, s.table[id])
		}
	}
	return s.wrong
}

// pause stops an actor somewhere within the cache, where it is not known which one it is: only one acts at a time.
func (s *stage) pause() {
	var at int
	s.do(func() { at, s.stops = s.stops, s.stops+1 })
	s.await(at)
}

func (s *stage) await(at int) {
	come := make(chan struct{})
	s.mu.Lock()
	over := s.acting == 0
	if !over {
		s.waiting = append(s.waiting, turn{at, come})
	}
	s.mu.Unlock()
	if !over {
		<-come
	}
}

func (s *stage) do(step func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	step()
}

func (s *stage) fault(format string, args ...any) {
	s.do(func() { s.wrong = append(s.wrong, fmt.Sprintf(format, args...)) })
}

// query answers as a database does: what it saw is on its way for a while.
func (s *stage) query(ctx context.Context, ids ...users.ID) ([]users.User, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var found []users.User
	s.do(func() {
		s.loads++
		for _, id := range ids {
			if version := s.table[id]; version > 0 {
				found = append(found, users.User{ID: id, Version: version})
			}
		}
	})
	s.pause()
	return found, ctx.Err()
}

// read reads a row and complains of an answer from before the last change that was acknowledged before it asked.
func read(row int) actor {
	return func(ctx context.Context, s *stage, _ func()) {
		if err := s.read(ctx, row); err != nil {
			s.fault("a read failed: %v", err)
		}
	}
}

func (s *stage) read(ctx context.Context, row int) error {
	id := rows[row]
	var oldest int64
	s.do(func() { oldest = s.told[id] })
	u, err := s.cache.User(ctx, id, func(ctx context.Context) (users.User, error) {
		found, err := s.query(ctx, id)
		if err == nil && len(found) == 0 {
			err = users.ErrNotFound
		}
		if err != nil {
			return users.User{}, err
		}
		return found[0], nil
	})
	if errors.Is(err, users.ErrNotFound) {
		u, err = users.User{ID: id}, nil
	}
	if err != nil {
		return err
	}
	if u.ID != id || u.Version < oldest {
		s.fault("version %d was served after the change to %d", u.Version, oldest)
	}
	return nil
}

// readAll reads all rows as read does, in one question.
func readAll(ctx context.Context, s *stage, _ func()) {
	var oldest []int64
	s.do(func() {
		for _, id := range rows {
			oldest = append(oldest, s.told[id])
		}
	})
	found, err := s.cache.Users(ctx, rows, func(ctx context.Context, ids []users.ID) ([]users.User, error) {
		return s.query(ctx, ids...)
	})
	if err != nil {
		s.fault("a read of all failed: %v", err)
		return
	}
	for i, id := range rows {
		if found[id].Version < oldest[i] {
			s.fault("version %d was served after the change to %d, with others", found[id].Version, oldest[i])
		}
	}
}

// write changes a row, forgets it, and then must see the change.
func write(row int) actor {
	return func(ctx context.Context, s *stage, pause func()) {
		id := rows[row]
		var version int64
		s.do(func() {
			s.table[id]++
			version = s.table[id]
		})
		pause()
		s.cache.ForgetUser(id)
		s.do(func() { s.told[id] = max(s.told[id], version) })
		pause()
		read(row)(ctx, s, pause)
	}
}

// forget forgets a row that has not changed.
func forget(row int) actor {
	return func(_ context.Context, s *stage, _ func()) { s.cache.ForgetUser(rows[row]) }
}

// readAndLeave reads until callAway. It may then fail; others may not.
func readAndLeave(row int) actor {
	return func(_ context.Context, s *stage, _ func()) {
		if err := s.read(s.patience, row); err != nil && s.patience.Err() == nil {
			s.fault("a read failed before it was called away: %v", err)
		}
	}
}

func callAway(_ context.Context, s *stage, _ func()) { s.callAway() }

// mapEntries is entries without any limit.
type mapEntries struct {
	off
	afterGet func()

	mu   sync.Mutex
	held map[string][]byte
}

func (e *mapEntries) Get(key string) ([]byte, error) {
	e.mu.Lock()
	entry, ok := e.held[key]
	e.mu.Unlock()
	e.afterGet()
	if !ok {
		return nil, bigcache.ErrEntryNotFound
	}
	return slices.Clone(entry), nil
}

func (e *mapEntries) Set(key string, entry []byte) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.held[key] = slices.Clone(entry)
	return nil
}

func (e *mapEntries) Delete(key string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.held, key)
	return nil
}
