package embedded

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// registry is a machine without PostgreSQL, and an npm that can fetch one release of it.
type registry struct {
	sources

	release release
	calls   string // a file with one line for each call of npm
}

// packed is a package of npm as its publisher would upload it.
func packed(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var archive bytes.Buffer
	zipped := gzip.NewWriter(&archive)
	writer := tar.NewWriter(zipped)
	for name, text := range files {
		mode := int64(0o600)
		if strings.Contains(name, "/bin/") {
			mode = 0o700
		}
		require.NoError(t, writer.WriteHeader(&tar.Header{Name: name, Mode: mode, Size: int64(len(text)), Typeflag: tar.TypeReg}))
		_, err := writer.Write([]byte(text))
		require.NoError(t, err)
	}
	require.NoError(t, writer.Close())
	require.NoError(t, zipped.Close())
	return archive.Bytes()
}

func contents(major int) map[string]string {
	return map[string]string{
		"package/README.md":               "not needed",
		"package/native/bin/postgres":     fakeProgram("postgres", major),
		"package/native/bin/initdb":       fakeProgram("initdb", major),
		"package/native/lib/libx.so.1.2":  "library",
		"package/native/pg-symlinks.json": `[{"source":"native/lib/libx.so.1.2","target":"native/lib/libx.so"}]`,
	}
}

// newRegistry has a package with these files, which its npm brings after script.
func newRegistry(t *testing.T, files map[string]string, script string) registry {
	t.Helper()
	dir := openDirIn(t, os.TempDir()) // programs may not run from memory
	archive := filepath.Join(dir, "package.tgz")
	require.NoError(t, os.WriteFile(archive, packed(t, files), 0o600))
	_, integrity, err := measure(archive)
	require.NoError(t, err)
	r := registry{
		sources: nowhere(t),
		release: release{major: 14, version: "14.1.0", integrity: map[string]string{platform(): integrity}},
		calls:   filepath.Join(dir, "calls"),
	}
	npm := fmt.Sprintf("#!/bin/sh\necho \"$@\" >>%s\n%s\ncp %s %s\n", r.calls, script, archive, r.release.archive())
	require.NoError(t, os.Mkdir(filepath.Join(dir, "npm"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "npm", "npm"), []byte(npm), 0o755))
	r.path = filepath.Join(dir, "npm")
	r.stores = []string{filepath.Join(dir, "cache", "postgres")}
	r.releases = []release{r.release}
	return r
}

func (r registry) home() string { return filepath.Join(r.stores[0], r.release.version) }

func (r registry) requireCalls(t *testing.T, want int) {
	t.Helper()
	text, err := os.ReadFile(r.calls)
	require.NoError(t, err)
	require.Len(t, strings.Split(strings.TrimSpace(string(text)), "\n"), want)
	require.Contains(t, string(text), "pack "+r.release.spec()+" --ignore-scripts")
}

func (r registry) requireNothingKept(t *testing.T) {
	t.Helper()
	left, err := filepath.Glob(filepath.Join(r.stores[0], "*"))
	require.NoError(t, err)
	require.Equal(t, []string{filepath.Join(r.stores[0], "lock")}, left)
}

func TestObtainOnce(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]int{"any version": 0, "the folder's version": 14} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRegistry(t, contents(14), "")
			p, err := r.find(t.Context(), "", want)
			require.NoError(t, err)
			require.Equal(t, programs{dir: filepath.Join(r.home(), "bin"), major: 14}, p)
			text, err := os.ReadFile(filepath.Join(r.home(), "lib", "libx.so"))
			require.NoError(t, err)
			require.Equal(t, "library", string(text))
			require.NoError(t, filepath.WalkDir(r.stores[0], func(path string, d fs.DirEntry, err error) error {
				if stat, _ := os.Stat(path); filepath.Base(path) != "lock" {
					require.Equal(t, fs.FileMode(0o044), stat.Mode()&0o044, "everybody reads %s", path)
				}
				return err
			}))
			files, err := filepath.Glob(filepath.Join(r.home(), "*"))
			require.NoError(t, err)
			require.Len(t, files, 3, "bin, lib and the list of links")

			r.path = "" // offline
			again, err := r.find(t.Context(), "", want)
			require.NoError(t, err)
			require.Equal(t, p, again)
			r.requireCalls(t, 1)
		})
	}
}

func TestNothingIsKeptOf(t *testing.T) {
	t.Parallel()
	with := func(name, text string) map[string]string {
		files := contents(14)
		files[name] = text
		return files
	}
	for name, test := range map[string]struct {
		files  map[string]string
		script string
		err    string
	}{
		"another version":     {files: contents(13), err: "is of PostgreSQL 13, want 14"},
		"what does not run":   {files: with("package/native/bin/initdb", "#!/nowhere"), err: "does not run on this machine"},
		"what leaves":         {files: with("package/native/../../escaped", "!"), err: "path escapes from parent"},
		"links that leave":    {files: with("package/native/pg-symlinks.json", `[{"source":"native/a","target":"native/../../b"}]`), err: "path escapes from parent"},
		"a list of nothing":   {files: with("package/native/pg-symlinks.json", "nonsense"), err: "list of links"},
		"npm without network": {files: contents(14), script: "echo 'npm error code EAI_AGAIN' >&2; exit 1", err: "which needs the network once: exit status 1: npm error code EAI_AGAIN"},
		"npm without result":  {files: contents(14), script: "exit 0", err: "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRegistry(t, test.files, test.script)
			_, err := r.find(t.Context(), "", 0)
			require.ErrorContains(t, err, test.err)
			require.ErrorContains(t, err, advice)
			require.NotContains(t, err.Error(), "\n")
			r.requireNothingKept(t)
			require.NoFileExists(t, filepath.Join(r.stores[0], "..", "escaped"))
		})
	}
}

func TestCorruptedPackageIsRefused(t *testing.T) {
	t.Parallel()
	r := newRegistry(t, contents(14), "")
	// What the publisher replaced runs as well as what was tried.
	r.releases[0].integrity = newRegistry(t, contents(15), "").release.integrity
	_, err := r.find(t.Context(), "", 0)
	require.ErrorContains(t, err, r.release.spec()+" is not what it was: npm brought sha512-")
	r.requireNothingKept(t)
}

func TestHalfOfItIsIgnored(t *testing.T) {
	t.Parallel()
	r := newRegistry(t, contents(14), "")
	for _, dir := range []string{r.home(), r.home() + ".unfinished"} {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, "bin"), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "bin", "postgres"), []byte(fakeProgram("postgres", 14)), 0o755))
	}
	_, err := r.find(t.Context(), "", 0)
	require.NoError(t, err)
	require.FileExists(t, filepath.Join(r.home(), "bin", "initdb"))
	require.NoDirExists(t, r.home()+".unfinished")
}

// order is what a helper process is to obtain.
type order struct {
	Path, Store, Version, Integrity string
}

const orderVariable = "TICKR_EMBEDDED_ORDER"

func obtainFake(ctx context.Context) error {
	var o order
	if err := json.Unmarshal([]byte(os.Getenv(orderVariable)), &o); err != nil {
		return err
	}
	s := sources{path: o.Path, stores: []string{o.Store}, log: loggerOf(Options{}), releases: []release{
		{major: 14, version: o.Version, integrity: map[string]string{platform(): o.Integrity}},
	}}
	_, err := s.find(ctx, "", 0)
	return err
}

// elsewhere is another process that obtains the release of r.
func (r registry) elsewhere(t *testing.T) *exec.Cmd {
	t.Helper()
	program, err := os.Executable()
	require.NoError(t, err)
	text, err := json.Marshal(order{r.path, r.stores[0], r.release.version, r.release.integrity[platform()]})
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), program)
	cmd.Env = append(os.Environ(), helperVariable+"=obtain", orderVariable+"="+string(text))
	cmd.Stderr = os.Stderr
	require.NoError(t, cmd.Start())
	return cmd
}

func TestProcessesAtOnceObtainOnce(t *testing.T) {
	t.Parallel()
	r := newRegistry(t, contents(14), "sleep 0.3")
	var others []*exec.Cmd
	for range 4 {
		others = append(others, r.elsewhere(t))
	}
	for _, other := range others {
		require.NoError(t, other.Wait())
	}
	r.requireCalls(t, 1)
	_, ok := r.kept(t.Context(), r.release)
	require.True(t, ok)
}

func TestKilledWhileObtaining(t *testing.T) {
	t.Parallel()
	r := newRegistry(t, contents(14), `[ "$(wc -l <"${0%/npm/npm}/calls")" -gt 1 ] || sleep 5`)
	killed := r.elsewhere(t)
	require.Eventually(t, func() bool {
		_, err := os.Stat(r.calls)
		return err == nil
	}, patience, pollInterval)
	require.NoError(t, killed.Process.Kill())
	require.ErrorContains(t, killed.Wait(), "killed")
	require.NoDirExists(t, r.home())

	_, err := r.find(t.Context(), "", 0)
	require.NoError(t, err)
	r.requireCalls(t, 2)
}
