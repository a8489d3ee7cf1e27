package sensors

import (
	"encoding/binary"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A bh1750Sim measures for 180 ms and is off after that.
type bh1750Sim struct {
	light     uint16 // what it will measure
	data      uint16
	on        bool
	ends      time.Time // of the measurement
	high, low byte      // of the measurement time
	lost      int       // so many measurements never end
}

func (s *bh1750Sim) Tx(w, r []byte) error {
	if !s.ends.IsZero() && !time.Now().Before(s.ends) {
		s.data, s.on, s.ends = s.light, false, time.Time{}
	}
	if len(w) == 0 && len(r) == 2 {
		binary.BigEndian.PutUint16(r, s.data)
		return nil
	}
	if len(w) != 1 || len(r) != 0 {
		return syscall.EINVAL
	}
	switch {
	case w[0] == 0x01:
		s.on = true
	case w[0] == 0x07 && s.on:
		s.data = 0
	case w[0]&0xF8 == 0x40:
		s.high = w[0] & 7
	case w[0]&0xE0 == 0x60:
		s.low = w[0] & 31
	case w[0] == 0x20 && s.on && s.high<<5|s.low == 69:
		if s.lost--; s.lost < 0 {
			s.ends = time.Now().Add(180 * time.Millisecond)
		}
	}
	return nil
}

// ROHM BH1750FVI: 0x8390 is 28067 lx.
func TestBH1750(t *testing.T) {
	tests := []struct {
		light uint16
		want  string
	}{
		{0, ": 0 lx"},
		{1, ": 0.833333 lx"},
		{3, ": 2.5 lx"},
		{0x8390, ": 28066.666667 lx"},
		{0xFFFE, ": 54611.666667 lx"},
		{0xFFFF, ": 54612.5 lx (uncertain: brighter than the chip can measure)"},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			s, _ := plugged(t, bh1750Kind(), 0x23, &bh1750Sim{light: tt.light, data: 0x1111}, "")
			for range 2 {
				if diff := cmp.Diff([]string{tt.want}, read(t, s)); diff != "" {
					t.Errorf("%d: %s", tt.light, diff)
				}
			}
		})
	}
}

func TestBH1750LosesAMeasurement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		chip := &bh1750Sim{light: 120}
		s, _ := plugged(t, bh1750Kind(), 0x23, chip, "")
		if diff := cmp.Diff([]string{": 100 lx"}, read(t, s)); diff != "" {
			t.Fatal(diff)
		}
		chip.light, chip.lost = 60, 1
		if diff := cmp.Diff([]string{": 50 lx"}, read(t, s)); diff != "" {
			t.Error(diff)
		}
	})
}

func TestBH1750OnAStuckBus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, bus := plugged(t, bh1750Kind(), 0x5C, &bh1750Sim{light: 120}, "address = 0x5c")
		bus.set(func(b *simBus) { b.stuck = true })
		want := []string{"error: the chip reads 0xffff also after a reset: check SDA and the power of the chip"}
		if diff := cmp.Diff(want, read(t, s)); diff != "" {
			t.Error(diff)
		}
		bus.set(func(b *simBus) { b.stuck, b.nak = false, 1 })
		if diff := cmp.Diff([]string{": 100 lx"}, read(t, s)); diff != "" {
			t.Error(diff)
		}
	})
}
