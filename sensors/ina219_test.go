package sensors

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// An inaSim takes 137 ms for the first conversion after each write of its
// settings.
type inaSim struct {
	wordMap
	bus   uint16 // the bus voltage in 4 mV
	shunt int16  // in 10 µV
	ends  time.Time
}

func newINASim(bus uint16, shunt int16) *inaSim {
	s := &inaSim{bus: bus, shunt: shunt}
	s.registers = map[byte]uint16{0: 0x399F}
	s.written = func(byte, uint16) {
		s.ends = time.Now().Add(137 * time.Millisecond)
		s.registers[1], s.registers[2] = 0, 0
	}
	s.reading = func(byte) {
		if time.Now().After(s.ends) {
			s.registers[1], s.registers[2] = uint16(s.shunt), s.bus<<3|2
		}
	}
	return s
}

// TI SBOS448, table 4 (shunt) and 8.5: 12 V over 2 mΩ with 10 A.
func TestINA219(t *testing.T) {
	const beyond = " (uncertain: the current is beyond the range: raise max_current)"
	tests := []struct {
		text   string
		bus    uint16
		shunt  int16
		config uint16
		want   []string
	}{
		{"shunt = 0.002\nmax_current = 15", 0x0BA7, 2000, 0x27FF, []string{"voltage: 11.932 V", "current: 10 A", "power: 119.32 W"}},
		{"", 3000, 1000, 0x3FFF, []string{"voltage: 12 V", "current: 0.1 A", "power: 1.2 W"}},
		{"", 3000, -1000, 0x3FFF, []string{"voltage: 12 V", "current: -0.1 A", "power: -1.2 W"}},
		{"", 0, 0, 0x3FFF, []string{"voltage: 0 V", "current: 0 A", "power: 0 W"}},
		{"", 8000, 31999, 0x3FFF, []string{"voltage: 32 V", "current: 3.1999 A", "power: 102.3968 W"}},
		{"", 1000, 32000, 0x3FFF, []string{"voltage: 4 V", "current: 3.2 A" + beyond, "power: 12.8 W" + beyond}},
		{"", 1000, -32000, 0x3FFF, []string{"voltage: 4 V", "current: -3.2 A" + beyond, "power: -12.8 W" + beyond}},
		{"max_current = 0.4", 1000, 4000, 0x27FF, []string{"voltage: 4 V", "current: 0.4 A" + beyond, "power: 1.6 W" + beyond}},
		{"max_current = 0.8", 1000, 7999, 0x2FFF, []string{"voltage: 4 V", "current: 0.7999 A", "power: 3.1996 W"}},
		{"max_current = 1.6", 1000, 15999, 0x37FF, []string{"voltage: 4 V", "current: 1.5999 A", "power: 6.3996 W"}},
		{"", 8001, 0, 0x3FFF, []string{"error: 32.004 V is outside of what the chip can measure (0 to 32 V)"}},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			chip := newINASim(tt.bus, tt.shunt)
			s, _ := plugged(t, ina219Kind(), 0x40, chip, tt.text)
			if diff := cmp.Diff(tt.want, read(t, s)); diff != "" {
				t.Errorf("%s %d %d: %s", tt.text, tt.bus, tt.shunt, diff)
			}
			if got := chip.registers[0]; got != tt.config {
				t.Errorf("%s: settings 0x%04x, want 0x%04x", tt.text, got, tt.config)
			}
		})
	}
}

func TestINA219AfterABrownOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		chip := newINASim(3000, 1000)
		s, bus := plugged(t, ina219Kind(), 0x40, chip, "")
		good := []string{"voltage: 12 V", "current: 0.1 A", "power: 1.2 W"}
		if diff := cmp.Diff(good, read(t, s)); diff != "" {
			t.Fatal(diff)
		}
		chip.registers[0] = 0x399F
		if diff := cmp.Diff(good, read(t, s)); diff != "" {
			t.Error(diff)
		}
		if got := s.(*steady).Trouble(); got.Implausible != 1 || got.Remade != 1 || chip.registers[0] != 0x3FFF {
			t.Errorf("trouble %+v, settings 0x%04x", got, chip.registers[0])
		}
		bus.set(func(b *simBus) { b.stuck = true })
		want := []string{"error: the chip's settings are 0xffff and not 0x3fff: it lost power, or is no ina219"}
		if diff := cmp.Diff(want, read(t, s)); diff != "" {
			t.Error(diff)
		}
	})
}

func TestINA219WithoutConversions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		chip := newINASim(3000, 1000)
		chip.reading = nil
		s, _ := plugged(t, ina219Kind(), 0x40, chip, "")
		if diff := cmp.Diff([]string{"error: there is no conversion"}, read(t, s)); diff != "" {
			t.Error(diff)
		}
	})
}
