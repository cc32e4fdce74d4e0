package domain

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

const (
	maxName   = 100 // code points, as the column
	maxReason = 500 // code points

	// maxDecomposed is the most octets that become one code point in NFC.
	maxDecomposed = 9
)

// Name is a first or last name. The zero value is no name.
type Name struct{ text string }

// ParseName returns a name in any script: surrounding space trimmed, Unicode NFC, 1 to 100 code points, valid UTF-8, without
// control characters, line separators or bidirectional overrides, with something to see.
func ParseName(raw string) (Name, *Violation) {
	text, violation := parseText(raw, maxName)
	switch {
	case violation != nil:
	case text == "":
		violation = required()
	case !strings.ContainsFunc(text, isVisible):
		violation = &Violation{CodeInvalid, "must have a visible character"}
	}
	if violation != nil {
		return Name{}, violation
	}
	return Name{text}, nil
}

// String returns the name.
func (n Name) String() string { return n.text }

// Names is how a person is called.
type Names struct{ First, Last Name }

// ParseReason returns why an administrator did something: as a name, but 0 to 500 code points.
func ParseReason(raw string) (string, *Violation) { return parseText(raw, maxReason) }

func parseText(raw string, limit int) (string, *Violation) {
	if !utf8.ValidString(raw) {
		return "", &Violation{CodeInvalid, "must be valid UTF-8"}
	}
	tooLong := &Violation{CodeTooLong, fmt.Sprintf("must have at most %d characters", limit)}
	text := strings.TrimSpace(raw)
	if len(text) > limit*maxDecomposed { // before the work of composing it
		return "", tooLong
	}
	text = norm.NFC.String(text)
	switch {
	case utf8.RuneCountInString(text) > limit:
		return "", tooLong
	case strings.ContainsFunc(text, isControl):
		return "", &Violation{CodeInvalid, "must not contain control characters"}
	}
	return text, nil
}

// isVisible reports whether r shows by itself: no space, no mark, and nothing that is ignored where it is displayed.
func isVisible(r rune) bool {
	return unicode.IsGraphic(r) && !unicode.IsSpace(r) && !unicode.IsMark(r) && !unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r)
}

// isControl reports whether r is invisible and changes how the text around it is shown. Joiners are not among them:
// names in Persian and in Indic scripts need them.
func isControl(r rune) bool {
	return unicode.Is(unicode.Cc, r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029' || r == '\ufeff'
}
