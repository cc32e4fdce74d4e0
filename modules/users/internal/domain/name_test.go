package domain_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/domain"
)

func TestParseName(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		raw, want, code string
	}{
		"one letter":               {raw: "A", want: "A"},
		"spaces inside":            {raw: "Ben  Ali", want: "Ben  Ali"},
		"surrounding space":        {raw: " \u00a0\tZoë\n", want: "Zoë"},
		"apostrophe and hyphen":    {raw: "O'Neil-D’Arc", want: "O'Neil-D’Arc"},
		"decomposed":               {raw: "Zoe\u0308", want: "Zoë"},
		"Arabic":                   {raw: "محمد", want: "محمد"},
		"Persian with a joiner":    {raw: "علی\u200cرضا", want: "علی\u200cرضا"},
		"emoji":                    {raw: "🦊", want: "🦊"},
		"100 letters":              {raw: strings.Repeat("é", 100), want: strings.Repeat("é", 100)},
		"101 letters":              {raw: strings.Repeat("é", 101), code: domain.CodeTooLong},
		"100 once composed":        {raw: strings.Repeat("e\u0301", 100), want: strings.Repeat("é", 100)},
		"100 syllables decomposed": {raw: norm.NFD.String(strings.Repeat("각", 100)), want: strings.Repeat("각", 100)},
		"100 within space":         {raw: strings.Repeat(" ", 50) + strings.Repeat("a", 100), want: strings.Repeat("a", 100)},
		"empty":                    {raw: "", code: domain.CodeRequired},
		"only space":               {raw: " \u3000\u2003", code: domain.CodeRequired},
		"NUL":                      {raw: "A\x00", code: domain.CodeInvalid},
		"newline inside":           {raw: "A\nB", code: domain.CodeInvalid},
		"escape":                   {raw: "\x1b[31mA", code: domain.CodeInvalid},
		"delete":                   {raw: "A\x7f", code: domain.CodeInvalid},
		"nothing to see":           {raw: "\u200b\u00ad", code: domain.CodeInvalid},
		"a filler":                 {raw: "\u115f", code: domain.CodeInvalid},
		"a mark alone":             {raw: "\u0301", code: domain.CodeInvalid},
		"C1 control":               {raw: "A\u0081B", code: domain.CodeInvalid},
		"line separator":           {raw: "A\u2028B", code: domain.CodeInvalid},
		"paragraph separator":      {raw: "A\u2029B", code: domain.CodeInvalid},
		"byte order mark":          {raw: "\ufeffA", code: domain.CodeInvalid},
		"right-to-left override":   {raw: "A\u202eB", code: domain.CodeInvalid},
		"left-to-right isolate":    {raw: "A\u2066B", code: domain.CodeInvalid},
		"invalid UTF-8":            {raw: "A\xff", code: domain.CodeInvalid},
		"invalid UTF-8 surrogates": {raw: "\xed\xa0\x80", code: domain.CodeInvalid},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, violation := domain.ParseName(test.raw)
			if test.code != "" {
				require.NotNil(t, violation)
				require.Equal(t, test.code, violation.Code)
				require.Zero(t, got)
				return
			}
			require.Nil(t, violation)
			require.Equal(t, test.want, got.String())
		})
	}
}

func TestNameHasOneStoredForm(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		raw := rapid.StringOfN(rapid.RuneFrom(nil, unicode.L, unicode.M, unicode.Zs), 1, 40, -1).Draw(t, "raw")
		name, violation := domain.ParseName(raw)
		if violation != nil {
			return
		}
		requireCanonicalName(t, name)
		other, violation := domain.ParseName("\t" + norm.NFD.String(raw) + " ")
		require.Nil(t, violation)
		require.Equal(t, name, other)
	})
}

// requireCanonicalName checks what the rest of the program relies on.
func requireCanonicalName(t require.TestingT, name domain.Name) {
	text := name.String()
	require.True(t, utf8.ValidString(text))
	require.True(t, norm.NFC.IsNormalString(text))
	require.Equal(t, strings.TrimSpace(text), text)
	n := utf8.RuneCountInString(text)
	require.True(t, 1 <= n && n <= 100, "%d code points", n)
	require.False(t, strings.ContainsFunc(text, unicode.IsControl))
	again, violation := domain.ParseName(text)
	require.Nil(t, violation, "the stored form is not a name")
	require.Equal(t, name, again)
}

func FuzzParseName(f *testing.F) {
	for _, seed := range []string{
		"Ana", " Zoe\u0308 ", "محمد", "علی\u200cرضا", "A\u202eB", "A\x00", "\xff", "", "\u0344", "a" + strings.Repeat("\u0301", 40),
		"\u1100\u1161\u11a8", strings.Repeat("é", 101),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		name, violation := domain.ParseName(raw)
		if violation != nil {
			require.Zero(t, name)
			return
		}
		requireCanonicalName(t, name)
	})
}

func TestParseReason(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		raw, want, code string
	}{
		"empty":                  {raw: "", want: ""},
		"only space":             {raw: "  ", want: ""},
		"trimmed and composed":   {raw: " spe\u0301culation ", want: "spéculation"},
		"500":                    {raw: strings.Repeat("é", 500), want: strings.Repeat("é", 500)},
		"501":                    {raw: strings.Repeat("é", 501), code: domain.CodeTooLong},
		"control character":      {raw: "a\x00b", code: domain.CodeInvalid},
		"right-to-left override": {raw: "a\u202eb", code: domain.CodeInvalid},
		"invalid UTF-8":          {raw: "a\xff", code: domain.CodeInvalid},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, violation := domain.ParseReason(test.raw)
			require.Equal(t, test.want, got)
			if test.code == "" {
				require.Nil(t, violation)
				return
			}
			require.Equal(t, test.code, violation.Code)
		})
	}
}

func TestParseRole(t *testing.T) {
	t.Parallel()
	for _, role := range users.Roles() {
		got, violation := domain.ParseRole(string(role))
		require.Nil(t, violation)
		require.Equal(t, role, got)
	}
	for raw, code := range map[string]string{
		"": domain.CodeRequired, "admin": domain.CodeInvalid, " ADMIN": domain.CodeInvalid, "ROOT": domain.CodeInvalid,
	} {
		got, violation := domain.ParseRole(raw)
		require.Empty(t, got)
		require.Equal(t, code, violation.Code)
	}
}

func TestInvalidErrorNamesAllFields(t *testing.T) {
	t.Parallel()
	var invalid domain.InvalidError
	require.NoError(t, invalid.Err())

	require.Zero(t, domain.Field(&invalid, "email", "secret@", domain.ParseEmail))
	require.Equal(t, "Ana", domain.Field(&invalid, "firstName", "Ana", domain.ParseName).String())
	require.Zero(t, domain.Field(&invalid, "lastName", "", domain.ParseName))

	var got *domain.InvalidError
	require.ErrorAs(t, invalid.Err(), &got)
	require.Equal(t, []string{"email", "lastName"}, []string{got.Fields[0].Field, got.Fields[1].Field})
	require.Equal(t, []string{domain.CodeInvalid, domain.CodeRequired}, []string{got.Fields[0].Code, got.Fields[1].Code})
	require.EqualError(t, got, "invalid input: email: must be an e-mail address like name@example.com; lastName: is required")
	require.EqualError(t, &got.Fields[1].Violation, "is required")

	require.EqualError(t, domain.Invalid("ids", domain.CodeTooLong, "are too many").Err(), "invalid input: ids: are too many")
}
