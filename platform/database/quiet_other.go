//go:build !unix

package database

import "net"

// quiet knows no way to look into a socket on this system.
func quiet(net.Conn) bool { return true }
