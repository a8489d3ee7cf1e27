package sensors

import (
	"math"

	"periph.io/x/conn/v3/i2c"

	"pipit/agent"
)

// This file holds what the chips that measure air have in common.

// An airChip builds a sensor of a kind whose table has the keys bus and address.
type airChip struct {
	kind      string
	addresses []int // that the chip can have, the usual one first
	fields    []string
	open      openChip
}

func (a airChip) build(h *Host, decode func(any) error) (Built, error) {
	keys := struct {
		Bus     int `toml:"bus"`
		Address int `toml:"address"`
	}{1, a.addresses[0]}
	if err := decode(&keys); err != nil {
		return Built{}, err
	}
	var bad checker
	bad.address(keys.Bus, keys.Address, a.addresses...)
	if err := bad.err(); err != nil {
		return Built{}, err
	}
	return Built{
		Sensor: h.i2cSensor(a.kind, keys.Bus, keys.Address, false, a.open),
		Bus:    busI2C(keys.Bus),
		Fields: a.fields,
	}, nil
}

// A measured value with the range that the chip's datasheet gives for it.
type measured struct {
	name            string
	value           float64
	unit            string
	lowest, highest float64
}

// airReadings returns values rounded to a hundredth, below which these chips
// show noise, or an implausible error when one is outside of its range.
func airReadings(all ...measured) ([]agent.Reading, error) {
	var l fieldList
	for _, m := range all {
		if !(m.value >= m.lowest && m.value <= m.highest) { // NaN is outside, too
			return nil, implausible("a %s of %.1f %s is outside of what the chip measures (%g to %g)",
				m.name, m.value, m.unit, m.lowest, m.highest)
		}
		l.number(m.name, math.Round(m.value*100)/100, m.unit)
	}
	return l.readings, nil
}

// blank tells whether all bits of b are the same: it comes from a line that
// does not move, not from a chip.
func blank(b []byte) bool {
	for _, x := range b {
		if x != b[0] || x != 0x00 && x != 0xFF {
			return false
		}
	}
	return true
}

// errBlank is an answer for which blank is true.
func errBlank(what string) error {
	return implausible("%s is all zeros or all ones: SDA is stuck, or the chip has no power", what)
}

// crc8 is the checksum behind each word of Sensirion's chips: polynomial 0x31,
// initial value 0xFF, most significant bit first.
func crc8(b []byte) byte {
	crc := byte(0xFF)
	for _, x := range b {
		crc ^= x
		for range 8 {
			if crc&0x80 != 0 {
				crc = crc<<1 ^ 0x31
			} else {
				crc <<= 1
			}
		}
	}
	return crc
}

// readWords reads so many words of 16 bits, each with its checksum behind it.
func readWords(dev *i2c.Dev, n int) ([]uint16, error) {
	b := make([]byte, 3*n)
	if err := dev.Tx(nil, b); err != nil {
		return nil, err
	}
	words := make([]uint16, n)
	for i := range words {
		w := b[3*i : 3*i+3]
		if crc8(w[:2]) != w[2] {
			return nil, errChecksum
		}
		words[i] = uint16(w[0])<<8 | uint16(w[1])
	}
	return words, nil
}
