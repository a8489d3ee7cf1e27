package store

import (
	"encoding/binary"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipit/agent"
)

var same = cmp.Comparer(func(a, b agent.Value) bool { return a == b })

// again encodes entries as one chunk and decodes that.
func again(t *testing.T, entries []agent.Entry) (got []agent.Entry) {
	t.Helper()
	var c chunk
	for _, e := range entries {
		c.add(e)
	}
	h, err := parse(c.encode())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.each("a", func(e agent.Entry) bool { got = append(got, e); return true }); err != nil {
		t.Fatal(err)
	}
	return got
}

func FuzzChunkRoundTrip(f *testing.F) {
	f.Add([]byte("\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09 some bytes that make numbers"), uint8(1))
	f.Add([]byte("\x00\x00\x00\x00\x00\x00\x59\x40\x00\x00\x00\x00\x00\x40\x59\x40"), uint8(0))
	f.Fuzz(func(t *testing.T, b []byte, decimals uint8) {
		var entries []agent.Entry
		for pos := uint64(1); len(b) >= 8; b, pos = b[8:], pos+1 {
			bits := binary.LittleEndian.Uint64(b)
			v := agent.Number(float64(int64(bits)>>40) / math.Pow10(int(decimals%12)))
			if bits%5 == 0 {
				v = agent.Number(math.Float64frombits(bits))
			}
			e := agent.Entry{Pos: pos, Reading: agent.Reading{Name: "a", Time: time.UnixMilli(int64(bits >> 20)).UTC(), Value: v, Quality: agent.Quality(bits % 3)}}
			entries = append(entries, e)
		}
		if d := cmp.Diff(entries, again(t, entries), same); d != "" {
			t.Error(d)
		}
	})
}
