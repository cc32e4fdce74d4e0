package application_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/application"
	"github.com/tickr/tickr/modules/users/internal/userstest"
)

// neighbour is another instance over the same storage, with a cache of its own that remembers until it is told.
type neighbour struct {
	*application.Service
	cache    *userstest.Cache
	follower *application.Follower
}

func (w *world) neighbour() neighbour {
	deps := w.Deps
	cache := userstest.NewCache()
	deps.Cache, deps.Instance = cache, application.NewInstance(userstest.NewID)
	return neighbour{
		application.New(deps), cache,
		application.NewFollower(deps.Changes, cache, deps.Instance, w.clock.Now, slog.New(slog.DiscardHandler)),
	}
}

func TestFollowerForgetsWhatOthersChange(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(ctx context.Context, w *world, ana application.Actor, own application.Tokens) error
		after  func(t *testing.T, n neighbour, access string)
	}{
		"logout": {func(ctx context.Context, w *world, _ application.Actor, own application.Tokens) error {
			return w.LogOut(ctx, userstest.Here, own.Refresh)
		}, requireEndedAt},
		"deactivation": {func(ctx context.Context, w *world, ana application.Actor, _ application.Tokens) error {
			_, err := w.Deactivate(ctx, w.admin(), ana.ID, "")
			return err
		}, requireEndedAt},
		"self-service deactivation": {func(ctx context.Context, w *world, ana application.Actor, _ application.Tokens) error {
			return w.DeactivateOwn(ctx, ana)
		}, requireEndedAt},
		"password change elsewhere": {func(ctx context.Context, w *world, ana application.Actor, _ application.Tokens) error {
			ana.Session = w.session(ana.ID)
			return w.ChangeOwnPassword(ctx, ana, application.PasswordChange{Current: password, New: newPassword})
		}, requireEndedAt},
		"end by the owner": {func(ctx context.Context, w *world, ana application.Actor, _ application.Tokens) error {
			return w.EndOwnSession(ctx, ana, ana.Session)
		}, requireEndedAt},
		"end by an administrator": {func(ctx context.Context, w *world, ana application.Actor, _ application.Tokens) error {
			return w.EndSessions(ctx, w.admin(), ana.ID)
		}, requireEndedAt},
		"reuse of a token": {func(ctx context.Context, w *world, _ application.Actor, own application.Tokens) error {
			_, err := w.Refresh(ctx, userstest.Here, own.Refresh)
			w.clock.Advance(time.Minute)
			_, reused := w.Refresh(ctx, userstest.Here, own.Refresh)
			require.ErrorIs(w.t, reused, users.ErrSessionEnded)
			return err
		}, requireEndedAt},
		"role": {func(ctx context.Context, w *world, ana application.Actor, _ application.Tokens) error {
			_, err := w.UpdateUser(ctx, w.admin(), ana.ID, application.UserChange{Role: new("ADMIN")}, nil)
			return err
		}, func(t *testing.T, n neighbour, access string) {
			t.Helper()
			actor, err := n.Authenticate(t.Context(), userstest.Here, access)
			require.NoError(t, err)
			require.Equal(t, users.Admin, actor.Role)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, ctx := newWorld(t), t.Context()
			n := w.neighbour()
			w.account("ana@example.com")
			tokens, ana := w.login("ana@example.com")
			require.NoError(t, n.follower.Look(ctx))
			known, err := n.Authenticate(ctx, userstest.Here, tokens.Access)
			require.NoError(t, err)

			require.NoError(t, test.change(ctx, w, ana, tokens))
			old, err := n.Authenticate(ctx, userstest.Here, tokens.Access)
			require.NoError(t, err, "the neighbour has not looked")
			require.Equal(t, known, old)
			require.NoError(t, n.follower.Look(ctx))
			test.after(t, n, tokens.Access)
		})
	}
}

func requireEndedAt(t *testing.T, n neighbour, access string) {
	t.Helper()
	_, err := n.Authenticate(t.Context(), userstest.Here, access)
	require.ErrorIs(t, err, users.ErrSessionEnded)
}

// Its own changes an instance forgets when it makes them; forgetting them again later would cost a query each.
func TestFollowerKeepsItsOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := w.neighbour()
	w.account("ana@example.com")
	require.NoError(t, n.follower.Look(t.Context()))
	_, u, err := n.LogIn(t.Context(), userstest.Here, application.Credentials{Email: "ana@example.com", Password: password})
	require.NoError(t, err)
	_, err = application.NewDirectory(n.Service).Get(t.Context(), u.ID)
	require.NoError(t, err)
	loads := n.cache.Loads
	require.NoError(t, n.follower.Look(t.Context()))
	_, err = application.NewDirectory(n.Service).Get(t.Context(), u.ID)
	require.NoError(t, err)
	require.Equal(t, loads, n.cache.Loads)
}

// lostCommits commits after it has told its caller that it could not.
type lostCommits struct {
	application.Transactor
	commit func() error
}

func (l *lostCommits) InTx(ctx context.Context, fn func(ctx context.Context) error) error {
	l.commit = func() error { return l.Transactor.InTx(context.WithoutCancel(ctx), fn) }
	errNotNow := errors.New("not now")
	if err := l.Transactor.InTx(ctx, func(ctx context.Context) error {
		if err := fn(ctx); err != nil {
			return err
		}
		return errNotNow
	}); !errors.Is(err, errNotNow) {
		return err
	}
	return errors.New("connection lost while committing")
}

// A commit may still be under way when its connection is lost. What is read meanwhile must not stay.
func TestFollowerForgetsAnUncertainCommitOfItsOwn(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), t.Context()
	n := w.neighbour()
	ana := w.account("ana@example.com")
	require.NoError(t, n.follower.Look(ctx))
	before := n.Instance.ID()
	lost := &lostCommits{Transactor: w.Tx}
	n.Tx = lost
	_, err := n.UpdateOwnProfile(ctx, actorOf(ana), application.Profile{FirstName: "Anna", LastName: "Trabelsi"})
	require.ErrorContains(t, err, "connection lost")
	old, err := application.NewDirectory(n.Service).Get(ctx, ana.ID)
	require.NoError(t, err)
	require.Equal(t, "Ana", old.FirstName)

	// It arrives now, under the name that the instance had then.
	now := n.Instance
	n.Instance = application.NewInstance(func() uuid.UUID { return before })
	require.NoError(t, lost.commit())
	n.Instance = now
	require.NoError(t, n.follower.Look(ctx))
	changed, err := application.NewDirectory(n.Service).Get(ctx, ana.ID)
	require.NoError(t, err)
	require.Equal(t, "Anna", changed.FirstName)
}

func TestFollowerForgetsAllWhenItMayHaveMissedSomething(t *testing.T) {
	t.Parallel()
	for name, miss := range map[string]func(w *world, n neighbour){
		"it has not looked yet": nil,
		"the database was away": func(w *world, n neighbour) {
			w.memory.BreakIn(1)
			require.ErrorIs(w.t, n.follower.Look(w.t.Context()), userstest.ErrBroken)
		},
		"it was away":            func(w *world, _ neighbour) { w.clock.Advance(application.ChangeRetention) },
		"the clock was set back": func(w *world, _ neighbour) { w.clock.Advance(-time.Second) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, ctx := newWorld(t), t.Context()
			n := w.neighbour()
			ana := w.account("ana@example.com")
			directory := application.NewDirectory(n.Service)
			if miss != nil {
				require.NoError(t, n.follower.Look(ctx))
			}
			for range 2 {
				_, err := directory.Get(ctx, ana.ID)
				require.NoError(t, err)
			}
			require.Equal(t, 1, n.cache.Loads)
			if miss != nil {
				miss(w, n)
			}
			require.NoError(t, n.follower.Look(ctx))
			_, err := directory.Get(ctx, ana.ID)
			require.NoError(t, err)
			require.Equal(t, 2, n.cache.Loads)
			require.NoError(t, n.follower.Look(ctx))
			_, err = directory.Get(ctx, ana.ID)
			require.NoError(t, err)
			require.Equal(t, 2, n.cache.Loads, "once")
		})
	}
}

func TestFollowerLag(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := w.neighbour()
	require.NoError(t, n.follower.Look(t.Context()))
	require.Zero(t, n.follower.Lag())
	w.clock.Advance(time.Second)
	w.memory.BreakIn(1)
	require.Error(t, n.follower.Look(t.Context()))
	require.Equal(t, time.Second, n.follower.Lag())
	require.NoError(t, n.follower.Look(t.Context()))
	require.Zero(t, n.follower.Lag())
}
