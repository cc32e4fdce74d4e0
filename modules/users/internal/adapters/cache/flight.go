package cache

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/google/uuid"

	"github.com/tickr/tickr/platform/telemetry"
)

// share waits for the load of id that is under way, or starts it. Readers share a load only within one generation: who reads after
// a change was acknowledged does not join a load that began before.
//
// A reader whose ctx ends, or who may spend no more, stops waiting, and only that one: the load is nobody's. A panic of load is raised in all who wait.
func (s *shelf[V]) share(ctx context.Context, id uuid.UUID, load func(context.Context) (V, error)) (_ V, err error) {
	var none V
	ctx, end := telemetry.Step(ctx, "load "+s.kind)
	defer func() { end(err) }()
	ctx, done := s.spend(ctx)
	defer done()
	if err := ctx.Err(); err != nil { // a load for nobody
		return none, fmt.Errorf("load %s: %w", s.kind, err)
	}
	f := s.store.begin(id)
	flight := string(binary.BigEndian.AppendUint64(id[:], f.generation))
	landed := s.flights.DoChan(flight, func() (any, error) { return s.fly(ctx, id, f, load) })
	select {
	case <-ctx.Done():
		return none, fmt.Errorf("wait for %s: %w", s.kind, ctx.Err())
	case l := <-landed:
		if p, ok := errors.AsType[*loadPanic](l.Err); ok {
			panic(p)
		}
		if l.Err != nil {
			return none, l.Err
		}
		value, ok := s.decode(l.Val.([]byte)) // a copy for each reader
		if !ok {
			return none, fmt.Errorf("load %s: its encoding cannot be decoded", s.kind)
		}
		return value, nil
	}
}

// fly loads and remembers a value and returns its encoding. The load is part of the first reader's trace, but has a context without
// that one's cancellation, database budget and transaction, which are not those of the others.
func (s *shelf[V]) fly(first context.Context, id uuid.UUID, f fill, load func(context.Context) (V, error)) (encoded []byte, err error) {
	defer func() {
		// Nobody could recover it in this goroutine: the program would end.
		if reason := recover(); reason != nil {
			err = &loadPanic{reason, debug.Stack()}
		}
	}()
	// Another flight may have landed since the reader looked.
	if encoded, _, held := s.store.get(s.key(id)); held {
		if _, ok := s.decode(encoded); ok {
			return encoded, nil
		}
	}
	ctx, cancel := context.WithTimeout(telemetry.WithTraceOf(context.Background(), first), s.loadTime)
	defer cancel()
	value, err := load(ctx)
	if err != nil {
		return nil, err
	}
	return s.put(id, f, value), nil
}

// loadPanic is what a load panicked with, and where.
type loadPanic struct {
	reason any
	stack  []byte
}

// Error returns the reason and the stack, as the runtime prints them.
func (p *loadPanic) Error() string { return fmt.Sprintf("%v\n\n%s", p.reason, p.stack) }

// Unwrap returns the reason if it is an error.
func (p *loadPanic) Unwrap() error {
	err, _ := p.reason.(error)
	return err
}
