package domain_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"

	"github.com/tickr/tickr/modules/users/internal/domain"
)

// hostOf returns a host name of exactly n octets in labels of at most 63.
func hostOf(n int) string {
	var labels []string
	for ; n > 63; n -= 64 {
		labels = append(labels, strings.Repeat("h", min(63, n-2)))
	}
	return strings.Join(append(labels, strings.Repeat("t", n)), ".")
}

func TestParseEmail(t *testing.T) {
	t.Parallel()
	local64, local65 := strings.Repeat("l", 64), strings.Repeat("l", 65)
	tests := map[string]struct {
		raw, want, code string
	}{
		"plain":                      {raw: "ana@example.com", want: "ana@example.com"},
		"upper case":                 {raw: "Ana@Example.COM", want: "ana@example.com"},
		"surrounding space":          {raw: " \t\u00a0ana@example.com\r\n", want: "ana@example.com"},
		"every sign of an atom":      {raw: "!#$%&'*+-/=?^_`{|}~.Z9@x.io", want: "!#$%&'*+-/=?^_`{|}~.z9@x.io"},
		"subdomain":                  {raw: "a@b.c.example.org", want: "a@b.c.example.org"},
		"digits in the host":         {raw: "a@123.com", want: "a@123.com"},
		"empty":                      {raw: "", code: domain.CodeRequired},
		"only space":                 {raw: " \t ", code: domain.CodeRequired},
		"no at":                      {raw: "ana.example.com", code: domain.CodeInvalid},
		"no local part":              {raw: "@example.com", code: domain.CodeInvalid},
		"no host":                    {raw: "ana@", code: domain.CodeInvalid},
		"host of one label":          {raw: "a@b", code: domain.CodeInvalid},
		"two ats":                    {raw: "a@b@example.com", code: domain.CodeInvalid},
		"display name":               {raw: "Ana <ana@example.com>", code: domain.CodeInvalid},
		"comment":                    {raw: "ana(x)@example.com", code: domain.CodeInvalid},
		"quoted local part":          {raw: `"ana"@example.com`, code: domain.CodeInvalid},
		"quoted at":                  {raw: `"a@b"@example.com`, code: domain.CodeInvalid},
		"space inside":               {raw: "an a@example.com", code: domain.CodeInvalid},
		"space before the at":        {raw: "ana @example.com", code: domain.CodeInvalid},
		"newline inside":             {raw: "ana\n@example.com", code: domain.CodeInvalid},
		"header injection":           {raw: "ana@example.com\r\nBcc: eve@example.com", code: domain.CodeInvalid},
		"NUL":                        {raw: "ana\x00@example.com", code: domain.CodeInvalid},
		"NUL in the host":            {raw: "ana@exa\x00mple.com", code: domain.CodeInvalid},
		"invalid UTF-8":              {raw: "ana@ex\xffample.com", code: domain.CodeInvalid},
		"dot first":                  {raw: ".ana@example.com", code: domain.CodeInvalid},
		"dot last":                   {raw: "ana.@example.com", code: domain.CodeInvalid},
		"two dots":                   {raw: "a..na@example.com", code: domain.CodeInvalid},
		"IPv4 literal":               {raw: "ana@[127.0.0.1]", code: domain.CodeInvalid},
		"IPv6 literal":               {raw: "ana@[IPv6:::1]", code: domain.CodeInvalid},
		"IPv4 bare":                  {raw: "ana@127.0.0.1", code: domain.CodeInvalid},
		"IPv4 full-width":            {raw: "ana@１２７.0.0.１", code: domain.CodeInvalid},
		"trailing dot":               {raw: "ana@example.com.", code: domain.CodeInvalid},
		"leading dot":                {raw: "ana@.example.com", code: domain.CodeInvalid},
		"empty label":                {raw: "ana@example..com", code: domain.CodeInvalid},
		"underscore in the host":     {raw: "ana@ex_ample.com", code: domain.CodeInvalid},
		"hyphen first":               {raw: "ana@-example.com", code: domain.CodeInvalid},
		"hyphen last":                {raw: "ana@example-.com", code: domain.CodeInvalid},
		"two hyphens like an ACE":    {raw: "ana@ab--cd.com", code: domain.CodeInvalid},
		"label of 63":                {raw: "a@" + strings.Repeat("b", 63) + ".com", want: "a@" + strings.Repeat("b", 63) + ".com"},
		"label of 64":                {raw: "a@" + strings.Repeat("b", 64) + ".com", code: domain.CodeInvalid},
		"local part of 64":           {raw: local64 + "@example.com", want: local64 + "@example.com"},
		"local part of 65":           {raw: local65 + "@example.com", code: domain.CodeTooLong},
		"254 in all":                 {raw: local64 + "@" + hostOf(189), want: local64 + "@" + hostOf(189)},
		"255 in all":                 {raw: local64 + "@" + hostOf(190), code: domain.CodeTooLong},
		"255 with a short local":     {raw: "a@" + hostOf(253), code: domain.CodeTooLong},
		"a megabyte":                 {raw: strings.Repeat("a", 1<<20) + "@example.com", code: domain.CodeTooLong},
		"Turkish dotted capital I":   {raw: "admİn@example.com", code: domain.CodeInvalid},
		"Turkish dotless i":          {raw: "admın@example.com", code: domain.CodeInvalid},
		"Kelvin sign":                {raw: "\u212aate@example.com", code: domain.CodeInvalid},
		"long s":                     {raw: "u\u017fer@example.com", code: domain.CodeInvalid},
		"full-width local part":      {raw: "ａｄｍｉｎ@example.com", code: domain.CodeInvalid},
		"full-width at":              {raw: "admin＠example.com", code: domain.CodeInvalid},
		"Cyrillic а in the local":    {raw: "\u0430dmin@example.com", code: domain.CodeInvalid},
		"combining mark in local":    {raw: "ana\u0301@example.com", code: domain.CodeInvalid},
		"zero-width space in local":  {raw: "ad\u200bmin@example.com", code: domain.CodeInvalid},
		"full-width host":            {raw: "ana@ｅｘａｍｐｌｅ．ｃｏｍ", want: "ana@example.com"},
		"ideographic full stop":      {raw: "ana@example。com", want: "ana@example.com"},
		"Kelvin sign in the host":    {raw: "ana@\u212ate.com", want: "ana@kte.com"},
		"soft hyphen in the host":    {raw: "ana@exam\u00adple.com", want: "ana@example.com"},
		"IDN":                        {raw: "ana@Bücher.example", want: "ana@xn--bcher-kva.example"},
		"IDN decomposed":             {raw: "ana@bu\u0308cher.example", want: "ana@xn--bcher-kva.example"},
		"IDN as A-label":             {raw: "ana@XN--BCHER-KVA.example", want: "ana@xn--bcher-kva.example"},
		"sharp s is not ss":          {raw: "ana@straße.de", want: "ana@xn--strae-oqa.de"},
		"final sigma is kept":        {raw: "ana@βόλος.gr", want: "ana@xn--nxasmm1c.gr"},
		"right to left":              {raw: "ana@مثال.تونس", want: "ana@xn--mgbh0fb.xn--pgbs0dh"},
		"A-label of nothing":         {raw: "ana@xn--.com", code: domain.CodeInvalid},
		"A-label of ASCII":           {raw: "ana@xn--abc-.com", code: domain.CodeInvalid},
		"A-label of an upper case Ü": {raw: "ana@xn--bcher-2pa.example", code: domain.CodeInvalid},
		"A-label that is no code":    {raw: "ana@xn--0.pt", code: domain.CodeInvalid},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			email, violation := domain.ParseEmail(test.raw)
			if test.code != "" {
				require.NotNil(t, violation)
				require.Equal(t, test.code, violation.Code)
				require.Zero(t, email)
				return
			}
			require.Nil(t, violation)
			require.Equal(t, test.want, email.String())
		})
	}
}

// address draws an address whose domain may have labels in other scripts.
func address() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		local := rapid.StringMatching(`[A-Za-z0-9!#$%&'*+/=?^_{|}~-]{1,12}(\.[A-Za-z0-9]{1,12}){0,2}`).Draw(t, "local")
		label := rapid.OneOf(
			rapid.StringMatching(`[a-z0-9]{1,10}(-[a-z0-9]{1,10})?`),
			rapid.SampledFrom([]string{"bücher", "straße", "βόλος", "пример", "例え", "네이버", "çelebi", "łódź", "ελλάδα"}),
		)
		labels := rapid.SliceOfN(label, 1, 3).Draw(t, "labels")
		return local + "@" + strings.Join(labels, ".") + "." + rapid.SampledFrom([]string{"com", "tn", "рф", "com.tn"}).Draw(t, "top")
	})
}

// disguise draws another way to write the same address.
func disguise(t *rapid.T, address string) string {
	at := strings.LastIndexByte(address, '@')
	local, host := address[:at], address[at+1:]
	switch rapid.IntRange(0, 4).Draw(t, "host form") {
	case 0:
		host = norm.NFD.String(host)
	case 1:
		host, _ = idna.Punycode.ToASCII(host)
	case 2:
		host = strings.ReplaceAll(host, ".", rapid.SampledFrom([]string{"。", "．", "｡"}).Draw(t, "dot"))
	case 3:
		host = strings.Map(func(r rune) rune {
			if 'a' <= r && r <= 'z' {
				return r - 'a' + 'ａ'
			}
			return r
		}, host)
	}
	mixed := strings.Map(func(r rune) rune {
		if r < utf8.RuneSelf && rapid.Bool().Draw(t, "upper") {
			return []rune(strings.ToUpper(string(r)))[0]
		}
		return r
	}, local+"@"+host)
	space := rapid.SampledFrom([]string{"", " ", "\t", "\r\n", "\u00a0", "\u3000"})
	return space.Draw(t, "before") + mixed + space.Draw(t, "after")
}

func TestEmailHasOneStoredForm(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		raw := address().Draw(t, "address")
		email, violation := domain.ParseEmail(raw)
		require.Nil(t, violation)
		requireCanonicalEmail(t, email)

		other, violation := domain.ParseEmail(disguise(t, raw))
		require.Nil(t, violation)
		require.Equal(t, email, other)
	})
}

// requireCanonicalEmail checks what the rest of the program relies on.
func requireCanonicalEmail(t require.TestingT, email domain.Email) {
	text := email.String()
	require.LessOrEqual(t, len(text), 254)
	require.Equal(t, 1, strings.Count(text, "@"))
	for i := range len(text) {
		require.True(t, text[i] > ' ' && text[i] < 0x7f && (text[i] < 'A' || text[i] > 'Z'), "octet %d", i)
	}
	again, violation := domain.ParseEmail(text)
	require.Nil(t, violation, "the stored form is not an address")
	require.Equal(t, email, again)
}

func FuzzParseEmail(f *testing.F) {
	for _, seed := range []string{
		"ana@example.com", " ANA@EXAMPLE.COM ", "ana@bücher.example", "ana@xn--bcher-kva.example", "admİn@example.com", `"a b"@x.io`,
		"ana@[127.0.0.1]", "ana@example.com.", "ana@straße.de", "ana@مثال.تونس", "a@b", "ana@example。com", "ana@ﬀ.com", "a@xn--a.io",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		email, violation := domain.ParseEmail(raw)
		if violation != nil {
			require.Zero(t, email)
			return
		}
		requireCanonicalEmail(t, email)
	})
}
