// Package containers checks Dockerfile and compose.yaml without an engine: read by the engine's own parsers, their commands carried
// out and their environment given to the program they make.
package containers

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/platform/database/dbtest"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// repository is where the files are that this package checks.
const repository = "../.."

// inRepository returns the path of a file that there is.
func inRepository(t *testing.T, path string) string {
	t.Helper()
	absolute, err := filepath.Abs(filepath.Join(repository, path))
	require.NoError(t, err)
	_, err = os.Stat(absolute)
	require.NoError(t, err)
	return absolute
}
