package sensors

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// newTMP102Sim returns a TMP102 as it is after power-on, with a temperature.
func newTMP102Sim(raw uint16) *wordMap {
	return &wordMap{registers: map[byte]uint16{0: raw, 1: 0x60A0, 2: 0x4B00, 3: 0x5000}}
}

// The values are those of TI SBOS397, tables 3 and 4, of the datasheet of the
// LM75 (SNOS808, table 2), and around them.
func TestTMP102(t *testing.T) {
	tests := []struct {
		text        string
		raw, config uint16
		want        string
	}{
		{"", 0x7FF0, 0x60A0, "error: 127.9375 °C is outside of what the chip can measure (-55 to 125 °C)"},
		{"", 0x7D00, 0x60A0, ": 125 °C"},
		{"", 0x6400, 0x60A0, ": 100 °C"},
		{"", 0x5000, 0x60A0, ": 80 °C"},
		{"", 0x1900, 0x60A0, ": 25 °C"},
		{"", 0x0040, 0x60A0, ": 0.25 °C"},
		{"", 0x0010, 0x60A0, ": 0.0625 °C"},
		{"", 0x0000, 0x60A0, ": 0 °C"},
		{"", 0xFFF0, 0x60A0, ": -0.0625 °C"},
		{"", 0xFFC0, 0x60A0, ": -0.25 °C"},
		{"", 0xE700, 0x60A0, ": -25 °C"},
		{"", 0xC900, 0x60A0, ": -55 °C"},
		{"", 0xC8F0, 0x60A0, "error: -55.0625 °C is outside of what the chip can measure (-55 to 125 °C)"},
		{"", 0x4B01, 0x60B0, ": 150 °C"}, // the extended mode
		{"", 0x0C81, 0x60B0, ": 25 °C"},
		{"", 0xE481, 0x60B0, ": -55 °C"},
		{"", 0xFFF9, 0x60B0, ": -0.0625 °C"},
		{"", 0x1901, 0x60A0, ": 25 °C"}, // a set low bit alone is noise
		{"bits = 9", 0xFF80, 0, ": -0.5 °C"},
		{"bits = 9", 0x7D7F, 0, ": 125 °C"}, // an LM75 has nothing in the low bits
		{"bits = 9", 0xC97F, 0, ": -55 °C"},
		{"bits = 9", 0x00FF, 0, ": 0.5 °C"},
		{"bits = 9", 0xFFFF, 0, ": -0.5 °C"},
		{"bits = 11", 0x193F, 0, ": 25.125 °C"},
		{"", 0x0000, 0x00FF, ": 0 °C"}, // a TMP105, whose second byte is nothing
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			chip := newTMP102Sim(tt.raw)
			chip.registers[1] = tt.config
			s, _ := plugged(t, tmp102Kind(), 0x48, chip, tt.text)
			if diff := cmp.Diff([]string{tt.want}, read(t, s)); diff != "" {
				t.Errorf("%s 0x%04x: %s", tt.text, tt.raw, diff)
			}
			if chip.writes != 0 {
				t.Errorf("0x%04x: %d writes to a chip that is shared", tt.raw, chip.writes)
			}
		})
	}
}

func TestTMP102IsNotFooled(t *testing.T) {
	tests := []struct {
		name      string
		registers map[byte]uint16
		want      string
	}{
		{"held low", map[byte]uint16{}, "error: every register reads 0x0000: check SDA and the power of the chip"},
		{"held high", map[byte]uint16{0: 0xFFFF, 1: 0xFFFF, 2: 0xFFFF, 3: 0xFFFF},
			"error: every register reads 0xffff: check SDA and the power of the chip"},
		{"an ads1115", map[byte]uint16{0: 0x1234, 1: 0x8583, 2: 0x8000, 3: 0x7FFF},
			"error: the chip at 0x48 is no tmp102: its limits are 0x8000 and 0x7fff"},
		{"shutdown", map[byte]uint16{0: 0x1900, 1: 0x61A0, 2: 0x4B00, 3: 0x5000},
			"error: the chip at 0x48 is in shutdown, another program has put it there: end that, and take the chip's power away once"},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			s, _ := plugged(t, tmp102Kind(), 0x48, &wordMap{registers: tt.registers}, "")
			if diff := cmp.Diff([]string{tt.want}, read(t, s)); diff != "" {
				t.Errorf("%s: %s", tt.name, diff)
			}
		})
	}
}

func TestTMP102BusSticksLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, bus := plugged(t, tmp102Kind(), 0x48, newTMP102Sim(0x1900), "")
		if diff := cmp.Diff([]string{": 25 °C"}, read(t, s)); diff != "" {
			t.Fatal(diff)
		}
		bus.set(func(b *simBus) { b.stuck = true })
		if diff := cmp.Diff([]string{"error: every register reads 0xffff: check SDA and the power of the chip"}, read(t, s)); diff != "" {
			t.Error(diff)
		}
		bus.set(func(b *simBus) { b.stuck = false })
		if diff := cmp.Diff([]string{": 25 °C"}, read(t, s)); diff != "" {
			t.Error(diff)
		}
	})
}

// After a brown-out the chip has 0 until its first conversion ends.
func TestTMP102WaitsForTheFirstConversion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		chip := newTMP102Sim(0)
		chip.reading = func(byte) {
			if time.Since(start) > 26*time.Millisecond {
				chip.registers[0] = 0x1530
			}
		}
		s, _ := plugged(t, tmp102Kind(), 0x48, chip, "")
		if diff := cmp.Diff([]string{": 21.1875 °C"}, read(t, s)); diff != "" {
			t.Error(diff)
		}
	})
}
