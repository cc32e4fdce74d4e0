package httpapi

import (
	"context"
	"fmt"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/sethvargo/go-limiter"
	"github.com/sethvargo/go-limiter/memorystore"

	"github.com/tickr/tickr/modules/users/internal/application"
	"github.com/tickr/tickr/modules/users/internal/domain"
	"github.com/tickr/tickr/platform/httpserver"
)

const (
	requestsPerMinute = 100
	// requestsKept is how long a caller who has gone is remembered, a window at least.
	requestsKept = 2 * time.Minute
)

// Requests limits how often a user asks anything, and how often a network does without being a user: 100 times a minute each, counted
// by this process alone, as nothing is guarded here that a shared count would be worth a write for every request. Nil limits nothing.
type Requests struct{ store limiter.Store }

// NewRequests returns a limit that nobody has used yet. It sweeps in a goroutine of its own until Close.
func NewRequests() (*Requests, error) {
	store, err := memorystore.New(&memorystore.Config{
		Tokens: requestsPerMinute, Interval: time.Minute, SweepInterval: time.Minute, SweepMinTTL: requestsKept,
	})
	if err != nil {
		return nil, fmt.Errorf("limit requests: %w", err)
	}
	return &Requests{store}, nil
}

// Close ends the sweeping.
func (r *Requests) Close(ctx context.Context) error { return r.store.Close(ctx) }

// take counts a request. It fails with *application.LimitedError.
func (r *Requests) take(ctx context.Context, whose string) error {
	if r == nil {
		return nil
	}
	_, _, reset, ok, err := r.store.Take(ctx, whose)
	if err != nil || ok {
		return err
	}
	free := time.Unix(0, int64(reset))                             //nolint:gosec // nanoseconds of this century
	return &application.LimitedError{RetryAfter: time.Until(free)} //nolint:forbidigo // the store goes by the machine's clock
}

// ofUser counts a request of somebody who is logged in.
func (r *Requests) ofUser(ctx context.Context, actor application.Actor) error {
	return r.take(ctx, "user "+actor.ID.String())
}

// ofNetwork counts a request of somebody who is not.
func (r *Requests) ofNetwork(ctx context.Context) error {
	return r.take(ctx, "network "+originOf(ctx).Network())
}

// entrance waits for a place among those who use a route.
type entrance func(ctx context.Context, from domain.Origin) (leave func(), err error)

// admitOneOf lets a request pass once there is a place for it. Before its body is looked at: of thousands who wait, each costs little
// more than a connection.
func (h handlers) admitOneOf(enter entrance) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		leave, err := enter(ctx.Context(), originOf(ctx.Context()))
		if err != nil {
			httpserver.WriteError(h.api, ctx, err)
			return
		}
		defer leave()
		next(ctx)
	}
}

// limitNetwork lets a request pass that nobody has to be logged in for.
func (h handlers) limitNetwork(ctx huma.Context, next func(huma.Context)) {
	if err := h.requests.ofNetwork(ctx.Context()); err != nil {
		httpserver.WriteError(h.api, ctx, err)
		return
	}
	next(ctx)
}
