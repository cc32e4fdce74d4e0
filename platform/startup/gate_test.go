package startup_test

import (
	"io"
	"net"
)

// gate returns an address that refuses connections until it is opened, and then leads to target.
func (s *Startup) gate(target string) (address string, open func()) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	s.Require().NoError(err)
	address = listener.Addr().String()
	s.Require().NoError(listener.Close())
	t := s.T()
	return address, func() {
		listener, err := net.Listen("tcp", address)
		s.Require().NoError(err)
		t.Cleanup(func() { _ = listener.Close() })
		go func() {
			for {
				client, err := listener.Accept()
				if err != nil {
					return
				}
				go forward(client, target)
			}
		}()
	}
}

func forward(client net.Conn, target string) {
	defer func() { _ = client.Close() }()
	server, err := net.Dial("tcp", target)
	if err != nil {
		return
	}
	go func() {
		_, _ = io.Copy(server, client)
		_ = server.Close()
	}()
	_, _ = io.Copy(client, server)
}
