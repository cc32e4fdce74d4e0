package e2e

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/platform/database/dbtest"
	"github.com/tickr/tickr/test/program"
)

// TestRecoveryIsRefusedInOneLine: what it does when all is there is for the drill, which needs pgBackRest.
func TestRecoveryIsRefusedInOneLine(t *testing.T) {
	t.Parallel()
	foreign := []string{"DATABASE_URL=" + dbtest.Empty(t).DSN}
	private := []string{"DATA_DIR=" + program.DataDir(t)}
	for _, refused := range []struct {
		set  []string
		args []string
		code int
		says string
	}{
		{append([]string{"PATH=" + t.TempDir()}, private...), []string{"check", "--config", "/etc/pgbackrest.conf"}, 1, "Debian's package pgbackrest"},
		{foreign, []string{"archive", "on"}, 2, "docs/operations/recovery.md"},
		{foreign, []string{"check"}, 2, "docs/operations/recovery.md"},
		{foreign, []string{"recover"}, 2, "docs/operations/recovery.md"},
		{foreign, []string{"receive"}, 2, "docs/operations/recovery.md"},
		{private, []string{"recover", "--to", "yesterday"}, 2, "--to is a time with its zone"},
		{private, []string{"recover", "--to", "2026-11-23T18:30:00"}, 2, "--to is a time with its zone"},
		{private, []string{"base", "--type", "some"}, 2, "full, diff or incr"},
		{private, []string{"recover"}, 1, "tickr backup archive on"},
		{private, []string{"archive", "off"}, 1, "tickr backup archive on"},
		{private, []string{"receive"}, 1, "tickr backup archive on"},
	} {
		r := program.Run(t, "", refused.set, append([]string{"backup"}, refused.args...)...)
		require.Equal(t, refused.code, r.Code, "%v: %s", refused.args, r.ErrOut)
		requireOneLine(t, r.ErrOut)
		require.Contains(t, r.ErrOut, refused.says)
	}
}
