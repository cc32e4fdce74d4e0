package application

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/domain"
)

// Tokens is what a client gets to go on with.
type Tokens struct {
	Access    string
	Refresh   string
	ExpiresIn time.Duration // of the access token
}

// Credentials is somebody asking to log in. Email may be a phone number.
type Credentials struct{ Email, Password string }

// Validate fails with *domain.InvalidError when a field is missing. Anything else wrong with a field makes a wrong pair.
func (c Credentials) Validate() error {
	var invalid domain.InvalidError
	domain.Field(&invalid, "email", c.Email, domain.ParseGiven)
	domain.Field(&invalid, "password", c.Password, domain.ParseGiven)
	return invalid.Err()
}

// Enter waits until so few have entered that the passwords of all are hashed soon. What everybody may ask for and hashes one comes
// between Enter and leave: whoever is sent away, with users.ErrOverloaded, has cost no statement.
func (s *Service) Enter(ctx context.Context, from domain.Origin) (leave func(), err error) {
	return s.Hasher.Enter(ctx, from.Network())
}

// EnterToLogIn is Enter before LogIn: it counts the logins that are sent away.
func (s *Service) EnterToLogIn(ctx context.Context, from domain.Origin) (leave func(), err error) {
	leave, err = s.Enter(ctx, from)
	if err != nil {
		s.Meter.LogIn(loginOutcome(err))
	}
	return leave, err
}

// LogIn starts a session. It fails with users.ErrInvalidCredentials for every wrong pair, after the hashing that an unknown address
// costs too, whatever kind of hash is stored; with users.ErrDeactivated or users.ErrEmailNotVerified only after the right password;
// with *domain.InvalidError, *LimitedError or users.ErrOverloaded.
func (s *Service) LogIn(ctx context.Context, from domain.Origin, c Credentials) (tokens Tokens, view users.User, err error) {
	defer func() { s.Meter.LogIn(loginOutcome(err)) }()
	if err := c.Validate(); err != nil {
		return Tokens{}, users.User{}, err
	}
	account := accountName(c.Email)
	trusted, err := s.Throttles.Trusted(ctx, s.trustKey(account, from), s.Now())
	if err != nil {
		return Tokens{}, users.User{}, err
	}
	err = s.guess(ctx, s.loginLimits(account, from, trusted), users.ErrInvalidCredentials, func() error {
		tokens, view, err = s.logIn(ctx, from, account, c)
		if errors.Is(err, errHashReplaced) {
			// By a change of the password, or by another login that hashed the same one anew: only the new hash can tell.
			tokens, view, err = s.logIn(ctx, from, account, c)
		}
		if errors.Is(err, errHashReplaced) {
			return users.ErrInvalidCredentials
		}
		return err
	})
	if err != nil {
		return Tokens{}, users.User{}, err
	}
	return tokens, view, nil
}

// errHashReplaced: while a password was compared with a hash, another one took its place.
var errHashReplaced = errors.New("password hash was replaced meanwhile")

func (s *Service) logIn(ctx context.Context, from domain.Origin, account string, c Credentials) (Tokens, users.User, error) {
	u, hash, err := s.findCredentials(ctx, c.Email)
	if err != nil {
		return Tokens{}, users.User{}, err
	}
	given := domain.GivenPassword(c.Password)
	ok, err := s.verify(ctx, u, given, hash)
	if err != nil {
		return Tokens{}, users.User{}, err
	}
	if !ok {
		return Tokens{}, users.User{}, s.refuseLogin(ctx, from, account, u, users.ErrInvalidCredentials)
	}
	if err := u.MayLogIn(); err != nil {
		return Tokens{}, users.User{}, s.refuseLogin(ctx, from, account, u, err)
	}

	rehash := ""
	if s.Hasher.Outdated(given, hash) {
		// When there is no turn for it now, a later login will do it.
		if rehash, err = s.Hasher.Hash(ctx, given); err != nil && !errors.Is(err, users.ErrOverloaded) {
			return Tokens{}, users.User{}, err
		}
	}

	var tokens Tokens
	view, err := s.change(ctx, u.ID(), func(ctx context.Context, u *domain.User, _ *effects) error {
		// While the password was compared it may have been changed, or the account deactivated.
		if u.PasswordHash() != hash {
			return errHashReplaced
		}
		if err := u.MayLogIn(); err != nil {
			return err
		}
		now := s.Now()
		session, refresh := domain.StartSession(s.NewID(), u.ID(), s.RefreshKeys[0], from, now, s.RefreshTTL)
		if err := s.Sessions.Insert(ctx, session); err != nil {
			return err
		}
		u.LoggedIn(now)
		if rehash != "" {
			u.Rehash(rehash)
		}
		if err := s.Throttles.Trust(ctx, s.trustKey(account, from), now.Add(trustFor)); err != nil {
			return err
		}
		if tokens, err = s.issue(session, refresh, now); err != nil {
			return err
		}
		return s.record(ctx, Actor{ID: u.ID(), Origin: from}, ActLogIn, u.ID(), sessionDetails(session))
	})
	return tokens, view, err
}

// refuseLogin records a login in vain and returns why it was, or why it could not be recorded. It writes as much for an account that
// is not there: the time it takes tells nothing.
func (s *Service) refuseLogin(ctx context.Context, from domain.Origin, account string, u *domain.User, why error) error {
	var subject *users.ID
	if u != nil {
		subject = new(u.ID())
	}
	reason := "credentials"
	switch {
	case errors.Is(why, users.ErrDeactivated):
		reason = "deactivated"
	case errors.Is(why, users.ErrEmailNotVerified):
		reason = "not_verified"
	}
	details := Details{"reason": reason, "account": s.Pseudonyms.Pseudonym("account", account)}
	if err := s.recordFailure(ctx, somebody(from), ActLogIn, subject, details); err != nil {
		return fmt.Errorf("%w: %w", errUnrecorded, err)
	}
	return why
}

// findCredentials returns the account of an address or a proven number, and the hash to compare with: of an account that was never
// verified, the one of its newest registration. It returns nil and an empty hash when there is none.
func (s *Service) findCredentials(ctx context.Context, login string) (*domain.User, string, error) {
	u, err := s.findByLogin(ctx, login)
	if err != nil {
		return nil, "", err
	}
	var id users.ID
	if u != nil {
		id = u.ID()
	}
	// Asked for in every case: a login takes as many questions whatever there is.
	r, err := s.Registrations.Newest(ctx, id)
	attempted := err == nil
	switch {
	case err != nil && !errors.Is(err, users.ErrNotFound):
		return nil, "", err
	case u == nil:
		return nil, "", nil
	case attempted && !u.EmailVerified():
		return u, r.PasswordHash, nil
	}
	return u, u.PasswordHash(), nil
}

// findByLogin returns the account of an address or a proven number, nil when there is none.
func (s *Service) findByLogin(ctx context.Context, login string) (*domain.User, error) {
	var u *domain.User
	var err error
	if email, violation := domain.ParseEmail(login); violation == nil {
		u, err = s.Users.ByEmail(ctx, email.String())
	} else if phone, violation := domain.ParsePhone(login); violation == nil {
		u, err = s.Users.ByPhone(ctx, phone.String())
		if err == nil && !u.PhoneVerified() {
			u = nil
		}
	}
	if errors.Is(err, users.ErrNotFound) {
		return nil, nil
	}
	return u, err
}

// verify compares a password with the stored hash of u, nil when there is no account. A hash that cannot be compared with is
// logged as a fault and answered as a wrong password: whoever asks learns nothing of it.
func (s *Service) verify(ctx context.Context, u *domain.User, given domain.Password, hash string) (bool, error) {
	ok, err := s.Hasher.Verify(ctx, given, hash)
	if errors.Is(err, ErrBadHash) {
		s.Logger.ErrorContext(ctx, "a stored password hash cannot be used", slog.String("user", u.ID().String()), slog.Any("error", err))
		return false, nil
	}
	return ok, err
}

// issue signs the access token that goes with a refresh token. It never outlives the session.
func (s *Service) issue(session *domain.Session, refresh domain.RefreshToken, now time.Time) (Tokens, error) {
	state := session.State()
	ttl := min(s.AccessTTL, state.ExpiresAt.Sub(now))
	access, err := s.AccessTokens.Issue(AccessClaims{User: state.UserID, Session: state.ID, IssuedAt: now, ExpiresAt: now.Add(ttl)})
	if err != nil {
		return Tokens{}, err
	}
	return Tokens{Access: access, Refresh: refresh.Reveal(), ExpiresIn: ttl}, nil
}

// Refresh exchanges a refresh token. See domain.Session.Exchange for what is answered to an old one.
// It fails with users.ErrUnauthenticated or users.ErrSessionEnded.
func (s *Service) Refresh(ctx context.Context, from domain.Origin, token string) (Tokens, error) {
	refresh, ok := domain.ParseRefreshToken(token)
	if !ok {
		return Tokens{}, users.ErrUnauthenticated
	}
	var tokens Tokens
	var refused error
	err := s.commit(ctx, func(ctx context.Context, after *effects) error {
		session, err := s.Sessions.LockByID(ctx, refresh.Session())
		if errors.Is(err, users.ErrNotFound) {
			refused = users.ErrUnauthenticated
			return nil
		}
		if err != nil {
			return err
		}
		now := s.Now()
		wasLive := session.Live(now)
		next, err := session.Exchange(refresh, s.RefreshKeys, from, now, s.RefreshTTL)
		switch refused = err; {
		case refused == nil:
			tokens, err = s.issue(session, next, now)
		case wasLive && !session.Live(now):
			after.sessions = append(after.sessions, refresh.Session())
			err = s.recordFailure(ctx, somebody(from), ActReuseToken, new(session.State().UserID), sessionDetails(session))
		default:
			err = nil
		}
		if err != nil {
			return err
		}
		// A session that ends because of a reused token must stay ended: the transaction commits either way.
		return s.Sessions.Save(ctx, session)
	})
	if err != nil {
		return Tokens{}, err
	}
	return tokens, refused
}

// LogOut ends the session that a refresh token belongs to, however old the token. An unknown one is no error.
func (s *Service) LogOut(ctx context.Context, from domain.Origin, token string) error {
	refresh, ok := domain.ParseRefreshToken(token)
	if !ok {
		return nil
	}
	return s.commit(ctx, func(ctx context.Context, after *effects) error {
		session, err := s.Sessions.LockByID(ctx, refresh.Session())
		if errors.Is(err, users.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		if !session.Knows(refresh, s.RefreshKeys) {
			return nil
		}
		if !session.Live(s.Now()) {
			return nil
		}
		after.sessions = append(after.sessions, refresh.Session())
		session.End(domain.EndedByLogout, s.Now())
		owner := session.State().UserID
		if err := s.record(ctx, Actor{ID: owner, Origin: from}, ActLogOut, owner, sessionDetails(session)); err != nil {
			return err
		}
		return s.Sessions.Save(ctx, session)
	})
}

// Authenticate returns who holds an access token. It asks the database only when the session or the user is not cached. It fails
// with users.ErrUnauthenticated, users.ErrTokenExpired, or users.ErrSessionEnded also when the user was deactivated.
func (s *Service) Authenticate(ctx context.Context, from domain.Origin, token string) (Actor, error) {
	claims, err := s.AccessTokens.Verify(token)
	if err != nil {
		return Actor{}, err
	}
	owner, err := s.Cache.Session(ctx, claims.Session, func(ctx context.Context) (users.ID, error) {
		return s.liveSession(ctx, claims.Session)
	})
	if err != nil {
		return Actor{}, err
	}
	if owner != claims.User {
		return Actor{}, users.ErrUnauthenticated
	}
	u, err := s.view(ctx, owner)
	switch {
	case errors.Is(err, users.ErrNotFound):
		return Actor{}, users.ErrSessionEnded
	case err != nil:
		return Actor{}, err
	case !u.IsActive:
		return Actor{}, users.ErrSessionEnded
	}
	return Actor{ID: u.ID, Role: u.Role, Session: claims.Session, Origin: from}, nil
}

func (s *Service) liveSession(ctx context.Context, id uuid.UUID) (users.ID, error) {
	session, err := s.Sessions.ByID(ctx, id)
	switch {
	case errors.Is(err, users.ErrNotFound):
		return users.ID{}, users.ErrSessionEnded
	case err != nil:
		return users.ID{}, err
	case !session.Live(s.Now()):
		return users.ID{}, users.ErrSessionEnded
	}
	return session.State().UserID, nil
}

// sessionDetails name a session in the audit trail.
func sessionDetails(session *domain.Session) Details {
	return Details{"session": session.State().ID.String()}
}

// endSessions ends the user's live sessions except one, in the transaction of ctx.
func (s *Service) endSessions(ctx context.Context, user users.ID, except uuid.UUID, reason string, after *effects) error {
	ended, err := s.Sessions.EndAll(ctx, user, except, reason, s.Now())
	after.sessions = append(after.sessions, ended...)
	return err
}
