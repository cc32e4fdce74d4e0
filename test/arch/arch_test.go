// Package arch holds the product to its rules about who may import whom. The rules speak of modules/*, so a new sibling needs no
// change here. Run it with -count=1: the test cache does not see what go list reads.
package arch

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheProductKeepsItsRules(t *testing.T) {
	t.Parallel()
	edges, unknown := imports(t, list(t))
	require.Empty(t, unknown, "packages without a place in the layout; rules that do not know a package cannot hold it")
	require.Empty(t, violations(edges))
}

func TestEveryLayerIsSeen(t *testing.T) {
	t.Parallel()
	edges, _ := imports(t, list(t))
	seen := map[layer]bool{}
	for _, e := range edges {
		seen[e.from.layer] = true
	}
	for _, l := range layout {
		require.True(t, seen[l.layer], "no package is a %s: its rules hold nothing", l.layer)
	}
}

// violation is an import that breaks a rule.
type violation struct{ rule, from, imports string }

func violations(edges []edge) []violation {
	var found []violation
	for _, e := range edges {
		for _, r := range rules {
			if r.broken(e) {
				found = append(found, violation{r.says, e.from.path, e.to.path})
			}
		}
	}
	return found
}

// listed is a package as go list prints it. TestImports are those of its tests, XTestImports those of its _test package.
type listed struct {
	ImportPath                         string
	Imports, TestImports, XTestImports []string
}

// list returns the packages of the product.
func list(t *testing.T, args ...string) []listed {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"list", "-json=ImportPath,Imports,TestImports,XTestImports"}, append(args, "./...")...)...)
	cmd.Dir = checkout(t)
	cmd.Env = append(os.Environ(), "GOWORK=off") // the product without its tests' module
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, stderr.String())

	var packages []listed
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		err := decoder.Decode(&p)
		if errors.Is(err, io.EOF) {
			return packages
		}
		require.NoError(t, err)
		packages = append(packages, p)
	}
}

// imports returns who imports whom, and the packages that have no place.
func imports(t *testing.T, packages []listed) (edges []edge, unknown []string) {
	t.Helper()
	for _, p := range packages {
		from, ok := locate(p.ImportPath)
		if !ok {
			unknown = append(unknown, p.ImportPath)
			continue
		}
		add := func(paths []string, test bool) {
			for _, path := range paths {
				// An import that has no place is listed as a package, too.
				if to, ok := locate(path); ok {
					edges = append(edges, edge{from: from, to: to, test: test})
				}
			}
		}
		add(p.Imports, false)
		add(p.TestImports, true)
		add(p.XTestImports, true)
	}
	require.NotEmpty(t, edges, "go list saw nothing")
	return edges, unknown
}

// checkout is the folder of the product's module.
func checkout(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("..", ".."))
	require.NoError(t, err)
	require.FileExists(t, filepath.Join(dir, "go.work"))
	return dir
}

// source is a file of Go that only imports.
func source(name string, imports ...string) string {
	text := fmt.Sprintf("// Package %s is planted.\npackage %[1]s\n", name)
	for _, path := range imports {
		text += fmt.Sprintf("import _ %q\n", path)
	}
	return text
}
