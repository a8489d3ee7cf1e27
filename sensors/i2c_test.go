package sensors

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"periph.io/x/conn/v3/i2c"
	"periph.io/x/conn/v3/physic"

	"pipit/agent"
)

var _ i2c.Bus = (*i2cBus)(nil)

// portBus returns what a driver gets, ready for one Read of d.
func portBus(t *testing.T, h *Host, d time.Duration) *i2cBus {
	b := &i2cBus{port: h.i2c(1)}
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	b.begin(ctx)
	return b
}

func TestI2CTransfers(t *testing.T) {
	h := NewHost(t.TempDir())
	sim := plug(h, 0x40, &registerMap{5: 1, 6: 2})
	b := portBus(t, h, time.Minute)
	r := make([]byte, 2)
	if err := b.Tx(0x40, []byte{5}, r); err != nil || r[0] != 1 || r[1] != 2 {
		t.Errorf("read %v, %v", r, err)
	}
	if err := b.Tx(0x41, []byte{5}, r); !errors.Is(err, syscall.EREMOTEIO) || !errors.Is(b.err, syscall.EREMOTEIO) {
		t.Errorf("nobody at the address: %v, kept %v", err, b.err)
	}
	if b.String() != "i2c-1" || b.SetSpeed(physic.KiloHertz) == nil {
		t.Error("the name or the speed is wrong")
	}
	if h.i2c(1) != b.port || h.i2c(2) == b.port || sim.opens != 1 {
		t.Errorf("a bus is opened once and shared: %d opens", sim.opens)
	}
}

// A driver that polls a chip for ever is ended, by count and by deadline.
func TestI2CEndsLoops(t *testing.T) {
	h := NewHost(t.TempDir())
	sim := plug(h, 0x40, &registerMap{})
	b := portBus(t, h, time.Minute)
	n := 0
	for b.Tx(0x40, []byte{0}, make([]byte, 1)) == nil {
		n++
	}
	if n != maxTransfers || b.err != errManyTransfers || sim.txs != maxTransfers {
		t.Errorf("%d transfers, %d of them on the bus, %v", n, sim.txs, b.err)
	}
	b = portBus(t, h, 0)
	if err := b.Tx(0x40, []byte{0}, nil); !errors.Is(err, os.ErrDeadlineExceeded) || sim.txs != maxTransfers {
		t.Errorf("after the deadline: %v", err)
	}
}

// A transfer that hangs in the kernel costs its caller the deadline, holds the
// bus for the others, writes into nobody's buffer, and frees the bus at its end.
func TestI2CHungTransfer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHost(t.TempDir())
		sim := plug(h, 0x40, &registerMap{0: 9})
		hang := make(chan struct{})
		sim.set(func(b *simBus) { b.hang = hang })
		r := make([]byte, 1)
		start := time.Now()
		first, second := portBus(t, h, time.Minute), portBus(t, h, time.Second)
		if err := first.Tx(0x40, []byte{0}, r); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != maxTransfer {
			t.Errorf("after %s: %v", time.Since(start), err)
		}
		second.begin(t.Context())
		if err := second.Tx(0x40, []byte{0}, r); !errors.Is(err, os.ErrDeadlineExceeded) || !strings.Contains(err.Error(), "held") {
			t.Errorf("while the bus is held: %v", err)
		}
		sim.set(func(b *simBus) { b.hang = nil })
		close(hang)
		synctest.Wait()
		if r[0] != 0 {
			t.Error("the late transfer wrote into the buffer of its caller")
		}
		if err := second.Tx(0x40, []byte{0}, r); err != nil || r[0] != 9 {
			t.Errorf("once the bus is free: %v, %v", r, err)
		}
		if sim.txs != 2 {
			t.Errorf("%d transfers on the bus, want the late one and the last", sim.txs)
		}
	})
}

func TestI2CAdapterUnplugged(t *testing.T) {
	h := NewHost(t.TempDir())
	sim := plug(h, 0x40, &registerMap{})
	b := portBus(t, h, time.Minute)
	sim.set(func(b *simBus) { b.err = syscall.ENODEV })
	if err := b.Tx(0x40, []byte{0}, nil); !errors.Is(err, syscall.ENODEV) {
		t.Errorf("unplugged: %v", err)
	}
	sim.set(func(b *simBus) { b.err = nil })
	if err := b.Tx(0x40, []byte{0}, nil); err != nil || sim.opens != 2 || sim.close != 1 {
		t.Errorf("plugged in again: %v, %d opens, %d closes", err, sim.opens, sim.close)
	}
}

// The door of this machine, on a bus that is not there and a file that is no bus.
func TestRealI2C(t *testing.T) {
	h := NewHost(t.TempDir())
	if _, err := h.OpenI2C(1); !isMissing(err) || !strings.Contains(err.Error(), "dtparam=i2c_arm=on") {
		t.Errorf("no bus: %v", err)
	}
	put(t, h, "/dev/i2c-1", "")
	bus, err := h.OpenI2C(1)
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{0, 2} {
		if err := bus.Tx(0x40, make([]byte, size), make([]byte, size)); err != syscall.ENOTTY {
			t.Errorf("a plain file takes the ioctl with %d bytes: %v", size, err)
		}
	}
	if err := bus.Tx(0x40, make([]byte, i2cMaxBytes+1), nil); err != syscall.EINVAL {
		t.Errorf("a transfer that is too long: %v", err)
	}
	if err := bus.Close(); err != nil {
		t.Error(err)
	}
	if err := os.Chmod(filepath.Join(h.Root, "dev"), 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Chmod(filepath.Join(h.Root, "dev"), 0o755) })
	if _, err := h.OpenI2C(1); os.Getuid() != 0 && classify(err) != classConfiguration {
		t.Errorf("not permitted: %v", err)
	}
}

func TestRealSPI(t *testing.T) {
	h := NewHost(t.TempDir())
	if _, err := h.OpenSPI(SPISettings{}); !isMissing(err) || !strings.Contains(err.Error(), "dtparam=spi=on") {
		t.Errorf("no bus: %v", err)
	}
	put(t, h, "/dev/spidev0.0", "")
	if _, err := h.OpenSPI(SPISettings{}); !errors.Is(err, syscall.ENOTTY) {
		t.Errorf("a plain file as a bus: %v", err)
	}
	fd, err := syscall.Open(h.path("/dev/spidev0.0"), syscall.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	f := spiFile{fd: fd, hz: 1e6}
	defer f.Close()
	if err := f.Tx(make([]byte, 3), make([]byte, 3)); err != syscall.ENOTTY {
		t.Errorf("a plain file takes the ioctl: %v", err)
	}
	if err := f.Tx(make([]byte, 3), make([]byte, 2)); err != syscall.EINVAL {
		t.Errorf("two lengths: %v", err)
	}
}

// An i2cDriver is a driver for tests: it reads one register.
type i2cDriver struct {
	bus    i2c.Bus
	closed *int
	lose   bool // the error of a transfer, as some drivers do
}

func (d *i2cDriver) Read(context.Context) ([]agent.Reading, error) {
	r := make([]byte, 1)
	if err := d.bus.Tx(0x40, []byte{1}, r); err != nil && !d.lose {
		return nil, errors.New("the driver flattens it")
	}
	if r[0] == 0xEE {
		return nil, implausible("register 1 is 0xee")
	}
	return []agent.Reading{{Name: "x", Value: agent.Number(float64(r[0]))}}, nil
}

func (d *i2cDriver) Close() error {
	*d.closed++
	return nil
}

// steadyOn returns a sensor of i2cDrivers on a simulated bus, with how often
// drivers were made and closed.
func steadyOn(t *testing.T, lose bool) (s *steady, sim *simBus, chip *registerMap, made, closed *int) {
	h := NewHost(t.TempDir())
	chip, made, closed = &registerMap{1: 7}, new(int), new(int)
	sim = plug(h, 0x40, chip)
	s = h.i2cSensor("testchip", 1, 0x40, false, func(bus i2c.Bus, address uint16) (agent.Sensor, error) {
		*made++
		return &i2cDriver{bus, closed, lose}, bus.Tx(address, []byte{0}, make([]byte, 1))
	}).(*steady)
	return s, sim, chip, made, closed
}

func TestSteadyRetriesTwice(t *testing.T) {
	for _, tt := range []struct {
		naks int
		want string
	}{
		{0, "x: 7"}, {1, "x: 7"}, {2, "x: 7"},
		{3, `error: testchip stopped answering at 0x40 of i2c bus 1: remote I/O error: check power, SDA and SCL; "pipit detect" lists what answers`},
	} {
		synctest.Test(t, func(t *testing.T) {
			s, sim, _, made, _ := steadyOn(t, false)
			read(t, s)
			sim.set(func(b *simBus) { b.nak = tt.naks })
			if got := read(t, s); got[0] != tt.want {
				t.Errorf("%d naks: %q, want %q", tt.naks, got[0], tt.want)
			}
			want := agent.Trouble{Retried: uint64(min(tt.naks, maxRetries))}
			if got := s.Trouble(); got != want || *made != 1 {
				t.Errorf("%d naks: trouble %+v, %d drivers made", tt.naks, got, *made)
			}
		})
	}
}

func TestSteadyNoticesWhatADriverLoses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, sim, _, _, _ := steadyOn(t, true)
		read(t, s)
		sim.set(func(b *simBus) { b.err = syscall.ETIMEDOUT })
		if got := read(t, s)[0]; !strings.Contains(got, "connection timed out") {
			t.Errorf("got %q: a failed transfer is not a zero", got)
		}
	})
}

func TestSteadyMakesAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, sim, chip, made, closed := steadyOn(t, false)
		read(t, s)
		sim.set(func(b *simBus) { b.err = syscall.ETIMEDOUT })
		for i := range remakeAfter {
			if *made != 1 || *closed != 0 {
				t.Fatalf("made anew after %d failures", i)
			}
			read(t, s)
		}
		if *closed != 1 || s.Trouble().Remade != 1 {
			t.Errorf("not made anew after %d failures: %d closed", remakeAfter, *closed)
		}
		sim.set(func(b *simBus) { b.err = nil })
		if got := read(t, s)[0]; got != "x: 7" || *made != 2 {
			t.Errorf("got %q from driver %d", got, *made)
		}

		// One value that cannot be true is enough; it is read once more at once.
		chip[1] = 0xEE
		if got := read(t, s)[0]; got != "error: register 1 is 0xee" || *made != 3 || *closed != 3 {
			t.Errorf("got %q, made %d, closed %d", got, *made, *closed)
		}
		if got := s.Trouble(); got.Implausible != 2 || got.Remade != 3 {
			t.Errorf("trouble %+v", got)
		}
	})
}

func TestSteadyHeedsItsContext(t *testing.T) {
	s, sim, _, _, _ := steadyOn(t, false)
	read(t, s)
	sim.set(func(b *simBus) { b.err = syscall.EIO; b.txs = 0 })
	ctx, cancel := context.WithTimeout(t.Context(), firstPause)
	defer cancel()
	if _, err := s.Read(ctx); err == nil || sim.txs > 1 {
		t.Errorf("%d transfers, %v: no time was left for a retry", sim.txs, err)
	}
}

func TestI2CSensorTellsWhoHasTheChip(t *testing.T) {
	s, sim, _, made, _ := steadyOn(t, false)
	h := NewHost(t.TempDir())
	plug(h, 0x40, &registerMap{})
	put(t, h, "/sys/bus/i2c/devices/1-0040/driver", "-> ../../../../bus/i2c/drivers/sht4x")
	open := func(bus i2c.Bus, _ uint16) (agent.Sensor, error) { return &i2cDriver{bus, new(int), false}, nil }
	want := "error: the kernel's driver sht4x has the chip at 0x40 of i2c bus 1: use kind hwmon or iio, or take its dtoverlay off"
	if got := read(t, h.i2cSensor("testchip", 1, 0x40, false, open))[0]; got != want {
		t.Errorf("got %q", got)
	}
	if got := read(t, h.i2cSensor("testchip", 1, 0x40, true, open))[0]; got != "x: 0" {
		t.Errorf("shared: got %q", got)
	}

	// A chip that never answered is told apart from one that stopped.
	sim.set(func(b *simBus) { b.chips = nil })
	got := read(t, s)[0]
	if !strings.HasPrefix(got, "error: nothing answers at 0x40 of i2c bus 1: ") || *made != 1+maxRetries {
		t.Errorf("got %q after %d tries", got, *made)
	}
}

func TestClassify(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want class
	}{
		{missing("no bus"), classGone},
		{implausible("x"), classImplausible},
		{misconfigured(syscall.EACCES, "x"), classConfiguration},
		{misconfigured(syscall.EIO, "x"), classConfiguration}, // what a person has to mend stays that
		{&os.PathError{Err: syscall.EREMOTEIO}, classTransient},
		{errChecksum, classTransient}, {errShort, classTransient}, {errEmpty, classTransient},
		{syscall.ENXIO, classTransient}, {syscall.ETIMEDOUT, classTransient},
		{os.ErrDeadlineExceeded, classFault}, {context.DeadlineExceeded, classFault},
		{errManyTransfers, classFault}, {errors.New("x"), classFault}, {syscall.EINVAL, classFault},
	} {
		if got := classify(tt.err); got != tt.want {
			t.Errorf("classify(%v) = %d, want %d", tt.err, got, tt.want)
		}
	}
}

func TestCheckAddress(t *testing.T) {
	for _, tt := range []struct {
		bus, address int
		allowed      []int
		want         string
	}{
		{1, 0x76, []int{0x76, 0x77}, ""},
		{1, 0x78, []int{0x76, 0x77}, "address: 0x78 is no address of this chip (allowed: 0x76, 0x77)"},
		{-1, 0x40, nil, "bus: -1 is no i2c bus: write N of /dev/i2c-N"},
		{1, 0x78, nil, "address: 0x78 is no 7 bit address (0x03 to 0x77)"},
	} {
		var c checker
		c.address(tt.bus, tt.address, tt.allowed...)
		got := ""
		if err := c.err(); err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("address(%d, %#x) = %q, want %q", tt.bus, tt.address, got, tt.want)
		}
	}
}
