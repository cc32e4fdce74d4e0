package domain_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/domain"
)

func codeKey(t require.TestingT, secret string) domain.CodeKey {
	key, err := domain.NewCodeKey(secret)
	require.NoError(t, err)
	return key
}

func TestIssueToken(t *testing.T) {
	t.Parallel()
	for purpose, life := range map[domain.Purpose]time.Duration{
		domain.ResetPassword: time.Hour, domain.AcceptInvitation: 168 * time.Hour, domain.ConfirmEmail: 24 * time.Hour,
	} {
		target := ""
		if purpose == domain.ConfirmEmail {
			target = "new@example.com"
		}
		token, secret := domain.IssueToken(ana(t), purpose, target, start)
		want := domain.OneTimeToken{
			UserID: userID, Purpose: purpose, TokenHash: domain.HashToken(secret), Email: "ana@example.com",
			CreatedAt: start, ExpiresAt: start.Add(life),
		}
		if target != "" {
			want.Target = &target
			require.Equal(t, target, token.NewEmail().String())
		}
		require.Equal(t, want, token)
		_, again := domain.IssueToken(ana(t), purpose, target, start)
		require.NotEqual(t, secret, again)
	}
}

func TestIssueCode(t *testing.T) {
	t.Parallel()
	number, key := parsed(t, "20123456", domain.ParsePhone), codeKey(t, "secret")
	codes := map[string]bool{}
	for range 200 {
		token, code := domain.IssueCode(ana(t), number, key, start)
		require.Regexp(t, `^\d{6}$`, code)
		require.Equal(t, domain.VerifyPhone, token.Purpose)
		require.Equal(t, number, token.Number())
		require.Equal(t, start.Add(5*time.Minute), token.ExpiresAt)
		require.True(t, token.IsCode(code, []domain.CodeKey{key}))
		require.NotEqual(t, domain.HashToken(code), token.TokenHash)
		codes[code] = true
	}
	require.Greater(t, len(codes), 190, "guessed")
}

func TestIsCode(t *testing.T) {
	t.Parallel()
	number, other := parsed(t, "20123456", domain.ParsePhone), "+21620123457"
	keys := []domain.CodeKey{codeKey(t, "secret")}
	token, code := domain.IssueCode(ana(t), number, keys[0], start)
	for _, wrong := range []string{"", code + " ", " " + code, code[1:], code + "0", "+216" + code} {
		require.False(t, token.IsCode(wrong, keys), "%q", wrong)
	}
	rotated := []domain.CodeKey{codeKey(t, "new secret"), keys[0]}
	require.True(t, token.IsCode(code, rotated), "while keys are rotated")
	require.False(t, token.IsCode(code, rotated[:1]))

	moved := token
	moved.UserID = adminID
	require.False(t, moved.IsCode(code, keys), "it is bound to its user")
	moved = token
	moved.Target = &other
	require.False(t, moved.IsCode(code, keys), "and to its number")
	moved.Target = nil
	require.False(t, moved.IsCode(code, keys))
}

func TestStillFor(t *testing.T) {
	t.Parallel()
	token, _ := domain.IssueToken(ana(t), domain.ResetPassword, "", start)
	for name, test := range map[string]struct {
		change func(*domain.User)
		want   bool
	}{
		"as it was":        {func(*domain.User) {}, true},
		"renamed":          {func(u *domain.User) { u.Rename(names(t, "B", "C"), start) }, true},
		"deactivated":      {func(u *domain.User) { u.Deactivate(adminID, "", start) }, false},
		"another address":  {func(u *domain.User) { u.ChangeEmail(parsed(t, "new@example.com", domain.ParseEmail), start) }, false},
		"became organizer": {func(u *domain.User) { u.BecomeOrganizer(start) }, true},
	} {
		u := ana(t)
		test.change(u)
		require.Equal(t, test.want, token.StillFor(u), name)
	}
	other := domain.NewUser(adminID, parsed(t, "ana@example.com", domain.ParseEmail), names(t, "A", "B"), start)
	require.False(t, token.StillFor(other))
}

func TestCodeKeyDoesNotPrint(t *testing.T) {
	t.Parallel()
	key := codeKey(t, "canary")
	require.Equal(t, key, codeKey(t, "canary"), "derived")
	require.Regexp(t, `^\{k:\{key:0x[0-9a-f]+\}\}$`, fmt.Sprintf("%+v", struct{ k domain.CodeKey }{key}))
}

func TestBecomeOrganizerKeepsRoles(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		role      users.Role
		organizer bool
		want      users.Role
		changes   bool
	}{
		{users.Participant, false, users.Organizer, true},
		{users.Participant, true, users.Organizer, true}, // an account of the old system
		{users.Organizer, true, users.Organizer, false},
		{users.Admin, false, users.Admin, true},
		{users.Admin, true, users.Admin, false},
	} {
		state := ana(t).State()
		state.Role, state.IsOrganizer = test.role, test.organizer
		u := domain.Restore(state)
		u.BecomeOrganizer(start)
		require.Equal(t, test.want, u.Role())
		require.True(t, u.State().IsOrganizer)
		require.Equal(t, test.changes, u.Version() != state.Version)
	}
}
