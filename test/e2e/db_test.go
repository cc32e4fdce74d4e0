package e2e

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/test/program"
)

// TestLookIntoTheDatabase of a program that runs, over its private PostgreSQL: every write is carried out and taken back.
func TestLookIntoTheDatabase(t *testing.T) {
	t.Parallel()
	env := private(program.DataDir(t))
	p := start(t, env...)
	access, refresh := p.client().logIn(program.AdminEmail, program.AdminPassword)

	r := program.Run(t, "", env, "db", "explain", "--all", "--json")
	require.Equal(t, 0, r.Code, r.ErrOut)
	var explained struct {
		Statements []struct{ Name, Verdict, Note string }
	}
	require.NoError(t, json.Unmarshal([]byte(r.Out), &explained))
	require.Greater(t, len(explained.Statements), 100)
	for _, s := range explained.Statements {
		require.Contains(t, []string{"ok", "small", "none meant"}, s.Verdict, "%s: %s", s.Name, s.Note)
	}
	for _, secret := range []string{program.AdminEmail, "argon2id"} {
		require.NotContains(t, r.Out, secret)
	}
	p.client().as(access).do("GET", "/api/users/me", nil).is(200)
	p.client().do("POST", "/api/auth/refresh", object{"refreshToken": refresh}).is(200)

	r = program.Run(t, "", env, "db", "indexes")
	require.Equal(t, 0, r.Code, r.ErrOut)
	require.Regexp(t, `users\.sessions +PK_sessions +[1-9]`, r.Out)
}
