package password

import (
	"container/list"
	"context"
	"slices"
	"sync"
)

// entrance lets in so many at a time. Whoever has to wait is let in when it is the turn of their network, before those of it who came
// later: a network that sends thousands makes its own wait, and nobody else for longer than until a few have left.
type entrance struct {
	mu    sync.Mutex
	free  int              // places; none while anybody waits
	turns *list.List       // of *line, whose turn is next in front
	lines map[string]*line // by network
}

// line is who waits from a network, longest first. A channel is closed to let its owner in.
type line struct {
	network string
	waiting []chan struct{}
	turn    *list.Element
}

func newEntrance(places int) *entrance {
	return &entrance{free: places, turns: list.New(), lines: map[string]*line{}}
}

// enter waits for a place, and reports whether there was one before ctx ended. Each place is to be left.
func (e *entrance) enter(ctx context.Context, network string) bool {
	admitted := e.stand(network)
	select {
	case <-admitted:
		return true
	case <-ctx.Done():
		return !e.giveUp(network, admitted)
	}
}

// stand takes a place, or stands in line for one.
func (e *entrance) stand(network string) (admitted chan struct{}) {
	e.mu.Lock()
	defer e.mu.Unlock()
	admitted = make(chan struct{})
	if e.free > 0 {
		e.free--
		close(admitted)
		return admitted
	}
	l := e.lines[network]
	if l == nil {
		l = &line{network: network}
		l.turn = e.turns.PushBack(l)
		e.lines[network] = l
	}
	l.waiting = append(l.waiting, admitted)
	return admitted
}

// giveUp leaves the line, and reports whether that came before being let in.
func (e *entrance) giveUp(network string, admitted chan struct{}) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	l := e.lines[network]
	if l == nil {
		return false
	}
	i := slices.Index(l.waiting, admitted)
	if i < 0 {
		return false
	}
	l.waiting = slices.Delete(l.waiting, i, i+1)
	e.dissolve(l)
	return true
}

// leave hands the place on.
func (e *entrance) leave() {
	e.mu.Lock()
	defer e.mu.Unlock()
	next := e.turns.Front()
	if next == nil {
		e.free++
		return
	}
	l := next.Value.(*line) //nolint:forcetypeassert // nothing else is in turns
	close(l.waiting[0])
	l.waiting = l.waiting[1:]
	e.turns.MoveToBack(next)
	e.dissolve(l)
}

// dissolve removes a line in which nobody waits any more.
func (e *entrance) dissolve(l *line) {
	if len(l.waiting) == 0 {
		e.turns.Remove(l.turn)
		delete(e.lines, l.network)
	}
}
