package e2e

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/platform/database/dbtest"
	"github.com/tickr/tickr/test/program"
)

// TestAccountsOfThePreviousSystem: their bcrypt passwords log in, short ones too, and are hashed anew by that. A hash that nobody
// could have stored is a wrong password to whoever asks, and a fault in the log.
func TestAccountsOfThePreviousSystem(t *testing.T) {
	t.Parallel()
	db := dbtest.Empty(t)
	p := start(t, program.Standard(t, db.DSN)...)
	add := func(email, hash string) {
		_, err := db.Pool().Exec(t.Context(),
			`INSERT INTO users.users (email, first_name, last_name, email_verified, password_hash) VALUES ('`+email+`', 'Old', 'Account', true, '`+hash+`')`)
		require.NoError(t, err)
	}
	stored := func(email string) (hash string, version int64) {
		require.NoError(t, db.Pool().QueryRow(t.Context(),
			`SELECT password_hash, version FROM users.users WHERE email = '`+email+`'`).Scan(&hash, &version))
		return hash, version
	}
	// A vector of jBCrypt, marked as the npm package does.
	add("old@example.com", "$2b$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i")
	add("absurd@example.com", "$argon2id$v=19$m=4194304,t=9,p=1$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc")

	p.client().do("POST", "/api/auth/login", object{"email": "old@example.com", "password": "abd"}).is(401, "invalid_credentials")
	p.client().logIn("old@example.com", "abc")
	hash, version := stored("old@example.com")
	require.Contains(t, hash, "$argon2id$v=19$m=19456,t=2,p=1$")
	require.EqualValues(t, 1, version)
	p.client().logIn("old@example.com", "abc")

	p.client().do("POST", "/api/auth/login", object{"email": "absurd@example.com", "password": "abc"}).is(401, "invalid_credentials")
	fault := p.AwaitLog("a stored password hash cannot be used")
	require.Equal(t, "ERROR", fault["level"])
	require.NotContains(t, p.Logs.String(), "4194304")
}
