package sensors

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// An adsSim converts with a clock that is 10 % slow.
type adsSim struct {
	wordMap
	inputs [8]int16 // by the code of the input
	ends   time.Time
}

func newADSSim(inputs [8]int16) *adsSim {
	s := &adsSim{inputs: inputs}
	s.registers = map[byte]uint16{0: 0x0BAD, 1: 0x8583, 2: 0x8000, 3: 0x7FFF}
	s.written = func(register byte, v uint16) {
		if register == 1 && v&0x8000 != 0 {
			s.ends = time.Now().Add(time.Second / 115)
			s.registers[1] = v &^ 0x8000
		}
	}
	s.reading = func(byte) {
		if c := s.registers[1]; c&0x8000 == 0 && time.Now().After(s.ends) {
			s.registers[0] = uint16(s.inputs[c>>12&7])
			s.registers[1] = c | 0x8000
		}
	}
	return s
}

func TestADS1115(t *testing.T) {
	inputs := [8]int16{-1, 0x4000, -0x4000, 1, 0, 0x7FFF, -0x8000, 0x7FEF}
	tests := []struct {
		text string
		want []string
	}{
		{"", []string{"in0: 0 V", "in1: 4.095875 V (uncertain: at the end of the range: take a greater one)",
			"in2: -4.096 V (uncertain: at the end of the range: take a greater one)", "in3: 4.093875 V"}},
		{"range = 6.144\n" + `channels = { a = "0-1", b = "0-3", c = "1-3", d = "2-3" }`,
			[]string{"a: -0.000188 V", "b: 3.072 V", "c: -3.072 V", "d: 0.000188 V"}},
		{"address = 0x49\n" + `channels = { x = "3" }`, []string{"x: 4.094 V (uncertain: at the end of the range: take a greater one)"}},
		{"range = 2.048\n" + `channels = { x = "0-3" }`, []string{"x: 1.024 V"}},
		{"range = 1.024\n" + `channels = { x = "0-3" }`, []string{"x: 0.512 V"}},
		{"range = 0.512\n" + `channels = { x = "1-3" }`, []string{"x: -0.256 V"}},
		{"range = 0.256\n" + `channels = { x = "0-1" }`, []string{"x: -0.000008 V"}},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			chip, address := newADSSim(inputs), uint16(0x48)
			if strings.Contains(tt.text, "0x49") { // an ADS1015, which has 12 bits
				address, chip.inputs[7] = 0x49, 0x7FF0
			}
			s, _ := plugged(t, ads1115Kind(), address, chip, tt.text)
			if diff := cmp.Diff(tt.want, read(t, s)); diff != "" {
				t.Errorf("%s: %s", tt.text, diff)
			}
		})
	}
}

// The gain of each range (TI SBAS444, table 8: PGA).
func TestADS1115Settings(t *testing.T) {
	for full, want := range map[string]uint16{
		"6.144": 0xC183, "4.096": 0xC383, "2.048": 0xC583, "1.024": 0xC783, "0.512": 0xC983, "0.256": 0xCB83,
	} {
		synctest.Test(t, func(t *testing.T) {
			chip := newADSSim([8]int16{})
			s, _ := plugged(t, ads1115Kind(), 0x4B, chip, "address = 0x4b\nchannels = { x = \"0\" }\nrange = "+full)
			read(t, s)
			if got := chip.registers[1]; got != want {
				t.Errorf("%s V: settings 0x%04x, want 0x%04x", full, got, want)
			}
		})
	}
}

func TestADS1115IsNotFooled(t *testing.T) {
	tests := []struct {
		name string
		chip simChip
		want string
	}{
		{"held low", &wordMap{registers: map[byte]uint16{}, written: nil}, ""},
		{"no ads1115", newTMP102Sim(0x1900), ""},
		{"never ready", &wordMap{registers: map[byte]uint16{}}, "error: the conversion does not end"},
	}
	lost := func(settings uint16) string {
		return fmt.Sprintf("error: the chip's settings are 0x%04x and not 0x4383: it lost power, or is no ads1115", settings)
	}
	low := tests[0].chip.(*wordMap)
	low.written = func(byte, uint16) { clear(low.registers) }
	tests[0].want = lost(0)
	other := tests[1].chip.(*wordMap)
	other.written = func(byte, uint16) { other.registers[1] = 0x60A0 }
	tests[1].want = lost(0x60A0)
	slow := tests[2].chip.(*wordMap)
	slow.written = func(_ byte, v uint16) { slow.registers[1] = v &^ 0x8000 }
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			s, _ := plugged(t, ads1115Kind(), 0x48, tt.chip, `channels = { x = "0" }`)
			if diff := cmp.Diff([]string{tt.want}, read(t, s)); diff != "" {
				t.Errorf("%s: %s", tt.name, diff)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		s, bus := plugged(t, ads1115Kind(), 0x48, newADSSim([8]int16{}), `channels = { x = "0" }`)
		bus.set(func(b *simBus) { b.stuck = true })
		if diff := cmp.Diff([]string{lost(0xFFFF)}, read(t, s)); diff != "" {
			t.Error(diff)
		}
	})
}

func TestADS1115EndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := plugged(t, ads1115Kind(), 0x48, newADSSim([8]int16{}), "")
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		if r, err := s.Read(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Read = %v, %v", r, err)
		}
		ctx, stop := context.WithCancel(t.Context())
		time.AfterFunc(5*time.Millisecond, stop)
		if r, err := s.Read(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("Read = %v, %v", r, err)
		}
	})
}
