package embedded

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// fakeClients makes an installation of clients without a server.
func fakeClients(t *testing.T, major int, names ...string) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(openDirIn(t, os.TempDir()))
	require.NoError(t, err)
	for _, name := range names {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(fakeProgram(name, major)), 0o755))
	}
	return dir
}

func TestClients(t *testing.T) {
	t.Parallel()
	v14, v15, v16 := fakeClients(t, 14, "pg_dump", "psql"), fakeClients(t, 15, "pg_dump", "psql"), fakeClients(t, 16, "pg_dump", "psql")
	half, server := fakeClients(t, 15, "pg_dump"), fakePrograms(t, 15)
	for name, test := range map[string]struct {
		binDir      string
		path, usual []string
		dir         string // empty: none
	}{
		"the server's version":        {path: []string{v16}, usual: []string{v15}, dir: v15},
		"a newer one":                 {path: []string{v14}, usual: []string{v16}, dir: v16},
		"the given one":               {binDir: v15, usual: []string{v15, v16}, dir: v15},
		"the given one has none":      {binDir: server, path: []string{server, v15}, dir: v15},
		"one program is not enough":   {path: []string{half}, usual: []string{v16}, dir: v16},
		"an older one is of no use":   {binDir: v14, path: []string{v14}},
		"a server alone is of no use": {path: []string{server}},
		"nothing":                     {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, err := sources{path: strings.Join(test.path, ":"), usual: test.usual}.clients(t.Context(), test.binDir, 15, []string{"pg_dump", "psql"})
			require.Equal(t, test.dir, dir)
			if test.dir == "" {
				require.ErrorContains(t, err, "no pg_dump, psql of PostgreSQL 15 or later found")
				require.ErrorContains(t, err, "apt-get install postgresql-client-15")
			} else {
				require.NoError(t, err)
			}
		})
	}
}
