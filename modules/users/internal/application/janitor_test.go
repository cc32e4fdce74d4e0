package application_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/application"
	"github.com/tickr/tickr/modules/users/internal/userstest"
)

const dayLong = 24 * time.Hour

func TestCleanUpRemovesOldSessions(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), t.Context()
	session := w.session(w.account("ana@example.com").ID) // for an hour
	w.clock.Advance(time.Hour + 30*dayLong)
	require.NoError(t, application.NewJanitor(w.Service).CleanUp(ctx))
	_, err := w.Sessions.ByID(ctx, session)
	require.NoError(t, err)
	w.clock.Advance(time.Microsecond)
	require.NoError(t, application.NewJanitor(w.Service).CleanUp(ctx))
	_, err = w.Sessions.ByID(ctx, session)
	require.ErrorIs(t, err, users.ErrNotFound)
}

func TestCleanUpRemovesAccountsThatNobodyProved(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), t.Context()
	janitor, n := application.NewJanitor(w.Service), w.neighbour()
	w.register(password, "Ana", "")
	ana, admin := w.ana(), w.admin()
	invited, err := w.CreateUser(ctx, admin, application.NewAccount{Email: "ben@example.com", FirstName: "B", LastName: "B", Role: "ORGANIZER"})
	require.NoError(t, err)
	require.Len(t, w.mails(), 1)
	require.NoError(t, n.follower.Look(ctx))
	_, err = application.NewDirectory(n.Service).Get(ctx, ana.ID())
	require.NoError(t, err)
	exists := func() bool {
		require.NoError(t, janitor.CleanUp(ctx))
		_, err := w.Users.ByID(ctx, ana.ID())
		if err != nil {
			require.ErrorIs(t, err, users.ErrNotFound)
		}
		return err == nil
	}
	w.clock.Advance(6 * dayLong)
	require.True(t, exists())
	w.register(password, "Ana", "") // once more
	w.clock.Advance(dayLong - time.Microsecond)
	require.True(t, exists(), "an attempt is open")
	w.clock.Advance(2 * time.Microsecond)
	require.False(t, exists())

	require.NoError(t, n.follower.Look(ctx))
	_, err = application.NewDirectory(n.Service).Get(ctx, ana.ID())
	require.ErrorIs(t, err, users.ErrNotFound, "other instances are told")
	trail := w.memory.Trail()
	last := trail[len(trail)-1]
	require.Equal(t, application.ActRemove, last.Act)
	require.Equal(t, ana.ID(), *last.SubjectID)
	require.Nil(t, last.ActorID)

	w.clock.Advance(1000 * dayLong)
	require.NoError(t, janitor.CleanUp(ctx))
	require.Equal(t, users.Organizer, w.stored(invited.ID).Role, "an administrator made it what it is")
	require.NoError(t, w.Register(ctx, userstest.Here, application.Registration{
		Email: "ana@example.com", Password: password, FirstName: "Ana", LastName: "Trabelsi",
	}))
	require.NotEqual(t, ana.ID(), w.ana().ID(), "the address is free again")
}

// What cannot be removed does not keep the rest.
func TestCleanUpGoesOnAfterAFailure(t *testing.T) {
	t.Parallel()
	for statement := 1; ; statement++ {
		w, ctx := newWorld(t), t.Context()
		session := w.session(w.account("ana@example.com").ID)
		w.clock.Advance(365 * dayLong)
		w.memory.BreakIn(statement)
		err := application.NewJanitor(w.Service).CleanUp(ctx)
		w.memory.BreakIn(0)
		if err == nil {
			require.Greater(t, statement, 5)
			return
		}
		require.ErrorIs(t, err, userstest.ErrBroken)
		months, err := w.Months.Months(ctx)
		require.NoError(t, err)
		_, err = w.Sessions.ByID(ctx, session)
		require.True(t, len(months) == 4 || err != nil, "statement %d kept both", statement)
	}
}

func TestTrailIsPreparedAndShortened(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), t.Context() // in November 2026
	admin := w.admin()
	for range 5 {
		require.NoError(t, w.PrepareTrail(ctx))
		require.NoError(t, w.PrepareTrail(ctx))
		w.login("admin@example.com")
		w.clock.Advance(31 * dayLong)
	}
	format := func(months []time.Time) (names []string) {
		for _, month := range months {
			names = append(names, month.Format("06-01"))
		}
		return names
	}
	ready, err := w.Months.Months(ctx)
	require.NoError(t, err)
	require.Equal(t, []string{"26-11", "26-12", "27-01", "27-02", "27-03", "27-04", "27-05", "27-06"}, format(ready))

	count := func() int {
		trail, err := w.TrailOf(ctx, admin, admin.ID, application.TrailPage{Limit: 100})
		require.NoError(t, err)
		return len(trail.Entries)
	}
	require.Equal(t, 5, count())
	for _, dryRun := range []bool{true, false} {
		dropped, err := w.ShortenTrail(ctx, 3, dryRun) // in April 2027
		require.NoError(t, err)
		require.Equal(t, []string{"26-11", "26-12"}, format(dropped))
	}
	require.Equal(t, 3, count())
	dropped, err := w.ShortenTrail(ctx, 3, false)
	require.NoError(t, err)
	require.Empty(t, dropped)
}
