package arch

import (
	"encoding/json"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTheLinterBites runs .golangci.yml over a module with what its import and identifier rules forbid: a glob that matches nothing
// would look like obedience.
func TestTheLinterBites(t *testing.T) {
	t.Parallel()
	planted := []struct{ in, source, linter, says string }{
		{"modules/seating", source("seating", bun), "depguard", "a contract is words"},
		{"modules/seating", source("seating", fx), "depguard", "a contract does not run"},
		{"modules/seating/internal/domain", source("domain", root+"/platform/telemetry"), "depguard", "know no plumbing"},
		{"modules/seating/internal/domain", source("domain", fx), "depguard", "are plain Go"},
		{"modules/seating/internal/domain", source("domain", "golang.org/x/sync/errgroup"), "depguard", "canonical forms"},
		{"modules/seating/internal/application", source("application", bun), "depguard", "know no plumbing"},
		{"modules/seating/internal/adapters/httpapi", source("httpapi", root+"/platform/config"), "depguard", "takes plain options"},
		{"modules/seating/internal/adapters/httpapi", source("httpapi", bun), "depguard", "SQL belongs to"},
		{"modules/seating/internal/adapters/postgres", source("postgres", huma), "depguard", "HTTP belongs to"},
		{"modules/seating/internal/adapters/postgres", source("postgres", fx), "depguard", "wiring belongs to"},
		{"modules/seating/seatingfx", source("seatingfx", "github.com/allegro/bigcache/v3"), "depguard", "guarded cache"},
		{"modules/seating/seatingfx", source("seatingfx", otel), "depguard", "spans belong to"},
		{"cmd/tickr/app", source("app", otel), "depguard", "spans belong to"},
		{"platform/telemetry", source("telemetry", root+"/modules/seating"), "depguard", "knows no module"},
		{"platform/telemetry", source("telemetry", root+"/cmd/tickr/app"), "depguard", "nothing knows the program"},
		{"modules/seating/internal/domain", `package domain; import clock "time"; var At = clock.Now()`, "forbidigo", "injected now"},
		{"modules/seating/internal/application", `package application; import "github.com/google/uuid"; var ID = uuid.New()`, "forbidigo", "injected newID"},
		{"cmd/tickr/app", `package app; import "fmt"; func init() { fmt.Println() }`, "forbidigo", "log through slog"},
	}
	allowed := map[string]string{
		"modules/seating/seatingfx/fine.go":                `package seatingfx; import ("time"; _ "go.uber.org/fx"); var At = time.Now()`,
		"modules/seating/internal/domain/fine.go":          `package domain; import _ "golang.org/x/text/unicode/norm"`,
		"modules/seating/internal/adapters/httpapi/f.go":   source("httpapi", huma, root+"/modules/seating"),
		"modules/seating/internal/adapters/postgres/f.go":  source("postgres", bun),
		"modules/seating/internal/adapters/cache/cache.go": source("cache", "github.com/allegro/bigcache/v3", otel),
		"platform/config/config.go":                        source("config"),
	}

	dir := t.TempDir()
	write := func(name, text string) {
		file := filepath.Join(dir, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o750))
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	}
	for _, name := range []string{".golangci.yml", "go.mod", "go.sum"} {
		text, err := os.ReadFile(filepath.Join(checkout(t), name))
		require.NoError(t, err)
		write(name, string(text))
	}
	for name, text := range allowed {
		write(name, text)
	}
	for i, p := range planted {
		write(path.Join(p.in, "planted"+strconv.Itoa(i)+".go"), p.source)
	}

	found := lint(t, dir)
	for i, p := range planted {
		file := path.Join(p.in, "planted"+strconv.Itoa(i)+".go")
		require.Len(t, found[file], 1, "%s:\n%s", file, p.source)
		require.Equal(t, p.linter, found[file][0].FromLinter)
		require.Contains(t, found[file][0].Text, p.says)
		delete(found, file)
	}
	require.Empty(t, found, "complaints about what is allowed")
}

type complaint struct{ FromLinter, Text string }

// lint returns the complaints of the linters of imports and identifiers, by file.
func lint(t *testing.T, dir string) map[string][]complaint {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "run", golangciLint(t), "run", "--enable-only=depguard,forbidigo",
		"--max-same-issues=0", "--issues-exit-code=0", "--output.json.path=stdout", "--show-stats=false", "./...")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	require.NoError(t, err)
	var report struct {
		Issues []struct {
			complaint
			Pos struct{ Filename string }
		}
	}
	require.NoError(t, json.Unmarshal(out, &report), "%s", out)
	found := map[string][]complaint{}
	for _, issue := range report.Issues {
		name := filepath.ToSlash(issue.Pos.Filename)
		found[name] = append(found[name], issue.complaint)
	}
	return found
}

// golangciLint is the tool in the version that the Makefile pins.
func golangciLint(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(checkout(t), "Makefile"))
	require.NoError(t, err)
	pinned := regexp.MustCompile(`github\.com/golangci/golangci-lint/\S+@\S+`).Find(text)
	require.NotEmpty(t, pinned, "the Makefile pins no golangci-lint")
	return string(pinned)
}
