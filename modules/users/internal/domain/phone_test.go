package domain_test

import (
	"strings"
	"testing"

	"github.com/nyaruka/phonenumbers"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tickr/tickr/modules/users/internal/domain"
)

func TestParsePhone(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		raw, want, code string
	}{
		"E.164":                    {raw: "+21620123456", want: "+21620123456"},
		"home region":              {raw: "20123456", want: "+21620123456"},
		"home region, decorated":   {raw: "20 123-456", want: "+21620123456"},
		"international prefix":     {raw: "00216 20 123 456", want: "+21620123456"},
		"parentheses and dots":     {raw: "+1 (212) 555.0123", want: "+12125550123"},
		"surrounding space":        {raw: "\t+216 20 123 456\n", want: "+21620123456"},
		"another region":           {raw: "+33 6 12 34 56 78", want: "+33612345678"},
		"trunk zero after country": {raw: "+44 (0)20 7946 0018", want: "+442079460018"},
		"Italian leading zero":     {raw: "+39 06 698 83712", want: "+390669883712"},
		"40 octets":                {raw: "+216" + strings.Repeat(" ", 28) + "20123456", want: "+21620123456"},
		"41 octets":                {raw: "+216" + strings.Repeat(" ", 29) + "20123456", code: domain.CodeInvalid},
		"empty":                    {raw: "", code: domain.CodeRequired},
		"only space":               {raw: "  ", code: domain.CodeRequired},
		"one digit under":          {raw: "+216 20 123 45", code: domain.CodeInvalid},
		"one digit over":           {raw: "+216 20 123 4567", code: domain.CodeInvalid},
		"15 digits":                {raw: "+49 4604 946020794", want: "+494604946020794"},
		"16 digits":                {raw: "+49 4604 9460207946", code: domain.CodeInvalid},
		"no such country":          {raw: "+999 20 123 456", code: domain.CodeInvalid},
		"nobody's number":          {raw: "+1 212 055 0123", code: domain.CodeInvalid},
		"letters":                  {raw: "+1 800 FLOWERS", code: domain.CodeInvalid},
		"extension":                {raw: "+216 20 123 456 ext 5", code: domain.CodeInvalid},
		"URI":                      {raw: "tel:+21620123456", code: domain.CodeInvalid},
		"Arabic digits":            {raw: "+٢١٦٢٠١٢٣٤٥٦", code: domain.CodeInvalid},
		"full-width digits":        {raw: "+２１６２０１２３４５６", code: domain.CodeInvalid},
		"plus inside":              {raw: "216+20123456", code: domain.CodeInvalid},
		"two pluses":               {raw: "++21620123456", code: domain.CodeInvalid},
		"emergency number":         {raw: "197", code: domain.CodeInvalid},
		"NUL":                      {raw: "+21620123456\x00", code: domain.CodeInvalid},
		"decoration only":          {raw: "+-().", code: domain.CodeInvalid},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			phone, violation := domain.ParsePhone(test.raw)
			if test.code != "" {
				require.NotNil(t, violation)
				require.Equal(t, test.code, violation.Code)
				require.Zero(t, phone)
				return
			}
			require.Nil(t, violation)
			require.Equal(t, test.want, phone.String())
		})
	}
}

func TestParseOptionalPhone(t *testing.T) {
	t.Parallel()
	for _, none := range []string{"", " ", "\t\n"} {
		phone, violation := domain.ParseOptionalPhone(none)
		require.Nil(t, violation)
		require.Nil(t, phone)
	}
	phone, violation := domain.ParseOptionalPhone("20123456")
	require.Nil(t, violation)
	require.Equal(t, "+21620123456", phone.String())

	phone, violation = domain.ParseOptionalPhone("12")
	require.Nil(t, phone)
	require.Equal(t, domain.CodeInvalid, violation.Code)
}

// number draws a valid number of any region, as the numbering plans give an example of.
func number() *rapid.Generator[*phonenumbers.PhoneNumber] {
	return rapid.Custom(func(t *rapid.T) *phonenumbers.PhoneNumber {
		region := rapid.SampledFrom(regions).Draw(t, "region")
		kind := rapid.SampledFrom([]phonenumbers.PhoneNumberType{phonenumbers.MOBILE, phonenumbers.FIXED_LINE}).Draw(t, "kind")
		n := phonenumbers.GetExampleNumberForType(region, kind)
		if n == nil {
			t.Skip("the plan has no such example")
		}
		return n
	})
}

var regions = []string{"TN", "FR", "DE", "GB", "US", "IT", "AR", "MX", "BR", "RU", "KZ", "JP", "IN", "CN", "ZA", "SM", "VA", "CI", "AU", "HU"}

func TestPhoneHasOneStoredForm(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := number().Draw(t, "number")
		want := phonenumbers.Format(n, phonenumbers.E164)
		var decorated strings.Builder
		for _, r := range want {
			decorated.WriteRune(r)
			if rapid.IntRange(0, 2).Draw(t, "decorate") == 0 {
				decorated.WriteString(rapid.SampledFrom([]string{" ", "-", ".", ")"}).Draw(t, "sign"))
			}
		}
		for _, raw := range []string{want, decorated.String(), phonenumbers.Format(n, phonenumbers.INTERNATIONAL)} {
			phone, violation := domain.ParsePhone(raw)
			require.Nil(t, violation)
			require.Equal(t, want, phone.String())
			requireCanonicalPhone(t, phone)
		}
	})
}

func TestPhoneOfAnyDigits(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		phone, violation := domain.ParsePhone(rapid.StringMatching(`\+?(00)?[0-9]{4,15}`).Draw(t, "digits"))
		if violation == nil {
			requireCanonicalPhone(t, phone)
		}
	})
}

// requireCanonicalPhone checks what the rest of the program relies on.
func requireCanonicalPhone(t require.TestingT, phone domain.Phone) {
	require.Regexp(t, `^\+[1-9][0-9]{4,14}$`, phone.String())
	again, violation := domain.ParsePhone(phone.String())
	require.Nil(t, violation, "the stored form %s is not a number", phone)
	require.Equal(t, phone, again)
}

func FuzzParsePhone(f *testing.F) {
	for _, seed := range []string{
		"20123456", "+216 20 123 456", "0021620123456", "+1 (212) 555-0123", "+39 06 698 83712", "+44 (0)20 7946 0018",
		"+54 9 11 2345 6789", "+7 8 800 555 35 35", "+52 1 55 1234 5678", "tel:+21620123456", "+٢١٦", "", "+",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		phone, violation := domain.ParsePhone(raw)
		if violation != nil {
			require.Zero(t, phone)
			return
		}
		requireCanonicalPhone(t, phone)
	})
}
