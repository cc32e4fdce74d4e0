package userstest

import (
	"context"
	"fmt"
	"time"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/application"
	"github.com/tickr/tickr/modules/users/internal/domain"
)

// TestUserRoundTrip checks that every field, set or not, comes back as it was stored: times to the microsecond, in UTC.
func (s *RepositorySuite) TestUserRoundTrip() {
	bare := state("bare@example.com")
	full := state("full@example.com")
	full.Phone, full.PhoneVerified = new("+21620123456"), true
	full.PasswordHash = new("$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA")
	full.FirstName, full.LastName = "محمد", "O'Neil \\ \"🦊\" %s ?"
	full.Role, full.IsOrganizer, full.EmailVerified, full.IsActive = users.Organizer, true, true, false
	full.LastLoginAt, full.DeactivatedAt = new(day.Add(time.Microsecond)), new(day.Add(time.Hour))
	full.DeactivatedBy, full.DeactivationReason = &bare.ID, new("spam")
	full.UpdatedAt, full.Version = day.Add(time.Hour), 7

	for _, want := range []domain.State{bare, full} {
		s.Run(want.Email, func() {
			s.Require().NoError(s.db.Users.Insert(s.ctx, domain.Restore(want)))
			s.requireStored(want)
		})
	}
	s.Run("everything set, then everything cleared", func() {
		changed := full
		changed.ID, changed.Email, changed.CreatedAt = bare.ID, "changed@example.com", bare.CreatedAt
		changed.Phone = new("+21620123457")
		for _, want := range []domain.State{changed, bare} {
			s.Require().NoError(s.db.Users.Save(s.ctx, domain.Restore(want)))
			s.requireStored(want)
		}
	})
}

// requireStored checks that each finder finds exactly this.
func (s *RepositorySuite) requireStored(want domain.State) {
	finders := map[string]func(ctx context.Context) (*domain.User, error){
		"ByID":        func(ctx context.Context) (*domain.User, error) { return s.db.Users.ByID(ctx, want.ID) },
		"ByEmail":     func(ctx context.Context) (*domain.User, error) { return s.db.Users.ByEmail(ctx, want.Email) },
		"LockByID":    func(ctx context.Context) (*domain.User, error) { return s.db.Users.LockByID(ctx, want.ID) },
		"LockByEmail": func(ctx context.Context) (*domain.User, error) { return s.db.Users.LockByEmail(ctx, want.Email) },
	}
	if want.Phone != nil {
		finders["ByPhone"] = func(ctx context.Context) (*domain.User, error) { return s.db.Users.ByPhone(ctx, *want.Phone) }
		finders["LockByPhone"] = func(ctx context.Context) (*domain.User, error) { return s.db.Users.LockByPhone(ctx, *want.Phone) }
	}
	for name, find := range finders {
		s.Require().NoError(s.db.Tx.InTx(s.ctx, func(ctx context.Context) error {
			u, err := find(ctx)
			s.Require().NoError(err, name)
			s.Require().Equal(want, u.State(), name)
			return nil
		}))
	}
}

// TestUnknownUser checks that finders fail with users.ErrNotFound and leave the transaction usable.
func (s *RepositorySuite) TestUnknownUser() {
	s.insert(state("ana@example.com"))
	s.Require().NoError(s.db.Tx.InTx(s.ctx, func(ctx context.Context) error {
		_, err := s.db.Users.ByID(ctx, NewID())
		s.Require().ErrorIs(err, users.ErrNotFound)
		_, err = s.db.Users.ByEmail(ctx, "Ana@example.com")
		s.Require().ErrorIs(err, users.ErrNotFound, "only the stored form is found")
		_, err = s.db.Users.ByPhone(ctx, "+21620123456")
		s.Require().ErrorIs(err, users.ErrNotFound)
		_, err = s.db.Users.LockByID(ctx, NewID())
		s.Require().ErrorIs(err, users.ErrNotFound)
		_, err = s.db.Users.LockByEmail(ctx, "nobody@example.com")
		s.Require().ErrorIs(err, users.ErrNotFound)
		_, err = s.db.Users.LockByPhone(ctx, "+21620123456")
		s.Require().ErrorIs(err, users.ErrNotFound)
		return nil
	}), "not finding anything does not spoil the transaction")
}

// TestInsertIfNew checks that an address is stored once, and that one that is taken spoils nothing.
func (s *RepositorySuite) TestInsertIfNew() {
	ana, again := state("ana@example.com"), state("ana@example.com")
	again.FirstName = "Eve"
	s.Require().NoError(s.db.Tx.InTx(s.ctx, func(ctx context.Context) error {
		s.Require().NoError(s.db.Users.InsertIfNew(ctx, domain.Restore(ana)))
		s.Require().NoError(s.db.Users.InsertIfNew(ctx, domain.Restore(again)))
		return s.db.Users.Insert(ctx, domain.Restore(state("bob@example.com")))
	}))
	s.requireStored(ana)
	_, err := s.db.Users.ByID(s.ctx, again.ID)
	s.Require().ErrorIs(err, users.ErrNotFound)
}

// TestUniqueness checks which errors an address or a number taken by another account makes.
func (s *RepositorySuite) TestUniqueness() {
	ana := state("ana@example.com")
	ana.Phone = new("+21620123456")
	bob := state("bob@example.com")
	s.insert(ana, bob)

	s.ErrorIs(s.db.Users.Insert(s.ctx, domain.Restore(state("ana@example.com"))), users.ErrEmailTaken)
	eve := state("eve@example.com")
	eve.Phone = ana.Phone
	s.ErrorIs(s.db.Users.Insert(s.ctx, domain.Restore(eve)), application.ErrPhoneClaimed)
	bob.Phone = ana.Phone
	s.ErrorIs(s.db.Users.Save(s.ctx, domain.Restore(bob)), application.ErrPhoneClaimed)
	impostor := bob
	impostor.Email, impostor.Phone = ana.Email, nil
	s.ErrorIs(s.db.Users.Save(s.ctx, domain.Restore(impostor)), users.ErrEmailTaken)

	s.Run("a number moves within a transaction", func() {
		s.Require().NoError(s.db.Tx.InTx(s.ctx, func(ctx context.Context) error {
			ana.Phone = nil
			s.Require().NoError(s.db.Users.Save(ctx, domain.Restore(ana)))
			return s.db.Users.Save(ctx, domain.Restore(bob))
		}))
		s.requireStored(ana)
		s.requireStored(bob)
	})
	s.Run("several have none", func() {
		s.insert(state("none@example.com"), state("nor-i@example.com"))
	})
}

// TestByIDs checks that those who exist are found, once each and without their password hashes.
func (s *RepositorySuite) TestByIDs() {
	ana, bob := state("ana@example.com"), state("bob@example.com")
	ana.PasswordHash = new("hash")
	s.insert(ana, bob, state("eve@example.com"))

	found, err := s.db.Users.ByIDs(s.ctx, []users.ID{bob.ID, NewID(), ana.ID, bob.ID})
	s.Require().NoError(err)
	s.ElementsMatch([]users.User{domain.Restore(ana).View(), domain.Restore(bob).View()}, viewsOf(found))
	for _, u := range found {
		s.Empty(u.PasswordHash())
	}
	for _, none := range [][]users.ID{nil, {}, {NewID()}} {
		found, err = s.db.Users.ByIDs(s.ctx, none)
		s.Require().NoError(err)
		s.Empty(found)
	}
}

func viewsOf(found []*domain.User) []users.User {
	views := make([]users.User, len(found))
	for i, u := range found {
		views[i] = u.View()
	}
	return views
}

// TestStats checks that every role is counted, and that the moment asked for is inclusive.
func (s *RepositorySuite) TestStats() {
	stats, err := s.db.Users.Stats(s.ctx, day)
	s.Require().NoError(err)
	s.Equal(users.Stats{ByRole: map[users.Role]int64{users.Participant: 0, users.Organizer: 0, users.Admin: 0}}, stats)

	for i, role := range []users.Role{users.Participant, users.Participant, users.Organizer, users.Participant} {
		u := state(fmt.Sprintf("user%d@example.com", i))
		u.Role, u.IsActive = role, i != 0
		u.CreatedAt = day.Add(time.Duration(i-2) * time.Microsecond)
		s.insert(u)
	}
	stats, err = s.db.Users.Stats(s.ctx, day)
	s.Require().NoError(err)
	s.Equal(users.Stats{
		Total: 4, Active: 3, ByRole: map[users.Role]int64{users.Participant: 3, users.Organizer: 1, users.Admin: 0}, Signups24h: 2,
	}, stats)
}

// TestAdministrators checks who counts as an administrator, and as another active one.
func (s *RepositorySuite) TestAdministrators() {
	ask := func(id users.ID) (exists, other bool) {
		s.Require().NoError(s.db.Tx.InTx(s.ctx, func(ctx context.Context) (err error) {
			exists, err = s.db.Users.AdminExists(ctx)
			s.Require().NoError(err)
			other, err = s.db.Users.OtherActiveAdmin(ctx, id)
			return err
		}))
		return exists, other
	}
	s.insert(state("ana@example.com"))
	exists, other := ask(NewID())
	s.False(exists)
	s.False(other)

	retired, active := state("retired@example.com"), state("active@example.com")
	retired.Role, retired.IsActive, active.Role = users.Admin, false, users.Admin
	s.insert(retired)
	exists, other = ask(NewID())
	s.True(exists, "a deactivated one is one")
	s.False(other)

	s.insert(active)
	_, other = ask(active.ID)
	s.False(other, "nobody but the one who asks")
	_, other = ask(retired.ID)
	s.True(other)
}

// TestSaveKeepsOthers checks that saving one user leaves the others alone.
func (s *RepositorySuite) TestSaveKeepsOthers() {
	ana, bob := state("ana@example.com"), state("bob@example.com")
	s.insert(ana, bob)
	ana.FirstName = "Anna"
	s.Require().NoError(s.db.Users.Save(s.ctx, domain.Restore(ana)))
	s.requireStored(ana)
	s.requireStored(bob)
	n, err := s.db.Users.Count(s.ctx, application.Filter{})
	s.Require().NoError(err)
	s.Equal(int64(2), n)
}
