package application_test

import (
	"context"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/application"
)

// useCase is a row of the matrix: who may do it, and how it is done to a target.
type useCase struct {
	allowed []users.Role
	call    func(ctx context.Context, w *world, actor application.Actor, target users.ID) error
}

func matrix() map[application.UseCase]useCase {
	everybody, admins := []users.Role{users.Participant, users.Organizer, users.Admin}, []users.Role{users.Admin}
	return map[application.UseCase]useCase{
		application.ViewOwnProfile: {everybody, func(ctx context.Context, w *world, actor application.Actor, _ users.ID) error {
			_, err := w.OwnProfile(ctx, actor)
			return err
		}},
		application.UpdateOwnProfile: {everybody, func(ctx context.Context, w *world, actor application.Actor, _ users.ID) error {
			_, err := w.UpdateOwnProfile(ctx, actor, application.Profile{FirstName: "Anna", LastName: "T."})
			return err
		}},
		application.ChangeOwnPassword: {everybody, func(ctx context.Context, w *world, actor application.Actor, _ users.ID) error {
			return w.ChangeOwnPassword(ctx, actor, application.PasswordChange{Current: password, New: newPassword})
		}},
		application.DeactivateOwn: {everybody, func(ctx context.Context, w *world, actor application.Actor, _ users.ID) error {
			return w.DeactivateOwn(ctx, actor)
		}},
		application.ChangeOwnEmail: {everybody, func(ctx context.Context, w *world, actor application.Actor, _ users.ID) error {
			return w.RequestEmailChange(ctx, actor, application.EmailChange{New: "other@example.com", Password: password})
		}},
		application.VerifyOwnPhone: {everybody, func(ctx context.Context, w *world, actor application.Actor, _ users.ID) error {
			return w.RequestPhoneCode(ctx, actor, application.PhoneNumber{Phone: number})
		}},
		application.BecomeOrganizer: {everybody, func(ctx context.Context, w *world, actor application.Actor, _ users.ID) error {
			_, err := w.BecomeOrganizer(ctx, actor)
			return err
		}},
		application.ViewOwnSessions: {everybody, func(ctx context.Context, w *world, actor application.Actor, _ users.ID) error {
			_, err := w.OwnSessions(ctx, actor)
			return err
		}},
		application.EndOwnSession: {everybody, func(ctx context.Context, w *world, actor application.Actor, _ users.ID) error {
			live, err := w.Sessions.Live(ctx, actor.ID, 1, w.clock.Now())
			if err != nil {
				return err
			}
			return w.EndOwnSession(ctx, actor, live[0].State().ID)
		}},
		application.EndOtherSessions: {everybody, func(ctx context.Context, w *world, actor application.Actor, _ users.ID) error {
			return w.EndOtherSessions(ctx, actor)
		}},
		application.EndSessions: {admins, func(ctx context.Context, w *world, actor application.Actor, target users.ID) error {
			return w.EndSessions(ctx, actor, target)
		}},
		application.ViewTrail: {admins, func(ctx context.Context, w *world, actor application.Actor, target users.ID) error {
			_, err := w.TrailOf(ctx, actor, target, application.TrailPage{Limit: 20})
			return err
		}},
		application.ListUsers: {admins, func(ctx context.Context, w *world, actor application.Actor, _ users.ID) error {
			_, err := w.List(ctx, actor, application.Listing{Page: 1, Limit: 20})
			return err
		}},
		application.ViewUser: {admins, func(ctx context.Context, w *world, actor application.Actor, target users.ID) error {
			_, err := w.User(ctx, actor, target)
			return err
		}},
		application.CreateUser: {admins, func(ctx context.Context, w *world, actor application.Actor, _ users.ID) error {
			_, err := w.CreateUser(ctx, actor, application.NewAccount{Email: "new@example.com", FirstName: "N", LastName: "N"})
			return err
		}},
		application.UpdateUser: {admins, func(ctx context.Context, w *world, actor application.Actor, target users.ID) error {
			_, err := w.UpdateUser(ctx, actor, target, application.UserChange{Role: new("ORGANIZER")}, nil)
			return err
		}},
		application.DeactivateUser: {admins, func(ctx context.Context, w *world, actor application.Actor, target users.ID) error {
			_, err := w.Deactivate(ctx, actor, target, "spam")
			return err
		}},
		application.ReactivateUser: {admins, func(ctx context.Context, w *world, actor application.Actor, target users.ID) error {
			_, err := w.Reactivate(ctx, actor, target)
			return err
		}},
		application.BatchUsers: {admins, func(ctx context.Context, w *world, actor application.Actor, target users.ID) error {
			_, _, err := w.Batch(ctx, actor, []users.ID{target})
			return err
		}},
		application.ViewStats: {admins, func(ctx context.Context, w *world, actor application.Actor, _ users.ID) error {
			_, err := w.Stats(ctx, actor)
			return err
		}},
	}
}

func TestEveryRoleAndUseCase(t *testing.T) {
	t.Parallel()
	rows := matrix()
	for _, uc := range application.UseCases() {
		require.Contains(t, rows, uc, "a use case that nobody tests")
	}
	require.Len(t, application.UseCases(), len(rows))

	for uc, row := range rows {
		for _, role := range append(users.Roles(), "", "admin", "ROOT") {
			t.Run(string(uc)+" as "+string(role), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				w.admin() // besides the actor, so that it is never the last
				target := w.account("target@example.com")
				actor := actorOf(w.account("actor@example.com", inRole(role)))
				w.session(actor.ID)
				if slices.Contains(row.allowed, role) {
					require.NoError(t, actor.May(uc))
					require.NoError(t, row.call(t.Context(), w, actor, target.ID))
					return
				}
				require.ErrorIs(t, actor.May(uc), users.ErrForbidden)
				w.requireUnchanged(func() {
					require.ErrorIs(t, row.call(t.Context(), w, actor, target.ID), users.ErrForbidden)
				})
				hashes, verifies := w.hasher.Calls()
				require.Zero(t, hashes+verifies)
				require.Zero(t, w.cache.Loads)
			})
		}
	}
	require.ErrorIs(t, application.Actor{Role: users.Admin}.May("fly"), users.ErrForbidden, "what the policy does not name")
}

// Wrong input of somebody who may not ask is not looked at.
func TestForbiddenComesBeforeInvalid(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	actor := actorOf(w.account("ana@example.com"))
	_, err := w.CreateUser(t.Context(), actor, application.NewAccount{})
	require.ErrorIs(t, err, users.ErrForbidden)
	_, err = w.UpdateUser(t.Context(), actor, unknownID, application.UserChange{Role: new("ROOT")}, nil)
	require.ErrorIs(t, err, users.ErrForbidden)
	_, err = w.List(t.Context(), actor, application.Listing{})
	require.ErrorIs(t, err, users.ErrForbidden)
	_, _, err = w.Batch(t.Context(), actor, make([]users.ID, application.MaxBatch+1))
	require.ErrorIs(t, err, users.ErrForbidden)
}
