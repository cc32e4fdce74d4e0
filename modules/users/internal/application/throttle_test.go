package application_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/application"
	"github.com/tickr/tickr/modules/users/internal/domain"
	"github.com/tickr/tickr/modules/users/internal/userstest"
)

// newLimitedWorld is newWorld in which nobody may ask too often.
func newLimitedWorld(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.Throttles = w.memory.Ports().Throttles
	return w
}

func at(address string) domain.Origin { return domain.NewOrigin(netip.MustParseAddr(address), "") }

// stranger returns the n-th of many places.
func stranger(n int) domain.Origin { return at(fmt.Sprintf("198.51.100.%d", n)) }

// requireLimited checks that err says to wait for so long.
func requireLimited(t *testing.T, err error, wait time.Duration) {
	t.Helper()
	var limited *application.LimitedError
	require.ErrorAs(t, err, &limited)
	require.Equal(t, wait, limited.RetryAfter)
}

// guess tries to log in.
func (w *world) guess(from domain.Origin, email, password string) error {
	w.t.Helper()
	_, _, err := w.LogIn(w.t.Context(), from, application.Credentials{Email: email, Password: password})
	return err
}

func TestRegisterIsLimitedByNetwork(t *testing.T) {
	t.Parallel()
	w := newLimitedWorld(t)
	register := func(from domain.Origin, n int) error {
		return w.Register(t.Context(), from, application.Registration{
			Email: fmt.Sprintf("ana%d@example.com", n), Password: password, FirstName: "Ana", LastName: "Trabelsi",
		})
	}
	home, neighbour := at("2001:db8:1:2::1"), at("2001:db8:1:2:3:4:5:6")
	for n := range 3 {
		require.Error(t, w.Register(t.Context(), home, application.Registration{}), "what is invalid is not counted")
		require.NoError(t, register([]domain.Origin{home, neighbour}[n%2], n))
	}
	hashed, _ := w.hasher.Calls()
	requireLimited(t, register(home, 4), time.Hour)
	requireLimited(t, register(neighbour, 4), time.Hour)
	again, _ := w.hasher.Calls()
	require.Equal(t, hashed, again, "what is refused costs no hashing")
	require.NoError(t, register(at("2001:db8:1:3::1"), 4))
	w.clock.Advance(time.Hour)
	require.NoError(t, register(home, 5))
}

// However many networks register an address, whoever reads its mail is not flooded, and nobody is told.
func TestRegistrationsFloodNoMailbox(t *testing.T) {
	t.Parallel()
	for _, email := range []string{"new@example.com", "ana@example.com"} {
		t.Run(email, func(t *testing.T) {
			t.Parallel()
			w := newLimitedWorld(t)
			w.account("ana@example.com")
			register := func(n int, email string) {
				require.NoError(t, w.Register(t.Context(), stranger(n), application.Registration{
					Email: email, Password: password, FirstName: "Ana", LastName: "Trabelsi",
				}))
			}
			for n := range 12 {
				register(n, email)
			}
			require.Len(t, w.mails(), 10)
			withheld := 0
			for _, e := range w.memory.Trail() {
				if e.Details["mail"] == "withheld" {
					withheld++
				}
			}
			require.Equal(t, 2, withheld)
			register(13, "other@example.com")
			require.Len(t, w.mails(), 1, "others get theirs")
			require.NoError(t, w.ResendVerification(t.Context(), stranger(14), application.Address{Email: email}))
			require.Len(t, w.mails(), map[string]int{"new@example.com": 10, "ana@example.com": 0}[email], "the newest, of which two had none")
			w.clock.Advance(time.Hour)
			register(15, email)
			require.Len(t, w.mails(), 1)
		})
	}
}

// Whether or not there is such an account, the same guesses are compared and the same refused.
func TestGuessesOfOneNetwork(t *testing.T) {
	t.Parallel()
	for _, email := range []string{"ana@example.com", "nobody@example.com", "+21620123456", "no address"} {
		t.Run(email, func(t *testing.T) {
			t.Parallel()
			w := newLimitedWorld(t)
			w.account("ana@example.com", withPhone(number, true))
			for range 5 {
				require.ErrorIs(t, w.guess(stranger(1), email, newPassword), users.ErrInvalidCredentials)
			}
			_, verified := w.hasher.Calls()
			requireLimited(t, w.guess(stranger(1), email, newPassword), 15*time.Minute)
			requireLimited(t, w.guess(stranger(1), email, password), 15*time.Minute)
			_, again := w.hasher.Calls()
			require.Equal(t, verified, again, "what is refused is not compared")
			require.ErrorIs(t, w.guess(stranger(2), email, newPassword), users.ErrInvalidCredentials, "others may")
			require.ErrorIs(t, w.guess(stranger(1), "bob@example.com", newPassword), users.ErrInvalidCredentials)
			w.clock.Advance(15 * time.Minute)
			require.ErrorIs(t, w.guess(stranger(1), email, newPassword), users.ErrInvalidCredentials)
		})
	}
}

func TestFormsOfAnAddressAreOneAccount(t *testing.T) {
	t.Parallel()
	w := newLimitedWorld(t)
	for _, form := range []string{"ana@example.com", "ANA@example.com", " ana@EXAMPLE.com ", "Ana@Example.Com", "ana@example.com\t"} {
		require.ErrorIs(t, w.guess(stranger(1), form, newPassword), users.ErrInvalidCredentials)
	}
	requireLimited(t, w.guess(stranger(1), "aNa@example.com", newPassword), 15*time.Minute)
}

// The owner gets in from where they were before, or by a reset, whatever strangers do.
func TestStrangersLockNobodyOut(t *testing.T) {
	t.Parallel()
	w := newLimitedWorld(t)
	ana := w.account("ana@example.com")
	require.NoError(t, w.guess(at("192.0.2.7"), ana.Email, password))
	for n := range 20 {
		require.ErrorIs(t, w.guess(stranger(n/5), ana.Email, newPassword), users.ErrInvalidCredentials)
	}
	for n := range 10 {
		requireLimited(t, w.guess(stranger(10+n), ana.Email, newPassword), time.Hour)
	}
	requireLimited(t, w.guess(at("203.0.113.1"), ana.Email, password), time.Hour)

	require.NoError(t, w.guess(at("192.0.2.7"), ana.Email, password), "from where the owner was before")
	for range 5 {
		require.ErrorIs(t, w.guess(at("192.0.2.7"), ana.Email, newPassword), users.ErrInvalidCredentials)
	}
	requireLimited(t, w.guess(at("192.0.2.7"), ana.Email, password), 15*time.Minute)

	token := w.requestReset()
	require.NoError(t, w.ResetPassword(t.Context(), at("192.0.2.7"), application.Reset{Token: token, New: newPassword}))
	require.NoError(t, w.guess(at("192.0.2.7"), ana.Email, newPassword), "the owner has proven to be the one")
	requireLimited(t, w.guess(stranger(1), ana.Email, newPassword), time.Hour)
	w.clock.Advance(time.Hour)
	require.NoError(t, w.guess(stranger(1), ana.Email, newPassword))
}

func TestGuessesAtManyAccounts(t *testing.T) {
	t.Parallel()
	w := newLimitedWorld(t)
	for n := range 100 {
		require.ErrorIs(t, w.guess(stranger(1), fmt.Sprintf("user%d@example.com", n), newPassword), users.ErrInvalidCredentials)
	}
	requireLimited(t, w.guess(stranger(1), "another@example.com", newPassword), 15*time.Minute)
	require.ErrorIs(t, w.guess(stranger(2), "another@example.com", newPassword), users.ErrInvalidCredentials)
}

// What is no wrong guess uses nothing up, however often.
func TestOnlyWrongGuessesCount(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change  func(*domain.State)
		arrange func(w *world)
		want    error
	}{
		"right password":             {want: nil},
		"of an unverified account":   {change: func(s *domain.State) { s.EmailVerified = false }, want: users.ErrEmailNotVerified},
		"of a deactivated account":   {change: deactivated, want: users.ErrDeactivated},
		"no processor free to check": {arrange: func(w *world) { w.hasher.Err = users.ErrOverloaded }, want: users.ErrOverloaded},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newLimitedWorld(t)
			if test.change == nil {
				test.change = func(*domain.State) {}
			}
			w.account("ana@example.com", test.change)
			if test.arrange != nil {
				test.arrange(w)
			}
			for range 30 {
				require.ErrorIs(t, w.guess(stranger(1), "ana@example.com", password), test.want)
			}
			w.hasher.Err = nil
			for range 5 {
				require.ErrorIs(t, w.guess(stranger(1), "ana@example.com", newPassword), users.ErrInvalidCredentials)
			}
			requireLimited(t, w.guess(stranger(1), "ana@example.com", newPassword), 15*time.Minute)
		})
	}
}

// A guess counts before it is compared: of many at once no more are compared than of many in turn.
func TestGuessCountsFirst(t *testing.T) {
	t.Parallel()
	w := newLimitedWorld(t)
	w.account("ana@example.com")
	var meanwhile []error
	w.hasher.Meanwhile = func() {
		w.hasher.Meanwhile = nil
		for range 5 {
			meanwhile = append(meanwhile, w.guess(stranger(1), "ana@example.com", newPassword))
		}
	}
	require.ErrorIs(t, w.guess(stranger(1), "ana@example.com", newPassword), users.ErrInvalidCredentials)
	require.Len(t, meanwhile, 5)
	for _, err := range meanwhile[:4] {
		require.ErrorIs(t, err, users.ErrInvalidCredentials)
	}
	requireLimited(t, meanwhile[4], 15*time.Minute)
	_, verified := w.hasher.Calls()
	require.Equal(t, 5, verified)
}

// A session may be stolen: its password is not to be guessed with it.
func TestConfirmingThePasswordIsLimited(t *testing.T) {
	t.Parallel()
	w := newLimitedWorld(t)
	ana := actorOf(w.account("ana@example.com"))
	for n := range 5 {
		var err error
		if n%2 == 0 {
			err = w.ChangeOwnPassword(t.Context(), ana, application.PasswordChange{Current: newPassword, New: "quiet lemon harbour"})
			requireFields(t, err, "currentPassword")
		} else {
			err = w.RequestEmailChange(t.Context(), ana, application.EmailChange{New: "new@example.com", Password: newPassword})
			requireFields(t, err, "password")
		}
	}
	requireLimited(t, w.ChangeOwnPassword(t.Context(), ana, application.PasswordChange{Current: password, New: newPassword}), 15*time.Minute)
	requireLimited(t, w.RequestEmailChange(t.Context(), ana, application.EmailChange{New: "new@example.com", Password: password}), 15*time.Minute)
	w.clock.Advance(15 * time.Minute)
	for _, change := range []application.PasswordChange{{Current: password, New: newPassword}, {Current: newPassword, New: password}} {
		for range 3 {
			require.NoError(t, w.ChangeOwnPassword(t.Context(), ana, change))
			change.Current, change.New = change.New, change.Current
		}
	}
}

func TestAskingForMailIsLimitedByAddress(t *testing.T) {
	t.Parallel()
	w := newLimitedWorld(t)
	w.account("ana@example.com")
	for name, ask := range map[string]func(email string, from domain.Origin) error{
		"reset": func(email string, from domain.Origin) error {
			return w.RequestReset(t.Context(), from, application.Address{Email: email})
		},
		"verification": func(email string, from domain.Origin) error {
			return w.ResendVerification(t.Context(), from, application.Address{Email: email})
		},
	} {
		for _, email := range []string{"ana@example.com", "nobody@example.com"} {
			for n := range 3 {
				require.NoError(t, ask(email, stranger(n)), name)
			}
			requireLimited(t, ask(" "+email, stranger(9)), time.Hour)
		}
		require.NoError(t, ask("other@example.com", stranger(0)))
	}
}

func TestTextMessagesAreLimited(t *testing.T) {
	t.Parallel()
	w := newLimitedWorld(t)
	ask := func(actor application.Actor, number string) error {
		return w.RequestPhoneCode(t.Context(), actor, application.PhoneNumber{Phone: number})
	}
	var people []application.Actor
	for n := range 3 {
		people = append(people, actorOf(w.account(fmt.Sprintf("user%d@example.com", n))))
	}
	for n := range 5 {
		require.NoError(t, ask(people[n%2], "+21620123456"))
	}
	requireLimited(t, ask(people[2], "+21620123456"), time.Hour)
	require.NoError(t, w.relay.Drain(t.Context()))
	require.Len(t, w.texter.Sent(), 5)
	for n := range 5 {
		require.NoError(t, ask(people[2], fmt.Sprintf("+2162012346%d", n)), "what was refused was not counted")
	}
	requireLimited(t, ask(people[2], "+21620123499"), time.Hour)
}

// Without a count there is no guess: a store that fails lets nobody in.
func TestLimitsFailClosed(t *testing.T) {
	t.Parallel()
	w := newLimitedWorld(t)
	w.account("ana@example.com")
	for n := 1; n <= 2; n++ { // the look for a trusted origin, the count
		w.memory.BreakIn(n)
		require.ErrorIs(t, w.guess(stranger(1), "ana@example.com", password), userstest.ErrBroken)
		_, verified := w.hasher.Calls()
		require.Zero(t, verified)
	}
}
