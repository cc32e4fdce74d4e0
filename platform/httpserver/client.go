package httpserver

import (
	"context"
	"net/netip"

	"github.com/gin-gonic/gin"
)

// Client is who sent a request, as far as the server can tell.
type Client struct {
	// Address is where the connection comes from, or what the trusted proxies at its end say of it in X-Forwarded-For. It has no
	// zone, and an IPv4 address is one in whatever form it came. It is invalid only in tests without a connection.
	Address netip.Addr
	// UserAgent is what the client says of itself: of any length, up to that of all headers, and not always text.
	UserAgent string
}

type clientKey struct{}

// ClientOf returns who sent the request of ctx.
func ClientOf(ctx context.Context) Client {
	client, _ := ctx.Value(clientKey{}).(Client)
	return client
}

func withClient(ctx context.Context, c *gin.Context) context.Context {
	address, err := netip.ParseAddr(c.ClientIP())
	if err != nil { // gin does not know zones
		from, _ := netip.ParseAddrPort(c.Request.RemoteAddr)
		address = from.Addr()
	}
	return context.WithValue(ctx, clientKey{}, Client{
		Address: address.Unmap().WithZone(""), UserAgent: c.Request.UserAgent(),
	})
}
