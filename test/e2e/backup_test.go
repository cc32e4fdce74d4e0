package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/platform/database/dbtest"
	"github.com/tickr/tickr/test/program"
)

// What was done after a backup is gone when it is brought back, and what was there before works again.
func TestBackupBringsAccountsBack(t *testing.T) {
	t.Parallel()
	t.Run("given server", func(t *testing.T) {
		t.Parallel()
		backupStory(t, program.Standard(t, dbtest.Empty(t).DSN))
	})
	t.Run("private server", func(t *testing.T) {
		t.Parallel()
		backupStory(t, program.Standard(t, "")) // an empty variable is not set
	})
}

func backupStory(t *testing.T, env []string) {
	t.Helper()
	backup := func(code int, args ...string) program.Result {
		t.Helper()
		r := program.Run(t, "", env, append([]string{"backup"}, args...)...)
		require.Equal(t, code, r.Code, "%v: %s%s", args, r.Out, r.ErrOut)
		return r
	}
	p := start(t, env...)
	p.account(env, "amira@example.com", password)
	if r := program.Run(t, "", env, "backup", "create"); r.Code != 0 {
		require.Equal(t, 1, r.Code)
		require.Contains(t, r.ErrOut, "apt-get install postgresql-client", "a server that was fetched has no pg_dump")
		return
	}
	custom := filepath.Join(value(env, "DATA_DIR"), "backups", regexp.MustCompile(`users-\d{8}T\d{6}Z\.dump`).FindString(backup(0, "list").Out))
	plain, _, _ := strings.Cut(backup(0, "create", "--plain").Out, "\n")

	access, _ := p.client().logIn("amira@example.com", password)
	p.client().as(access).do("DELETE", "/api/users/me", nil).is(200)
	p.account(env, "later@example.com", password)
	require.Contains(t, backup(1, "restore", custom).ErrOut, "--replace")
	require.Equal(t, 0, p.Stop(syscall.SIGTERM))

	text, err := os.ReadFile(custom)
	require.NoError(t, err)
	text[len(text)/2] ^= 1
	require.NoError(t, os.WriteFile(custom, text, 0o600))
	for _, args := range [][]string{{"verify", custom}, {"restore", custom, "--replace"}} {
		require.Contains(t, backup(1, args...).ErrOut, filepath.Base(custom)+" is damaged")
	}
	require.Contains(t, backup(0, "list").Out, filepath.Base(custom)+" is damaged")
	text[len(text)/2] ^= 1
	require.NoError(t, os.WriteFile(custom, text, 0o600))

	require.Contains(t, backup(0, "verify", custom).Out, "MiB/s")
	require.Contains(t, backup(0, "verify", "latest").Out, strings.TrimSuffix(filepath.Base(plain), ".sql"))
	for _, file := range []string{plain, custom} {
		require.Contains(t, backup(0, "restore", file, "--replace").Out, "restored")
		q := start(t, env...)
		q.client().logIn("amira@example.com", password)
		q.client().do("POST", "/api/auth/login", object{"email": "later@example.com", "password": password}).is(401, "invalid_credentials")
		require.Equal(t, 0, q.Stop(syscall.SIGTERM))
	}
	require.Contains(t, backup(0, "prune", "--keep-days", "0", "--dry-run").Out, "would remove "+strings.TrimSuffix(filepath.Base(custom), ".dump"))
	require.Contains(t, backup(0, "prune", "--keep-days", "0").Out, "removed "+strings.TrimSuffix(filepath.Base(custom), ".dump"))
	require.NotContains(t, backup(0, "list", "--json").Out, filepath.Base(custom))
}

func TestBackupExitCodes(t *testing.T) {
	t.Parallel()
	env := program.Standard(t, "postgres://nobody:canary@127.0.0.1:1/nothing")
	for _, c := range []struct {
		code int
		args []string
	}{
		{2, []string{"verify"}}, {2, []string{"create", "extra"}}, {2, []string{"prune", "--keep-days", "-1"}},
		{4, []string{"create"}}, {1, []string{"verify", "latest"}}, {1, []string{"restore", "users-20261123T190000Z.dump"}},
		{0, []string{"list"}}, {0, []string{"prune"}},
	} {
		r := program.Run(t, "", env, append([]string{"backup"}, c.args...)...)
		require.Equal(t, c.code, r.Code, "%v: %s", c.args, r.ErrOut)
		require.NotContains(t, r.ErrOut, "canary")
		if c.code != 0 {
			requireOneLine(t, r.ErrOut)
		}
	}
}
