package userstest

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/application"
	"github.com/tickr/tickr/modules/users/internal/domain"
)

func (s *RepositorySuite) act(subject *users.ID, at time.Time) application.AuditEntry {
	e := application.AuditEntry{
		ID: NewID(), CreatedAt: at, Act: application.ActLogIn, SubjectID: subject, Outcome: application.Success, Details: application.Details{},
	}
	s.Require().NoError(s.db.Audit.Append(s.ctx, e))
	return e
}

// TestAuditRoundTrip checks that every field, set or not, comes back as it was written.
func (s *RepositorySuite) TestAuditRoundTrip() {
	subject, actor := NewID(), NewID()
	bare := s.act(&subject, day)
	full := application.AuditEntry{
		ID: NewID(), CreatedAt: day.Add(time.Microsecond), ActorID: &actor, Act: application.ActChangeRole, SubjectID: &subject,
		Outcome: application.Failure, Origin: Here, Details: application.Details{"from": "PARTICIPANT", "to": `"' ? é`},
	}
	s.Require().NoError(s.db.Audit.Append(s.ctx, full))
	v6 := full
	v6.ID, v6.CreatedAt, v6.Origin = NewID(), day.Add(time.Second), domain.NewOrigin(netip.MustParseAddr("2001:db8::1"), "")
	s.Require().NoError(s.db.Audit.Append(s.ctx, v6))
	found, err := s.db.Audit.OfSubject(s.ctx, subject, 10, nil)
	s.Require().NoError(err)
	s.Equal([]application.AuditEntry{v6, full, bare}, found)
}

// TestAuditTrail checks the order also among acts of one moment and of several months, and that cursors cut it without gaps.
func (s *RepositorySuite) TestAuditTrail() {
	subject, other := NewID(), NewID()
	var want []application.AuditEntry // newest first
	for _, at := range []time.Time{day.AddDate(-1, 0, 0), day, day, day, day.AddDate(0, 1, 0)} {
		want = append([]application.AuditEntry{s.act(&subject, at)}, want...)
		s.act(&other, at)
		s.act(nil, at)
	}
	all, err := s.db.Audit.OfSubject(s.ctx, subject, 10, nil)
	s.Require().NoError(err)
	s.Equal(want, all)
	last := len(all) - 1
	for i, e := range all[:last] {
		rest, err := s.db.Audit.OfSubject(s.ctx, subject, 2, &application.Cursor{CreatedAt: e.CreatedAt, ID: e.ID})
		s.Require().NoError(err)
		s.Equal(want[i+1:min(i+3, len(want))], rest, "after act %d", i)
	}
	none, err := s.db.Audit.OfSubject(s.ctx, subject, 2, &application.Cursor{CreatedAt: all[last].CreatedAt, ID: all[last].ID})
	s.Require().NoError(err)
	s.Empty(none)
	none, err = s.db.Audit.OfSubject(s.ctx, NewID(), 10, nil)
	s.Require().NoError(err)
	s.Empty(none)
}

// TestAuditIsPartOfTheTransaction checks that what did not happen is not recorded.
func (s *RepositorySuite) TestAuditIsPartOfTheTransaction() {
	subject, failed := NewID(), errors.New("changed my mind")
	s.Require().ErrorIs(s.db.Tx.InTx(s.ctx, func(ctx context.Context) error {
		s.Require().NoError(s.db.Audit.Append(ctx, application.AuditEntry{
			ID: NewID(), CreatedAt: day, Act: application.ActLogIn, SubjectID: &subject, Outcome: application.Success, Details: application.Details{},
		}))
		return failed
	}), failed)
	found, err := s.db.Audit.OfSubject(s.ctx, subject, 10, nil)
	s.Require().NoError(err)
	s.Empty(found)
}
