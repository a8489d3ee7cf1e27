package stream

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"net"
	"os"
	"time"

	"pipit/agent/xmpp/wire"
)

// A reader cuts what a transport brings into whole units. It is used from one
// goroutine at a time: Dial's, then that of Serve or Close.
type reader struct {
	from   net.Conn
	lexer  wire.Lexer
	buf    []byte
	queue  []wire.Unit // complete, with bytes of their own
	taken  int         // how many of the queue have been popped
	header []byte      // of the present stream: it declares the namespaces
	err    error       // why nothing more comes, told when the queue is empty
}

func newReader(from net.Conn) *reader {
	return &reader{
		from:  from,
		lexer: wire.Lexer{MaxBytes: maxUnbound, MaxDepth: MaxDepth},
		buf:   make([]byte, maxReadSize),
	}
}

// pop takes the next unit that is complete.
func (r *reader) pop() (u wire.Unit, ok bool) {
	if r.taken == len(r.queue) {
		clear(r.queue)
		r.queue, r.taken = r.queue[:0], 0
		return u, false
	}
	u = r.queue[r.taken]
	r.queue[r.taken].Raw = nil
	r.taken++
	return u, true
}

// fill reads once. nil means that something came in, perhaps no whole unit.
// After an error of timeout kind it may be called again, after others not.
func (r *reader) fill(timeout time.Duration) error {
	if r.err != nil {
		return r.err
	}
	_ = r.from.SetReadDeadline(time.Now().Add(timeout)) // what fails here fails in Read
	n, err := r.from.Read(r.buf)
	if n > 0 {
		r.err = r.lexer.Feed(r.buf[:n], r.keep)
	}
	if errors.Is(err, io.EOF) && r.lexer.Buffered() > 0 {
		err = io.ErrUnexpectedEOF // in the middle of a stanza
	}
	if n == 0 {
		return err
	}
	if r.err == nil && err != nil && !isTimeout(err) {
		r.err = err
	}
	return nil
}

func (r *reader) keep(u wire.Unit) error {
	switch u.Kind {
	case wire.Space:
		return nil
	case wire.Header:
		r.header = bytes.Clone(u.Raw)
	}
	u.Raw = bytes.Clone(u.Raw)
	r.queue = append(r.queue, u)
	return nil
}

// next returns the next unit; timeout is that of each read.
func (r *reader) next(timeout time.Duration) (wire.Unit, error) {
	for {
		if u, ok := r.pop(); ok {
			return u, nil
		}
		if err := r.fill(timeout); err != nil {
			return wire.Unit{}, err
		}
	}
}

// restart waits for a new stream header and tells how many bytes and units had
// come that belong to neither stream. They are gone: over TLS, what was sent
// before the handshake must not count as if it had been protected.
func (r *reader) restart() (stray int) {
	stray = len(r.queue) - r.taken + r.lexer.Buffered()
	r.queue, r.taken, r.header, r.err = nil, 0, nil, nil
	r.lexer.Reset()
	return stray
}

// decode reads a unit into v with the namespaces of the stream in scope. It is
// for what belongs to the stream itself, which is never large.
func (r *reader) decode(u wire.Unit, v any) error {
	if len(u.Raw) > maxUnbound {
		return wire.ErrTooLong
	}
	d := xml.NewDecoder(io.MultiReader(bytes.NewReader(r.header), bytes.NewReader(u.Raw)))
	for {
		tok, err := d.Token()
		if err != nil {
			return err
		}
		if _, ok := tok.(xml.StartElement); ok { // the header
			return d.Decode(v)
		}
	}
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &t) && t.Timeout()
}
