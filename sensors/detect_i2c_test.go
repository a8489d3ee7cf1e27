package sensors

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
)

// A scanBus answers by a function and keeps what was written, and where
// anything was read.
type scanBus struct {
	answer func(address uint16, w, r []byte) error
	wrote  []string
	asked  []uint16
}

func (b *scanBus) Tx(address uint16, w, r []byte) error {
	b.asked = append(b.asked, address)
	if len(w) > 0 {
		b.wrote = append(b.wrote, fmt.Sprintf("%02x: % x", address, w))
	}
	return b.answer(address, w, r)
}

func (*scanBus) Close() error { return nil }

// adapter returns a host with bus 1 and how its chips answer.
func adapter(t *testing.T, answer func(address uint16, w, r []byte) error) (*Host, *scanBus) {
	h := tree(t, map[string]string{"/sys/bus/i2c/devices/i2c-1/name": "bcm2835 (i2c@7e804000)\n"})
	b := &scanBus{answer: answer}
	h.OpenI2C = func(int) (I2CBus, error) { return b, nil }
	return h, b
}

// scanned returns the findings as lines, without that of the adapter.
func scanned(t *testing.T, h *Host) []string {
	t.Helper()
	found, err := h.detectI2C(t.Context())
	var out []string
	for i, f := range found {
		s := f.Where + ": " + f.Name
		if f.Problem != "" {
			s += ": " + f.Problem
		}
		if f.Sure {
			s += ", sure"
		}
		for _, k := range f.Sensors {
			s += fmt.Sprint(" ", k.Kind)
		}
		if i > 0 || f.Problem != "" {
			out = append(out, s)
		}
	}
	if err != nil {
		out = append(out, "error: "+err.Error())
	}
	return out
}

// registers answers as a chip with a register pointer.
func registers(m map[byte][]byte) simChip { return &pointerChip{m, 0} }

type pointerChip struct {
	registers map[byte][]byte
	pointer   byte
}

func (c *pointerChip) Tx(w, r []byte) error {
	if len(w) > 0 {
		c.pointer = w[0]
	}
	copy(r, c.registers[c.pointer])
	return nil
}

// oneRegister is a chip whose only register is what was written last: a switch.
type oneRegister struct{ value byte }

func (c *oneRegister) Tx(w, r []byte) error {
	if len(w) > 0 {
		c.value = w[len(w)-1]
	}
	for i := range r {
		r[i] = c.value
	}
	return nil
}

func TestDetectI2CTellsChips(t *testing.T) {
	tests := []struct {
		name    string
		address uint16
		chip    simChip
		want    string
	}{
		{"bme280", 0x76, registers(map[byte][]byte{0xD0: {0x60}}), "bme280, sure bme280"},
		{"bmp280", 0x77, registers(map[byte][]byte{0xD0: {0x58}}), "bmp280, sure bmp280"},
		{"bmp180", 0x77, registers(map[byte][]byte{0xD0: {0x55}}), "bmp180, sure bmp180"},
		{"bmp180 where none is", 0x76, registers(map[byte][]byte{0xD0: {0x55}}), "switch tca9548a or display ht16k33, or pressure sensor dps310 or ms5611"},
		{"bme680", 0x76, registers(map[byte][]byte{0xD0: {0x61}}), "bme680 (use the kernel's driver and kind iio), sure"},
		{"mcp9808", 0x1f, registers(map[byte][]byte{6: {0x00, 0x54}}), "mcp9808, sure mcp9808"},
		{"accelerometer", 0x19, registers(map[byte][]byte{6: {0x00, 0x00}}), "thermometer of a memory module, accelerometer or magnetometer"},
		{"sht4x that has just measured", 0x46, registers(nil), "sht4x, or ina219, or servo driver pca9685 (kind of output) sht4x ina219"},
		{"ina219", 0x40, registers(map[byte][]byte{0: {0x39, 0x9F}}), "ina219, sure ina219"},
		{"ina219 that is set up", 0x44, registers(map[byte][]byte{0: {0x19, 0x9F}}), "sht4x, or ina219, or servo driver pca9685 (kind of output) sht4x ina219"},
		{"tmp102", 0x48, registers(map[byte][]byte{0: {0x15, 0x80}}), "tmp102, or lm75 or tmp105, or ads1115, or ina219 tmp102 ads1115 ina219"},
		{"aht20", 0x38, registers(nil), "aht20, or expander pcf8574 or mcp23017 aht20"},
		{"dac", 0x62, registers(nil), "scd4x, or dac mcp4725 scd4x"},
		{"clock", 0x68, registers(nil), "clock ds1307 or ds3231, or motion sensor mpu6050"},
		{"eeprom", 0x50, registers(nil), ""},
	}
	for _, tt := range tests {
		h, _ := adapter(t, func(address uint16, w, r []byte) error {
			if address != tt.address {
				return syscall.EREMOTEIO
			}
			return tt.chip.Tx(w, r)
		})
		var want []string
		if tt.want != "" {
			want = []string{fmt.Sprintf("i2c bus 1, address 0x%02x: %s", tt.address, tt.want)}
		}
		if diff := cmp.Diff(want, scanned(t, h)); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
}

// This list is the promise of the documentation: it writes to no device that
// it does not know.
func TestDetectI2CWritesNothingElse(t *testing.T) {
	h, b := adapter(t, func(address uint16, w, r []byte) error {
		if address == 0x23 {
			return syscall.EREMOTEIO // or the bus would look stuck
		}
		return nil
	})
	scanned(t, h)
	var want []string
	for a := 0x18; a <= 0x1f; a++ {
		want = append(want, fmt.Sprintf("%02x: 06", a))
	}
	want = append(want, "76: d0", "77: d0")
	if diff := cmp.Diff(want, b.wrote); diff != "" {
		t.Error(diff)
	}
	for _, a := range b.asked {
		if a >= 0x30 && a <= 0x37 || a >= 0x50 && a <= 0x5b || a < 0x08 || a > 0x77 || a == 0x69 {
			t.Errorf("address 0x%02x was asked", a)
		}
	}
}

func TestDetectI2CGivesASwitchItsStateBack(t *testing.T) {
	mux := &oneRegister{value: 0x04}
	h, _ := adapter(t, func(address uint16, w, r []byte) error {
		if address != 0x77 {
			return syscall.ENXIO
		}
		return mux.Tx(w, r)
	})
	want := []string{"i2c bus 1, address 0x77: switch tca9548a or display ht16k33, or pressure sensor dps310 or ms5611"}
	if diff := cmp.Diff(want, scanned(t, h)); diff != "" {
		t.Error(diff)
	}
	if mux.value != 0x04 {
		t.Errorf("the switch is at 0x%02x, want the 0x04 it was at", mux.value)
	}
}

func TestDetectI2CLeavesTheKernelsChipsAlone(t *testing.T) {
	h, b := adapter(t, func(uint16, []byte, []byte) error { return syscall.EREMOTEIO })
	put(t, h, "/sys/bus/i2c/devices/1-0076/driver", "-> ../../../../bus/i2c/drivers/bmp280")
	put(t, h, "/sys/bus/i2c/devices/1-0050/driver", "-> ../../../../bus/i2c/drivers/at24")
	want := []string{"i2c bus 1, address 0x50: at24", "i2c bus 1, address 0x76: bmp280"}
	if diff := cmp.Diff(want, scanned(t, h)); diff != "" {
		t.Error(diff)
	}
	if slices.Contains(b.asked, 0x76) || slices.Contains(b.asked, 0x50) {
		t.Errorf("it asked %x", b.asked)
	}
}

func TestDetectI2CProblems(t *testing.T) {
	always := func(err error) func(uint16, []byte, []byte) error {
		return func(uint16, []byte, []byte) error { return err }
	}
	tests := []struct {
		name   string
		answer func(uint16, []byte, []byte) error
		want   []string
	}{
		{"empty, as bcm2835 says", always(syscall.EREMOTEIO), nil},
		{"empty, as i2c-gpio says", always(syscall.ENXIO), nil},
		{"empty, as virtio says", always(errShort), nil},
		{"stuck low", always(nil), []string{
			"i2c bus 1: bcm2835 (i2c@7e804000): every address answers: SDA is held low, by a wire or by a chip that hangs; take the power off"}},
		{"clock held", always(syscall.ETIMEDOUT), []string{
			"i2c bus 1: bcm2835 (i2c@7e804000): not looked at from address 0x19 on: connection timed out"}},
		{"smbus", always(syscall.EOPNOTSUPP), []string{
			"i2c bus 1: bcm2835 (i2c@7e804000): this adapter speaks SMBus only: pipit cannot use it"}},
	}
	for _, tt := range tests {
		h, _ := adapter(t, tt.answer)
		if diff := cmp.Diff(tt.want, scanned(t, h)); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
	h, _ := adapter(t, always(nil))
	h.OpenI2C = h.realI2C
	want := []string{"i2c bus 1: bcm2835 (i2c@7e804000): not looked at: there is no /dev/i2c-1: " +
		"turn the bus on with dtparam=i2c_arm=on in config.txt, and load the module i2c-dev"}
	if diff := cmp.Diff(want, scanned(t, h)); diff != "" {
		t.Error(diff)
	}
	want = []string{"error: there is no i2c bus: turn it on with dtparam=i2c_arm=on in config.txt, if the board has one"}
	if diff := cmp.Diff(want, scanned(t, NewHost(t.TempDir()))); diff != "" {
		t.Error(diff)
	}
}

// A bus that hangs in the kernel costs its time and no more.
func TestDetectI2CHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		h, _ := adapter(t, func(uint16, []byte, []byte) error { <-release; return syscall.EREMOTEIO })
		want := []string{"i2c bus 1: bcm2835 (i2c@7e804000): not looked at: no answer from the adapter of bus 1: i/o timeout"}
		if diff := cmp.Diff(want, scanned(t, h)); diff != "" {
			t.Error(diff)
		}
		close(release)
	})
}

func TestI2CChipTable(t *testing.T) {
	for _, row := range i2cChips {
		if row.name == "" || len(row.addresses) == 0 {
			t.Errorf("%+v has no name or no address", row)
		}
		for _, a := range row.addresses {
			if a < 0x08 || a > 0x77 {
				t.Errorf("%s: 0x%02x is reserved", row.name, a)
			}
		}
	}
	if !slices.IsSorted(i2cAddresses()) || len(i2cAddresses()) > 80 {
		t.Errorf("addresses %x", i2cAddresses())
	}
}

func TestDetectGoesOnWithoutWhatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := zonesTree(t)
		release := make(chan struct{})
		h.GPIOChips = func() ([]GPIOChip, error) { <-release; return nil, errors.New("too late") }
		ctx, cancel := context.WithTimeout(t.Context(), scanTime)
		defer cancel()
		var zones, hung int
		for _, f := range h.Detect(ctx) {
			switch {
			case f.Part == "thermal":
				zones++
			case f.Part == "gpio" && strings.HasPrefix(f.Problem, "no answer from the kernel"):
				hung++
			}
		}
		if zones != 3 || hung != 1 {
			t.Errorf("%d zones, %d hung", zones, hung)
		}
		close(release)
	})
}
