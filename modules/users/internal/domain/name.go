package domain

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

const maxName = 100 // code points, as the column

// Name is a first or last name. The zero value is no name.
type Name struct{ text string }

// ParseName returns a name in any script: surrounding space trimmed, Unicode NFC, 1 to 100 code points, valid UTF-8, without
// control characters, line separators or bidirectional overrides.
func ParseName(raw string) (Name, *Violation) {
	if !utf8.ValidString(raw) {
		return Name{}, &Violation{CodeInvalid, "must be valid UTF-8"}
	}
	text := norm.NFC.String(strings.TrimSpace(raw))
	switch n := utf8.RuneCountInString(text); {
	case n == 0:
		return Name{}, &Violation{CodeRequired, "is required"}
	case n > maxName:
		return Name{}, &Violation{CodeTooLong, "must have at most 100 characters"}
	case strings.ContainsFunc(text, isControl):
		return Name{}, &Violation{CodeInvalid, "must not contain control characters"}
	}
	return Name{text}, nil
}

// String returns the name.
func (n Name) String() string { return n.text }

// Names is how a person is called.
type Names struct{ First, Last Name }

const maxReason = 500 // code points

// ParseReason returns why an administrator did something: as a name, but 0 to 500 code points.
func ParseReason(raw string) (string, *Violation) {
	if !utf8.ValidString(raw) {
		return "", &Violation{CodeInvalid, "must be valid UTF-8"}
	}
	text := norm.NFC.String(strings.TrimSpace(raw))
	switch {
	case utf8.RuneCountInString(text) > maxReason:
		return "", &Violation{CodeTooLong, "must have at most 500 characters"}
	case strings.ContainsFunc(text, isControl):
		return "", &Violation{CodeInvalid, "must not contain control characters"}
	}
	return text, nil
}

// isControl reports whether r is invisible and changes how the text around it is shown. Joiners are not among them:
// names in Persian and in Indic scripts need them.
func isControl(r rune) bool {
	return unicode.Is(unicode.Cc, r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029' || r == '\ufeff'
}
