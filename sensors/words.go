package sensors

import (
	"encoding/binary"

	"periph.io/x/conn/v3/i2c"
)

// words are the 16 bit registers of a chip, most significant byte first.
type words struct {
	bus     i2c.Bus
	address uint16
}

func (w words) read(register byte) (uint16, error) {
	var b [2]byte
	err := w.bus.Tx(w.address, []byte{register}, b[:])
	return binary.BigEndian.Uint16(b[:]), err
}

// readAll reads several registers, one transfer for each.
func (w words) readAll(registers ...byte) ([]uint16, error) {
	values := make([]uint16, len(registers))
	for i, r := range registers {
		v, err := w.read(r)
		if err != nil {
			return nil, err
		}
		values[i] = v
	}
	return values, nil
}

func (w words) write(register byte, v uint16) error {
	return w.bus.Tx(w.address, []byte{register, byte(v >> 8), byte(v)}, nil)
}

// stuck returns an error when all of at least two different registers read as
// all zeros or as all ones: then it is the bus that is read and not the chip.
func stuck(values ...uint16) error {
	for _, v := range values {
		if v != values[0] || v != 0 && v != 0xFFFF {
			return nil
		}
	}
	return implausible("every register reads 0x%04x: check SDA and the power of the chip", values[0])
}

// within refuses a value that the chip's datasheet excludes.
func within(v, lowest, highest float64, unit string) error {
	if v < lowest || v > highest {
		return implausible("%g %s is outside of what the chip can measure (%g to %g %s)", v, unit, lowest, highest, unit)
	}
	return nil
}
