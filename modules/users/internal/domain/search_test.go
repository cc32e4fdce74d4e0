package domain_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/modules/users/internal/domain"
)

func TestParseSearch(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]domain.Search{
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
		"+216 (20) 123-456":          {"+21620123456"},
		"+33 6 12 34 56 78":          {"+33612345678"},
		"+21620":                     {"+21620"},
		"20 123 456":                 {" 20", "123", "456"},
		strings.Repeat("a", 100):     {strings.Repeat("a", 100)},
		strings.Repeat("é", 100):     {strings.Repeat("é", 100)},
		strings.Repeat(" ", 1000):    nil,
		"' OR 1=1 --":                {" OR", "1=1"},
		"ada\u00a0lovelace":          {"ada", "lovelace"},
		"\u0661\u0662\u0663 \u0664 ": {"\u0661\u0662\u0663", " \u0664"},
	} {
		got, violation := domain.ParseSearch(raw)
		require.Nil(t, violation, raw)
		require.Equal(t, want, got, raw)
	}
	for raw, code := range map[string]string{
		"%":                      domain.CodeInvalid,
		"...":                    domain.CodeInvalid,
		"- _ @":                  domain.CodeInvalid,
		"\u0301":                 domain.CodeInvalid,
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
