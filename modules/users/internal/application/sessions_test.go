package application_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/application"
	"github.com/tickr/tickr/modules/users/internal/domain"
	"github.com/tickr/tickr/modules/users/internal/userstest"
)

func idsOf(sessions []*domain.Session) []uuid.UUID {
	ids := make([]uuid.UUID, len(sessions))
	for i, session := range sessions {
		ids[i] = session.State().ID
	}
	return ids
}

func TestOwnSessions(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), t.Context()
	ana := w.account("ana@example.com")
	w.session(w.account("ben@example.com").ID)
	first, actor := w.login("ana@example.com")
	w.clock.Advance(time.Minute)
	second := w.session(ana.ID)
	listed, err := w.OwnSessions(ctx, actor)
	require.NoError(t, err)
	require.Equal(t, []uuid.UUID{second, actor.Session}, idsOf(listed))
	require.Equal(t, userstest.Here, listed[0].State().Origin)

	before := w.clock.Now()
	require.Equal(t, before.Add(-time.Minute), listed[1].LastUsed())
	_, err = w.Refresh(ctx, domain.Origin{}, first.Refresh)
	require.NoError(t, err)
	listed, err = w.OwnSessions(ctx, actor)
	require.NoError(t, err)
	require.Equal(t, before, listed[1].LastUsed())
	require.Equal(t, domain.Origin{}, listed[1].State().Origin, "where it was used last")

	w.clock.Advance(time.Hour)
	listed, err = w.OwnSessions(ctx, actor)
	require.NoError(t, err)
	require.Equal(t, []uuid.UUID{actor.Session}, idsOf(listed), "the other has expired")
}

func TestEndOwnSession(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), t.Context()
	ana, ben := w.account("ana@example.com"), w.account("ben@example.com")
	_, actor := w.login("ana@example.com")
	tokens, other := w.login("ana@example.com")
	foreign := w.session(ben.ID)
	w.requireUnchanged(func() {
		for _, id := range []uuid.UUID{foreign, unknownID, ana.ID, uuid.Nil} {
			require.ErrorIs(t, w.EndOwnSession(ctx, actor, id), users.ErrNotFound)
		}
	})
	require.NoError(t, w.EndOwnSession(ctx, actor, other.Session))
	_, err := w.Authenticate(ctx, userstest.Here, tokens.Access)
	require.ErrorIs(t, err, users.ErrSessionEnded)
	_, err = w.Refresh(ctx, userstest.Here, tokens.Refresh)
	require.ErrorIs(t, err, users.ErrSessionEnded)
	require.ErrorIs(t, w.EndOwnSession(ctx, actor, other.Session), users.ErrNotFound, "it is not listed any more")
	require.NoError(t, w.EndOwnSession(ctx, actor, actor.Session), "the one that asks")
	listed, err := w.OwnSessions(ctx, actor)
	require.NoError(t, err)
	require.Empty(t, listed)
}

func TestEndSessionsOfAnAccount(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), t.Context()
	ana, ben := w.account("ana@example.com"), w.account("ben@example.com")
	tokens, actor := w.login("ana@example.com")
	w.session(ana.ID)
	spared := w.session(ben.ID)

	require.NoError(t, w.EndOtherSessions(ctx, actor))
	listed, err := w.OwnSessions(ctx, actor)
	require.NoError(t, err)
	require.Equal(t, []uuid.UUID{actor.Session}, idsOf(listed))
	_, err = w.Authenticate(ctx, userstest.Here, tokens.Access)
	require.NoError(t, err)

	admin := w.admin()
	require.NoError(t, w.EndSessions(ctx, admin, ana.ID))
	_, err = w.Authenticate(ctx, userstest.Here, tokens.Access)
	require.ErrorIs(t, err, users.ErrSessionEnded)
	require.ErrorIs(t, w.EndSessions(ctx, admin, unknownID), users.ErrNotFound)
	session, err := w.Sessions.ByID(ctx, spared)
	require.NoError(t, err)
	require.True(t, session.Live(w.clock.Now()))
	require.Equal(t, []string{
		"login success ana ana", "end_sessions success ana ana", "end_sessions success admin ana",
	}, w.acts(map[string]users.ID{"ana": ana.ID, "admin": admin.ID}))
}

func TestTrailOf(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), t.Context()
	admin := w.admin()
	ana := w.account("ana@example.com")
	for range 5 {
		w.clock.Advance(time.Second)
		w.login("ana@example.com")
	}
	var all []application.AuditEntry
	page := application.TrailPage{Limit: 2}
	for {
		trail, err := w.TrailOf(ctx, admin, ana.ID, page)
		require.NoError(t, err)
		require.Equal(t, 2, trail.Limit)
		require.NotEmpty(t, trail.Entries)
		all = append(all, trail.Entries...)
		if trail.Next == "" {
			break
		}
		page.Cursor = trail.Next
	}
	require.Len(t, all, 5)
	for i, e := range all {
		require.Equal(t, w.clock.Now().Add(-time.Duration(i)*time.Second), e.CreatedAt, "newest first")
	}

	none, err := w.TrailOf(ctx, admin, w.account("ben@example.com").ID, application.TrailPage{Limit: 1})
	require.NoError(t, err)
	require.Equal(t, application.Trail{Limit: 1}, none)
	_, err = w.TrailOf(ctx, admin, unknownID, application.TrailPage{Limit: 1})
	require.ErrorIs(t, err, users.ErrNotFound)
	for _, limit := range []int{0, 101, -1} {
		_, err = w.TrailOf(ctx, admin, ana.ID, application.TrailPage{Limit: limit, Cursor: "nonsense"})
		requireFields(t, err, "limit", "cursor")
	}
}

// What was done to an account is known for longer than the account.
func TestTrailOutlivesItsSubject(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	gone := unknownID
	require.NoError(t, w.Audit.Append(t.Context(), application.AuditEntry{
		ID: userstest.NewID(), CreatedAt: w.clock.Now(), Act: application.ActRegister, SubjectID: &gone, Outcome: application.Success,
	}))
	trail, err := w.TrailOf(t.Context(), w.admin(), gone, application.TrailPage{Limit: 1})
	require.NoError(t, err)
	require.Len(t, trail.Entries, 1)
}
