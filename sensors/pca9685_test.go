package sensors

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"pipit/agent"
)

// A pcaSim is a PCA9685: its prescaler can be written only while it sleeps, and
// bit 7 of MODE1 is set when it is put to sleep with channels on.
type pcaSim struct {
	registerMap
	starts int
	runs   bool // its channels are clocked
}

func newPCASim() *pcaSim {
	s := new(pcaSim)
	s.power()
	return s
}

// power takes the chip's power away and gives it back.
func (s *pcaSim) power() {
	s.registerMap = registerMap{0x00: 0x11, 0x01: 0x04, 0xFE: 0x1E}
	for ch := range 16 {
		s.registerMap[0x06+4*ch+3] = 0x10
	}
	s.runs = false
}

func (s *pcaSim) Tx(w, r []byte) error {
	before := s.registerMap
	if len(w) > 2 && before[0]&0x20 == 0 {
		return syscall.EINVAL // the chip would write all bytes to one register
	}
	if err := s.registerMap.Tx(w, r); err != nil || len(w) < 2 {
		return err
	}
	if before[0]&0x10 == 0 {
		s.registerMap[0xFE] = before[0xFE]
	}
	if w[0] == 0 {
		s.mode(before[0], w[1])
	}
	return nil
}

func (s *pcaSim) mode(before, v byte) {
	restart := before & 0x80
	switch {
	case v&0x10 != 0 && before&0x10 == 0 && s.runs:
		restart = 0x80
	case v&0x80 != 0 && before&0x10 == 0:
		restart, s.runs = 0, true
	case v&0x10 == 0 && before&0x10 != 0:
		s.starts++
		s.runs = restart == 0
	}
	if v&0x10 != 0 {
		s.runs = false
	}
	s.registerMap[0] = v&^0x80 | restart
}

func (s *pcaSim) led(channel int) [4]byte { return [4]byte(s.registerMap[0x06+4*channel:]) }

func TestPCA9685(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		chip, h := newPCASim(), NewHost(t.TempDir())
		plug(h, 0x41, chip)
		tests := []struct {
			percent float64
			normal  [4]byte
			turned  [4]byte
		}{
			{0, [4]byte{3: 0x10}, [4]byte{1: 0x10}},
			{100, [4]byte{1: 0x10}, [4]byte{3: 0x10}},
			{50, [4]byte{3: 0x08}, [4]byte{3: 0x08}},
			{33, [4]byte{2: 0x48, 3: 0x05}, [4]byte{2: 0xB8, 3: 0x0A}},
			{0.01, [4]byte{3: 0x10}, [4]byte{1: 0x10}},
			{99.99, [4]byte{1: 0x10}, [4]byte{3: 0x10}},
		}
		for _, inverted := range []bool{false, true} {
			o := buildOutput(t, pca9685Output(), h, fmt.Sprintf("address = 0x41\nchannel = 15\ninverted = %t", inverted)).Output
			for _, tt := range tests {
				want := tt.normal
				if inverted {
					want = tt.turned
				}
				v := agent.Number(tt.percent)
				if got := drive(t, o, v); got != v.String() || chip.led(15) != want {
					t.Errorf("%g %%, inverted %t: it reads %s, registers % x", tt.percent, inverted, got, chip.led(15))
				}
			}
		}
		if chip.starts != 1 || chip.registerMap[0xFE] != 5 || chip.registerMap[0] != 0x20 || chip.registerMap[1] != 0x04 {
			t.Errorf("%d starts, prescaler %d, modes %02x %02x", chip.starts, chip.registerMap[0xFE], chip.registerMap[0], chip.registerMap[1])
		}
	})
}

// NXP PCA9685, 7.3.5: 200 Hz is 0x1e.
func TestPCA9685Prescaler(t *testing.T) {
	for hz, want := range map[float64]byte{24: 253, 50: 121, 200: 30, 1000: 5, 1526: 3} {
		p := new(Host).pca9685(pca9685At{}, 0, hz, false)
		if p.prescale != want || math.Abs(pca9685Hz(p.prescale)/hz-1) > 0.02 {
			t.Errorf("%g Hz: prescaler %d, which is %g Hz", hz, p.prescale, pca9685Hz(p.prescale))
		}
	}
}

func TestPCA9685ReadsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		chip, h := newPCASim(), NewHost(t.TempDir())
		plug(h, 0x40, chip)
		o := buildOutput(t, pca9685Output(), h, "").Output
		if got := drive(t, o, agent.Number(10)); got != "10" {
			t.Fatal(got)
		}
		for _, tt := range []struct {
			led  [4]byte
			want string
		}{
			{[4]byte{0, 0, 0, 0x08}, "50"}, {[4]byte{0, 0x08, 0, 0x0C}, "25"}, {[4]byte{0, 0x0C, 0, 0x04}, "50"}, // across the end
			{[4]byte{0, 0x10, 0, 0x10}, "0"}, {[4]byte{0, 0x10, 0, 0}, "100"}, {[4]byte{}, "0"},
		} {
			copy(chip.registerMap[0x06:], tt.led[:])
			if got := get(t, o); got != tt.want {
				t.Errorf("% x: it reads %s, want %s", tt.led, got, tt.want)
			}
		}
	})
}

// A chip that runs as we want is taken as it is; with another frequency the
// other channels go on after the change.
func TestPCA9685TakesOverWhatRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for hz, starts := range map[string]int{"200": 0, "1000": 1} {
			chip, h := newPCASim(), NewHost(t.TempDir())
			plug(h, 0x40, chip)
			chip.registerMap[0], chip.runs = 0x21, true
			other := [4]byte{0, 0x10, 0, 0}
			copy(chip.registerMap[0x06+4*3:], other[:])
			o := buildOutput(t, pca9685Output(), h, "frequency = "+hz).Output
			if got := drive(t, o, agent.Number(75)); got != "75" || chip.starts != starts || !chip.runs || chip.led(3) != other {
				t.Errorf("%s Hz: it reads %s, %d starts, runs %t, channel 3 % x", hz, got, chip.starts, chip.runs, chip.led(3))
			}
		}
	})
}

func TestPCA9685AfterABrownOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		chip, h := newPCASim(), NewHost(t.TempDir())
		bus := plug(h, 0x40, chip)
		o := buildOutput(t, pca9685Output(), h, "").Output
		if got := drive(t, o, agent.Number(60)); got != "60" {
			t.Fatal(got)
		}
		chip.power()
		if got := get(t, o); got != "error: the pca9685 has other settings than ours, as after a loss of power: it has to be set again" {
			t.Error(got)
		}
		if got := drive(t, o, agent.Number(60)); got != "60" || chip.starts != 2 {
			t.Errorf("after it: %s, %d starts", got, chip.starts)
		}
		bus.set(func(b *simBus) { b.nak = 2 })
		if got := drive(t, o, agent.Number(61)); got != "61" {
			t.Errorf("with two transfers that nothing acknowledges: %s", got)
		}
		bus.set(func(b *simBus) { b.nak = 3 })
		if got := drive(t, o, agent.Number(62)); got != "error: nothing answers at 0x40 of i2c bus 1: remote I/O error: "+
			"check power, SDA and SCL; \"pipit detect\" lists what answers" {
			t.Error(got)
		}
		bus.set(func(b *simBus) { b.stuck = true })
		if got := get(t, o); got != "error: the chip at 0x40 reads ff ff ff: check SDA and its power, or it is no pca9685" {
			t.Error(got)
		}
		bus.set(func(b *simBus) { b.stuck, b.chips[0x40] = false, new(registerMap) })
		if got := drive(t, o, agent.Number(1)); got != "error: the chip at 0x40 reads 00 00 00: check SDA and its power, or it is no pca9685" {
			t.Error(got)
		}
	})
}

func TestPCA9685HasOneFrequency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHost(t.TempDir())
		bus := plug(h, 0x40, newPCASim())
		bus.chips[0x41] = newPCASim()
		strip := buildOutput(t, pca9685Output(), h, "").Output
		servo := buildOutput(t, servoOutput(), h, "on = \"pca9685\"\nchannel = 1").Output
		elsewhere := buildOutput(t, servoOutput(), h, "on = \"pca9685\"\naddress = 0x41").Output
		if got := drive(t, strip, agent.Number(5)); got != "5" {
			t.Error(got)
		}
		if got := drive(t, elsewhere, agent.Number(45)); got != "45" {
			t.Errorf("on another chip: %s", got)
		}
		if got := drive(t, servo, agent.Number(45)); got != "error: another output on the pca9685 at 0x40 of i2c bus 1 has 1017 Hz, "+
			"this one 50.03 Hz: the chip has one frequency" {
			t.Error(got)
		}
		for range 2 {
			if err := strip.Close(); err != nil {
				t.Error(err)
			}
		}
		if got := drive(t, servo, agent.Number(45)); got != "45" {
			t.Errorf("alone on the chip: %s", got)
		}
		if err := strip.Close(); err != nil {
			t.Error(err)
		}
		if got := drive(t, strip, agent.Number(5)); got != "error: another output on the pca9685 at 0x40 of i2c bus 1 has 50.03 Hz, "+
			"this one 1017 Hz: the chip has one frequency" {
			t.Error(got)
		}
	})
}

func TestPCA9685OfTheKernel(t *testing.T) {
	h := tree(t, map[string]string{"/sys/bus/i2c/devices/1-0040/driver": "-> ../drivers/pca9685-pwm"})
	bus := plug(h, 0x40, newPCASim())
	if got := drive(t, buildOutput(t, pca9685Output(), h, "").Output, agent.Number(5)); got != "error: the kernel's driver "+
		"pca9685-pwm has the chip at 0x40 of i2c bus 1: use kind pwm, or take its dtoverlay off" || bus.txs != 0 {
		t.Error(got, bus.txs)
	}
}

// Sixteen outputs on one chip, each with an executor of its own.
func TestPCA9685FromManyGoroutines(t *testing.T) {
	h, chip := NewHost(t.TempDir()), newPCASim()
	plug(h, 0x40, chip)
	got := make([]string, 16)
	var all sync.WaitGroup
	for ch := range got {
		o := buildOutput(t, pca9685Output(), h, fmt.Sprintf("channel = %d", ch)).Output
		all.Go(func() {
			if err := o.Set(t.Context(), agent.Number(float64(ch))); err != nil {
				got[ch] = err.Error()
				return
			}
			v, err := o.Get(t.Context())
			got[ch] = fmt.Sprint(v, err)
		})
	}
	all.Wait()
	for ch, s := range got {
		if s != fmt.Sprintf("%d <nil>", ch) {
			t.Errorf("channel %d: %s", ch, s)
		}
	}
	if chip.starts != 1 {
		t.Errorf("%d starts", chip.starts)
	}
}

func TestPCA9685EndsWithItsContext(t *testing.T) {
	h := NewHost(t.TempDir())
	bus := plug(h, 0x40, newPCASim())
	hang := make(chan struct{})
	bus.set(func(b *simBus) { b.hang = hang })
	first, second := buildOutput(t, pca9685Output(), h, "").Output, buildOutput(t, pca9685Output(), h, "channel = 1").Output
	done := make(chan error)
	go func() { done <- first.Set(t.Context(), agent.Number(1)) }()
	for chip := h.pca9685Chip(pca9685At{1, 0x40}); len(chip.free) > 0; {
		time.Sleep(time.Millisecond)
	}
	if err := second.Set(cancelled(t), agent.Number(1)); !errors.Is(err, context.Canceled) {
		t.Errorf("Set = %v", err)
	}
	close(hang)
	if err := <-done; err != nil {
		t.Error(err)
	}
}
