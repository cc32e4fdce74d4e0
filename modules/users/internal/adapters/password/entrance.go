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
	free  int                      // places; none while anybody waits
	lines *list.List               // of *line, in the order of their turns
	of    map[string]*list.Element // lines by network
}

// line is who waits from a network, longest first. A channel is closed to let its owner in.
type line struct {
	network string
	waiting []chan struct{}
}

func newEntrance(places int) *entrance {
	return &entrance{free: places, lines: list.New(), of: map[string]*list.Element{}}
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
	if e.of[network] == nil {
		e.of[network] = e.lines.PushBack(&line{network: network})
	}
	l := lineOf(e.of[network])
	l.waiting = append(l.waiting, admitted)
	return admitted
}

// giveUp leaves the line, and reports whether that came before being let in.
func (e *entrance) giveUp(network string, admitted chan struct{}) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	element := e.of[network]
	if element == nil {
		return false
	}
	l := lineOf(element)
	i := slices.Index(l.waiting, admitted)
	if i < 0 {
		return false
	}
	l.waiting = slices.Delete(l.waiting, i, i+1)
	e.dissolve(element)
	return true
}

// leave hands the place on.
func (e *entrance) leave() {
	e.mu.Lock()
	defer e.mu.Unlock()
	element := e.lines.Front()
	if element == nil {
		e.free++
		return
	}
	l := lineOf(element)
	close(l.waiting[0])
	l.waiting = l.waiting[1:]
	e.lines.MoveToBack(element)
	e.dissolve(element)
}

// dissolve removes a line in which nobody waits any more.
func (e *entrance) dissolve(element *list.Element) {
	if l := lineOf(element); len(l.waiting) == 0 {
		e.lines.Remove(element)
		delete(e.of, l.network)
	}
}

func lineOf(element *list.Element) *line {
	return element.Value.(*line) //nolint:forcetypeassert // nothing else is in lines
}
