package embedded

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/stretchr/testify/suite"
)

// Folders is the suite of what is in a data folder.
type Folders struct{ Suite }

func TestFolders(t *testing.T) {
	t.Parallel()
	suite.Run(t, new(Folders))
}

func (s *Folders) TestOtherVersionIsNotTouched() {
	o := s.options
	o.DataDir = openDir(s.T())
	base := filepath.Join(o.DataDir, "postgres")
	s.Require().NoError(os.MkdirAll(filepath.Join(base, "data", "base"), 0o700))
	for name, text := range map[string]string{"data/PG_VERSION": "12\n", "data/base/1": "rows", "password": "secret"} {
		s.Require().NoError(os.WriteFile(filepath.Join(base, name), []byte(text), 0o600))
	}
	before := snapshot(s.T(), base)
	for name, start := range starts {
		_, err := start(s.T().Context(), o)
		s.Require().Error(err, name)
		s.Require().Regexp(`^data folder .*/postgres/data: it is of PostgreSQL 12, only \d+ in .* was found, and none obtained \(.*\): `+
			`set PG_BIN_DIR to the programs of PostgreSQL 12, or move the folder away`, err.Error(), name)
		s.Require().Equal(before, snapshot(s.T(), base), name)
	}
}

var starts = map[string]func(context.Context, Options) (*Server, error){"serve": Serve, "attach": Attach}

func (s *Folders) TestForeignContentIsNotTouched() {
	o := s.options
	o.DataDir = openDir(s.T())
	base := filepath.Join(o.DataDir, "postgres")
	s.Require().NoError(os.MkdirAll(filepath.Join(base, "data"), 0o700))
	s.Require().NoError(os.WriteFile(filepath.Join(base, "data", "thesis.txt"), []byte("years"), 0o600))
	before := snapshot(s.T(), base)
	_, err := Serve(s.T().Context(), o)
	s.Require().ErrorContains(err, "holds no PostgreSQL cluster")
	s.Require().Equal(before, snapshot(s.T(), base))
}

func (s *Folders) TestUnusableDataDir() {
	file := filepath.Join(openDir(s.T()), "file")
	s.Require().NoError(os.WriteFile(file, nil, 0o600))
	closed := filepath.Join(openDir(s.T()), "closed")
	s.Require().NoError(os.Mkdir(closed, 0o500))
	dirs := []string{filepath.Join(file, ".data"), file}
	if !isRoot() {
		dirs = append(dirs, closed, filepath.Join(closed, ".data"))
	}
	for _, dir := range dirs {
		for name, start := range starts {
			_, err := start(s.T().Context(), Options{DataDir: dir})
			s.Require().ErrorContains(err, "DATA_DIR", name)
			s.Require().NotContains(err.Error(), "\n", name)
		}
	}
}

func (s *Folders) TestUnusableBinDir() {
	o := s.options
	for _, o.BinDir = range []string{"/nowhere", openDir(s.T())} {
		_, err := Serve(s.T().Context(), o)
		s.Require().ErrorContains(err, "PG_BIN_DIR does not hold PostgreSQL's programs")
		s.Require().NotContains(err.Error(), "\n")
	}
	// The failure must have let go of the folder.
	s.requireNotes(s.serve())
}

func (s *Folders) TestMissingPassword() {
	f := s.folder()
	s.Require().NoError(os.Rename(f.passwordFile(), f.passwordFile()+".away"))
	defer func() { s.Require().NoError(os.Rename(f.passwordFile()+".away", f.passwordFile())) }()
	_, err := Serve(s.T().Context(), s.options)
	s.Require().ErrorIs(err, fs.ErrNotExist)
	s.Require().ErrorContains(err, "read password of the private PostgreSQL")
}

// The folder belongs to another account, which could have root tell the content of any file.
func TestLinksAreNotFollowed(t *testing.T) {
	t.Parallel()
	f := folder{base: t.TempDir()}
	secret := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(secret, []byte("secret"), 0o600))
	for _, name := range []string{f.passwordFile(), f.logFile()} {
		require.NoError(t, os.Symlink(secret, name))
	}
	_, err := f.password()
	require.ErrorContains(t, err, "read password of the private PostgreSQL")
	require.Equal(t, "no log", tail(f.logFile(), 0))
}

func TestTailOfALongLog(t *testing.T) {
	t.Parallel()
	log := filepath.Join(t.TempDir(), "log")
	require.NoError(t, os.WriteFile(log, []byte(strings.Repeat("long ago\n", 10_000)+"a\nb\nc\nd\ne\n"), 0o600))
	require.Equal(t, "a; b; c; d; e", tail(log, 0))
	require.Equal(t, "d; e", tail(log, 90_006))
	require.NoError(t, os.WriteFile(log, []byte(strings.Repeat("x", 1<<20)), 0o600))
	require.Len(t, tail(log, 0), 8<<10)
}

func (s *Folders) TestFailedStartQuotesTheLog() {
	f := s.folder()
	settings := filepath.Join(f.data(), "postgresql.auto.conf")
	before, err := os.ReadFile(settings)
	s.Require().NoError(err)
	s.Require().NoError(os.WriteFile(settings, []byte("shared_buffers = nonsense\n"), 0o600))
	defer func() { s.Require().NoError(os.WriteFile(settings, before, 0o600)) }()
	_, err = Serve(s.T().Context(), s.options)
	s.Require().ErrorContains(err, `invalid value for parameter "shared_buffers": "nonsense"`)
	s.Require().NotContains(err.Error(), "\n")
}

func (s *Folders) TestFailedInitdbLeavesNothing() {
	s.newFolder(openDir(s.T()))
	broken := s.options
	broken.BinDir = fakePrograms(s.T(), 99)
	_, err := Serve(s.T().Context(), broken)
	s.Require().EqualError(err, "run initdb: exit status 1: initdb (PostgreSQL) 99.3")
	s.Require().NoDirExists(s.folder().data())
	s.run(s.serve(), "CREATE TABLE notes (text text)")
}

func (s *Folders) TestLogIsRotated() {
	f := s.folder()
	s.Require().NoError(os.Truncate(f.logFile(), maxLogSize))
	s.serve()
	stat, err := os.Stat(f.logFile())
	s.Require().NoError(err)
	s.Less(stat.Size(), int64(maxLogSize))
	s.FileExists(f.logFile() + ".1")
}

// Root goes on serving a cluster as the ordinary user who made it.
func (s *Folders) TestRootServesAsTheFoldersOwner() {
	if !isRoot() {
		return
	}
	f := s.folder()
	nobody := &account{uid: 65534, gid: 65534}
	give := func(to *account) {
		s.Require().NoError(filepath.WalkDir(f.base, func(path string, _ fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			return to.takes(path)
		}))
	}
	give(nobody)
	defer give(f.account)
	server, err := Serve(s.T().Context(), s.options)
	s.Require().NoError(err)
	stat, err := os.Stat(filepath.Join("/proc", strconv.Itoa(s.postmaster())))
	s.Require().NoError(err)
	s.Equal(*nobody, *ownerOf(stat))
	s.Require().NoError(server.Stop())
}

// Where no other account can go, root keeps the data elsewhere.
func (s *Folders) TestRootBelowAClosedFolder() {
	if !isRoot() {
		return
	}
	closed := s.T().TempDir()
	s.Require().NoError(os.Chmod(closed, 0o700))
	o := s.options
	o.DataDir = filepath.Join(closed, ".data")
	var data string
	for range 2 {
		server, err := Serve(s.T().Context(), o)
		s.Require().NoError(err)
		s.Regexp("^/var/lib/tickr/[0-9a-f]{16}/data$", server.DataDir())
		s.Require().NoError(server.Stop())
		if data == "" {
			data = server.DataDir()
			s.T().Cleanup(func() { _ = os.RemoveAll(filepath.Dir(data)) })
		}
		s.Equal(data, server.DataDir())
		// It stays there also when the way in opens.
		s.Require().NoError(os.Chmod(closed, 0o755))
	}
}

func TestReaches(t *testing.T) {
	if !isRoot() {
		return // it takes root to make folders of several accounts
	}
	ours, others := &account{uid: 4001, gid: 4001}, &account{uid: 4002, gid: 4002}
	for name, test := range map[string]struct {
		mode  fs.FileMode
		owner *account
		want  bool
	}{
		"open to all":         {0o711, others, true},
		"closed":              {0o700, others, false},
		"our own":             {0o700, ours, true},
		"our own, closed":     {0o611, ours, false},
		"our group's":         {0o710, &account{uid: 4002, gid: 4001}, true},
		"closed to our group": {0o701, &account{uid: 4002, gid: 4001}, false},
	} {
		t.Run(name, func(t *testing.T) {
			dir := openDir(t)
			require.NoError(t, test.owner.takes(dir))
			require.NoError(t, os.Chmod(dir, test.mode))
			require.Equal(t, test.want, ours.reaches(filepath.Join(dir, ".")))
		})
	}
}
