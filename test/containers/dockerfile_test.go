package containers

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/stretchr/testify/require"
)

// stages returns what the Dockerfile does: build the program, and put it into an image.
func stages(t *testing.T) (build, image instructions.Stage) {
	t.Helper()
	file, err := os.Open(inRepository(t, "Dockerfile"))
	require.NoError(t, err)
	defer file.Close()
	parsed, err := parser.Parse(file)
	require.NoError(t, err)
	require.Empty(t, parsed.Warnings)
	all, _, err := instructions.Parse(parsed.AST, nil)
	require.NoError(t, err)
	require.Len(t, all, 2)
	return all[0], all[1]
}

// only returns the one command of its kind.
func only[T instructions.Command](t *testing.T, stage instructions.Stage) T {
	t.Helper()
	all := every[T](stage)
	require.Len(t, all, 1)
	return all[0]
}

func every[T instructions.Command](stage instructions.Stage) []T {
	var found []T
	for _, command := range stage.Commands {
		if c, ok := command.(T); ok {
			found = append(found, c)
		}
	}
	return found
}

// pinned matches an image of one version, or of one content.
var pinned = regexp.MustCompile(`(:v?\d+\.\d+(\.\d+)?(-\w+)?|@sha256:[0-9a-f]{64})$`)

func TestImage(t *testing.T) {
	t.Parallel()
	build, image := stages(t)
	require.Regexp(t, pinned, build.BaseName)
	require.Regexp(t, pinned, image.BaseName)
	require.Regexp(t, `^gcr\.io/distroless/static-debian\d+:nonroot@`, image.BaseName, "no shell, no package manager, an account without rights")
	require.Equal(t, "$BUILDPLATFORM", build.Platform, "Go compiles for another platform, nothing is emulated")

	module, err := os.ReadFile(inRepository(t, "go.mod"))
	require.NoError(t, err)
	language := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindSubmatch(module)[1]
	require.Contains(t, build.BaseName, "golang:"+string(language)+".")

	require.Empty(t, every[*instructions.RunCommand](image), "there is no shell")
	require.Equal(t, "65532:65532", only[*instructions.UserCommand](t, image).User, "as a number: an engine can tell that it is not root")
	require.Equal(t, "SIGTERM", only[*instructions.StopSignalCommand](t, image).Signal)
	require.Equal(t, []string{"3000", "9090"}, only[*instructions.ExposeCommand](t, image).Ports)
	entrypoint := only[*instructions.EntrypointCommand](t, image)
	require.Equal(t, []string{"/tickr"}, entrypoint.CmdLine)
	require.False(t, entrypoint.PrependShell)
	command := only[*instructions.CmdCommand](t, image)
	require.Equal(t, []string{"serve"}, command.CmdLine)
	require.False(t, command.PrependShell)
	health := only[*instructions.HealthCheckCommand](t, image).Health
	require.Equal(t, []string{"CMD", "/tickr", "health"}, health.Test)
	require.Greater(t, health.Timeout.Seconds(), 5.0, "tickr health gives up after 5 s by itself, and says why")
	for _, set := range append(every[*instructions.EnvCommand](build), every[*instructions.EnvCommand](image)...) {
		for _, pair := range set.Env {
			require.NotRegexp(t, `SECRET|PASSWORD|URL`, pair.Key)
		}
	}
	copied := only[*instructions.CopyCommand](t, image)
	require.Equal(t, "build", copied.From)
	require.Equal(t, "/tickr", copied.DestPath)
}

// compile is the command that makes the program.
func compile(t *testing.T) string {
	t.Helper()
	build, _ := stages(t)
	runs := every[*instructions.RunCommand](build)
	at := slices.IndexFunc(runs, func(r *instructions.RunCommand) bool {
		return strings.Contains(strings.Join(r.CmdLine, " "), "go build")
	})
	require.GreaterOrEqual(t, at, 0)
	line := strings.Join(runs[at].CmdLine, " ")
	for _, want := range []string{"CGO_ENABLED=0", "-trimpath", "GOARCH=$TARGETARCH", "app.version=$VERSION"} {
		require.Contains(t, line, want)
	}
	return line
}
