package bridge

import (
	"fmt"
	"net"
	"sync/atomic"
)

// maxPayload bounds a message that comes in, in bytes, with its topic.
const maxPayload = 256 << 10

// publishQoS0 is the first byte of a PUBLISH that nobody acknowledges (MQTT
// 3.1.1 section 3.3.1), without its retain bit.
const publishQoS0 = 0x30

// A guard is a connection on which no packet of more than max bytes comes in:
// paho allocates whatever length a broker names, up to 256 MB. A longer PUBLISH
// of QoS 0 is passed over; of anything else the connection ends.
type guard struct {
	net.Conn
	max int

	// The rest belongs to Read.
	first  byte   // of the packet
	length int    // the part of the remaining length that was read
	shift  int    // bits of it; -1: it was not begun
	body   int    // bytes of the packet that are to come
	skip   bool   // they are passed over
	ready  []byte // read and not handed out: one header at most
	chunk  []byte

	passed atomic.Uint64 // packets passed over
	failed atomic.Pointer[error]
}

func newGuard(c net.Conn, max int) *guard {
	return &guard{Conn: c, max: max, shift: -1, chunk: make([]byte, 4096)}
}

func (g *guard) failure() error {
	if e := g.failed.Load(); e != nil {
		return *e
	}
	return nil
}

// Read returns bytes of packets that are short enough, whole headers at once.
func (g *guard) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for {
		if len(g.ready) > 0 {
			n := copy(p, g.ready)
			g.ready = g.ready[n:]
			return n, nil
		}
		n, err := g.Conn.Read(g.chunk)
		if out, bad := g.filter(g.chunk[:n]); bad != nil {
			g.failed.CompareAndSwap(nil, &bad)
			_ = g.Conn.Close()
			return 0, bad
		} else if len(out) > 0 {
			g.ready = out
			continue
		}
		if err != nil {
			return 0, err
		}
	}
}

// filter returns what of data is to be handed on, in place.
func (g *guard) filter(data []byte) (out []byte, err error) {
	out = make([]byte, 0, len(data)+5)
	for len(data) > 0 {
		if g.body > 0 {
			n := min(g.body, len(data))
			if !g.skip {
				out = append(out, data[:n]...)
			}
			g.body -= n
			data = data[n:]
			continue
		}
		out, err = g.header(out, data[0])
		if err != nil {
			return nil, err
		}
		data = data[1:]
	}
	return out, nil
}

// header takes a byte of a fixed header (MQTT 3.1.1 section 2.2).
func (g *guard) header(out []byte, b byte) ([]byte, error) {
	if g.shift < 0 {
		g.first, g.length, g.shift = b, 0, 0
		return out, nil
	}
	g.length |= int(b&0x7f) << g.shift
	g.shift += 7
	if b&0x80 != 0 {
		if g.shift > 21 {
			return nil, fmt.Errorf("the broker sent a packet whose length is no number")
		}
		return out, nil
	}
	g.shift, g.body = -1, g.length
	if g.skip = g.length > g.max; !g.skip {
		return appendHeader(out, g.first, g.length), nil
	}
	if g.first&^1 != publishQoS0 {
		return nil, fmt.Errorf("the broker sent a packet of %d bytes, at most %d are taken", g.length, g.max)
	}
	g.passed.Add(1)
	return out, nil
}

// appendHeader writes a fixed header.
func appendHeader(out []byte, first byte, length int) []byte {
	out = append(out, first)
	for length > 0x7f {
		out = append(out, byte(length)|0x80)
		length >>= 7
	}
	return append(out, byte(length))
}
