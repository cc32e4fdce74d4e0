package domain

import (
	"net/netip"
	"strings"
	"unicode"
)

// maxUserAgent is how much is kept of what a client says of itself, in code points.
const maxUserAgent = 255

// Origin is where somebody asked from. The zero value is the program itself: its start, or an operator's command.
type Origin struct {
	Address   *netip.Addr // nil when it is not known
	UserAgent *string     // at most 255 printable code points; nil when the client does not say
}

// NewOrigin returns the origin of a client, whatever it sent for a user agent.
func NewOrigin(address netip.Addr, userAgent string) Origin {
	var o Origin
	if address.IsValid() {
		o.Address = &address
	}
	printable := strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) && r != unicode.ReplacementChar {
			return r
		}
		return -1
	}, userAgent)
	if runes := []rune(printable); len(runes) > maxUserAgent {
		printable = string(runes[:maxUserAgent])
	}
	if printable = strings.TrimSpace(printable); printable != "" {
		o.UserAgent = &printable
	}
	return o
}

// Network is whom the address belongs to, as text: whoever has one of IPv6 has the 2^64 around it. It is empty when none is known.
func (o Origin) Network() string {
	switch {
	case o.Address == nil:
		return ""
	case o.Address.Is6():
		return netip.PrefixFrom(*o.Address, 64).Masked().String()
	default:
		return o.Address.String()
	}
}
