package integrity

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"index/suffixarray"
	"strings"

	"github.com/stretchr/testify/require"
)

// invariants are what holds of the stored data whatever was done: no row may break it.
var invariants = []struct{ name, broken string }{
	{"an address is stored in its canonical form", `FROM users.users WHERE email COLLATE "C" !~ '^[a-z0-9.!#$%&''*+/=?^_{|}~` + "`" + `-]+@([a-z0-9-]+\.)+[a-z0-9-]+$'`},
	{"an address has one account", `FROM (SELECT FROM users.users GROUP BY lower(btrim(email) COLLATE "C") HAVING count(*) > 1) twice`},
	{"a role is one of three", `FROM users.users WHERE role NOT IN ('PARTICIPANT', 'ORGANIZER', 'ADMIN')`},
	{"an ORGANIZER is an organizer", `FROM users.users WHERE role = 'ORGANIZER' AND NOT is_organizer`},
	{"there is an active ADMIN", `WHERE NOT EXISTS (SELECT FROM users.users WHERE role = 'ADMIN' AND is_active)`},
	{"a password hash is argon2id", `FROM users.users WHERE password_hash !~ ` + argon2id},
	{"a password hash of a registration is argon2id", `FROM users.registrations WHERE password_hash !~ ` + argon2id},
	{"a verified account has a password, another has none", `FROM users.users WHERE email_verified = (password_hash IS NULL)`},
	{"texts have no control characters", `FROM users.users u WHERE u::text ~ '[\u0001-\u001f\u007f-\u009f]'`},
	{"texts of registrations have no control characters", `FROM users.registrations r WHERE r::text ~ '[\u0001-\u001f\u007f-\u009f]'`},
	{"names are NFC and trimmed", `FROM users.users, unnest(ARRAY[first_name, last_name]) name WHERE name IS NOT NFC NORMALIZED OR name <> btrim(name) OR name = ''`},
	{"phones are E.164", `FROM users.users WHERE phone !~ '^\+[1-9][0-9]{6,14}$'`},
	{"claimed phones are E.164", `FROM users.registrations WHERE phone !~ '^\+[1-9][0-9]{6,14}$'`},
	{"a number has one holder", `FROM (SELECT FROM users.users WHERE phone IS NOT NULL GROUP BY phone HAVING count(*) > 1) twice`},
	{"nothing changes before it is there", `FROM users.users WHERE updated_at < created_at OR last_login_at < created_at`},
	{"times are past", `FROM users.users WHERE greatest(created_at, updated_at, last_login_at) > now() AT TIME ZONE 'UTC'`},
	{"versions start at 1", `FROM users.users WHERE version < 1`},
	{"who is not active was deactivated", `FROM users.users WHERE is_active <> (deactivated_at IS NULL) OR is_active <> (deactivated_by IS NULL)`},
	{"a deactivated account has no live session", `FROM users.sessions s JOIN users.users u ON u.id = s.user_id WHERE s.ended_at IS NULL AND NOT u.is_active`},
	{"only verified accounts have sessions", `FROM users.sessions s JOIN users.users u ON u.id = s.user_id WHERE NOT u.email_verified`},
	{"an ended session says why", `FROM users.sessions WHERE (ended_at IS NULL) <> (end_reason IS NULL)`},
	{"hashes of sessions have 32 octets", `FROM users.sessions WHERE octet_length(token_hash) <> 32 OR octet_length(previous_hash) <> 32`},
	{"an exchange leaves the hash before", `FROM users.sessions WHERE (previous_hash IS NULL) <> (exchanged_at IS NULL) OR previous_hash = token_hash`},
	{"a verified account has no registration", `FROM users.registrations r JOIN users.users u ON u.id = r.user_id WHERE u.email_verified`},
	{"hashes of registrations have 32 octets", `FROM users.registrations WHERE octet_length(token_hash) <> 32`},
	{"mail does not wait", `FROM users.outbox WHERE dead_at IS NULL AND created_at < now() AT TIME ZONE 'UTC' - interval '1 minute'`},
	{"mail is not given up", `FROM users.outbox WHERE dead_at IS NOT NULL`},
	{"the kept numbers of accounts are those of the rows", `FROM (SELECT role, is_active, count(*) AS n FROM users.users GROUP BY role, is_active) rows
		FULL JOIN (SELECT role, is_active, sum(n) AS n FROM users.user_counts GROUP BY role, is_active) kept USING (role, is_active)
		WHERE rows.n IS DISTINCT FROM nullif(kept.n, 0)`},
}

const argon2id = `'^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$'`

// checkInvariants counts the rows that break one. Later changes may hide some of them: it is to be called often.
func (w *world) checkInvariants() {
	w.t.Helper()
	for _, invariant := range invariants {
		var broken int
		require.NoError(w.t, w.db.Pool().QueryRow(w.t.Context(), "SELECT count(*) "+invariant.broken).Scan(&broken), invariant.name)
		require.Zero(w.t, broken, invariant.name)
	}
}

// checkSecrets requires that none is stored.
func (w *world) checkSecrets() {
	w.t.Helper()
	_, err := w.post()
	require.NoError(w.t, err)
	stored := suffixarray.New([]byte(w.everything()))
	for secret := range w.secrets {
		for _, form := range forms(secret) {
			require.Empty(w.t, stored.Lookup([]byte(form), 1), "a secret is stored")
		}
	}
}

// everything is all that is stored, as text; binary values are in hexadecimal.
func (w *world) everything() string {
	w.t.Helper()
	var tables []string
	require.NoError(w.t, w.db.Pool().QueryRow(w.t.Context(), `
		SELECT array_agg(format('%I.%I', schemaname, tablename)) FROM pg_tables
		WHERE schemaname <> 'information_schema' AND schemaname NOT LIKE 'pg\_%'`).Scan(&tables))
	require.Contains(w.t, tables, "users.sessions")
	var all strings.Builder
	for _, table := range tables {
		var rows string
		require.NoError(w.t, w.db.Pool().QueryRow(w.t.Context(), fmt.Sprintf("SELECT coalesce(string_agg(to_jsonb(r)::text, E'\\n'), '') FROM %s r", table)).Scan(&rows))
		all.WriteString(rows)
	}
	return all.String()
}

// forms returns how a secret could be stored: as it is, its octets, and parts of what a token stands for.
func forms(secret string) []string {
	all := []string{secret, hex.EncodeToString([]byte(secret))}
	if raw, err := base64.RawURLEncoding.DecodeString(secret); err == nil {
		for ; len(raw) >= 16; raw = raw[16:] {
			all = append(all, hex.EncodeToString(raw[:16]))
		}
	}
	return all
}
