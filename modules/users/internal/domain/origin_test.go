package domain_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/modules/users/internal/domain"
)

func TestNewOrigin(t *testing.T) {
	t.Parallel()
	address := netip.MustParseAddr("192.0.2.1")
	for name, test := range map[string]struct{ sent, kept string }{
		"as sent":       {"Mozilla/5.0 (X11; Linux x86_64)", "Mozilla/5.0 (X11; Linux x86_64)"},
		"at the limit":  {strings.Repeat("é", 255), strings.Repeat("é", 255)},
		"over it":       {strings.Repeat("é", 256), strings.Repeat("é", 255)},
		"control codes": {"a\x00b\r\nc\u202ed\x1b[31m", "abcd[31m"},
		"invalid UTF-8": {"a\xff\xfeb", "ab"},
		"spaces":        {"  a  ", "a"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, domain.Origin{Address: &address, UserAgent: &test.kept}, domain.NewOrigin(address, test.sent))
		})
	}
	require.Equal(t, domain.Origin{}, domain.NewOrigin(netip.Addr{}, " \x00 "), "nothing is known")
}

func TestNetwork(t *testing.T) {
	t.Parallel()
	require.Empty(t, domain.Origin{}.Network())
	for address, want := range map[string]string{
		"192.0.2.7":            "192.0.2.7",
		"2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64",
		"2001:db8:1:2:ffff::":  "2001:db8:1:2::/64",
		"2001:db8:1:3::1":      "2001:db8:1:3::/64",
		"::1":                  "::/64",
	} {
		require.Equal(t, want, domain.NewOrigin(netip.MustParseAddr(address), "").Network(), address)
	}
}
