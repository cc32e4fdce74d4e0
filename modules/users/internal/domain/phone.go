package domain

import (
	"strings"

	"github.com/nyaruka/phonenumbers"
)

// DefaultRegion is the region of phone numbers written without a country code (ISO 3166-1).
const DefaultRegion = "TN"

const (
	// maxPhone bounds what is parsed, in octets; an E.164 number with all its decoration is shorter.
	maxPhone = 40
	// maxE164 is the + and the 15 digits that ITU-T E.164 allows. Some numbering plans know longer numbers inside their country.
	maxE164 = 16
	// phoneCharacters are what a number may be written with.
	phoneCharacters = "0123456789+ ().-"
)

// Phone is a phone number in E.164 form. The zero value is no number.
type Phone struct{ number string }

// ParsePhone returns the E.164 form of a number of any region; without a country code it is read as one of DefaultRegion.
// Digits, a leading +, spaces, dots, hyphens and parentheses are accepted; extensions, letters and URIs are not.
func ParsePhone(raw string) (Phone, *Violation) {
	text := strings.TrimSpace(raw)
	invalid := &Violation{CodeInvalid, "must be a phone number like +216 20 123 456"}
	switch {
	case text == "":
		return Phone{}, required()
	case len(text) > maxPhone, strings.Trim(text, phoneCharacters) != "", strings.LastIndexByte(text, '+') > 0:
		return Phone{}, invalid
	}
	number, err := phonenumbers.Parse(text, DefaultRegion)
	if err != nil || !phonenumbers.IsValidNumber(number) {
		return Phone{}, invalid
	}
	canonical := phonenumbers.Format(number, phonenumbers.E164)
	if len(canonical) > maxE164 {
		return Phone{}, invalid
	}
	return Phone{canonical}, nil
}

// ParseOptionalPhone is ParsePhone, except that an empty text is no number and not an error.
func ParseOptionalPhone(raw string) (*Phone, *Violation) {
	if strings.TrimSpace(raw) == "" {
		return nil, nil
	}
	phone, violation := ParsePhone(raw)
	if violation != nil {
		return nil, violation
	}
	return &phone, nil
}

// String returns the number in E.164 form.
func (p Phone) String() string { return p.number }
