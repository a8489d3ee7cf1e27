package sensors

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"pipit/agent"
)

// An mcpSim is an MCP3008 that goes bit by bit, as the figures 5-1 and 5-2 of
// Microchip DS21295. It implements SPIPort.
type mcpSim struct {
	inputs [16]int // by code
	line   int     // what the data line is held to; -1: by the chip
	err    error
	closed int
}

func (s *mcpSim) Tx(w, r []byte) error {
	if s.err != nil {
		return s.err
	}
	clear(r)
	bit := func(i int) int { return int(w[i/8]>>(7-i%8)) & 1 }
	start := 0
	for bit(start) == 0 {
		start++
	}
	code := bit(start+1)<<3 | bit(start+2)<<2 | bit(start+3)<<1 | bit(start+4)
	v := s.inputs[code]
	for i := range 8 * len(r) {
		level := 1 // nobody drives the line
		switch at := i - (start + 6); {
		case at == 0:
			level = 0
		case at >= 1 && at <= 10:
			level = v >> (10 - at) & 1
		case at >= 11 && at <= 19:
			level = v >> (at - 10) & 1
		case at > 19:
			level = 0
		}
		if s.line >= 0 {
			level = s.line
		}
		r[i/8] |= byte(level << (7 - i%8))
	}
	return nil
}

func (s *mcpSim) Close() error { s.closed++; return nil }

// newMCP builds a sensor on the simulated chip and notes how it was opened.
func newMCP(t *testing.T, sim *mcpSim, text string) (agent.Sensor, *[]SPISettings) {
	t.Helper()
	h, opened := NewHost(t.TempDir()), new([]SPISettings)
	h.OpenSPI = func(s SPISettings) (SPIPort, error) {
		*opened = append(*opened, s)
		return sim, nil
	}
	return build(t, mcp3008Kind(), h, text).Sensor, opened
}

func TestMCP3008(t *testing.T) {
	sim := &mcpSim{line: -1, inputs: [16]int{0: 512, 1: 5, 7: 341, 8: 0, 9: 1, 10: 1022, 11: 1023, 12: 682, 15: 256}}
	tests := []struct {
		text string
		want []string
	}{
		{"", []string{"in0: 0 V", "in1: 0.003223 V", "in2: 3.293555 V",
			"in3: 3.296777 V (uncertain: at the end of the range, or above it)", "in4: 2.197852 V", "in5: 0 V", "in6: 0 V", "in7: 0.825 V"}},
		{"reference = 5.12\n" + `channels = { bridge = "0-1", back = "1-0", last = "7-6" }`,
			[]string{"back: 0.025 V", "bridge: 2.56 V", "last: 1.705 V"}},
	}
	for _, tt := range tests {
		s, opened := newMCP(t, sim, tt.text+"\nbus = 1\nchip_select = 2")
		if diff := cmp.Diff(tt.want, read(t, s)); diff != "" {
			t.Errorf("%s: %s", tt.text, diff)
		}
		if diff := cmp.Diff([]SPISettings{{Bus: 1, Chip: 2, Hz: 1_000_000}}, *opened); diff != "" {
			t.Error(diff)
		}
	}
}

func TestMCP3008Faults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := &mcpSim{line: 1}
		s, opened := newMCP(t, sim, `channels = { x = "0" }`)
		want := []string{"error: mcp3008 at spidev0.0: the frame ff ff ff ff makes no sense: check power, MISO and chip select"}
		if diff := cmp.Diff(want, read(t, s)); diff != "" {
			t.Error(diff)
		}
		if len(*opened) != 2 || sim.closed != 2 {
			t.Errorf("opened %d times, closed %d times: want it made anew", len(*opened), sim.closed)
		}
		sim.line, sim.inputs[8] = -1, 512
		if diff := cmp.Diff([]string{"x: 1.65 V"}, read(t, s)); diff != "" {
			t.Error(diff)
		}
		sim.err = syscall.EIO
		if diff := cmp.Diff([]string{"error: mcp3008 at spidev0.0: input/output error"}, read(t, s)); diff != "" {
			t.Error(diff)
		}
		if _, err := s.Read(cancelled(t)); !errors.Is(err, context.Canceled) {
			t.Errorf("Read = %v", err)
		}
	})
}

func TestMCP3008Frames(t *testing.T) {
	tests := []struct {
		name  string
		frame frames
		want  int // -1: makes no sense
	}{
		{"good", frames{0xFF, 0xFA, 0x91, 0x12, 0x80}, 0x291},
		{"without a null bit", frames{0xFF, 0xFE, 0x91, 0x12, 0x80}, -1},
		{"a changed bit", frames{0xFF, 0xFA, 0x93, 0x12, 0x80}, -1},
		{"a changed bit of the copy", frames{0xFF, 0xFA, 0x91, 0x92, 0x80}, -1},
		{"without the last bit", frames{0xFF, 0xFA, 0x91, 0x12, 0x00}, -1},
		{"no zeros after it", frames{0xFF, 0xFA, 0x91, 0x12, 0x81}, -1},
		{"0 V, or held low", frames{0, 0, 0, 0, 0}, 0},
	}
	for _, tt := range tests {
		v, err := (&mcp3008{port: tt.frame}).convert(8)
		if tt.want < 0 && classify(err) != classImplausible || tt.want >= 0 && (err != nil || v != tt.want) {
			t.Errorf("%s: %d, %v", tt.name, v, err)
		}
	}
}

func FuzzMCP3008(f *testing.F) {
	for _, v := range []int{0, 1, 512, 682, 1023} {
		sim, r := &mcpSim{line: -1, inputs: [16]int{8: v}}, make([]byte, 5)
		if err := sim.Tx([]byte{1, 0x80, 0, 0, 0}, r); err != nil {
			f.Fatal(err)
		}
		f.Add(r)
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		s := &mcp3008{port: frames(frame)}
		v, err := s.convert(8)
		if err != nil {
			return
		}
		sim, want := &mcpSim{line: -1, inputs: [16]int{8: v}}, make([]byte, 5)
		_ = sim.Tx([]byte{1, 0x80, 0, 0, 0}, want)
		got := make([]byte, 5)
		copy(got, frame)
		got[0], got[1] = want[0], got[1]|0xF8 // nobody drives the line there
		if v < 0 || v > 1023 || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("% x gave %d, which is % x", frame, v, want)
		}
	})
}

// frames is an SPIPort that always answers the same.
type frames []byte

func (f frames) Tx(_, r []byte) error { copy(r, f); return nil }
func (f frames) Close() error         { return nil }
