package domain

import (
	"fmt"
	"strings"
)

// Violation says what is wrong with one value. Code is stable and for programs, Message is for people.
// Neither repeats the value.
type Violation struct {
	Code    string
	Message string
}

func (v *Violation) Error() string { return v.Message }

// The codes of violations.
const (
	CodeRequired   = "required"
	CodeTooShort   = "too_short"
	CodeTooLong    = "too_long"
	CodeInvalid    = "invalid"
	CodeWeak       = "weak"
	CodeIncorrect  = "incorrect"
	CodeOutOfRange = "out_of_range"
)

func required() *Violation { return &Violation{CodeRequired, "is required"} }

// ParseGiven takes every text but the empty one, as it is.
func ParseGiven(raw string) (string, *Violation) {
	if raw == "" {
		return "", required()
	}
	return raw, nil
}

// FieldViolation is a Violation of a named field.
type FieldViolation struct {
	Field string
	Violation
}

// InvalidError names every wrong field of an input at once. Its zero value collects; Err ends the collecting.
type InvalidError struct {
	Fields []FieldViolation
}

// Invalid returns an InvalidError about one field.
func Invalid(field, code, message string) *InvalidError {
	e := &InvalidError{}
	e.Add(field, &Violation{Code: code, Message: message})
	return e
}

// Add records that field is wrong.
func (e *InvalidError) Add(field string, v *Violation) {
	e.Fields = append(e.Fields, FieldViolation{Field: field, Violation: *v})
}

// Err returns e when anything was recorded, else nil.
func (e *InvalidError) Err() error {
	if len(e.Fields) == 0 {
		return nil
	}
	return e
}

func (e *InvalidError) Error() string {
	parts := make([]string, len(e.Fields))
	for i, f := range e.Fields {
		parts[i] = fmt.Sprintf("%s: %s", f.Field, f.Message)
	}
	return "invalid input: " + strings.Join(parts, "; ")
}

// Field parses raw into a value of the domain and records in e under name what is wrong with it.
// The value returned then is the zero value and not to be used.
func Field[T any](e *InvalidError, name, raw string, parse func(string) (T, *Violation)) T {
	value, violation := parse(raw)
	if violation != nil {
		e.Add(name, violation)
	}
	return value
}
