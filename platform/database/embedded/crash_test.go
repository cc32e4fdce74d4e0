package embedded

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/suite"
)

// Crashes is the suite of what dies at the wrong moment.
type Crashes struct{ Suite }

func TestCrashes(t *testing.T) {
	t.Parallel()
	suite.Run(t, new(Crashes))
}

func (s *Crashes) TestKilledOwner() {
	owner := s.start("serve", s.options.DataDir)
	s.run(&Server{dsn: owner.dsn}, "INSERT INTO notes VALUES ('acknowledged')")
	before := s.postmaster()
	s.kill(owner)

	server := s.serve()
	s.requireNotes(server, "acknowledged")
	s.NotEqual(before, s.postmaster())
	s.NotContains(residents(server.DataDir()), before, "the old server is left")
}

// Without a death signal the server outlives its owner: the next one ends it.
func (s *Crashes) TestOrphanedServer() {
	owner := s.start("orphan", s.options.DataDir)
	s.run(&Server{dsn: owner.dsn}, "INSERT INTO notes VALUES ('acknowledged')")
	orphan := s.postmaster()
	s.kill(owner)
	time.Sleep(500 * time.Millisecond)
	s.Require().Contains(residents(s.folder().data()), orphan)

	server := s.serve()
	s.requireNotes(server, "acknowledged")
	s.NotContains(residents(server.DataDir()), orphan)
}

func (s *Crashes) TestKilledPostmasterRunsAgain() {
	server := s.serve()
	s.run(server, "INSERT INTO notes VALUES ('acknowledged')")
	for range 2 {
		before := s.postmaster()
		s.Require().NoError(syscall.Kill(before, syscall.SIGKILL))
		s.eventually(func() bool {
			found, err := notes(context.Background(), server.DSN())
			return err == nil && len(found) == 1 && s.postmaster() != before
		}, "the same DSN answers again")
	}
}

// A backend that outlives its postmaster must leave before the next one starts.
func (s *Crashes) TestKilledPostmasterWithBusyBackend() {
	server := s.serve()
	conn := s.connect(server.DSN())
	busy := make(chan error)
	go func() {
		_, err := conn.Exec(context.Background(), "SELECT count(*) FROM generate_series(1, 1e12::bigint)")
		busy <- err
	}()
	time.Sleep(500 * time.Millisecond)
	s.Require().NoError(syscall.Kill(s.postmaster(), syscall.SIGKILL))
	s.Require().Error(<-busy)
	s.eventually(func() bool {
		_, err := notes(context.Background(), server.DSN())
		return err == nil
	}, "the same DSN answers again")
}

func (s *Crashes) TestStopWhileServerIsAway() {
	server, err := Serve(s.T().Context(), s.options)
	s.Require().NoError(err)
	s.Require().NoError(syscall.Kill(s.postmaster(), syscall.SIGKILL))
	// Whether Stop or the supervisor sees it first is open.
	if err := server.Stop(); err != nil {
		s.Require().EqualError(err, "stop PostgreSQL: signal: killed")
	}
	s.requireNotes(s.serve())
}

func (s *Crashes) TestStalePidOfAnotherProgram() {
	f := s.folder()
	for name, pid := range map[string]int{"ours": os.Getpid(), "our parent's": os.Getppid(), "nobody's": 1 << 22} {
		s.Run(name, func() {
			text := fmt.Sprintf("%d\n%s\n1700000000\n5432\n\n127.0.0.1\n  12345 678\nready   \n", pid, f.data())
			file := filepath.Join(f.data(), "postmaster.pid")
			s.Require().NoError(os.WriteFile(file, []byte(text), 0o600))
			s.Require().NoError(f.account.takes(file))
			server, err := Serve(s.T().Context(), s.options)
			s.Require().NoError(err)
			s.requireNotes(server)
			s.Require().NoError(server.Stop())
		})
	}
}

func (s *Crashes) TestKilledDuringInitdb() {
	s.newFolder(openDir(s.T()))
	owner := s.begin("serve", s.options.DataDir)
	f := s.folder()
	s.eventually(func() bool {
		_, err := os.Stat(filepath.Join(f.unfinished(), "PG_VERSION"))
		return err == nil
	}, "initdb")
	s.kill(owner)

	s.serve()
	s.NoDirExists(f.unfinished())
}

func (s *Crashes) TestKilledTemporaryIsSwept() {
	owner := s.start("temporary", "")
	parent, err := scratchParent()
	s.Require().NoError(err)
	before, err := filepath.Glob(filepath.Join(parent, "cluster-*"))
	s.Require().NoError(err)
	s.Require().NotEmpty(before)
	data := s.dataFolderOf(owner.dsn)
	s.Require().DirExists(data)
	s.kill(owner)
	s.eventually(func() bool { return len(residents(data)) == 0 }, "the server ends with its owner")

	server, err := Temporary(s.T().Context(), Options{BinDir: binDir})
	s.Require().NoError(err)
	s.NoDirExists(data)
	s.NotEqual(data, server.DataDir())
	s.Require().NoError(server.Stop())
	s.NoDirExists(server.DataDir())
}

func (s *Crashes) dataFolderOf(dsn string) (folder string) {
	conn := s.connect(dsn)
	defer func() { s.NoError(conn.Close(context.Background())) }()
	s.Require().NoError(conn.QueryRow(s.T().Context(), "SHOW data_directory").Scan(&folder))
	return folder
}

func (s *Crashes) TestTemporary() {
	var servers [2]*Server
	for i := range servers {
		server, err := Temporary(s.T().Context(), Options{BinDir: binDir, Database: "tickr_test"})
		s.Require().NoError(err)
		s.stopAtEnd(server)
		servers[i] = server
	}
	s.NotEqual(servers[0].DSN(), servers[1].DSN())
	conn := s.connect(servers[0].DSN())
	for setting, want := range map[string]string{"fsync": "off", "max_connections": "200", "wal_level": "minimal"} {
		var value string
		s.Require().NoError(conn.QueryRow(s.T().Context(), "SELECT current_setting($1)", setting).Scan(&value))
		s.Equal(want, value, setting)
	}
	s.Require().NoError(servers[0].Stop(), "with a connection open")
	s.Error(conn.Ping(s.T().Context()))
	s.NoDirExists(servers[0].DataDir())
	s.DirExists(servers[1].DataDir())
}
