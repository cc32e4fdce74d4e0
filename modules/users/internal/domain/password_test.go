package domain_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/modules/users/internal/domain"
)

func TestParsePassword(t *testing.T) {
	t.Parallel()
	person := []string{"Ana.Trabelsi@festival.example", "Ana", "Trabelsi"}
	tests := map[string]struct {
		raw, code string
	}{
		"12 letters":                     {raw: "qgvzmkprwtxb"},
		"11 letters":                     {raw: "qgvzmkprwtx", code: domain.CodeTooShort},
		"12 code points of two octets":   {raw: strings.Repeat("éà", 6)},
		"11 code points of four octets":  {raw: strings.Repeat("🦊", 11), code: domain.CodeTooShort},
		"128 code points of four octets": {raw: strings.Repeat("🦊🐻", 64)},
		"128 letters":                    {raw: strings.Repeat("qgvz", 32)},
		"129 letters":                    {raw: strings.Repeat("qgvz", 32) + "q", code: domain.CodeTooLong},
		"a megabyte":                     {raw: strings.Repeat("qgvz", 1<<18), code: domain.CodeTooLong},
		"empty":                          {raw: "", code: domain.CodeRequired},
		"11 and a space":                 {raw: "qgvzmkprwtx "},
		"spaces only":                    {raw: strings.Repeat(" ", 12)},
		"no composition rules":           {raw: "correct horse battery"},
		"NUL":                            {raw: "qgvzmkprwtx\x00b", code: domain.CodeInvalid},
		"invalid UTF-8":                  {raw: "qgvzmkprwtxb\xff", code: domain.CodeInvalid},
		"common":                         {raw: "passwordpassword", code: domain.CodeWeak},
		"common in capitals":             {raw: "PASSWORDpassword", code: domain.CodeWeak},
		"keyboard row":                   {raw: "qwertyuiop123", code: domain.CodeWeak},
		"one digit repeated":             {raw: "000000000000", code: domain.CodeWeak},
		"names":                          {raw: "AnaTrabelsi1", code: domain.CodeWeak},
		"name repeated":                  {raw: "trabelsiTRABELSI", code: domain.CodeWeak},
		"name decorated":                 {raw: "!!Trabelsi--2024!!", code: domain.CodeWeak},
		"address":                        {raw: "ana.trabelsi@festival", code: domain.CodeWeak},
		"product":                        {raw: "tickr-Tickr-2025", code: domain.CodeWeak},
		"more than half personal":        {raw: "trabelsiqgvzmkp", code: domain.CodeWeak},
		"exactly half personal":          {raw: "trabelsiqgvzmkpr"},
		"a word of 3 letters is nothing": {raw: "anaANAanaANAana"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			password, violation := domain.ParsePassword(test.raw, person...)
			if test.code != "" {
				require.NotNil(t, violation)
				require.Equal(t, test.code, violation.Code)
				require.Empty(t, password.Reveal())
				return
			}
			require.Nil(t, violation)
			require.Equal(t, test.raw, password.Reveal())
		})
	}
}

// Every line must be found, which also shows that the list is sorted, and be long enough to matter.
func TestCommonPasswordsAreAllRefused(t *testing.T) {
	t.Parallel()
	list, err := os.ReadFile("common_passwords.txt")
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSuffix(string(list), "\n"), "\n")
	require.Greater(t, len(lines), 10_000)
	for _, line := range lines {
		for _, raw := range []string{line, strings.ToUpper(line)} {
			_, violation := domain.ParsePassword(raw)
			require.NotNil(t, violation, line)
			require.Equal(t, domain.CodeWeak, violation.Code, line)
		}
	}
}

func TestGivenPasswordIsNeverChanged(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{"", " x ", "\x00\xff", "e\u0301", strings.Repeat("x", 1000)} {
		require.Equal(t, raw, domain.GivenPassword(raw).Reveal())
	}
}

func FuzzParsePassword(f *testing.F) {
	f.Add("qgvzmkprwtxb", "ana@example.com", "Trabelsi")
	f.Add("TrabelsiTrabelsi", "ana@example.com", "Trabelsi")
	f.Add("passwordpassword", "", "")
	f.Add(" éàéàéàéàéàéà ", "éà", "\xff")
	f.Add("İİİİİİİİİİİİ", "İİİİ", "ß")
	f.Fuzz(func(t *testing.T, raw, email, name string) {
		password, violation := domain.ParsePassword(raw, email, name)
		if violation != nil {
			require.Empty(t, password.Reveal())
			return
		}
		require.Equal(t, raw, password.Reveal())
		require.True(t, utf8.ValidString(raw))
		n := utf8.RuneCountInString(raw)
		require.True(t, 12 <= n && n <= 128, "%d code points", n)
		require.NotContains(t, raw, "\x00")
	})
}

// requireSecret checks that no way to print value shows any of the texts.
func requireSecret(t *testing.T, value any, texts ...string) {
	t.Helper()
	nested := struct{ hidden any }{value}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		fmt.Fprintf(&out, verb+"\n", value)
		fmt.Fprintf(&out, verb+"\n", &nested)
		fmt.Fprintf(&out, verb+"\n", nested)
	}
	for _, handler := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(handler).Info("shown", slog.Any("value", value), slog.Any("nested", nested), slog.Group("group", slog.Any("value", value)))
	}
	require.NoError(t, json.NewEncoder(&out).Encode(map[string]any{"value": value, "nested": nested}))
	for _, text := range texts {
		require.NotContains(t, strings.ToLower(out.String()), strings.ToLower(text))
	}
}

func TestPasswordDoesNotPrint(t *testing.T) {
	t.Parallel()
	const text = "qgvzmkprwtxb"
	requireSecret(t, domain.GivenPassword(text), text, fmt.Sprintf("%x", text), fmt.Sprint([]byte(text)))

	// The way it is printed by accident: in a field that fmt may not call methods on.
	type request struct{ password domain.Password }
	requireSecret(t, request{domain.GivenPassword(text)}, text, fmt.Sprintf("%x", text))
	require.Equal(t, "[redacted]", fmt.Sprint(domain.GivenPassword(text)))
	require.Equal(t, "[redacted]", fmt.Sprintf("%#v", domain.GivenPassword(text)))
}

func TestOneTimeToken(t *testing.T) {
	t.Parallel()
	a, b := domain.NewOneTimeToken(), domain.NewOneTimeToken()
	require.Regexp(t, `^[A-Za-z0-9_-]{43}$`, a)
	require.NotEqual(t, a, b)
	require.Len(t, domain.HashToken(a), 32)
	require.NotEqual(t, domain.HashToken(a), domain.HashToken(b))
}
