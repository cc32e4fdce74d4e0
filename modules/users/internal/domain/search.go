package domain

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Search is what users are searched for: texts that must all be found, in any case of letters, in a text that has a space before
// each of the first name, the last name, the e-mail address and the phone number. The zero value is no search.
type Search []string

const (
	maxSearch = 100 // code points, as a name
	// trigram is the shortest text, in code points, that is found anywhere without reading the texts of all users.
	trigram = 3
)

// ParseSearch returns a search for each of the words of a text of at most 100 code points. A word of three or more is found anywhere, a
// shorter one where a name, a part of one, an address or a number begins. A phone number with its country code may be written
// in any way. What has no letter and no digit is not searched for, and must not be all there is.
func ParseSearch(raw string) (Search, *Violation) {
	text, violation := parseText(raw, maxSearch)
	if violation != nil || text == "" {
		return nil, violation
	}
	if phone, violation := ParsePhone(text); violation == nil && text[0] == '+' {
		return Search{phone.String()}, nil
	}
	words := slices.DeleteFunc(Search(strings.Fields(text)), func(word string) bool { return !strings.ContainsFunc(word, counts) })
	if len(words) == 0 {
		return nil, &Violation{CodeInvalid, "must have a letter or a digit"}
	}
	for i, word := range words {
		if utf8.RuneCountInString(word) < trigram {
			words[i] = " " + word
		}
	}
	return words, nil
}

// counts reports whether r is part of a trigram.
func counts(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }
