package domain_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/modules/users/internal/domain"
)

func TestParseSearch(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string][]string{ // a space before it stands for the beginning
		"":                           nil,
		" \t ":                       nil,
		"Ada":                        {"Ada"},
		"  Ada   Lovelace ":          {"Ada", "Lovelace"},
		"A":                          {" A"},
		"Ben Al":                     {"Ben", " Al"},
		"ada@":                       {"ada@"},
		"@x":                         {" @x"},
		"50%_off\\":                  {`50%_off\`},
		"Jean - Paul":                {"Jean", "Paul"},
		"e\u0301":                    {" \u00e9"},
		"王伟":                         {" 王伟"},
		"20 123 456":                 {"20123456"},
		"(20) 123-456":               {"20123456"},
		"+216 (20) 123-456":          {"+21620123456"},
		"(+216) 20.123.456":          {"+21620123456"},
		"0021620123456":              {"21620123456"},
		"007":                        {"007"},
		"00":                         {" 00"},
		"001234":                     {"1234"},
		"123.456":                    {"123.456"},
		"1985 216":                   {"1985", "216"},
		"1.5":                        {"1.5"},
		"Ada 20 123 456":             {"Ada", " 20", "123", "456"},
		"+216 20":                    {"+21620"},
		"+2":                         {" +2"},
		"(2)":                        {" 2"},
		"Ada, Lovelace;":             {"Ada", "Lovelace"},
		`"Ada" <ada@example.com>`:    {"ada@example.com"},
		"a A a a":                    {" a"},
		"ada Adam am":                {"Adam", " am"},
		"adam DAM mad":               {"adam", "mad"},
		"a ab":                       {" ab"},
		"ab a":                       {" ab"},
		"a b c d e f g h":            {" a", " b", " c", " d", " e", " f", " g", " h"},
		strings.Repeat("a", 100):     {strings.Repeat("a", 100)},
		strings.Repeat("é", 100):     {strings.Repeat("é", 100)},
		strings.Repeat(" ", 1000):    nil,
		"' OR 1=1 --":                {" OR", "1=1"},
		"ada\u00a0lovelace":          {"ada", "lovelace"},
		"\u0661\u0662\u0663 \u0664 ": {"\u0661\u0662\u0663", " \u0664"},
	} {
		got, violation := domain.ParseSearch(raw)
		require.Nil(t, violation, raw)
		var words []string
		for _, word := range got {
			words = append(words, map[bool]string{true: " "}[word.Initial]+word.Text)
		}
		require.Equal(t, want, words, raw)
	}
	for raw, code := range map[string]string{
		"%":                      domain.CodeInvalid,
		"...":                    domain.CodeInvalid,
		"- _ @":                  domain.CodeInvalid,
		"\u0301":                 domain.CodeInvalid,
		"+ ( ) - .":              domain.CodeInvalid,
		"a b c d e f g h i":      domain.CodeTooLong,
		"a\x00b":                 domain.CodeInvalid,
		"a\u202eb":               domain.CodeInvalid,
		"a\xff":                  domain.CodeInvalid,
		strings.Repeat("a", 101): domain.CodeTooLong,
	} {
		_, violation := domain.ParseSearch(raw)
		require.NotNil(t, violation, raw)
		require.Equal(t, code, violation.Code, raw)
	}
}
