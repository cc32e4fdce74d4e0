package userstest

import (
	"context"
	"time"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/domain"
)

// oneTimeToken returns a token of the user whose hash is that of a text.
func oneTimeToken(user users.ID, purpose domain.Purpose, text string) domain.OneTimeToken {
	return domain.OneTimeToken{
		UserID: user, Purpose: purpose, TokenHash: domain.HashToken(text), Email: "ana@example.com",
		CreatedAt: day, ExpiresAt: day.Add(time.Hour),
	}
}

func (s *RepositorySuite) issue(all ...domain.OneTimeToken) {
	for _, token := range all {
		s.Require().NoError(s.db.OneTimeTokens.Issue(s.ctx, token))
	}
}

// TestOneTimeTokenRoundTrip checks that every field comes back as it was stored.
func (s *RepositorySuite) TestOneTimeTokenRoundTrip() {
	u := s.insert(state("ana@example.com"))
	bare, full := oneTimeToken(u.ID(), domain.ResetPassword, "bare"), oneTimeToken(u.ID(), domain.VerifyPhone, "full")
	full.Target, full.Tries, full.CreatedAt = new("+21620123456"), 3, day.Add(time.Microsecond)
	for _, want := range []domain.OneTimeToken{bare, full} {
		s.issue(want)
		owner, err := s.db.OneTimeTokens.Owner(s.ctx, want.TokenHash, want.Purpose)
		s.Require().NoError(err)
		s.Equal(u.ID(), owner)
		got, err := s.db.OneTimeTokens.Take(s.ctx, want.TokenHash, day, want.Purpose)
		s.Require().NoError(err)
		s.Equal(want, got)
	}
}

// TestOneTimeTokenIsTakenOnce checks that a token works once, before it expires, and for its purpose.
func (s *RepositorySuite) TestOneTimeTokenIsTakenOnce() {
	u := s.insert(state("ana@example.com"))
	t := oneTimeToken(u.ID(), domain.ResetPassword, "token")
	s.issue(t, oneTimeToken(u.ID(), domain.ConfirmEmail, "other"))
	refused := func(hash []byte, at time.Time, purposes ...domain.Purpose) {
		_, err := s.db.OneTimeTokens.Take(s.ctx, hash, at, purposes...)
		s.Require().ErrorIs(err, users.ErrTokenInvalid)
	}
	refused(t.TokenHash, t.ExpiresAt, domain.ResetPassword)
	refused(t.TokenHash, day, domain.ConfirmEmail, domain.VerifyPhone)
	refused(domain.HashToken("never issued"), day, domain.ResetPassword)
	_, err := s.db.OneTimeTokens.Owner(s.ctx, t.TokenHash, domain.ConfirmEmail)
	s.Require().ErrorIs(err, users.ErrTokenInvalid)

	_, err = s.db.OneTimeTokens.Take(s.ctx, t.TokenHash, t.ExpiresAt.Add(-time.Microsecond), domain.AcceptInvitation, domain.ResetPassword)
	s.Require().NoError(err)
	refused(t.TokenHash, day, domain.ResetPassword)
	_, err = s.db.OneTimeTokens.Owner(s.ctx, t.TokenHash, domain.ResetPassword)
	s.Require().ErrorIs(err, users.ErrTokenInvalid)
	_, err = s.db.OneTimeTokens.Owner(s.ctx, domain.HashToken("other"), domain.ConfirmEmail)
	s.NoError(err, "each token by itself")
}

// TestNewerOneTimeTokenVoidsTheOlder checks that a user has one of a purpose, and that a code's tries begin anew.
func (s *RepositorySuite) TestNewerOneTimeTokenVoidsTheOlder() {
	ana, bob := s.insert(state("ana@example.com")), s.insert(state("bob@example.com"))
	older, newer := oneTimeToken(ana.ID(), domain.VerifyPhone, "older"), oneTimeToken(ana.ID(), domain.VerifyPhone, "newer")
	older.Target, older.Tries = new("+21620123456"), domain.MaxCodeTries
	newer.Email, newer.CreatedAt, newer.ExpiresAt = "new@example.com", day.Add(time.Minute), day.Add(2*time.Hour)
	s.issue(older, oneTimeToken(ana.ID(), domain.ResetPassword, "reset"), oneTimeToken(bob.ID(), domain.VerifyPhone, "foreign"), newer)

	_, err := s.db.OneTimeTokens.Owner(s.ctx, older.TokenHash, domain.VerifyPhone)
	s.Require().ErrorIs(err, users.ErrTokenInvalid)
	for text, purpose := range map[string]domain.Purpose{"reset": domain.ResetPassword, "foreign": domain.VerifyPhone} {
		_, err := s.db.OneTimeTokens.Owner(s.ctx, domain.HashToken(text), purpose)
		s.Require().NoError(err, text)
	}
	got, err := s.db.OneTimeTokens.Take(s.ctx, newer.TokenHash, day, domain.VerifyPhone)
	s.Require().NoError(err)
	s.Equal(newer, got)
}

// TestTries checks that each try is counted until there is none left, and that only the user's own live code can be tried.
func (s *RepositorySuite) TestTries() {
	ana, bob := s.insert(state("ana@example.com")), s.insert(state("bob@example.com"))
	code := oneTimeToken(ana.ID(), domain.VerifyPhone, "code")
	refused := func(user users.ID, at time.Time) {
		_, err := s.db.OneTimeTokens.Try(s.ctx, user, at)
		s.Require().ErrorIs(err, users.ErrTokenInvalid)
	}
	refused(ana.ID(), day)
	s.issue(code, oneTimeToken(bob.ID(), domain.ResetPassword, "reset"))
	refused(bob.ID(), day)
	refused(ana.ID(), code.ExpiresAt)
	for n := 1; n <= domain.MaxCodeTries; n++ {
		got, err := s.db.OneTimeTokens.Try(s.ctx, ana.ID(), day)
		s.Require().NoError(err)
		code.Tries = n
		s.Equal(code, got)
	}
	refused(ana.ID(), day)
	_, err := s.db.OneTimeTokens.Take(s.ctx, code.TokenHash, day, domain.VerifyPhone)
	s.NoError(err, "the last try may be the right one")
}

// TestVoidingOneTimeTokens checks that all of a user's tokens go, and nobody else's; Has looks at no expiry.
func (s *RepositorySuite) TestVoidingOneTimeTokens() {
	ana, bob := s.insert(state("ana@example.com")), s.insert(state("bob@example.com"))
	expired := oneTimeToken(ana.ID(), domain.AcceptInvitation, "expired")
	expired.ExpiresAt = day.Add(-time.Hour)
	s.issue(expired, oneTimeToken(ana.ID(), domain.ResetPassword, "reset"), oneTimeToken(bob.ID(), domain.AcceptInvitation, "foreign"))
	has := func(user users.ID, purpose domain.Purpose) bool {
		has, err := s.db.OneTimeTokens.Has(s.ctx, user, purpose)
		s.Require().NoError(err)
		return has
	}
	s.True(has(ana.ID(), domain.AcceptInvitation))
	s.True(has(ana.ID(), domain.ResetPassword))
	s.False(has(ana.ID(), domain.ConfirmEmail))
	for range 2 {
		s.Require().NoError(s.db.OneTimeTokens.Void(s.ctx, ana.ID()))
		s.False(has(ana.ID(), domain.AcceptInvitation))
		s.False(has(ana.ID(), domain.ResetPassword))
		s.True(has(bob.ID(), domain.AcceptInvitation))
	}
}

// TestRaceOneTimeTokenIsTakenOnce checks that of many who redeem one token one succeeds.
func (s *RepositorySuite) TestRaceOneTimeTokenIsTakenOnce() {
	const racers, rounds = 16, 10
	u := s.insert(state("ana@example.com"))
	for range rounds {
		t := oneTimeToken(u.ID(), domain.ResetPassword, "token")
		s.issue(t)
		errs := race(racers, func(int) error {
			return s.db.Tx.InTx(s.ctx, func(ctx context.Context) error {
				_, err := s.db.OneTimeTokens.Take(ctx, t.TokenHash, day, domain.ResetPassword)
				return err
			})
		})
		s.Require().Equal(1, count(errs, nil))
		s.Require().Equal(racers-1, count(errs, users.ErrTokenInvalid))
	}
}

// TestRaceTriesAreCounted checks that many guesses at once get no more tries than one after the other.
func (s *RepositorySuite) TestRaceTriesAreCounted() {
	const racers, rounds = 16, 10
	u := s.insert(state("ana@example.com"))
	for range rounds {
		s.issue(oneTimeToken(u.ID(), domain.VerifyPhone, "code"))
		errs := race(racers, func(int) error {
			_, err := s.db.OneTimeTokens.Try(s.ctx, u.ID(), day)
			return err
		})
		s.Require().Equal(domain.MaxCodeTries, count(errs, nil))
		s.Require().Equal(racers-domain.MaxCodeTries, count(errs, users.ErrTokenInvalid))
	}
}
