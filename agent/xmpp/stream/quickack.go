package stream

import (
	"net"
	"syscall"
)

// quickConn is a TCP connection that acknowledges at once what it reads. A
// server that leaves Nagle's algorithm on, as Prosody does, otherwise waits
// for the kernel's delayed acknowledgement: 40 ms for each stanza that takes
// more than one segment. The kernel forgets TCP_QUICKACK, so it is set again
// after each read (tcp(7)). It must be below TLS.
type quickConn struct {
	*net.TCPConn
	raw syscall.RawConn
}

// quickAck returns c with quick acknowledgements if it is a TCP connection.
func quickAck(c net.Conn) net.Conn {
	t, ok := c.(*net.TCPConn)
	if !ok {
		return c
	}
	raw, err := t.SyscallConn()
	if err != nil {
		return c
	}
	return &quickConn{t, raw}
}

func (c *quickConn) Read(p []byte) (int, error) {
	n, err := c.TCPConn.Read(p)
	if n > 0 {
		_ = c.raw.Control(setQuickAck) // only speed depends on it
	}
	return n, err
}

func setQuickAck(fd uintptr) {
	_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_QUICKACK, 1)
}
