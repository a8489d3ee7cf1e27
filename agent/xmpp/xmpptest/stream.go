package xmpptest

import (
	"bufio"
	"encoding/xml"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"time"
)

const maxElement = 16 << 20

// A stream reads a client's XML stream element by element, each as the raw
// text that was sent.
type stream struct {
	conn net.Conn
	rec  *recorder
	dec  *xml.Decoder

	mu sync.Mutex // keeps what is sent together
}

func newStream(conn net.Conn) *stream {
	return &stream{conn: conn, rec: &recorder{r: bufio.NewReader(conn)}}
}

// A recorder keeps the bytes that a decoder has read. The decoder takes single
// bytes from it and so never reads beyond an element.
type recorder struct {
	r    *bufio.Reader
	seen []byte
}

func (r *recorder) ReadByte() (byte, error) {
	b, err := r.r.ReadByte()
	if err != nil {
		return 0, err
	}
	if len(r.seen) >= maxElement {
		return 0, errors.New("the client sent an element that is too large for a test")
	}
	r.seen = append(r.seen, b)
	return b, nil
}

func (r *recorder) Read(p []byte) (int, error) {
	b, err := r.ReadByte()
	if err != nil || len(p) == 0 {
		return 0, err
	}
	p[0] = b
	return 1, nil
}

// open reads the start of a stream, the first or after a restart.
func (s *stream) open() error {
	s.rec.seen = s.rec.seen[:0]
	s.dec = xml.NewDecoder(s.rec)
	for {
		t, err := s.dec.Token()
		if err != nil {
			return err
		}
		if _, ok := t.(xml.StartElement); ok {
			return nil
		}
	}
}

// element reads one element. It returns io.EOF at the end of the stream.
func (s *stream) element() (string, error) {
	s.rec.seen = s.rec.seen[:0]
	for {
		t, err := s.dec.Token()
		if err != nil {
			return "", err
		}
		switch t.(type) {
		case xml.EndElement:
			return "", io.EOF
		case xml.StartElement:
			if err := s.dec.Skip(); err != nil {
				return "", err
			}
			return strings.TrimSpace(string(s.rec.seen)), nil
		}
	}
}

func (s *stream) send(raw string) error { return s.flood(raw, "", 0, "") }

// flood sends head, as many whole units as fit into size bytes, and tail. Each
// write has the whole time that a client may take.
func (s *stream) flood(head, unit string, size int, tail string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.write(head); err != nil {
		return err
	}
	if unit != "" {
		size -= size % len(unit)
		units := strings.Repeat(unit, 1+(16<<10)/len(unit))
		for sent := 0; sent < size; sent += len(units) {
			if err := s.write(units[:min(len(units), size-sent)]); err != nil {
				return err
			}
		}
	}
	return s.write(tail)
}

func (s *stream) write(raw string) error {
	if err := s.conn.SetWriteDeadline(time.Now().Add(clientWait)); err != nil {
		return err
	}
	_, err := io.WriteString(s.conn, raw)
	return err
}

// drain reads and forgets until the connection ends.
func (s *stream) drain() { _, _ = io.Copy(io.Discard, s.rec.r) }
