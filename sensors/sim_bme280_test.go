package sensors

import (
	"encoding/binary"
	"time"
)

// The calibration of the datasheet's example (BST-BMP280-DS001, section 3.12)
// with values for humidity; the raw values of the example give 25.08 °C and
// 1006.53 hPa, and 59.20 %.
var (
	bmxExampleCal = [26]byte{
		0x70, 0x6B, 0x43, 0x67, 0x18, 0xFC, 0x7D, 0x8E, 0x43, 0xD6, 0xD0, 0x0B, 0x27, 0x0B,
		0x8C, 0x00, 0xF9, 0xFF, 0x8C, 0x3C, 0xF8, 0xC6, 0x70, 0x17, 0x00, 0x4B}
	bmxExampleHumid = [7]byte{0x6E, 0x01, 0x00, 0x13, 0x05, 0x00, 0x1E}
	bmxExampleRaw   = bmxRaw{temperature: 519888, pressure: 415148, humidity: 30240}
)

// A simBMx280 is a simulated BME280, or BMP280 with humid false: forced and
// normal mode, ctrl_hum that counts after a write to ctrl_meas, the time that
// a measurement takes, and the values of a restart.
type simBMx280 struct {
	reg   [256]byte
	humid bool
	raw   bmxRaw        // what it measures
	takes time.Duration // a measurement
	done  time.Time     // the end of a measurement; zero when there is none
	osrsH byte          // ctrl_hum in force
	// Faults.
	begun   func() // called when a measurement begins
	stalled bool   // a measurement never ends
	zeros   bool   // all data registers read as 0
}

// newSimBME280 returns a chip that measures 25.08 °C, 59.2 % and 1006.53 hPa.
func newSimBME280() *simBMx280 {
	s := &simBMx280{humid: true, raw: bmxExampleRaw, takes: 16200 * time.Microsecond}
	s.reg[0xD0] = 0x60
	copy(s.reg[0x88:], bmxExampleCal[:])
	copy(s.reg[0xE1:], bmxExampleHumid[:])
	s.brownOut()
	return s
}

// newSimBMP280 returns one that measures 25.08 °C and 1006.53 hPa.
func newSimBMP280() *simBMx280 {
	s := newSimBME280()
	s.humid, s.reg[0xD0], s.reg[0xA1] = false, 0x58, 0
	clear(s.reg[0xE1:0xE8])
	return s
}

// brownOut puts the registers back to what they are after a restart.
func (s *simBMx280) brownOut() {
	clear(s.reg[0xF2:0xF7])
	s.done, s.osrsH = time.Time{}, 0
	s.store(bmxRaw{0x80000, 0x80000, 0x8000})
}

func (s *simBMx280) store(v bmxRaw) {
	put20 := func(at int, v int32) { s.reg[at], s.reg[at+1], s.reg[at+2] = byte(v>>12), byte(v>>4), byte(v<<4) }
	put20(0xF7, v.pressure)
	put20(0xFA, v.temperature)
	if s.humid {
		binary.BigEndian.PutUint16(s.reg[0xFD:], uint16(v.humidity))
	}
	if s.zeros {
		clear(s.reg[0xF7:0xFF])
	}
}

// Tx implements simChip: pairs of register and value are written.
func (s *simBMx280) Tx(w, r []byte) error {
	s.run()
	if len(r) > 0 {
		copy(r, s.reg[w[0]:])
		return nil
	}
	for i := 0; i+1 < len(w); i += 2 {
		s.write(w[i], w[i+1])
	}
	return nil
}

// run brings the registers up to the time.
func (s *simBMx280) run() {
	mode := s.reg[0xF4] & 3
	if mode == 0 || time.Now().Before(s.done) || s.stalled {
		return
	}
	v, skipped := s.raw, bmxRaw{0x80000, 0x80000, 0x8000}
	if s.reg[0xF4]>>5 == 0 {
		v.temperature = skipped.temperature
	}
	if s.reg[0xF4]>>2&7 == 0 {
		v.pressure = skipped.pressure
	}
	if s.osrsH == 0 {
		v.humidity = skipped.humidity
	}
	s.store(v)
	s.reg[0xF3] &^= 0x08
	if mode != 3 {
		s.reg[0xF4] &^= 3
	}
}

func (s *simBMx280) write(register, value byte) {
	switch register {
	case 0xE0:
		if value == 0xB6 {
			s.brownOut()
		}
	case 0xF2:
		if s.humid {
			s.reg[0xF2] = value
		}
	case 0xF4:
		s.reg[0xF4], s.osrsH = value, s.reg[0xF2]&7
		if value&3 != 0 {
			s.reg[0xF3] |= 0x08
			s.done = time.Now().Add(s.takes)
			if s.begun != nil {
				s.begun()
			}
		}
	case 0xF5:
		s.reg[0xF5] = value
	}
}

// A simBMP180 is a simulated BMP180. With raw values of the datasheet's example
// (section 3.5), taken with 8 samples, it measures 15.0 °C and 699.63 hPa.
type simBMP180 struct {
	reg     [256]byte
	ut, up  uint32 // up with one sample
	done    time.Time
	begun   func(command byte)
	stalled bool
}

func newSimBMP180() *simBMP180 {
	s := &simBMP180{ut: 27898, up: 23843}
	s.reg[0xD0] = 0x55
	for i, v := range bmp180ExampleCal {
		binary.BigEndian.PutUint16(s.reg[0xAA+2*i:], v)
	}
	s.brownOut()
	return s
}

var bmp180ExampleCal = [11]uint16{
	408, 0x10000 - 72, 0x10000 - 14383, 32741, 32757, 23153, 6190, 4, 0x8000, 0x10000 - 8711, 2868}

func (s *simBMP180) brownOut() {
	s.reg[0xF4], s.done = 0, time.Time{}
	copy(s.reg[0xF6:], []byte{0x80, 0, 0})
}

// Tx implements simChip.
func (s *simBMP180) Tx(w, r []byte) error {
	s.run()
	if len(r) > 0 {
		copy(r, s.reg[w[0]:])
		return nil
	}
	switch {
	case w[0] == 0xE0 && w[1] == 0xB6:
		s.brownOut()
	case w[0] == 0xF4:
		s.reg[0xF4] = w[1]
		s.done = time.Now().Add(4500 * time.Microsecond)
		if w[1]&0x1F == 0x14 {
			s.done = time.Now().Add([]time.Duration{4500, 7500, 13500, 25500}[w[1]>>6] * time.Microsecond)
		}
		if s.begun != nil {
			s.begun(w[1])
		}
	}
	return nil
}

func (s *simBMP180) run() {
	if s.reg[0xF4]&0x20 == 0 || s.stalled || time.Now().Before(s.done) {
		return
	}
	s.reg[0xF4] &^= 0x20
	v := s.ut << 8
	if s.reg[0xF4]&0x1F == 0x14 {
		v = s.up << 8 // 16 bits and, with more samples, up to 3 more
	}
	s.reg[0xF6], s.reg[0xF7], s.reg[0xF8] = byte(v>>16), byte(v>>8), byte(v)
}
