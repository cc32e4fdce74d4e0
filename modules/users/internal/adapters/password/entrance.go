package password

import (
	"context"
	"slices"
	"sync"
)

// entrance lets in so many at a time. Whoever has to wait is let in when it is the turn of their network, before those of it who came
// later: a network that sends thousands makes its own wait, and nobody else for longer than until a few have left.
type entrance struct {
	mu    sync.Mutex
	free  int                        // places; none while anybody waits
	lines map[string][]chan struct{} // who waits, by network; a channel is closed to let its owner in
	turns []string                   // the networks of lines, in their order
}

func newEntrance(places int) *entrance {
	return &entrance{free: places, lines: map[string][]chan struct{}{}}
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
	if len(e.lines[network]) == 0 {
		e.turns = append(e.turns, network)
	}
	e.lines[network] = append(e.lines[network], admitted)
	return admitted
}

// giveUp leaves the line, and reports whether that came before being let in.
func (e *entrance) giveUp(network string, admitted chan struct{}) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	i := slices.Index(e.lines[network], admitted)
	if i < 0 {
		return false
	}
	if e.lines[network] = slices.Delete(e.lines[network], i, i+1); len(e.lines[network]) == 0 {
		delete(e.lines, network)
		e.turns = slices.DeleteFunc(e.turns, func(other string) bool { return other == network })
	}
	return true
}

// leave hands the place on.
func (e *entrance) leave() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.turns) == 0 {
		e.free++
		return
	}
	network := e.turns[0]
	e.turns = e.turns[1:]
	line := e.lines[network]
	close(line[0])
	if line = line[1:]; len(line) == 0 {
		delete(e.lines, network)
		return
	}
	e.lines[network] = line
	e.turns = append(e.turns, network)
}
