package arch

import (
	"regexp"
	"slices"
	"strings"
)

// layer is what a package is for. It decides whom the package may import.
type layer string

const (
	contract    layer = "contract"    // modules/users
	domain      layer = "domain"      // modules/users/internal/domain
	application layer = "application" // modules/users/internal/application
	adapter     layer = "adapter"     // modules/users/internal/adapters/postgres
	testkit     layer = "test kit"    // modules/users/internal/userstest
	wiring      layer = "wiring"      // modules/users/usersfx
	platform    layer = "platform"    // platform/database/migrate
	program     layer = "program"     // cmd/tickr
	standard    layer = "standard library"
	library     layer = "library"
)

// root is the path of the product's module.
const root = "github.com/tickr/tickr"

// layout says where each layer lives. The first group is the module of the monolith, the last the name within the layer.
var layout = []struct {
	layer   layer
	pattern *regexp.Regexp
}{
	{contract, regexp.MustCompile(`^modules/(\w+)$`)},
	{domain, regexp.MustCompile(`^modules/(\w+)/internal/domain$`)},
	{application, regexp.MustCompile(`^modules/(\w+)/internal/application$`)},
	{adapter, regexp.MustCompile(`^modules/(\w+)/internal/adapters/(\w+)$`)},
	{testkit, regexp.MustCompile(`^modules/(\w+)/internal/\w+test$`)},
	{wiring, regexp.MustCompile(`^modules/(\w+)/\w+fx$`)},
	{platform, regexp.MustCompile(`^()platform/([\w/]+)$`)},
	{program, regexp.MustCompile(`^()cmd/(tickr(?:/app)?)$`)},
}

// place is where a package belongs. Its module is empty outside modules/*, its name outside adapters, platform and program.
type place struct {
	layer        layer
	module, name string
	path         string // within the product; the whole import path of what is not ours
}

// locate fails for a package of the product that has no place in the layout.
func locate(path string) (place, bool) {
	inside, ours := strings.CutPrefix(path, root+"/")
	if !ours {
		first, _, _ := strings.Cut(path, "/")
		if strings.Contains(first, ".") {
			return place{layer: library, path: path}, true
		}
		return place{layer: standard, path: path}, true
	}
	for _, l := range layout {
		if match := l.pattern.FindStringSubmatch(inside); match != nil {
			return place{layer: l.layer, module: match[1], name: match[len(match)-1], path: inside}, true
		}
	}
	return place{}, false
}

// edge is an import, of a package or of its tests.
type edge struct {
	from, to place
	test     bool
}

// own reports whether the imported package is of the same module and one of the layers.
func (e edge) own(layers ...layer) bool {
	return e.from.module == e.to.module && slices.Contains(layers, e.to.layer)
}

// library reports whether the import is one of the libraries: the path of a library covers what is below it.
func (e edge) library(paths ...string) bool {
	return e.to.layer == library && slices.ContainsFunc(paths, func(path string) bool {
		return e.to.path == path || strings.HasPrefix(e.to.path, path+"/")
	})
}

const uuid = "github.com/google/uuid"

// canonical is what the domain needs to bring e-mail addresses, phone numbers and names into their one form.
var canonical = []string{uuid, "github.com/nyaruka/phonenumbers", "golang.org/x/net/idna", "golang.org/x/text/unicode/norm"}

// testLibraries are what only tests import.
var testLibraries = []string{"github.com/stretchr/testify", "pgregory.net/rapid", "go.uber.org/goleak"}

// acquainted lists which packages of the platform know which others. The rest stand alone.
var acquainted = map[string][]string{
	"database":         {"telemetry"},
	"database/backup":  {"database", "database/embedded", "database/migrate"},
	"database/archive": {"database/embedded"},
	"database/migrate": {"database"},
	"database/dbtest":  {"database", "database/embedded", "database/migrate"},
	"database/inspect": {"database"},
	"httpserver":       {"telemetry"},
	"startup":          {"database", "database/migrate"},
}

// home says where the words of some libraries may be spoken.
type home struct {
	libraries []string
	has       func(place) bool
}

var homes = []home{
	{[]string{"go.uber.org/fx", "go.uber.org/dig"}, in(wiring, program)},
	{[]string{"github.com/gin-gonic/gin", "github.com/gin-contrib", "github.com/danielgtaylor/huma"}, at("platform/httpserver", "httpapi")},
	{[]string{"github.com/uptrace/bun", "github.com/jackc/pgx"}, at("platform/database", "postgres")},
	{[]string{"github.com/allegro/bigcache"}, at("", "cache")},
	{[]string{"github.com/golang-jwt/jwt"}, at("", "jwt")},
	{[]string{"golang.org/x/crypto"}, at("", "password")},
	{[]string{"github.com/wneessen/go-mail"}, at("", "mail")},
	{[]string{"github.com/caarlos0/env"}, at("platform/config", "")},
	{[]string{"github.com/spf13/cobra"}, in(program)},
	{[]string{"go.opentelemetry.io"}, in(platform, adapter)},
}

// in is a home that is a layer.
func in(layers ...layer) func(place) bool {
	return func(p place) bool { return slices.Contains(layers, p.layer) }
}

// at is a home that is a folder of the platform, or every module's adapter of that name.
func at(folder, adapterName string) func(place) bool {
	return func(p place) bool {
		return p.layer == platform && (p.path == folder || strings.HasPrefix(p.path, folder+"/")) ||
			p.layer == adapter && p.name == adapterName
	}
}

// rule is one sentence of the house about imports.
type rule struct {
	says   string
	broken func(edge) bool
}

var rules = []rule{
	{"a contract imports the standard library and uuid only", func(e edge) bool {
		return e.from.layer == contract && !e.test && e.to.layer != standard && !e.library(uuid)
	}},
	{"a domain imports its contract and what canonical forms need", func(e edge) bool {
		if e.from.layer != domain || e.to.layer == standard || e.own(contract, domain) || e.library(canonical...) {
			return false
		}
		return !e.test || !e.library(testLibraries...)
	}},
	{"an application imports its domain, contracts and uuid", func(e edge) bool {
		if e.from.layer != application || e.to.layer == standard || e.to.layer == contract || e.own(domain) || e.library(uuid) {
			return false
		}
		return !e.test || !e.own(application, testkit) && !e.library(testLibraries...)
	}},
	{"adapters never import each other", func(e edge) bool {
		return e.from.layer == adapter && !e.test && e.own(adapter)
	}},
	{"an adapter takes plain options, no configuration", func(e edge) bool {
		return e.from.layer == adapter && e.to.layer == platform && e.to.name == "config"
	}},
	{"siblings meet only in contracts", func(e edge) bool {
		return e.from.module != "" && e.to.module != "" && e.from.module != e.to.module && e.to.layer != contract
	}},
	{"a module's wiring is for programs only", func(e edge) bool {
		return e.from.layer != program && e.from.path != e.to.path && e.to.layer == wiring
	}},
	{"a program knows contracts and wirings of modules only", func(e edge) bool {
		return e.from.layer == program && e.to.module != "" && e.to.layer != contract && e.to.layer != wiring
	}},
	{"the platform knows no module", func(e edge) bool {
		return e.from.layer == platform && e.to.module != ""
	}},
	{"packages of the platform know each other only as listed", func(e edge) bool {
		if e.from.layer != platform || e.to.layer != platform || e.from.path == e.to.path {
			return false
		}
		return !slices.Contains(acquainted[e.from.name], e.to.name) && !(e.test && e.to.name == "database/dbtest")
	}},
	{"nothing knows the program it is part of", func(e edge) bool {
		return e.to.layer == program && e.from.layer != program
	}},
	{"what is for tests stays in tests", func(e edge) bool {
		forTests := e.library(testLibraries...) || e.to.layer == testkit || e.to.name == "database/dbtest"
		return forTests && !e.test && e.from.layer != testkit && e.from.name != "database/dbtest"
	}},
	{"a library stays in its home", func(e edge) bool {
		return !e.test && slices.ContainsFunc(homes, func(h home) bool { return e.library(h.libraries...) && !h.has(e.from) })
	}},
}
