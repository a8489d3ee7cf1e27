package sensors

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func newMCP9808Sim(raw uint16) *wordMap {
	return &wordMap{registers: map[byte]uint16{mcp9808Temperature: raw, mcp9808Manufacturer: 0x0054, mcp9808Device: 0x0400}}
}

// Microchip DS25095, 5.1.3.1: the upper three bits are comparisons.
func TestMCP9808(t *testing.T) {
	tests := []struct {
		raw  uint16
		want string
	}{
		{0xC194, ": 25.25 °C"},
		{0x0191, ": 25.0625 °C"},
		{0xC7D0, ": 125 °C"},
		{0xC7D1, "error: 125.0625 °C is outside of what the chip can measure (-40 to 125 °C)"},
		{0x0001, ": 0.0625 °C"},
		{0x8000, ": 0 °C"},
		{0x0000, ": 0 °C"},
		{0x3FFF, ": -0.0625 °C"},
		{0xFFFF, ": -0.0625 °C"},
		{0x1E6C, ": -25.25 °C"},
		{0x1D80, ": -40 °C"},
		{0x1D7F, "error: -40.0625 °C is outside of what the chip can measure (-40 to 125 °C)"},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			chip := newMCP9808Sim(tt.raw)
			s, _ := plugged(t, mcp9808Kind(), 0x18, chip, "")
			if diff := cmp.Diff([]string{tt.want}, read(t, s)); diff != "" {
				t.Errorf("0x%04x: %s", tt.raw, diff)
			}
			if chip.writes != 0 {
				t.Errorf("0x%04x: %d writes to a chip that is shared", tt.raw, chip.writes)
			}
		})
	}
}

func TestMCP9808Identity(t *testing.T) {
	tests := []struct {
		name      string
		registers map[byte]uint16
		want      string
	}{
		{"revision", map[byte]uint16{5: 0x0190, 6: 0x0054, 7: 0x0403}, ": 25 °C"},
		{"another maker", map[byte]uint16{5: 0x0190, 6: 0x00B3, 7: 0x0400}, "error: the chip at 0x18 is no mcp9808: " +
			"manufacturer id 0x00b3 (want 0x0054), device id 0x04 (want 0x04)"},
		{"another chip", map[byte]uint16{5: 0x0190, 6: 0x0054, 7: 0x0201}, "error: the chip at 0x18 is no mcp9808: " +
			"manufacturer id 0x0054 (want 0x0054), device id 0x02 (want 0x04)"},
		{"held low", nil, "error: every register reads 0x0000: check SDA and the power of the chip"},
		{"shutdown", map[byte]uint16{1: 0x0100, 5: 0x0190, 6: 0x0054, 7: 0x0400},
			"error: the chip at 0x18 is in shutdown, another program has put it there: end that, and take the chip's power away once"},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			s, _ := plugged(t, mcp9808Kind(), 0x18, &wordMap{registers: tt.registers}, "")
			if diff := cmp.Diff([]string{tt.want}, read(t, s)); diff != "" {
				t.Errorf("%s: %s", tt.name, diff)
			}
		})
	}
}

// After a brown-out the chip has 0 until its first conversion ends.
func TestMCP9808WaitsForTheFirstConversion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		chip := newMCP9808Sim(0)
		chip.reading = func(byte) {
			if time.Since(start) > 250*time.Millisecond {
				chip.registers[mcp9808Temperature] = 0x0150
			}
		}
		s, bus := plugged(t, mcp9808Kind(), 0x18, chip, "")
		if diff := cmp.Diff([]string{": 21 °C"}, read(t, s)); diff != "" {
			t.Error(diff)
		}
		bus.set(func(b *simBus) { b.stuck = true })
		if diff := cmp.Diff([]string{"error: every register reads 0xffff: check SDA and the power of the chip"}, read(t, s)); diff != "" {
			t.Error(diff)
		}
	})
}
