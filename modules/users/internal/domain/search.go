package domain

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Search is what users are searched for: each word must be found in the first name, the last name, the e-mail address or the phone
// number, in any case of letters. The zero value is no search.
type Search []Word

// Word is what is searched for.
type Word struct {
	Text    string
	Initial bool // only what begins with it counts
}

const (
	maxSearch      = 100 // code points, as a name
	maxSearchWords = 8
	// trigram is the shortest text, in code points, that an index finds anywhere.
	trigram = 3
	// nationalNumber is how many digits a phone number of DefaultRegion has.
	nationalNumber = 8
	// enclosing is what stands around words in lists and in addresses with names.
	enclosing = `,;<>"()`
)

// ParseSearch returns a search for each word of a text of at most 100 code points and 8 words. A word of three or more code points is
// found anywhere, a shorter one where a name, the address or the number begins, with its +. A phone number that is all there is may be
// written with spaces, dots, hyphens and parentheses. What has no letter and no digit is not searched for, and must not be all there is.
func ParseSearch(raw string) (Search, *Violation) {
	text, violation := parseText(raw, maxSearch)
	if violation != nil || text == "" {
		return nil, violation
	}
	var words Search
	for word := range strings.FieldsSeq(searchedNumber(text)) {
		word = strings.Trim(word, enclosing)
		if strings.ContainsFunc(word, isWordRune) {
			words = words.and(Word{Text: word, Initial: utf8.RuneCountInString(word) < trigram})
		}
	}
	switch {
	case len(words) == 0:
		return nil, &Violation{CodeInvalid, "must have a letter or a digit"}
	case len(words) > maxSearchWords:
		return nil, &Violation{CodeTooLong, fmt.Sprintf("must have at most %d words", maxSearchWords)}
	}
	return words, nil
}

// and returns the search for a word besides, without those that are found wherever another one is.
func (s Search) and(word Word) Search {
	if slices.ContainsFunc(s, func(other Word) bool { return other.implies(word) }) {
		return s
	}
	return append(slices.DeleteFunc(s, word.implies), word)
}

// implies reports whether what is found by w is found by other, too.
func (w Word) implies(other Word) bool {
	text, part := strings.ToLower(w.Text), strings.ToLower(other.Text)
	if other.Initial {
		return w.Initial && strings.HasPrefix(text, part)
	}
	return strings.Contains(text, part)
}

// searchedNumber returns a text that is a phone number, by its beginning or its length, as it is found in one that is stored. Any other
// text it returns as it is.
func searchedNumber(text string) string {
	digits := strings.Map(func(r rune) rune {
		if r == '+' || unicode.IsDigit(r) {
			return r
		}
		return -1
	}, text)
	begins := strings.ContainsAny(text[:1], "+(") || strings.HasPrefix(text, "00")
	if strings.Trim(text, phoneCharacters) != "" || !begins && len(digits) < nationalNumber {
		return text
	}
	if abroad, found := strings.CutPrefix(digits, "00"); found {
		if len(abroad) < trigram {
			return text
		}
		return abroad // what follows a + is found without it
	}
	return digits
}

func isWordRune(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }
