package config

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"
)

// Error lists everything that is wrong with a configuration. Each mistake is
// one line that names its variable; none shows the value of a secret.
type Error struct{ Mistakes []string }

func (e *Error) Error() string {
	return "invalid configuration:\n  " + strings.Join(e.Mistakes, "\n  ")
}

// mistakes collects one line per variable, the first that was found.
type mistakes struct {
	lines []string
	named map[string]bool
}

func (m *mistakes) add(variable, format string, args ...any) {
	if m.named[variable] {
		return
	}
	if m.named == nil {
		m.named = map[string]bool{}
	}
	m.named[variable] = true
	m.lines = append(m.lines, variable+": "+fmt.Sprintf(format, args...))
}

func (m *mistakes) oneOf(variable, value string, allowed ...string) {
	if !slices.Contains(allowed, value) {
		m.add(variable, "%q is not one of %s", value, strings.Join(allowed, ", "))
	}
}

func (m *mistakes) between(variable string, value, least, most int) {
	if value < least || value > most {
		m.add(variable, "must be between %d and %d", least, most)
	}
}

func (m *mistakes) positive(variable string, value time.Duration) {
	if value <= 0 {
		m.add(variable, "must be greater than zero")
	}
}

func (m *mistakes) atLeastASecond(variable string, value time.Duration) {
	if value < time.Second {
		m.add(variable, "must be at least 1s")
	}
}

func (m *mistakes) postgres(variable string, address Secret) {
	if address.Reveal() != "" && !isAddress(address, "postgres", "postgresql") {
		m.add(variable, "must look like postgres://user:password@host:5432/name (special characters percent-encoded)")
	}
}

func (m *mistakes) key(variable string, key Secret) {
	if text := key.Reveal(); text != "" && len(text) < minSecretBytes {
		m.add(variable, "must have at least %d bytes", minSecretBytes)
	}
}

func (m *mistakes) development(variable string, value Secret, development string) {
	if value.Reveal() == development {
		m.add(variable, "production refuses the development value")
	}
}

// parsing translates the errors of the env package, which name fields: no two
// fields that can fail to parse share a name.
func (m *mistakes) parsing(err error) {
	variableOf := map[string]string{}
	variables(reflect.ValueOf(Config{}), func(name string, field reflect.StructField, _ reflect.Value) {
		variableOf[field.Name] = name
	})
	var all env.AggregateError
	if !errors.As(err, &all) {
		m.add("environment", "%v", err)
		return
	}
	for _, err := range all.Errors {
		var parse env.ParseError
		if !errors.As(err, &parse) {
			m.add("environment", "%v", err)
			continue
		}
		m.add(variableOf[parse.Name], "must be %s", wanted(parse.Type))
	}
}

// wanted describes the values of a type. The value itself is not quoted: what
// lands in the wrong variable may be a secret.
func wanted(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[time.Duration]():
		return "a duration such as 90s, 15m or 720h"
	case reflect.TypeFor[Millis]():
		return "a whole number of milliseconds"
	case reflect.TypeFor[Switch]():
		return "on or off"
	case reflect.TypeFor[bool]():
		return "true or false"
	case reflect.TypeFor[float64]():
		return "a number"
	default:
		return "a whole number"
	}
}
