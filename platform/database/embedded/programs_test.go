package embedded

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// nowhere are sources without any program.
func nowhere(t *testing.T) sources {
	t.Helper()
	s := sources{log: slog.New(slog.DiscardHandler)}
	if isRoot() {
		var err error
		s.account, err = unprivileged()
		require.NoError(t, err)
	}
	return s
}

func TestFindPrograms(t *testing.T) {
	t.Parallel()
	v11, v12, v13, v14 := fakePrograms(t, 11), fakePrograms(t, 12), fakePrograms(t, 13), fakePrograms(t, 14)
	kept := filepath.Join(openDirIn(t, os.TempDir()), "14.1")
	require.NoError(t, os.Mkdir(kept, 0o755))
	require.NoError(t, os.Symlink(v14, filepath.Join(kept, "bin")))
	for name, test := range map[string]struct {
		binDir string
		path   []string
		usual  []string
		want   int
		dir    string
	}{
		"the newest":                            {path: []string{v11, v12}, usual: []string{v13}, dir: v13},
		"the given one":                         {binDir: v11, path: []string{v12}, dir: v11},
		"the folder's version before the given": {binDir: v12, path: []string{v11}, want: 11, dir: v11},
		"the given one of the folder's version": {binDir: v12, path: []string{v11}, want: 12, dir: v12},
		"the folder's version in PATH":          {path: []string{v11}, usual: []string{v12}, want: 11, dir: v11},
		"the folder's version elsewhere":        {path: []string{v12}, usual: []string{v11}, want: 11, dir: v11},
		"the folder's version that is kept":     {binDir: v11, path: []string{v12}, want: 14, dir: filepath.Join(kept, "bin")},
		"an installed one before the kept":      {path: []string{v12}, dir: v12},
		"the kept one":                          {dir: filepath.Join(kept, "bin")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := nowhere(t)
			s.path, s.usual = strings.Join(test.path, ":"), test.usual
			s.stores = []string{filepath.Join(openDir(t), "empty"), filepath.Dir(kept)}
			s.releases = []release{{major: 14, version: "14.1"}}
			found, err := s.find(t.Context(), test.binDir, test.want)
			require.NoError(t, err)
			require.Equal(t, test.dir, found.dir)
		})
	}
}

// fakePrograms makes an installation that tells its version and can do nothing else.
func fakePrograms(t *testing.T, major int) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(openDirIn(t, os.TempDir()))
	require.NoError(t, err)
	for _, name := range []string{"postgres", "initdb"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(fakeProgram(name, major)), 0o755))
	}
	return dir
}

func fakeProgram(name string, major int) string {
	return fmt.Sprintf("#!/bin/sh\necho '%s (PostgreSQL) %d.3'\n[ \"$1\" = --version ]\n", name, major)
}

func TestNoPrograms(t *testing.T) {
	t.Parallel()
	_, err := nowhere(t).find(t.Context(), "", 0)
	require.EqualError(t, err, "no PostgreSQL found on this machine, and none obtained: "+
		"it takes npm to fetch it, or, for no particular version, root and apt-get: "+advice)
}

// hideInstalled makes this process one on a machine without PostgreSQL.
func hideInstalled() {
	usualFolders = nil
	var path []string
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		if _, err := os.Stat(filepath.Join(dir, "postgres")); err != nil {
			path = append(path, dir)
		}
	}
	_ = os.Setenv("PATH", strings.Join(path, ":")) // it is well formed
}

// The real package of npm, which takes the network the first time.
func (s *Owners) TestMachineWithoutPostgreSQL() {
	_, err := Programs(s.T().Context(), releases[0].major, s.options.Logger)
	s.Require().NoError(err)
	server := s.start("bare", "")
	conn, err := pgx.Connect(s.T().Context(), server.dsn)
	s.Require().NoError(err)
	var version string
	s.Require().NoError(conn.QueryRow(s.T().Context(), "SHOW server_version").Scan(&version))
	s.Require().NoError(conn.Close(s.T().Context()))
	known := false
	for _, r := range releases { // an older one may have been kept
		known = known || strings.HasPrefix(r.version, version+".")
	}
	s.True(known, version)
	s.Require().NoError(server.in.Close())
	s.Require().NoError(server.cmd.Wait())
}
