package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/platform/database/dbtest"
	"github.com/tickr/tickr/test/program"
)

const replaced = "maple-thunder-basket"

func (s *Story) TestResendingVerification() {
	const email = "resend@example.com"
	passwords := []string{"planted-by-somebody-else", password}
	for i, password := range passwords {
		s.client().do("POST", "/api/auth/register", object{"email": email, "password": password, "firstName": "A", "lastName": "B"}).is(202)
		s.tickr.mailedTokens(s.env, email, "/verify-email", i+1)
	}
	old := s.tickr.mailedTokens(s.env, email, "/verify-email", 2)
	answered := s.client().do("POST", "/api/auth/resend-verification", object{"email": " Resend@example.com"}).is(202)
	fresh := s.tickr.mailedTokens(s.env, email, "/verify-email", 4)[2:]
	for _, token := range old {
		s.client().do("POST", "/api/auth/verify-email", object{"token": token}).is(422, "token_invalid")
	}
	s.client().do("POST", "/api/auth/verify-email", object{"token": fresh[1]}).is(200)
	s.client().do("POST", "/api/auth/verify-email", object{"token": fresh[0]}).is(422, "token_invalid")
	var statuses []int // of each attempt's password: mails may pass each other
	for _, password := range passwords {
		statuses = append(statuses, s.client().do("POST", "/api/auth/login", object{"email": email, "password": password}).Status)
	}
	s.ElementsMatch([]int{200, 401}, statuses)
	unknown := s.client().do("POST", "/api/auth/resend-verification", object{"email": "unknown@example.com"}).is(202)
	s.Equal(answered.Raw, unknown.Raw)
}

func (s *Story) TestForgottenPassword() {
	const email = "forgot@example.com"
	s.tickr.account(s.env, email, password)
	access, refresh := s.client().logIn(email, password)
	answered := s.client().do("POST", "/api/auth/request-reset", object{"email": email}).is(202)
	unknown := s.client().do("POST", "/api/auth/request-reset", object{"email": "unknown@example.com"}).is(202)
	s.Equal(answered.Raw, unknown.Raw)
	first := s.tickr.mailedTokens(s.env, email, "/reset-password", 1)[0]
	s.client().do("POST", "/api/auth/request-reset", object{"email": email}).is(202)
	second := s.tickr.mailedTokens(s.env, email, "/reset-password", 2)[1]

	reset := func(token, password string) answer {
		return s.client().do("POST", "/api/auth/reset-password", object{"token": token, "newPassword": password})
	}
	reset(first, replaced).is(422, "token_invalid")
	s.Equal([]string{"newPassword"}, reset(second, "password1234").is(422, "validation_failed").fields())
	reset(second, replaced).is(200)
	reset(second, replaced).is(422, "token_invalid")
	s.client().as(access).do("GET", "/api/users/me", nil).is(401, "session_ended")
	s.client().do("POST", "/api/auth/refresh", object{"refreshToken": refresh}).is(401, "session_ended")
	s.client().do("POST", "/api/auth/login", object{"email": email, "password": password}).is(401, "invalid_credentials")
	s.client().logIn(email, replaced)
	s.tickr.mailed(s.env, email, "Your password was changed")
}

func (s *Story) TestAnotherAddress() {
	const old, taken, wanted = "before@example.com", "owned@example.com", "after@example.com"
	s.tickr.account(s.env, old, password)
	s.tickr.account(s.env, taken, password)
	access, _ := s.client().logIn(old, password)
	me := s.client().as(access)
	change := func(email, password string) answer {
		return me.do("POST", "/api/users/me/email", object{"newEmail": email, "password": password})
	}
	s.Equal([]string{"password"}, change(wanted, replaced).is(422, "validation_failed").fields())
	refused, accepted := change(taken, password).is(202), change(wanted, password).is(202)
	s.Equal(refused.Raw, accepted.Raw, "nobody learns whose address it is")
	s.tickr.mailed(s.env, taken, "You already have an account")
	s.tickr.mailed(s.env, old, "Your e-mail address is about to change")
	s.Equal(old, me.do("GET", "/api/users/me", nil).text("email"))

	token := s.tickr.mailedTokens(s.env, wanted, "/confirm-email", 1)[0]
	s.client().do("POST", "/api/auth/confirm-email", object{"token": token}).is(200)
	s.client().do("POST", "/api/auth/confirm-email", object{"token": token}).is(422, "token_invalid")
	s.Equal(wanted, me.do("GET", "/api/users/me", nil).is(200).text("email"))
	s.tickr.mailed(s.env, old, "Your e-mail address was changed")
	s.client().do("POST", "/api/auth/login", object{"email": old, "password": password}).is(401)
	s.client().logIn(wanted, password)
}

func (s *Story) TestProvenNumbers() {
	const number, typed = "+21655123456", "55 123 456"
	s.tickr.account(s.env, "first@example.com", password, "phone", typed)
	s.tickr.account(s.env, "second@example.com", password)
	access, _ := s.client().logIn("first@example.com", password)
	first := s.client().as(access)
	access, _ = s.client().logIn("second@example.com", password)
	second := s.client().as(access)
	byPhone := object{"email": typed, "password": password}
	s.client().do("POST", "/api/auth/login", byPhone).is(401, "invalid_credentials")

	first.do("POST", "/api/users/me/phone/verification", nil).is(202)
	code := s.tickr.textedCode(s.env, number, 1)
	second.do("POST", "/api/users/me/phone/verify", object{"code": code}).is(422, "token_invalid")
	first.do("POST", "/api/users/me/phone/verify", object{"code": code}).is(200)
	first.do("POST", "/api/users/me/phone/verify", object{"code": code}).is(422, "token_invalid")
	s.Equal("first@example.com", s.client().do("POST", "/api/auth/login", byPhone).is(200).text("user", "email"))
	second.do("PUT", "/api/users/me", object{"firstName": "S", "lastName": "E", "phone": number}).is(409, "phone_taken")
	s.Equal([]string{"phone"}, second.do("POST", "/api/users/me/phone/verification", object{}).is(422, "validation_failed").fields())

	// The number was handed on: a code proves it, and its former holder is told.
	second.do("POST", "/api/users/me/phone/verification", object{"phone": typed}).is(202)
	code = s.tickr.textedCode(s.env, number, 2)
	second.do("POST", "/api/users/me/phone/verify", object{"code": code}).is(200)
	s.Equal(true, second.do("GET", "/api/users/me", nil).is(200).JSON["phoneVerified"])
	s.Nil(first.do("GET", "/api/users/me", nil).is(200).JSON["phone"])
	s.tickr.mailed(s.env, "first@example.com", "Your phone number was removed")
	s.Equal("second@example.com", s.client().do("POST", "/api/auth/login", byPhone).is(200).text("user", "email"))

	// Five wrong guesses void a code.
	second.do("POST", "/api/users/me/phone/verification", nil).is(202)
	code = s.tickr.textedCode(s.env, number, 3)
	wrong := strings.Map(func(r rune) rune { return '0' + (r-'0'+1)%10 }, code)
	for range 5 {
		second.do("POST", "/api/users/me/phone/verify", object{"code": wrong}).is(422, "token_invalid")
	}
	second.do("POST", "/api/users/me/phone/verify", object{"code": code}).is(422, "token_invalid")
}

func (s *Story) TestInvitation() {
	const email = "invited@example.com"
	made := s.admin().do("POST", "/api/users", object{"email": email, "firstName": "Ines", "lastName": "Vitée", "role": "ORGANIZER"}).is(201)
	first := s.tickr.mailedTokens(s.env, email, "/accept-invitation", 1)[0]
	s.client().do("POST", "/api/auth/resend-verification", object{"email": email}).is(202)
	second := s.tickr.mailedTokens(s.env, email, "/accept-invitation", 2)[1]
	accept := func(token string) answer {
		return s.client().do("POST", "/api/auth/reset-password", object{"token": token, "newPassword": password})
	}
	accept(first).is(422, "token_invalid")
	accept(second).is(200)
	login := s.client().do("POST", "/api/auth/login", object{"email": email, "password": password}).is(200)
	s.Equal(made.text("id"), login.text("user", "id"))
	s.Equal("ORGANIZER", login.text("user", "role"))
}

func (s *Story) TestBecomingAnOrganizer() {
	s.tickr.account(s.env, "host@example.com", password)
	access, _ := s.client().logIn("host@example.com", password)
	for range 2 {
		profile := s.client().as(access).do("POST", "/api/users/me/organizer", object{}).is(200)
		s.Equal("ORGANIZER", profile.text("role"))
		s.Equal(true, profile.JSON["isOrganizer"])
	}
}

// Whoever gets hold of the whole database has nothing to redeem: what was mailed and texted is in none of its columns.
func TestLeakedDatabaseRedeemsNothing(t *testing.T) {
	t.Parallel()
	db := dbtest.Empty(t)
	env := program.Standard(t, db.DSN)
	p := start(t, env...)
	const email, number = "leak@example.com", "+21655123456"
	p.client().do("POST", "/api/auth/register", object{"email": "new@example.com", "password": password, "firstName": "A", "lastName": "B"}).is(202)
	p.account(env, email, password)
	access, refresh := p.client().logIn(email, password)
	me := p.client().as(access)
	p.client().do("POST", "/api/auth/request-reset", object{"email": email}).is(202)
	me.do("POST", "/api/users/me/email", object{"newEmail": "other@example.com", "password": password}).is(202)
	me.do("POST", "/api/users/me/phone/verification", object{"phone": number}).is(202)
	admin, _ := p.client().logIn(program.AdminEmail, program.AdminPassword)
	p.client().as(admin).do("POST", "/api/users", object{"email": "guest@example.com", "firstName": "G", "lastName": "H"}).is(201)
	secrets := []string{
		access, refresh, password, p.textedCode(env, number, 1),
		p.mailedToken(env, "new@example.com"), p.mailedTokens(env, email, "/reset-password", 1)[0],
		p.mailedTokens(env, "other@example.com", "/confirm-email", 1)[0], p.mailedTokens(env, "guest@example.com", "/accept-invitation", 1)[0],
	}

	dump := dumped(t, db)
	for _, live := range []string{"reset_password", "confirm_email", "verify_phone", "accept_invitation"} {
		require.Contains(t, dump, live, "it waits to be redeemed")
	}
	for i, secret := range secrets {
		require.NotContains(t, dump, secret, "secret %d", i)
		require.NotContains(t, dump, hex.EncodeToString([]byte(secret)), "secret %d in a binary column", i)
	}
	// Six digits are soon tried through: a hash without a key would be as good as the code.
	var stored []byte
	require.NoError(t, db.Pool().QueryRow(t.Context(), "SELECT token_hash FROM users.one_time_tokens WHERE purpose = 'verify_phone'").Scan(&stored))
	for n := range 1_000_000 {
		if sha256.Sum256(fmt.Appendf(nil, "%06d", n)) == [32]byte(stored) {
			t.Fatal("the code is as good as in clear")
		}
	}
}

// dumped returns all rows of the module as text.
func dumped(t *testing.T, db *dbtest.DB) string {
	t.Helper()
	texts := func(query string) []string {
		rows, err := db.Pool().Query(t.Context(), query)
		require.NoError(t, err)
		defer rows.Close()
		var all []string
		for rows.Next() {
			var text string
			require.NoError(t, rows.Scan(&text))
			all = append(all, text)
		}
		require.NoError(t, rows.Err())
		return all
	}
	var dump strings.Builder
	for _, table := range texts("SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'users'::regnamespace") {
		dump.WriteString(strings.Join(texts("SELECT t::text FROM "+table+" t"), "\n"))
	}
	return dump.String()
}
