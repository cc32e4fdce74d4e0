package domain

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// Limits of an address in octets: RFC 5321 section 4.5.3.1 (local part) and RFC 3696 erratum 1690 (whole path).
const (
	maxEmail      = 254
	maxEmailLocal = 64
)

// Email is an e-mail address in its one stored form. The zero value is no address.
type Email struct{ address string }

// domains turns a domain as typed into lower-case A-labels (UTS #46, nontransitional: IDNA 2008 for ß and ς) and refuses what
// no host can be called.
var domains = idna.New(
	idna.MapForLookup(), idna.Transitional(false), idna.BidiRule(), idna.StrictDomainName(true),
	idna.ValidateLabels(true), idna.CheckHyphens(true), idna.CheckJoiners(true), idna.VerifyDNSLength(true),
)

// ParseEmail returns the canonical form of an address: surrounding space trimmed, ASCII local part (an RFC 5321 dot-string,
// no quoting), domain as A-labels with at least one dot, ASCII letters in lower case.
//
// Lower-casing is ASCII only: Unicode rules turn "admİn" into "admin", which would be somebody else's address.
func ParseEmail(raw string) (Email, *Violation) {
	invalid := &Violation{CodeInvalid, "must be an e-mail address like name@example.com"}
	address := strings.TrimSpace(raw)
	switch {
	case address == "":
		return Email{}, required()
	case len(address) > 4*maxEmail:
		return Email{}, &Violation{CodeTooLong, "must have at most 254 characters"}
	}
	at := strings.LastIndexByte(address, '@')
	if at < 0 || !utf8.ValidString(address) { // idna takes some invalid sequences for letters
		return Email{}, invalid
	}
	local, host := address[:at], address[at+1:]
	if !isDotString(local) {
		return Email{}, invalid
	}
	host, err := domains.ToASCII(host)
	if err != nil || !isHost(host) {
		return Email{}, invalid
	}
	address = lowerASCII(local + "@" + host)
	if len(local) > maxEmailLocal || len(address) > maxEmail {
		return Email{}, &Violation{CodeTooLong, "must have at most 254 characters, 64 of them before the @"}
	}
	return Email{address}, nil
}

// String returns the canonical address.
func (e Email) String() string { return e.address }

// isDotString reports whether s is a dot-string of RFC 5321: atoms of ASCII letters, digits and these signs, joined by dots.
func isDotString(s string) bool {
	for atom := range strings.SplitSeq(s, ".") {
		if atom == "" {
			return false
		}
		for i := range len(atom) {
			c := atom[i]
			if !isAlphanumeric(c) && strings.IndexByte("!#$%&'*+-/=?^_`{|}~", c) < 0 {
				return false
			}
		}
	}
	return true
}

// isHost reports whether s is a name of two labels or more whose last is not a number, which would make it an IP address.
func isHost(s string) bool {
	dot := strings.LastIndexByte(s, '.')
	if dot <= 0 || dot == len(s)-1 {
		return false
	}
	return strings.Trim(s[dot+1:], "0123456789") != ""
}

func isAlphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

func lowerASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}
