package containers

import (
	"bytes"
	"context"
	"debug/elf"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/platform/database/dbtest"
	"github.com/tickr/tickr/test/program"
)

const version = "v0.0.0-containers"

// sources makes a folder of what the build stage copies, less what .dockerignore keeps out.
func sources(t *testing.T) string {
	t.Helper()
	file, err := os.Open(inRepository(t, ".dockerignore"))
	require.NoError(t, err)
	defer file.Close()
	patterns, err := ignorefile.ReadAll(file)
	require.NoError(t, err)
	ignored, err := patternmatcher.New(patterns)
	require.NoError(t, err)
	for _, secret := range []string{".env", ".git/config", ".data/mail/a.eml", "configs/dev.env", "cmd/tickr/main_test.go", "test/go.mod"} {
		out, err := ignored.MatchesOrParentMatches(secret)
		require.NoError(t, err)
		require.True(t, out, secret)
	}

	dir := t.TempDir()
	build, _ := stages(t)
	for _, copied := range every[*instructions.CopyCommand](build) {
		for _, source := range copied.SourcePaths {
			target := dir
			if !strings.HasPrefix(copied.DestPath, "./") {
				target = filepath.Join(dir, copied.DestPath)
			}
			copyAll(t, inRepository(t, source), source, target, ignored)
		}
	}
	return dir
}

func copyAll(t *testing.T, from, name, to string, ignored *patternmatcher.PatternMatcher) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(from, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		inside, err := filepath.Rel(from, file)
		if err != nil {
			return err
		}
		out, err := ignored.MatchesOrParentMatches(path.Join(name, filepath.ToSlash(inside)))
		if err != nil || out {
			return err
		}
		target := filepath.Join(to, inside)
		if inside == "." {
			target = filepath.Join(to, name)
		}
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return err
		}
		return os.WriteFile(target, content, 0o644)
	}))
}

// built carries the command of the Dockerfile out in such a folder, and returns the program.
func built(t *testing.T) string {
	t.Helper()
	dir := sources(t)
	cmd := exec.CommandContext(t.Context(), "sh", "-c", compile(t))
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=", "GOFLAGS=", "TARGETOS="+runtime.GOOS, "TARGETARCH="+runtime.GOARCH, "VERSION="+version)
	said, err := cmd.CombinedOutput()
	require.NoError(t, err, string(said))
	return filepath.Join(dir, "tickr")
}

// image is a root folder that holds the program and what an engine puts beside it, and nothing else. Nobody may write there.
type image struct{ root string }

func newImage(t *testing.T) image {
	t.Helper()
	binary, root := built(t), t.TempDir()
	require.NoError(t, os.Rename(binary, filepath.Join(root, "tickr")))
	require.NoError(t, os.Mkdir(filepath.Join(root, "etc"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(root, "etc", "hosts"), []byte("127.0.0.1 localhost\n"), 0o644))
	require.NoError(t, os.Chmod(root, 0o555))
	require.NoError(t, os.Chmod(filepath.Dir(root), 0o711))
	t.Cleanup(func() { _ = os.Chmod(root, 0o755) })
	return image{root}
}

// command is the program with an environment and nothing else. Root gives its rights away and sees no file but those of the image;
// others cannot, and only start it in a folder that nobody may write to.
func (i image) command(ctx context.Context, env []string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(i.root, "tickr"), args...)
	cmd.Dir, cmd.Env = i.root, append([]string{}, env...)
	if os.Geteuid() == 0 {
		cmd.Path, cmd.Dir = "/tickr", "/"
		cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: i.root, Credential: &syscall.Credential{Uid: 65532, Gid: 65532}}
	}
	return cmd
}

// run runs a command to its end.
func (i image) run(t *testing.T, env []string, args ...string) (code int, out string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), program.Patience)
	defer cancel()
	cmd := i.command(ctx, env, args...)
	said, err := cmd.CombinedOutput()
	require.NotNil(t, cmd.ProcessState, "%v", err)
	return cmd.ProcessState.ExitCode(), string(said)
}

// TestTheImageServes: what the Dockerfile makes is static, and serves a database from an empty root with the environment of compose.yaml.
func TestTheImageServes(t *testing.T) {
	image := newImage(t)
	binary, err := elf.Open(filepath.Join(image.root, "tickr"))
	require.NoError(t, err)
	defer binary.Close()
	libraries, err := binary.ImportedLibraries()
	require.NoError(t, err)
	require.Empty(t, libraries)
	require.Nil(t, binary.Section(".interp"), "a static program needs no loader")

	code, out := image.run(t, nil, "version")
	require.Equal(t, []any{0, version + "\n"}, []any{code, out})

	// What differs from the container: ports and names of machines.
	server, err := url.Parse(dbtest.Empty(t).DSN)
	require.NoError(t, err)
	password, _ := server.User.Password()
	port := program.FreePort(t)
	env := environment(t, "api", map[string]string{
		"HTTP_ADDR": "127.0.0.1:" + port, "OPS_ADDR": "127.0.0.1:0", "SHUTDOWN_DELAY": "0s", "DB_HOST": server.Hostname(), "DB_PORT": server.Port(),
		"DB_USERNAME": server.User.Username(), "DB_PASSWORD": password, "DB_NAME": strings.TrimPrefix(server.Path, "/"),
	})
	code, out = image.run(t, env, "health")
	require.Equal(t, 1, code, out)
	code, out = image.run(t, env, "serve", "--nonsense")
	require.Equal(t, 2, code, out)
	code, out = image.run(t, env, "migrate", "up")
	require.Equal(t, 0, code, out)

	var log bytes.Buffer
	serving := image.command(t.Context(), env, "serve")
	serving.Stderr = &log
	require.NoError(t, serving.Start())
	defer func() { _ = serving.Process.Kill() }()
	deadline := time.Now().Add(program.Patience)
	for code != 0 || !strings.Contains(out, "ready") {
		require.True(t, time.Now().Before(deadline), "not healthy: %s", out)
		time.Sleep(50 * time.Millisecond)
		code, out = image.run(t, env, "health")
	}
	response, err := http.Get("http://127.0.0.1:" + port + "/api/users/me")
	require.NoError(t, err)
	defer response.Body.Close()
	require.Equal(t, http.StatusUnauthorized, response.StatusCode)
	require.NoError(t, serving.Process.Signal(syscall.SIGTERM))
	require.NoError(t, serving.Wait(), &log)
	require.NotContains(t, log.String(), `"level":"ERROR"`)
}
