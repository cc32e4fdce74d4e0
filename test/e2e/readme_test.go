package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/joho/godotenv"
	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/platform/database/dbtest"
)

var shellBlock = regexp.MustCompile("(?s)```sh\n(.*?)```")

// TestReadme pastes the quick start of the README, in order, against a program with the values of configs/dev.env.
func TestReadme(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..")
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	require.NoError(t, err)
	_, section, found := strings.Cut(string(readme), "## Quick start")
	require.True(t, found)
	section, _, _ = strings.Cut(section, "\n## ")
	blocks := shellBlock.FindAllStringSubmatch(section, -1)
	require.Equal(t, "make run\n", blocks[0][1])

	dev, err := godotenv.Read(filepath.Join(root, "configs", "dev.env"))
	require.NoError(t, err)
	p := start(t, "DATABASE_URL="+dbtest.Empty(t).DSN, "DATA_DIR=.data",
		"BOOTSTRAP_ADMIN_EMAIL="+dev["BOOTSTRAP_ADMIN_EMAIL"], "BOOTSTRAP_ADMIN_PASSWORD="+dev["BOOTSTRAP_ADMIN_PASSWORD"])

	script := "set -euo pipefail\n"
	for _, block := range blocks[1:] {
		script += block[1] + "\necho\n"
	}
	require.Contains(t, script, "API=http://localhost:3000/api")
	script = strings.ReplaceAll(script, "http://localhost:3000", p.API)
	shell := exec.CommandContext(t.Context(), "bash", "-c", script)
	shell.Dir = p.Dir
	out, err := shell.CombinedOutput()
	require.NoError(t, err, string(out))

	rest := string(out)
	for _, expected := range []string{
		"a mail with a link to verify it is on its way", "The e-mail address is verified", `"firstName":"أميرة"`, `"code":"validation_failed"`,
		`"nextCursor":`, `"role":"ORGANIZER"`, "HTTP/1.1 200", "Gharbi", "HTTP/1.1 412", `"missing":["01890000-0000-7000-8000-000000000000"]`,
		`"signups24h":`, "a mail with a link to a new password is on its way", "Your password is set", "Your password is changed",
		"A code is on its way", "The phone number is verified", `"tokenType":"Bearer"`, `"role":"ORGANIZER"`, `"isActive":false`, `"code":"session_ended"`, `"code":"account_deactivated"`, `"isActive":true`, "HTTP/1.1 204",
	} {
		_, after, found := strings.Cut(rest, expected)
		require.True(t, found, "%s is missing, or comes too early, in\n%s", expected, out)
		rest = after
	}
}
