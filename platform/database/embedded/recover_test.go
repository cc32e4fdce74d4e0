package embedded

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stretchr/testify/suite"
)

// Recoveries keeps an archive with cp: what PostgreSQL itself asks for, without any program of others.
type Recoveries struct{ Suite }

func TestRecoveries(t *testing.T) {
	t.Parallel()
	suite.Run(t, new(Recoveries))
}

// cp runs cp as the account of the server.
func (s *Recoveries) cp(site Site, args ...string) error {
	out, err := site.Command(s.T().Context(), "cp", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// archived gives the test a folder of its own with an archive, a base backup and two notes with the moment between them.
func (s *Recoveries) archived() (between time.Time) {
	s.newFolder(openDir(s.T()))
	server := s.serve()
	site := server.Site()
	s.Require().NoError(site.MakeDir(site.Archive))
	for _, sql := range []string{
		"CREATE TABLE notes (text text)",
		"ALTER SYSTEM SET archive_mode = on",
		"ALTER SYSTEM SET synchronous_standby_names = ''",
		fmt.Sprintf("ALTER SYSTEM SET archive_command = 'cp %%p %s/%%f'", site.Archive),
	} {
		s.run(server, sql)
	}
	s.Require().NoError(server.Stop())
	s.Require().NoError(s.cp(site, "-a", site.Data, filepath.Join(site.Archive, "base")))

	server = s.serve()
	s.run(server, "INSERT INTO notes VALUES ('early')")
	conn := s.connect(server.DSN())
	s.Require().NoError(conn.QueryRow(s.T().Context(), "SELECT clock_timestamp()").Scan(&between))
	s.Require().NoError(conn.Close(s.T().Context()))
	s.run(server, "INSERT INTO notes VALUES ('late')")
	s.Require().NoError(server.Stop()) // archives the last segment
	return between
}

// recover recovers to a moment; zero is the end of the archive.
func (s *Recoveries) recover(to time.Time) (Recovery, error) {
	password, err := s.folder().password()
	s.Require().NoError(err)
	return Recover(s.T().Context(), s.options, func(_ context.Context, site Site) (string, error) {
		settings := fmt.Sprintf("restore_command = 'cp %s/%%f \"%%p\"'\n", site.Archive)
		if !to.IsZero() {
			settings += fmt.Sprintf("recovery_target_time = '%s'\nrecovery_target_action = promote\n", to.UTC().Format("2006-01-02 15:04:05.999999-07"))
		}
		// The base was made before the standby was asked for, as after a receiver that nobody runs any more.
		settings += "synchronous_standby_names = 'gone'\n"
		auto := filepath.Join(site.Data, "postgresql.auto.conf")
		before, err := os.ReadFile(filepath.Join(site.Archive, "base", "postgresql.auto.conf"))
		if err != nil {
			return "", err
		}
		return password, errors.Join(
			s.cp(site, "-aT", filepath.Join(site.Archive, "base"), site.Data),
			site.WriteFile(auto, string(before)+settings),
			site.WriteFile(filepath.Join(site.Data, "recovery.signal"), ""),
		)
	})
}

func (s *Recoveries) TestToAMoment() {
	between := s.archived()
	recovery, err := s.recover(between)
	s.Require().NoError(err)
	s.True(recovery.Last.Before(between), "%s", recovery.Last)
	s.DirExists(recovery.Aside)

	server := s.serve()
	s.requireNotes(server, "early")
	s.run(server, "INSERT INTO notes VALUES ('after the recovery')") // waits for no standby
	s.Require().NoError(server.Stop())

	recovery, err = s.recover(time.Time{})
	s.Require().NoError(err)
	s.requireNotes(s.serve(), "early", "after the recovery")
	s.True(recovery.Last.After(between))
}

func (s *Recoveries) TestWithoutDataFolder() {
	s.archived()
	password, err := s.folder().password()
	s.Require().NoError(err)
	restored := s.folder().base
	s.Require().NoError(os.RemoveAll(filepath.Join(restored, "data")))
	recovery, err := s.recover(time.Time{})
	s.Require().NoError(err)
	s.Empty(recovery.Aside)
	s.requireNotes(s.serve(), "early", "late")
	kept, err := s.folder().password()
	s.Require().NoError(err)
	s.Equal(password, kept)
}

func (s *Recoveries) TestFailureLeavesAllAsItWas() {
	s.archived()
	before := snapshot(s.T(), s.folder().data())
	_, err := s.recover(time.Now().Add(time.Hour))
	s.Require().ErrorIs(err, ErrTargetNotReached)
	refused := errors.New("no such backup")
	_, err = Recover(s.T().Context(), s.options, func(context.Context, Site) (string, error) { return "", refused })
	s.Require().ErrorIs(err, refused)
	s.Equal(before, snapshot(s.T(), s.folder().data()))
	s.requireNotes(s.serve(), "early", "late")
}

func (s *Recoveries) TestRefusedWhileServed() {
	server := s.serve()
	_, err := Recover(s.T().Context(), s.options, func(context.Context, Site) (string, error) {
		s.Fail("the data folder is in use")
		return "", nil
	})
	var used *InUseError
	s.Require().ErrorAs(err, &used)
	s.Equal(os.Getpid(), used.PID)
	s.Require().NoError(server.Stop())
}

func TestProgramsOfASite(t *testing.T) {
	t.Setenv("CANARY", "secret")
	var site Site
	out, err := site.Command(t.Context(), "env").Output()
	require.NoError(t, err)
	require.NotContains(t, string(out), "CANARY")

	ctx, cancel := context.WithCancel(t.Context())
	cmd := site.Command(ctx, "sh", "-c", `trap 'exit 7' TERM; echo ready; while :; do sleep 0.01; done`)
	said, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	_, err = said.Read(make([]byte, 1))
	require.NoError(t, err)
	cancel()
	var ended *exec.ExitError
	require.ErrorAs(t, cmd.Wait(), &ended)
	require.Equal(t, 7, ended.ExitCode(), "told, not killed")
}
