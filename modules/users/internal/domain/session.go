package domain

import (
	"bytes"
	"time"

	"github.com/google/uuid"

	"github.com/tickr/tickr/modules/users"
)

// RefreshGrace is how long after an exchange the old refresh token still answers, with the same successor: long enough for a
// lost answer and for two tabs that refresh at once.
const RefreshGrace = 10 * time.Second

// SessionLife is how long a session goes on however often its tokens are exchanged, unless one token lives longer. Then the owner logs in
// again, and so does whoever may have stolen it unnoticed (OWASP ASVS 5.0, 7.3.2).
const SessionLife = 90 * 24 * time.Hour

// Why a session ended.
const (
	EndedByLogout       = "logout"
	EndedByReuse        = "refresh_token_reuse"
	EndedByDeactivation = "deactivation"
	EndedByPassword     = "password_change"
	EndedByReset        = "password_reset"
	EndedByOwner        = "ended_by_owner"
	EndedByAdmin        = "ended_by_admin"
)

// SessionState is what is stored of a session: a family of refresh tokens, each the successor of the one before.
type SessionState struct {
	ID           uuid.UUID
	UserID       users.ID
	TokenHash    []byte // of the newest token
	PreviousHash []byte // of the one exchanged for it; nil before the first exchange
	ExchangedAt  *time.Time
	CreatedAt    time.Time
	ExpiresAt    time.Time
	EndedAt      *time.Time
	EndReason    *string
	Origin       // of the login, and later of the newest exchange
}

// Session is one login, from its first refresh token to its end.
type Session struct{ state SessionState }

// StartSession returns a new session and its first refresh token.
func StartSession(id uuid.UUID, user users.ID, key RefreshKey, from Origin, now time.Time, ttl time.Duration) (*Session, RefreshToken) {
	token := key.First(id)
	return &Session{SessionState{
		ID: id, UserID: user, TokenHash: token.Hash(), CreatedAt: now, ExpiresAt: now.Add(ttl), Origin: from,
	}}, token
}

// RestoreSession returns a stored session.
func RestoreSession(state SessionState) *Session { return &Session{state} }

// State returns a copy of what is to be stored.
func (s *Session) State() SessionState { return s.state }

// Live reports whether the session can still be used.
func (s *Session) Live(now time.Time) bool {
	return s.state.EndedAt == nil && now.Before(s.state.ExpiresAt)
}

// LastUsed returns when a token of the session was last exchanged, or when it began.
func (s *Session) LastUsed() time.Time {
	if s.state.ExchangedAt != nil {
		return *s.state.ExchangedAt
	}
	return s.state.CreatedAt
}

// Knows reports whether token is, or once was, one of this session.
func (s *Session) Knows(token RefreshToken, keys []RefreshKey) bool {
	if token.Session() != s.state.ID {
		return false
	}
	if hash := token.Hash(); bytes.Equal(hash, s.state.TokenHash) || bytes.Equal(hash, s.state.PreviousHash) {
		return true
	}
	for _, key := range keys {
		if key.Issued(token) {
			return true
		}
	}
	return false
}

// Exchange returns the successor of token and extends the session by ttl, to SessionLife at most, as asked from there. keys are the
// ones that may have made the token, the current one first.
//
// The newest token is exchanged. The one before it, within RefreshGrace of its exchange, is answered with the same successor.
// Any other token that was once issued is a sign of theft: the session ends (RFC 9700 section 4.14.2).
// It fails with users.ErrSessionEnded, or with users.ErrUnauthenticated for a token that never was one of this session.
// The state is to be stored even when it fails.
func (s *Session) Exchange(token RefreshToken, keys []RefreshKey, from Origin, now time.Time, ttl time.Duration) (RefreshToken, error) {
	if !s.Knows(token, keys) {
		return RefreshToken{}, users.ErrUnauthenticated
	}
	expires := now.Add(ttl)
	if end := s.state.CreatedAt.Add(max(SessionLife, ttl)); end.Before(expires) {
		expires = end
	}
	if !s.Live(now) || !now.Before(expires) { // the latter where tokens lived longer before
		return RefreshToken{}, users.ErrSessionEnded
	}
	hash := token.Hash()
	if bytes.Equal(hash, s.state.TokenHash) {
		next := keys[0].Next(token)
		s.state.PreviousHash, s.state.TokenHash = hash, next.Hash()
		s.state.ExchangedAt = &now
		s.state.ExpiresAt = expires
		s.state.Origin = from
		return next, nil
	}
	if bytes.Equal(hash, s.state.PreviousHash) && !now.After(s.state.ExchangedAt.Add(RefreshGrace)) {
		// The successor may have been made with the key that was current then.
		for _, key := range keys {
			if next := key.Next(token); bytes.Equal(next.Hash(), s.state.TokenHash) {
				return next, nil
			}
		}
	}
	s.End(EndedByReuse, now)
	return RefreshToken{}, users.ErrSessionEnded
}

// End ends the session. Ending it again changes nothing.
func (s *Session) End(reason string, now time.Time) {
	if s.state.EndedAt == nil {
		s.state.EndedAt, s.state.EndReason = &now, &reason
	}
}
