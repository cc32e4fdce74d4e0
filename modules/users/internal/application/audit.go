package application

import (
	"context"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/domain"
)

// Act names something done to an account, or tried, that somebody may have to answer for.
type Act string

// The acts. What was tried in vain is recorded where it may be an attack: wrong passwords and stolen tokens.
const (
	ActRegister       Act = "register"        // an attempt to register the address
	ActVerifyEmail    Act = "verify_email"    // the address is proven, the account can be used
	ActLogIn          Act = "login"           //
	ActReuseToken     Act = "reuse_token"     // a refresh token came a second time: it was stolen, and the session ended
	ActLogOut         Act = "logout"          //
	ActChangePassword Act = "change_password" //
	ActChangeProfile  Act = "change_profile"  // names, number
	ActYieldPhone     Act = "yield_phone"     // the number went to another claimant
	ActChangeRole     Act = "change_role"     //
	ActCreate         Act = "create"          // by an administrator or an operator
	ActDeactivate     Act = "deactivate"      //
	ActReactivate     Act = "reactivate"      //
	ActRemove         Act = "remove"          // nobody had proven the address
	ActEndSessions    Act = "end_sessions"    // one or more, by their owner or an administrator

	ActRequestReset        Act = "request_reset"        // by naming an address: of whom, the issuing of a token tells
	ActRequestVerification Act = "request_verification" // likewise
	ActIssueToken          Act = "issue_token"          // mailed to the address of the account
	ActResetPassword       Act = "reset_password"       // by such a token, an invitation among them
	ActRequestEmailChange  Act = "request_email_change" //
	ActChangeEmail         Act = "change_email"         // the new address is confirmed
	ActRequestPhoneCode    Act = "request_phone_code"   //
	ActVerifyPhone         Act = "verify_phone"         //
	ActBecomeOrganizer     Act = "become_organizer"     //

	ActShortenTrail Act = "shorten_trail" // a month of it was removed by an operator
)

// Outcome is what came of an act.
type Outcome string

// The outcomes.
const (
	Success Outcome = "success"
	Failure Outcome = "failure"
)

// Details say more of an act, in words and numbers of the program, or the reason that somebody gave: no secret, no address, no number
// of a phone.
type Details map[string]string

// AuditEntry is one act: who did what to whom, when, from where, and what came of it.
type AuditEntry struct {
	ID        uuid.UUID
	CreatedAt time.Time
	ActorID   *users.ID // nil: somebody who was not logged in, or the program itself
	Act       Act
	SubjectID *users.ID // whose account it is about; nil: there is none
	Outcome   Outcome
	Origin    domain.Origin
	Details   Details
}

// Audit stores acts. Nothing changes one once it is written; they go in whole months, when an operator says so.
type Audit interface {
	// Append adds an act, in the transaction that does it.
	Append(ctx context.Context, e AuditEntry) error
	// OfSubject returns at most limit acts about an account, newest first (createdAt, then ID), from after on. A nil after is the start.
	OfSubject(ctx context.Context, subject users.ID, limit int, after *Cursor) ([]AuditEntry, error)
}

// somebody is who asks without having logged in.
func somebody(from domain.Origin) Actor { return Actor{Origin: from} }

// record writes that by did act to the subject, in the transaction of ctx.
func (s *Service) record(ctx context.Context, by Actor, act Act, subject users.ID, details Details) error {
	return s.Audit.Append(ctx, s.entry(by, act, Success, &subject, details))
}

// recordFailure writes that by tried act in vain. A nil subject is no account.
func (s *Service) recordFailure(ctx context.Context, by Actor, act Act, subject *users.ID, details Details) error {
	return s.Audit.Append(ctx, s.entry(by, act, Failure, subject, details))
}

func (s *Service) entry(by Actor, act Act, outcome Outcome, subject *users.ID, details Details) AuditEntry {
	e := AuditEntry{
		ID: s.NewID(), CreatedAt: s.Now(), Act: act, SubjectID: subject, Outcome: outcome, Origin: by.Origin, Details: details,
	}
	if by.ID != uuid.Nil {
		e.ActorID = &by.ID
	}
	if e.Details == nil {
		e.Details = Details{}
	}
	return e
}

// recordChanges writes what of an account is not as it was before: the role, and which parts of the profile, but not what they are.
func (s *Service) recordChanges(ctx context.Context, by Actor, before domain.State, u *domain.User) error {
	after := u.State()
	if after.Role != before.Role {
		roles := Details{"from": string(before.Role), "to": string(after.Role)}
		if err := s.record(ctx, by, ActChangeRole, u.ID(), roles); err != nil {
			return err
		}
	}
	var changed []string
	for _, part := range []struct {
		name string
		same bool
	}{
		{"firstName", after.FirstName == before.FirstName},
		{"lastName", after.LastName == before.LastName},
		{"phone", valueOf(after.Phone) == valueOf(before.Phone)},
	} {
		if !part.same {
			changed = append(changed, part.name)
		}
	}
	if len(changed) == 0 {
		return nil
	}
	return s.record(ctx, by, ActChangeProfile, u.ID(), Details{"changed": strings.Join(changed, ",")})
}

// given is details of one text, or none where that is empty.
func given(name, text string) Details {
	if text == "" {
		return nil
	}
	return Details{name: text}
}

func valueOf(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}

// TrailPage asks for a part of an audit trail: the newest acts, or what follows the cursor that an earlier answer gave.
type TrailPage struct {
	Limit  int // 1 to MaxLimit
	Cursor string
}

func (p TrailPage) parse() (*Cursor, error) {
	var invalid domain.InvalidError
	checkLimit(&invalid, p.Limit)
	var after *Cursor
	if p.Cursor != "" {
		after = new(domain.Field(&invalid, "cursor", p.Cursor, ParseCursor))
	}
	return after, invalid.Err()
}

// Validate fails with *domain.InvalidError naming every wrong field.
func (p TrailPage) Validate() error {
	_, err := p.parse()
	return err
}

// Trail is a part of an audit trail, newest first.
type Trail struct {
	Entries []AuditEntry
	Limit   int
	Next    string // cursor of what follows, empty at the end
}

// TrailOf returns what was done to any account, also to one that is gone. It fails with users.ErrForbidden, *domain.InvalidError, or
// users.ErrNotFound when nobody has the ID and nothing is known of it.
func (s *Service) TrailOf(ctx context.Context, actor Actor, id users.ID, p TrailPage) (Trail, error) {
	if err := actor.May(ViewTrail); err != nil {
		return Trail{}, err
	}
	after, err := p.parse()
	if err != nil {
		return Trail{}, err
	}
	found, err := s.Audit.OfSubject(ctx, id, p.Limit+1, after) // one more tells whether anything follows
	if err != nil {
		return Trail{}, err
	}
	trail := Trail{Entries: found, Limit: p.Limit}
	switch {
	case len(found) == 0 && after == nil:
		_, err = s.view(ctx, id)
	case len(found) > p.Limit:
		trail.Entries = found[:p.Limit]
		last := trail.Entries[p.Limit-1]
		trail.Next = Cursor{CreatedAt: last.CreatedAt, ID: last.ID}.String()
	}
	return trail, err
}
