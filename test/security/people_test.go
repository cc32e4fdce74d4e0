package security

import (
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"

	"github.com/tickr/tickr/test/program"
)

// The kinds of accounts that a stranger must not be able to tell apart, or from none at all.
const (
	nobody      = "nobody"      // there is no account
	usual       = "usual"       // verified, and so is the number
	deactivated = "deactivated" // likewise, before that
	unverified  = "unverified"  // registered, and no more
	invited     = "invited"     // made by an administrator: without a password
	imported    = "imported"    // of the previous system: its hash is bcrypt's
)

var kinds = []string{nobody, usual, deactivated, unverified, invited, imported}

// stranger is whom an attack is about, whether or not there is an account.
type stranger struct{ email, phone string }

// oldCost is that of the bcrypt hashes of the previous system, or where only the answers count, the least.
var oldCost = inLong(10, bcrypt.MinCost)

// people makes n accounts of a kind, all with the password of the first administrator, and each with an address and a number that
// nobody else has. Nobody can tell the kind by either.
func (r *rig) people(kind string, n int) []stranger {
	r.t.Helper()
	all := make([]stranger, n)
	for i := range all {
		all[i] = stranger{email: r.newEmail(), phone: r.newNumber()}
	}
	if kind == nobody {
		return all
	}
	hash := r.hash(kind)
	_, err := r.db.Pool().Exec(r.t.Context(), `
		WITH person AS (SELECT gen_random_uuid() AS id, email, phone FROM unnest($1::text[], $2::text[]) AS p (email, phone)),
		account AS (
			INSERT INTO users.users (id, email, phone, phone_verified, password_hash, first_name, last_name, email_verified, is_active)
			SELECT id, email, CASE WHEN $3 <> 'unverified' THEN phone END, $3 NOT IN ('unverified', 'invited'),
				CASE WHEN $3 NOT IN ('unverified', 'invited') THEN $4 END, 'Amira', 'Ben Salah',
				$3 NOT IN ('unverified', 'invited'), $3 <> 'deactivated'
			FROM person RETURNING id),
		registration AS (
			INSERT INTO users.registrations (id, user_id, token_hash, password_hash, first_name, last_name, phone, created_at, expires_at)
			SELECT gen_random_uuid(), id, sha256(id::text::bytea), $4, 'Amira', 'Ben Salah', phone, localtimestamp, localtimestamp + interval '1 day'
			FROM person WHERE $3 = 'unverified')
		INSERT INTO users.one_time_tokens (user_id, purpose, token_hash, email, created_at, expires_at)
		SELECT id, 'accept_invitation', sha256(id::text::bytea), email, localtimestamp, localtimestamp + interval '1 day'
		FROM person WHERE $3 = 'invited'`,
		column(all, func(p stranger) string { return p.email }), column(all, func(p stranger) string { return p.phone }), kind, hash)
	require.NoError(r.t, err)
	return all
}

// hash returns how accounts of a kind store the password of the first administrator.
func (r *rig) hash(kind string) string {
	r.t.Helper()
	if kind == imported {
		hash, err := bcrypt.GenerateFromPassword([]byte(program.AdminPassword), oldCost)
		require.NoError(r.t, err)
		return string(hash)
	}
	var hash string
	require.NoError(r.t, r.db.Pool().QueryRow(r.t.Context(),
		"SELECT password_hash FROM users.users WHERE email = $1", program.AdminEmail).Scan(&hash))
	return hash
}

func column(people []stranger, of func(stranger) string) []string {
	texts := make([]string, len(people))
	for i, p := range people {
		texts[i] = of(p)
	}
	return texts
}

// probe is a way to ask about somebody without being anybody, how that is answered, and how often.
type probe struct {
	name, route, status string
	limit               int
	body                func(r *rig, p stranger) object
}

// registration is the body of one.
func registration(email, phone string) object {
	return object{"email": email, "phone": phone, "password": program.AdminPassword, "firstName": "Amira", "lastName": "Ben Salah"}
}

var probes = []probe{
	{"login", "/api/auth/login", "HTTP/1.1 401 ", 5, func(_ *rig, p stranger) object {
		return object{"email": p.email, "password": newPassword}
	}},
	{"login by number", "/api/auth/login", "HTTP/1.1 401 ", 5, func(_ *rig, p stranger) object {
		return object{"email": p.phone, "password": newPassword}
	}},
	{"reset", "/api/auth/request-reset", "HTTP/1.1 202 ", 3, func(_ *rig, p stranger) object {
		return object{"email": p.email}
	}},
	{"resend", "/api/auth/resend-verification", "HTTP/1.1 202 ", 3, func(_ *rig, p stranger) object {
		return object{"email": p.email}
	}},
	{"register", "/api/auth/register", "HTTP/1.1 202 ", 3, func(r *rig, p stranger) object {
		return registration(p.email, r.newNumber())
	}},
	{"register a number", "/api/auth/register", "HTTP/1.1 202 ", 3, func(r *rig, p stranger) object {
		return registration(r.newEmail(), p.phone)
	}},
}
