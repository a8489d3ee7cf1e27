package bridge

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/eclipse/paho.mqtt.golang/packets"
)

// A stream is a connection that only reads.
type stream struct {
	net.Conn
	io.Reader
	closed bool
}

func (s *stream) Read(p []byte) (int, error) { return s.Reader.Read(p) }
func (s *stream) Close() error               { s.closed = true; return nil }

func publish(t testing.TB, qos byte, size int) []byte {
	p := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
	p.TopicName, p.Payload, p.Qos, p.MessageID = "a/b", bytes.Repeat([]byte("x"), size), qos, 7
	var b bytes.Buffer
	if err := p.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// What is short enough passes unchanged, however the bytes come; what is too long
// and wants no answer is passed over; anything else too long ends the connection.
func TestGuard(t *testing.T) {
	short, edge, long := publish(t, 1, 10), publish(t, 0, 1000-5), publish(t, 0, 1000)
	ping := []byte{0xd0, 0}
	for name, tt := range map[string]struct {
		in, want []byte
		err      string
	}{
		"short":             {short, short, ""},
		"several":           {bytes.Join([][]byte{short, ping, edge}, nil), bytes.Join([][]byte{short, ping, edge}, nil), ""},
		"too long between":  {bytes.Join([][]byte{short, long, ping}, nil), append(bytes.Clone(short), ping...), ""},
		"too long retained": {append([]byte{long[0] | 1}, long[1:]...), nil, ""},
		"too long, QoS 1":   {publish(t, 1, 1000), nil, "a packet of 1007 bytes, at most 1000"},
		"length is none":    {[]byte{0x30, 0xff, 0xff, 0xff, 0xff, 1}, nil, "whose length is no number"},
		"huge":              {[]byte{0x20, 0xff, 0xff, 0xff, 0x7f}, nil, "a packet of 268435455 bytes"},
	} {
		for way, r := range map[string]io.Reader{"whole": bytes.NewReader(tt.in), "by bytes": iotest.OneByteReader(bytes.NewReader(tt.in))} {
			s := &stream{Reader: r}
			g := newGuard(s, 1000)
			got, err := io.ReadAll(g)
			if tt.err == "" && (err != nil || !bytes.Equal(got, tt.want)) {
				t.Errorf("%s, %s: %d bytes, want %d, %v", name, way, len(got), len(tt.want), err)
			}
			if tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err) || !s.closed || !errors.Is(g.failure(), err)) {
				t.Errorf("%s, %s: %v, closed %t", name, way, err, s.closed)
			}
			if strings.HasPrefix(name, "too long") && tt.err == "" && g.passed.Load() != 1 {
				t.Errorf("%s: passed over %d", name, g.passed.Load())
			}
		}
	}
}

// FuzzGuard: whatever a broker sends, what comes out are whole headers of packets
// that are short enough.
func FuzzGuard(f *testing.F) {
	f.Add(publish(f, 0, 10), 3)
	f.Add(publish(f, 1, 2000), 1)
	f.Add([]byte{0x30, 0x80, 0x80, 0x80, 0x01}, 2)
	f.Fuzz(func(t *testing.T, data []byte, chunk int) {
		g := newGuard(&stream{Reader: bytes.NewReader(data)}, 100)
		p := make([]byte, max(1, chunk%64))
		var out []byte
		for {
			n, err := g.Read(p)
			if out = append(out, p[:n]...); err != nil {
				break
			}
		}
		for r := bytes.NewReader(out); r.Len() > 0; {
			if _, err := r.ReadByte(); err != nil {
				t.Fatal(err)
			}
			length, shift := 0, 0
			for {
				b, err := r.ReadByte()
				if err != nil {
					return // a header that was not completed
				}
				length |= int(b&0x7f) << shift
				if shift += 7; b&0x80 == 0 {
					break
				}
			}
			if length > 100 {
				t.Fatalf("a packet of %d bytes", length)
			}
			_, _ = r.Seek(int64(length), io.SeekCurrent)
		}
	})
}
