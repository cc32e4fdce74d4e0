package config

import (
	"fmt"
	"io"
	"net/url"
	"reflect"
	"strings"
)

// Write prints the effective configuration as VARIABLE=value lines in the order
// of configs/dev.env. Secrets are redacted; of an address with a password in it
// everything but the password and the parameters is shown.
func (c Config) Write(w io.Writer) error {
	var err error
	variables(reflect.ValueOf(c), func(name string, field reflect.StructField, value reflect.Value) {
		if err == nil {
			_, err = fmt.Fprintf(w, "%s=%s\n", name, text(field, value.Interface()))
		}
	})
	if err != nil {
		return fmt.Errorf("print the configuration: %w", err)
	}
	return nil
}

func text(field reflect.StructField, value any) string {
	switch v := value.(type) {
	case []string:
		return strings.Join(v, ",")
	case Secret:
		if field.Tag.Get("print") != "url" {
			return v.String()
		}
		address, err := url.Parse(v.Reveal())
		if err != nil {
			return redacted
		}
		// Parameters may carry a password too.
		address.RawQuery, address.Fragment = "", ""
		return address.Redacted()
	default:
		return fmt.Sprint(v)
	}
}

// variables visits every field that a variable sets, in order.
func variables(v reflect.Value, visit func(name string, field reflect.StructField, value reflect.Value)) {
	for i := range v.NumField() {
		field, value := v.Type().Field(i), v.Field(i)
		switch name := field.Tag.Get("env"); {
		case name != "":
			visit(name, field, value)
		case value.Kind() == reflect.Struct:
			variables(value, visit)
		}
	}
}
