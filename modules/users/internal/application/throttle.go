package application

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/tickr/tickr/modules/users/internal/domain"
)

// Limit is how often something may be done in a window of time, which begins with the first use.
type Limit struct {
	Key  string // a pseudonym of what is limited and for whom
	Most int
	Per  time.Duration
}

// Throttles counts uses for all instances together, exactly, however many ask at once.
type Throttles interface {
	// Take counts one use against each limit. It is called in a transaction of its own, which is rolled back when one is used up:
	// it fails with *LimitedError then.
	Take(ctx context.Context, limits []Limit, now time.Time) error
	// Return takes back what Take counted, in windows that are not over.
	Return(ctx context.Context, limits []Limit, now time.Time) error
	// Lift forgets all uses of the limits.
	Lift(ctx context.Context, limits []Limit) error
	// Trust remembers an origin by its key, until a time at least.
	Trust(ctx context.Context, key string, until time.Time) error
	// Trusted reports whether an origin is remembered.
	Trusted(ctx context.Context, key string, now time.Time) (bool, error)
}

// LimitedError is how a use case refuses what was asked too often.
type LimitedError struct{ RetryAfter time.Duration }

// Error implements error.
func (e *LimitedError) Error() string {
	return fmt.Sprintf("asked too often, try again in %v", e.RetryAfter)
}

// Unlimited implements Throttles for a program that limits nothing.
type Unlimited struct{}

// Take implements Throttles.
func (Unlimited) Take(context.Context, []Limit, time.Time) error { return nil }

// Return implements Throttles.
func (Unlimited) Return(context.Context, []Limit, time.Time) error { return nil }

// Lift implements Throttles.
func (Unlimited) Lift(context.Context, []Limit) error { return nil }

// Trust implements Throttles.
func (Unlimited) Trust(context.Context, string, time.Time) error { return nil }

// Trusted implements Throttles.
func (Unlimited) Trusted(context.Context, string, time.Time) (bool, error) { return true, nil }

// trustFor is how long an origin counts as the owner's after a login.
const trustFor = 30 * 24 * time.Hour

// limit counts by a pseudonym of its name and of whom it is for.
func (s *Service) limit(name, whom string, most int, per time.Duration) Limit {
	return Limit{Key: s.Pseudonyms.Pseudonym("limit "+name, whom), Most: most, Per: per}
}

// registerLimits bounds how many accounts one network asks for.
func (s *Service) registerLimits(from domain.Origin) []Limit {
	return []Limit{s.limit("register", from.Network(), 3, time.Hour)}
}

// mailLimits bounds how many mails one address gets because somebody registers it, from wherever.
func (s *Service) mailLimits(email domain.Email) []Limit {
	return []Limit{s.limit("registration mail", email.String(), 10, time.Hour)}
}

// loginLimits bounds guesses at a password. They go by what was typed, whether or not there is such an account, and so tell nothing.
// The last one, over all networks, does not count logins from where the owner has logged in before: strangers cannot lock them out.
func (s *Service) loginLimits(account string, from domain.Origin, trusted bool) []Limit {
	limits := []Limit{
		s.accountFromNetwork(account, from),
		s.limit("login from network", from.Network(), 100, 15*time.Minute),
	}
	if !trusted {
		limits = append(limits, s.limit("login of account", account, 20, time.Hour))
	}
	return limits
}

func (s *Service) accountFromNetwork(account string, from domain.Origin) Limit {
	return s.limit("login of account from network", account+" "+from.Network(), 5, 15*time.Minute)
}

// confirmLimits bounds guesses at the password of somebody who is logged in already, maybe with a stolen session.
func (s *Service) confirmLimits(actor Actor) []Limit {
	return []Limit{s.limit("confirm password", actor.ID.String(), 5, 15*time.Minute)}
}

// askLimits bounds how often mail is asked for at an address, whether or not anybody has it.
func (s *Service) askLimits(kind MessageKind, email domain.Email) []Limit {
	return []Limit{s.limit(string(kind), email.String(), 3, time.Hour)}
}

// emailChangeLimits bounds how often one user has mail sent to addresses of others, and how often one address gets it.
func (s *Service) emailChangeLimits(actor Actor, email domain.Email) []Limit {
	return append(s.askLimits(MailConfirmEmail, email), s.limit("email change", actor.ID.String(), 5, time.Hour))
}

// textLimits bounds what text messages cost, and how often a number is rung.
func (s *Service) textLimits(actor Actor, number domain.Phone) []Limit {
	return []Limit{
		s.limit("text to number", number.String(), 5, time.Hour),
		s.limit("text for account", actor.ID.String(), 5, time.Hour),
	}
}

// take counts a use against each limit, or none when one is used up. It fails with *LimitedError then.
func (s *Service) take(ctx context.Context, limits ...Limit) error {
	return s.Tx.InTx(ctx, func(ctx context.Context) error { return s.Throttles.Take(ctx, limits, s.Now()) })
}

// giveBack undoes take where the use turned out to be none. That it failed is no reason to refuse what was asked: the window passes.
func (s *Service) giveBack(ctx context.Context, limits []Limit) {
	if err := s.Throttles.Return(ctx, limits, s.Now()); err != nil {
		s.Logger.WarnContext(ctx, "a use could not be given back to its limits", slog.Any("error", err))
	}
}

// errUnrecorded: a guess was compared, and then what came of it could not be recorded.
var errUnrecorded = errors.New("a guess could not be recorded")

// guess calls compare, which compares a password, as one use of the limits. Only a wrong password uses them up, or one of which nobody
// heard or kept the answer.
func (s *Service) guess(ctx context.Context, limits []Limit, wrong error, compare func() error) error {
	if err := s.take(ctx, limits...); err != nil {
		return err
	}
	err := compare()
	if !errors.Is(err, wrong) && !errors.Is(err, errUnrecorded) && ctx.Err() == nil {
		s.giveBack(ctx, limits)
	}
	return err
}

// letIn lets the owner of u, who has just proven to be the one, log in from where they are whatever strangers have tried.
func (s *Service) letIn(ctx context.Context, u *domain.User, from domain.Origin) error {
	if err := s.Throttles.Lift(ctx, []Limit{s.accountFromNetwork(u.Email(), from)}); err != nil {
		return err
	}
	return s.Throttles.Trust(ctx, s.trustKey(u.Email(), from), s.Now().Add(trustFor))
}

// trustKey names where an account is used from.
func (s *Service) trustKey(account string, from domain.Origin) string {
	return s.Pseudonyms.Pseudonym("origin of account", account+" "+from.Network())
}

// accountName is what was typed for an account in its canonical form, or as it is.
func accountName(typed string) string {
	if email, violation := domain.ParseEmail(typed); violation == nil {
		return email.String()
	}
	if phone, violation := domain.ParsePhone(typed); violation == nil {
		return phone.String()
	}
	return typed
}
