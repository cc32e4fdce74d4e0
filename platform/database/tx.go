package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/tickr/tickr/platform/telemetry"
)

// txTries is how often InTx runs a transaction that the server aborts in favour of another one.
const txTries = 3

// txKey is the context key of the transaction of one handle: that of another database is not joined.
type txKey struct{ h *Handle }

// InTx runs fn in a transaction, which Conn finds in the ctx given to fn. It commits when fn returns nil, and
// rolls back when fn returns an error, which it passes on, or panics. Called inside a transaction it joins
// that one: only the outermost call commits, so fn must pass a joined error on and not go on after it.
//
// A transaction that the server aborts because of a concurrent one (serialization failure, deadlock) is run
// again after a short pause, at most three times in all: fn must be repeatable, so what cannot be undone (mail,
// HTTP, cache) belongs after InTx. When the connection is lost while committing, the outcome is unknown.
func (h *Handle) InTx(ctx context.Context, fn func(ctx context.Context) error) error {
	if ctx.Value(txKey{h}) != nil {
		return fn(ctx)
	}
	for try := 1; ; try++ {
		err := h.transact(ctx, fn)
		if !concurrencyFailure(err) || try == txTries {
			return err
		}
		if !pause(ctx, try) {
			return err
		}
	}
}

// transact runs fn in one transaction, once.
func (h *Handle) transact(ctx context.Context, fn func(ctx context.Context) error) (err error) {
	ctx, done := telemetry.Step(ctx, "transaction")
	defer func() { done(err) }()
	tx, err := h.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin transaction: %w", err)
	}
	// Also when fn panics or ends the goroutine; after a commit it does nothing. Should it fail, the
	// connection is closed, and the server rolls back.
	defer func() { _ = tx.Rollback() }()

	if err := fn(context.WithValue(ctx, txKey{h}, tx)); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		if errors.Is(err, sql.ErrTxDone) && ctx.Err() != nil {
			err = ctx.Err() // why database/sql has rolled back by itself
		}
		return fmt.Errorf("commit transaction: %w", err)
	}
	return nil
}

// pause waits before the next try, 10 to 20 ms at first and twice that later; the jitter parts transactions
// that met before. It reports false when ctx ended first.
func pause(ctx context.Context, try int) bool {
	base := 10 * time.Millisecond << (try - 1)
	timer := time.NewTimer(base + rand.N(base)) //nolint:gosec // spreads load, guards nothing
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
