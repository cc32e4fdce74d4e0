package embedded

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"github.com/stretchr/testify/suite"
)

const (
	helperVariable = "TICKR_EMBEDDED_HELPER"
	patience       = 30 * time.Second
)

// binDir holds the programs of most tests.
var binDir = os.Getenv("PG_BIN_DIR")

func TestMain(m *testing.M) {
	if mode := os.Getenv(helperVariable); mode != "" {
		if err := help(mode, os.Getenv("DATA_DIR")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if err := useMajor(os.Getenv("TICKR_TEST_PG")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// useMajor makes the tests run the programs of one major version, whatever is installed.
func useMajor(text string) error {
	if text == "" {
		return nil
	}
	major, err := strconv.Atoi(text)
	if err != nil {
		return fmt.Errorf("TICKR_TEST_PG: %w", err)
	}
	if binDir, err = Programs(context.Background(), major, nil); err != nil {
		return err
	}
	return os.Setenv("PG_BIN_DIR", binDir) // of the helpers
}

// help is the program of a helper process: it prints its DSN and stops at the
// end of its input, unless it is killed first.
func help(mode, dataDir string) error {
	ctx := context.Background()
	o := Options{DataDir: dataDir, BinDir: binDir, Database: "tickr"}
	var (
		server *Server
		err    error
	)
	switch mode {
	case "serve":
		server, err = Serve(ctx, o)
	case "attach":
		server, err = Attach(ctx, o)
	case "temporary":
		server, err = Temporary(ctx, o)
	case "orphan":
		server, err = serveUndying(ctx, o)
	case "bare":
		hideInstalled()
		o.BinDir = ""
		server, err = Temporary(ctx, o)
	case "obtain":
		return obtainFake(ctx)
	}
	if err != nil {
		return err
	}
	fmt.Println(server.DSN())
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	return server.Stop()
}

// serveUndying is Serve where the system has no death signal.
func serveUndying(ctx context.Context, o Options) (*Server, error) {
	f, err := openFolder(o.DataDir)
	if err != nil {
		return nil, err
	}
	owned, err := takeOver(ctx, f.root)
	if err != nil {
		return nil, err
	}
	c := persistent(f, o)
	c.deathSignal = 0
	return launch(ctx, o, c, owned, (*supervisor).stop)
}

// TestAsOrdinaryUser repeats all tests as nobody, when they are run by root.
func TestAsOrdinaryUser(t *testing.T) {
	if !isRoot() {
		return // the tests were run by an ordinary user
	}
	t.Parallel()
	// What root keeps all accounts run: nobody has no place to keep anything.
	_, err := Programs(t.Context(), releases[0].major, nil)
	require.NoError(t, err)
	dir := openDirIn(t, os.TempDir()) // programs may not run from memory
	program, err := os.Executable()
	require.NoError(t, err)
	ours := filepath.Join(dir, "embedded.test")
	// Not written by this process: a child that another test forks meanwhile would hold it open for writing, and it could not run.
	require.NoError(t, exec.CommandContext(t.Context(), "cp", program, ours).Run())
	scratch := filepath.Join(dir, "tmp")
	require.NoError(t, os.Mkdir(scratch, 0o711))
	nobody := &account{uid: 65534, gid: 65534}
	require.NoError(t, nobody.takes(scratch))

	cmd := exec.CommandContext(t.Context(), ours, "-test.shuffle=on")
	cmd.Dir = scratch
	cmd.Env = []string{"TMPDIR=" + scratch, "PATH=" + os.Getenv("PATH"), "PG_BIN_DIR=" + binDir}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: nobody.credential()}
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// Suite works mostly in one folder, whose server every test leaves stopped.
// Each of those that embed it has a folder of its own.
type Suite struct {
	suite.Suite
	options Options
}

func (s *Suite) SetupSuite() {
	s.options = Options{
		DataDir: openDir(s.T()), BinDir: binDir, Database: "tickr", Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	}
	server := s.serve()
	s.run(server, "CREATE TABLE notes (text text)")
	s.Require().NoError(server.Stop())
}

func (s *Suite) SetupTest() {
	server := s.serve()
	s.run(server, "TRUNCATE notes")
	s.Require().NoError(server.Stop())
	// Registered first, so it runs after the servers of the test were stopped.
	t, f := s.T(), s.folder()
	t.Cleanup(func() {
		// Eventually: the backends of a killed postmaster are gone a moment later.
		require.Eventually(t, func() bool { return len(residents(f.data())) == 0 }, patience, pollInterval, "a server is left")
	})
}

// newFolder gives the test a folder of its own.
func (s *Suite) newFolder(dataDir string) {
	shared := s.options.DataDir
	s.options.DataDir = dataDir
	s.T().Cleanup(func() { s.options.DataDir = shared })
}

func (s *Suite) folder() folder {
	f, err := openFolder(s.options.DataDir)
	s.Require().NoError(err)
	return f
}

// serve starts the server of the suite's folder for one test.
func (s *Suite) serve() *Server {
	server, err := Serve(s.T().Context(), s.options)
	s.Require().NoError(err)
	s.stopAtEnd(server)
	return server
}

func (s *Suite) attach() *Server {
	server, err := Attach(s.T().Context(), s.options)
	s.Require().NoError(err)
	s.stopAtEnd(server)
	return server
}

func (s *Suite) stopAtEnd(server *Server) {
	t := s.T()
	t.Cleanup(func() { require.NoError(t, server.Stop()) })
}

func (s *Suite) run(server *Server, sql string) {
	conn := s.connect(server.DSN())
	_, err := conn.Exec(s.T().Context(), sql)
	s.Require().NoError(err)
	s.Require().NoError(conn.Close(s.T().Context()))
}

func (s *Suite) connect(dsn string) *pgx.Conn {
	conn, err := pgx.Connect(s.T().Context(), dsn)
	s.Require().NoError(err)
	return conn
}

// notes reads the table, or fails while the server is away.
func notes(ctx context.Context, dsn string) ([]string, error) {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close(ctx) }()
	rows, err := conn.Query(ctx, "SELECT text FROM notes ORDER BY text")
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

func (s *Suite) requireNotes(server *Server, want ...string) {
	found, err := notes(s.T().Context(), server.DSN())
	s.Require().NoError(err)
	s.Require().ElementsMatch(want, found)
}

// helper is another process that uses the package.
type helper struct {
	cmd *exec.Cmd
	in  io.Closer
	dsn string
}

// start runs a helper, and waits for its DSN unless mayDie.
func (s *Suite) start(mode, dataDir string) *helper {
	h := s.begin(mode, dataDir)
	out := h.cmd.Stdout.(*os.File)
	line, err := bufio.NewReader(out).ReadString('\n')
	s.Require().NoError(err)
	h.dsn = strings.TrimSpace(line)
	return h
}

func (s *Suite) begin(mode, dataDir string) *helper {
	program, err := os.Executable()
	s.Require().NoError(err)
	cmd := exec.CommandContext(s.T().Context(), program)
	cmd.Env = append(os.Environ(), helperVariable+"="+mode, "DATA_DIR="+dataDir)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	s.Require().NoError(err)
	read, write, err := os.Pipe()
	s.Require().NoError(err)
	cmd.Stdout = write
	s.Require().NoError(cmd.Start())
	s.Require().NoError(write.Close())
	cmd.Stdout = read
	s.T().Cleanup(func() { _ = cmd.Process.Kill(); _ = read.Close() })
	return &helper{cmd: cmd, in: in}
}

func (s *Suite) kill(h *helper) {
	s.Require().NoError(h.cmd.Process.Kill())
	s.Require().ErrorContains(h.cmd.Wait(), "killed")
}

func (s *Suite) postmaster() int {
	pid := readPidFile(s.folder().data()).pid
	s.Require().Positive(pid)
	return pid
}

func (s *Suite) eventually(condition func() bool, message string) {
	s.Require().Eventually(condition, patience, 50*time.Millisecond, message)
}

// openDir is a temporary folder that every account can pass through, unlike
// t.TempDir, and that does not wait for a disk.
func openDir(t *testing.T) string {
	t.Helper()
	return openDirIn(t, scratchDir())
}

func openDirIn(t *testing.T, parent string) string {
	t.Helper()
	dir, err := os.MkdirTemp(parent, "tickr-embedded-")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	require.NoError(t, os.Chmod(dir, 0o711))
	return dir
}

// snapshot is the content, mode and time of everything under dir.
func snapshot(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		stat, err := d.Info()
		if err != nil {
			return err
		}
		var text []byte
		if stat.Mode().IsRegular() {
			if text, err = os.ReadFile(path); err != nil {
				return err
			}
		}
		files[path] = fmt.Sprint(stat.Mode(), stat.ModTime(), *ownerOf(stat), string(text))
		return nil
	}))
	return files
}
