package arch

import (
	"encoding/json"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	fx   = "go.uber.org/fx"
	huma = "github.com/danielgtaylor/huma/v2"
	bun  = "github.com/uptrace/bun"
	env  = "github.com/caarlos0/env/v11"
	otel = "go.opentelemetry.io/otel/trace"
)

// plants are wrong imports, each with the rules it breaks: no more, no fewer. They go into the product itself and into a sibling
// that does not exist, seating.
var plants = []struct {
	in, imports string
	test        bool
	breaks      []string
}{
	{in: "modules/users", imports: fx, breaks: []string{"a contract imports the standard library and uuid only", "a library stays in its home"}},
	{in: "modules/users", imports: root + "/platform/config", breaks: []string{"a contract imports the standard library and uuid only"}},
	{in: "modules/seating", imports: root + "/modules/users", breaks: []string{"a contract imports the standard library and uuid only"}},

	{in: "modules/users/internal/domain", imports: "golang.org/x/sync/errgroup", breaks: []string{"a domain imports its contract and what canonical forms need"}},
	{in: "modules/users/internal/domain", imports: root + "/platform/telemetry", test: true, breaks: []string{"a domain imports its contract and what canonical forms need"}},
	{in: "modules/users/internal/domain", imports: root + "/modules/users/internal/application", breaks: []string{"a domain imports its contract and what canonical forms need"}},
	{in: "modules/seating/internal/domain", imports: root + "/modules/users", breaks: []string{"a domain imports its contract and what canonical forms need"}},

	{in: "modules/users/internal/application", imports: bun, breaks: []string{"an application imports its domain, contracts and uuid", "a library stays in its home"}},
	{in: "modules/users/internal/application", imports: root + "/platform/database", breaks: []string{"an application imports its domain, contracts and uuid"}},
	{in: "modules/users/internal/application", imports: root + "/modules/users/internal/adapters/postgres", test: true, breaks: []string{"an application imports its domain, contracts and uuid"}},
	{in: "modules/seating/internal/application", imports: root + "/modules/seating/internal/adapters/postgres", breaks: []string{"an application imports its domain, contracts and uuid"}},
	{in: "modules/seating/internal/application", imports: root + "/modules/users/internal/domain", breaks: []string{"an application imports its domain, contracts and uuid", "siblings meet only in contracts"}},

	{in: "modules/users/internal/adapters/httpapi", imports: root + "/modules/users/internal/adapters/postgres", breaks: []string{"adapters never import each other"}},
	{in: "modules/users/internal/adapters/httpapi", imports: bun, breaks: []string{"a library stays in its home"}},
	{in: "modules/users/internal/adapters/postgres", imports: huma, breaks: []string{"a library stays in its home"}},
	{in: "modules/users/internal/adapters/postgres", imports: root + "/platform/config", breaks: []string{"an adapter takes plain options, no configuration"}},
	{in: "modules/users/internal/adapters/cache", imports: fx, breaks: []string{"a library stays in its home"}},
	{in: "modules/seating/internal/adapters/postgres", imports: root + "/modules/users/internal/adapters/postgres", breaks: []string{"siblings meet only in contracts"}},
	{in: "modules/seating/internal/adapters/postgres", imports: root + "/modules/users/usersfx", breaks: []string{"siblings meet only in contracts", "a module's wiring is for programs only"}},
	{in: "modules/seating/internal/adapters/httpapi", imports: "github.com/allegro/bigcache/v3", breaks: []string{"a library stays in its home"}},

	{in: "modules/users/internal/application", imports: otel, breaks: []string{"an application imports its domain, contracts and uuid", "a library stays in its home"}},
	{in: "modules/users/internal/domain", imports: otel, breaks: []string{"a domain imports its contract and what canonical forms need", "a library stays in its home"}},
	{in: "modules/users/usersfx", imports: otel, breaks: []string{"a library stays in its home"}},
	{in: "modules/users/usersfx", imports: huma, breaks: []string{"a library stays in its home"}},
	{in: "modules/users/usersfx", imports: root + "/modules/users/internal/userstest", breaks: []string{"what is for tests stays in tests"}},
	{in: "modules/seating/seatingfx", imports: root + "/cmd/tickr/app", breaks: []string{"nothing knows the program it is part of"}},

	{in: "platform/config", imports: root + "/modules/users", breaks: []string{"the platform knows no module"}},
	{in: "platform/config", imports: root + "/modules/users", test: true, breaks: []string{"the platform knows no module"}},
	{in: "platform/config", imports: root + "/platform/telemetry", breaks: []string{"packages of the platform know each other only as listed"}},
	{in: "platform/telemetry", imports: env, breaks: []string{"a library stays in its home"}},
	{in: "platform/startup", imports: fx, breaks: []string{"a library stays in its home"}},
	{in: "platform/httpserver", imports: "github.com/stretchr/testify/require", breaks: []string{"what is for tests stays in tests"}},
	{in: "platform/startup", imports: root + "/platform/database/dbtest", breaks: []string{"packages of the platform know each other only as listed", "what is for tests stays in tests"}},

	{in: "cmd/tickr/app", imports: root + "/modules/users/internal/adapters/cache", breaks: []string{"a program knows contracts and wirings of modules only"}},
	{in: "cmd/tickr", imports: "github.com/gin-gonic/gin", breaks: []string{"a library stays in its home"}},
}

// blameless is what a well-behaved sibling imports.
var blameless = map[string][]string{
	"modules/seating":                            {"context", uuid},
	"modules/seating/internal/domain":            {root + "/modules/seating", uuid},
	"modules/seating/internal/application":       {root + "/modules/seating/internal/domain", root + "/modules/users"},
	"modules/seating/internal/adapters/postgres": {root + "/modules/seating/internal/application", root + "/platform/database", bun},
	"modules/seating/internal/adapters/httpapi":  {root + "/modules/users", root + "/platform/httpserver", huma},
	"modules/seating/seatingfx":                  {root + "/modules/users", root + "/platform/config", fx},
}

func TestEveryRuleBites(t *testing.T) {
	t.Parallel()
	var want []violation
	bitten := map[string]bool{}
	files := map[string]string{}
	add := func(folder, name string, imports ...string) {
		files[path.Join(folder, name)] = source(packageName(folder), imports...)
	}
	for folder, imports := range blameless {
		add(folder, "blameless.go", imports...)
	}
	for i, p := range plants {
		name := "planted" + strconv.Itoa(i)
		if p.test {
			name += "_test"
		}
		add(p.in, name+".go", p.imports)
		to, ok := locate(p.imports)
		require.True(t, ok, p.imports)
		for _, rule := range p.breaks {
			want = append(want, violation{rule, p.in, to.path})
			bitten[rule] = true
		}
	}
	for _, r := range rules {
		require.True(t, bitten[r.says], "nothing is planted against the rule that %s", r.says)
	}

	edges, unknown := imports(t, list(t, "-e", "-overlay", overlay(t, files)))
	require.Empty(t, unknown)
	require.ElementsMatch(t, want, violations(edges))
}

func TestAPackageOutsideTheLayoutIsNoticed(t *testing.T) {
	t.Parallel()
	outside := []string{
		"modules/users/internal/helpers", "modules/users/internal/adapters/postgres/rows", "modules/users/dto", "utils", "cmd/other",
	}
	files := map[string]string{}
	for _, folder := range outside {
		files[path.Join(folder, "planted.go")] = source(path.Base(folder))
	}
	_, unknown := imports(t, list(t, "-e", "-overlay", overlay(t, files)))
	for i := range outside {
		outside[i] = root + "/" + outside[i]
	}
	require.ElementsMatch(t, outside, unknown)
}

// packageName is what a package in that folder is called.
func packageName(folder string) string {
	if folder == "cmd/tickr" {
		return "main"
	}
	return path.Base(folder)
}

// overlay makes the go command see files in the product that are not there. It returns the path of its description.
func overlay(t *testing.T, files map[string]string) string {
	t.Helper()
	dir, replace := t.TempDir(), map[string]string{}
	for name, text := range files {
		planted := filepath.Join(dir, strconv.Itoa(len(replace))+".go")
		require.NoError(t, os.WriteFile(planted, []byte(text), 0o600))
		replace[filepath.Join(checkout(t), filepath.FromSlash(name))] = planted
	}
	description, err := json.Marshal(map[string]any{"Replace": replace})
	require.NoError(t, err)
	file := filepath.Join(dir, "overlay.json")
	require.NoError(t, os.WriteFile(file, description, 0o600))
	return file
}
