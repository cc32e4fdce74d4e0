package integrity

import (
	"math/rand/v2"
	"strings"
	"unicode"
)

// pick draws one of several.
func pick[T any](draw *rand.Rand, from ...T) T { return from[draw.IntN(len(from))] }

// chance is true that often of 100 times.
func chance(draw *rand.Rand, percent int) bool { return draw.IntN(100) < percent }

// domain is where all addresses are, in its canonical form.
const domain = "xn--bcher-kva.example"

// spelled returns a canonical address as somebody might type it.
func spelled(draw *rand.Rand, address string) string {
	local := strings.TrimSuffix(address, "@"+domain)
	host := pick(draw, domain, "XN--BCHER-KVA.example", "bücher.example", "BÜCHER.EXAMPLE", "bu\u0308cher.example", "bücher。example")
	typed := []rune(local)
	for i, r := range typed {
		if chance(draw, 30) {
			typed[i] = unicode.ToUpper(r)
		}
	}
	return pick(draw, "", " ", "\t") + string(typed) + "@" + host + pick(draw, "", " ", "\n")
}

// number is a phone number and how people write it.
type number struct {
	stored  string
	written []string
}

// tunisian returns a number of eight digits.
func tunisian(digits string) number {
	a, b, c := digits[:2], digits[2:5], digits[5:]
	return number{"+216" + digits, []string{
		digits, a + " " + b + " " + c, "+216 " + a + " " + b + " " + c, "00216" + digits, " (" + a + ") " + b + "." + c + " ", "+216-" + digits,
	}}
}

// contestedNumbers are those that all clients claim.
var contestedNumbers = []number{
	tunisian("20123456"), tunisian("98765432"), {"+33612345678", []string{"+33 6 12 34 56 78", "0033 612345678"}},
}

// claim draws a number, or none, and returns how it is written in a request and what is stored.
func claim(draw *rand.Rand, from []number) (written any, stored *string) {
	if chance(draw, 30) {
		return pick[any](draw, nil, "", "  "), nil
	}
	n := pick(draw, from...)
	return pick(draw, n.written...), &n.stored
}

// spelling is a name as it is written and as it is stored.
type spelling struct{ written, stored string }

var firstNames = []spelling{
	{"Amira", "Amira"}, {"  Amira ", "Amira"}, {"Jose\u0301", "José"}, {"أميرة", "أميرة"}, {"O'Brien-Smith", "O'Brien-Smith"},
	{"<b>x</b>", "<b>x</b>"}, {"'; DROP TABLE users.users; --", "'; DROP TABLE users.users; --"}, {`\x00\u0000?`, `\x00\u0000?`},
	{strings.Repeat("ж", 100), strings.Repeat("ж", 100)}, {"👩‍🚀", "👩‍🚀"},
}

// wrongNames are refused.
var wrongNames = []string{"", "   ", "bell\a", "two\nlines", "escape\x1b[31m", "turned\u202eround", strings.Repeat("x", 101)}

// password returns one that nobody has yet. Its words are in no address and in no name.
func password(draw *rand.Rand) string {
	words := []string{"violet", "canyon", "umbrella", "maple", "thunder", "basket", "granite", "meadow", "parasol"}
	secret := pick(draw, words...) + pick(draw, " ", "-", "·") + pick(draw, words...) + pick(draw, "", "é", "🔑")
	for range 8 {
		secret += string(rune('0' + draw.IntN(10)))
	}
	return secret
}

// weakPasswords are refused.
var weakPasswords = []string{"", "short", "password1234", "tickrtickrtickr", strings.Repeat("x", 129)}
