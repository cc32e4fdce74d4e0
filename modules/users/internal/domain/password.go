package domain

import (
	_ "embed"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// Length of a password in code points (NIST SP 800-63B-4 section 3.1.1.2 asks for 8 at least, 64 at least accepted).
const (
	MinPassword = 12
	MaxPassword = 128
)

// productWords are what people put into a password because of where they are.
var productWords = []string{"tickr"}

// commonPasswords holds the guesses that attackers try first: one a line, lower case, sorted, only those long enough to get past
// MinPassword. It is made of the password list of zxcvbn-ts (MIT), of its 1,500 most frequent entries doubled or
// followed by the usual digits and signs, and of keyboard and number rows.
//
//go:embed common_passwords.txt
var commonPasswords string

var commonPasswordList = sync.OnceValue(func() []string { return strings.Fields(commonPasswords) })

// Password is a password in clear. It does not print: the text is behind a pointer, so that fmt cannot reach it even in an
// unexported field of a struct.
type Password struct{ text *string }

// GivenPassword is a password somebody gives to be compared with a stored one. It is not checked and never trimmed or changed.
func GivenPassword(raw string) Password { return Password{&raw} }

// ParsePassword returns a new password for the person whose e-mail and names are given: 12 to 128 code points of valid UTF-8,
// taken as they are, without composition rules. It is refused when it is common, or mostly made of words of 4 letters
// or more from the product's name, the e-mail or the names (NIST SP 800-63B-4 section 3.1.1.2).
func ParsePassword(raw string, person ...string) (Password, *Violation) {
	n := utf8.RuneCountInString(raw)
	switch {
	case raw == "":
		return Password{}, required()
	case !utf8.ValidString(raw) || strings.ContainsRune(raw, 0):
		return Password{}, &Violation{CodeInvalid, "must be valid UTF-8 without NUL"}
	case n < MinPassword:
		return Password{}, &Violation{CodeTooShort, "must have at least 12 characters"}
	case n > MaxPassword:
		return Password{}, &Violation{CodeTooLong, "must have at most 128 characters"}
	case isCommon(raw):
		return Password{}, &Violation{CodeWeak, "is one of the passwords that are guessed first"}
	case isPersonal(raw, person):
		return Password{}, &Violation{CodeWeak, "is mostly made of your name, your address or the name of this service"}
	}
	return Password{&raw}, nil
}

// Reveal returns the password in clear.
func (p Password) Reveal() string {
	if p.text == nil {
		return ""
	}
	return *p.text
}

// String hides the password.
func (p Password) String() string { return "[redacted]" }

// GoString hides the password from %#v.
func (p Password) GoString() string { return "[redacted]" }

// LogValue hides the password from slog.
func (p Password) LogValue() slog.Value { return slog.StringValue("[redacted]") }

func isCommon(password string) bool {
	_, found := slices.BinarySearch(commonPasswordList(), strings.ToLower(password))
	return found
}

// isPersonal reports whether more than half of the password's letters and digits belong to words taken from the person.
func isPersonal(password string, person []string) bool {
	rest := strings.ToLower(password)
	total := countAlphanumerics(rest)
	words := slices.Clone(productWords)
	for _, text := range person {
		words = append(words, wordsOf(text)...)
	}
	// Longest first, so that a short word does not break up a longer one.
	slices.SortFunc(words, func(a, b string) int { return len(b) - len(a) })
	for _, word := range words {
		rest = strings.ReplaceAll(rest, word, " ")
	}
	return countAlphanumerics(rest)*2 < total
}

// maxPersonal is more octets than a name or an address can have, as typed.
const maxPersonal = max(4*maxEmail, maxName*maxDecomposed)

// wordsOf returns the words of 4 letters or more in text, in lower case. A text that can be neither name nor address has none: it is
// refused itself, and could have 200,000 of them.
func wordsOf(text string) []string {
	text = strings.TrimSpace(text)
	if len(text) > maxPersonal {
		return nil
	}
	words := strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsMark(r) })
	return slices.DeleteFunc(words, func(word string) bool { return utf8.RuneCountInString(word) < 4 })
}

func countAlphanumerics(s string) int {
	n := 0
	for _, r := range s {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			n++
		}
	}
	return n
}
