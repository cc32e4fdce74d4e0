package embedded

import (
	"context"
	"errors"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/suite"
)

// Owners is the suite of who may use a server.
type Owners struct{ Suite }

func TestOwners(t *testing.T) {
	t.Parallel()
	suite.Run(t, new(Owners))
}

func (s *Owners) TestFirstStartAndKept() {
	s.newFolder(filepath.Join(openDir(s.T()), ".data"))

	server := s.serve()
	s.run(server, "CREATE TABLE notes (text text); INSERT INTO notes VALUES ('kept')")
	base := filepath.Dir(server.DataDir())
	for path, mode := range map[string]os.FileMode{"": 0o700, "password": 0o600, "log": 0o600, "data": 0o700} {
		stat, err := os.Stat(filepath.Join(base, path))
		s.Require().NoError(err)
		s.Equal(mode, stat.Mode().Perm(), path)
		s.NotZero(ownerOf(stat).uid, path)
	}
	s.Require().NoError(server.Stop())
	s.Require().NoError(server.Stop(), "a second Stop")
	s.NoFileExists(filepath.Join(server.DataDir(), "postmaster.pid"))

	password, err := os.ReadFile(filepath.Join(base, "password"))
	s.Require().NoError(err)
	s.Regexp("^[0-9a-f]{64}$", string(password))
	log, err := os.ReadFile(filepath.Join(base, "log"))
	s.Require().NoError(err)
	s.NotContains(string(log), string(password))

	s.requireNotes(s.serve(), "kept")
}

func (s *Owners) TestProcessOfItsOwn() {
	s.serve()
	pid := s.postmaster()
	group, err := syscall.Getpgid(pid)
	s.Require().NoError(err)
	s.Equal(pid, group, "Ctrl-C must not reach the server")
	s.NotEqual(os.Getpid(), group)

	link := filepath.Join(s.T().TempDir(), "link")
	s.Require().NoError(os.Symlink(s.folder().base, link))
	s.Contains(residents(filepath.Join(link, "data")), pid, "seen through a link")
}

func (s *Owners) TestOnlyLoopbackOnlyWithPassword() {
	server := s.serve()
	dsn, err := url.Parse(server.DSN())
	s.Require().NoError(err)
	s.Equal("127.0.0.1", dsn.Hostname())

	conn := s.connect(server.DSN())
	defer func() { s.NoError(conn.Close(context.Background())) }()
	for setting, want := range map[string]string{
		"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "server_encoding": "UTF8",
		"fsync": "on", "password_encryption": "scram-sha-256",
	} {
		var value string
		s.Require().NoError(conn.QueryRow(s.T().Context(), "SELECT current_setting($1)", setting).Scan(&value))
		s.Equal(want, value, setting)
	}
	var lax int
	s.Require().NoError(conn.QueryRow(s.T().Context(),
		"SELECT count(*) FROM pg_hba_file_rules WHERE auth_method <> 'scram-sha-256'").Scan(&lax))
	s.Zero(lax)

	dsn.User = url.UserPassword("postgres", "wrong")
	_, err = pgx.Connect(s.T().Context(), dsn.String())
	refused := new(pgconn.PgError)
	s.Require().ErrorAs(err, &refused)
	s.Equal("28P01", refused.Code)

	addresses, err := net.InterfaceAddrs()
	s.Require().NoError(err)
	for _, address := range addresses {
		ip := address.(*net.IPNet).IP
		if ip.IsLoopback() || ip.IsLinkLocalUnicast() {
			continue
		}
		_, err := net.DialTimeout("tcp", net.JoinHostPort(ip.String(), dsn.Port()), time.Second)
		s.Error(err, ip.String())
	}
}

func (s *Owners) TestSecondServeIsRefused() {
	server := s.serve()
	server.Describe("API http://localhost:3000")
	began := time.Now()
	_, err := Serve(s.T().Context(), s.options)
	inUse := new(InUseError)
	s.Require().ErrorAs(err, &inUse)
	s.Equal(os.Getpid(), inUse.PID)
	s.Equal("API http://localhost:3000", inUse.Text)
	s.ErrorContains(err, "in use by process")
	s.Less(time.Since(began), 5*time.Second)
	s.requireNotes(server)
}

func (s *Owners) TestServeFollowsAnEndingServe() {
	server := s.serve()
	stopped := make(chan error)
	go func() { stopped <- server.Stop() }()
	s.eventually(func() bool { return !readNote(s.folder().root).Serves }, "Stop")
	s.requireNotes(s.serve())
	s.Require().NoError(<-stopped)
}

func (s *Owners) TestAttachWhileServed() {
	server := s.serve()
	guest := s.attach()
	s.Equal(server.DSN(), guest.DSN())
	s.Equal(server.DataDir(), guest.DataDir())
	guest.Describe("not mine to describe")
	s.Require().NoError(guest.Stop())
	s.requireNotes(server)

	s.attach()
	began := time.Now()
	s.Require().NoError(server.Stop())
	s.Less(time.Since(began), 15*time.Second, "serve does not wait for guests")
}

func (s *Owners) TestAttachOwnsUntilGuestsLeave() {
	owner := s.attach()
	guest := s.attach()
	s.Equal(owner.DSN(), guest.DSN())
	stopped := make(chan error, 1)
	go func() { stopped <- owner.Stop() }()
	for range 5 {
		time.Sleep(pollInterval)
		s.requireNotes(guest)
		s.Require().Empty(stopped)
	}
	s.Require().NoError(guest.Stop())
	s.Require().NoError(<-stopped)
}

func (s *Owners) TestServeWaitsForACommand() {
	command := s.start("attach", s.options.DataDir)
	served := make(chan error, 1)
	go func() {
		server, err := Serve(s.T().Context(), s.options)
		if err == nil {
			err = server.Stop()
		}
		served <- err
	}()
	time.Sleep(5 * pollInterval)
	s.Require().Empty(served)
	s.Require().NoError(command.in.Close())
	s.Require().NoError(command.cmd.Wait())
	s.Require().NoError(<-served)
}

// Commands that come and go at once share one server, and none is cut off.
func (s *Owners) TestManyCommandsAtOnce() {
	s.newFolder(openDir(s.T()))
	var (
		group sync.WaitGroup
		mu    sync.Mutex
		errs  error
	)
	for range 6 {
		group.Go(func() {
			err := s.comeAndGo(s.T().Context())
			mu.Lock()
			defer mu.Unlock()
			errs = errors.Join(errs, err)
		})
	}
	group.Wait()
	s.Require().NoError(errs)
}

func (s *Owners) comeAndGo(ctx context.Context) error {
	server, err := Attach(ctx, s.options)
	if err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, server.DSN())
	if err != nil {
		return errors.Join(err, server.Stop())
	}
	_, err = conn.Exec(ctx, "SELECT pg_sleep(0.2)")
	return errors.Join(err, conn.Close(ctx), server.Stop())
}
