package sensors

import (
	"encoding/binary"
	"syscall"
	"time"
)

// sensirion returns words with their checksums behind them.
func sensirion(words ...uint16) []byte {
	var b []byte
	for _, w := range words {
		b = binary.BigEndian.AppendUint16(b, w)
		b = append(b, crc8(b[len(b)-2:]))
	}
	return b
}

// A simSHT4x is a simulated SHT4x: it does not acknowledge a read before the
// command has ended or when there is nothing to read.
type simSHT4x struct {
	temperature, humidity uint16 // raw
	answer                []byte
	ready                 time.Time
	heated                bool // a command switched the heater on
	restarts              int
	// Faults.
	corrupt int // so many answers with a wrong checksum
	foreign []byte
}

// newSimSHT4x returns a chip that measures 21.5 °C and 45 %.
func newSimSHT4x() *simSHT4x { return &simSHT4x{temperature: 24903, humidity: 26738} }

// brownOut interrupts what the chip does.
func (s *simSHT4x) brownOut() { s.answer = nil }

// Tx implements simChip.
func (s *simSHT4x) Tx(w, r []byte) error {
	if len(w) > 0 {
		s.command(w[0])
		return nil
	}
	if s.answer == nil || time.Now().Before(s.ready) {
		return syscall.EREMOTEIO
	}
	copy(r, s.answer)
	s.answer = nil
	if s.foreign != nil {
		copy(r, s.foreign)
	}
	if s.corrupt > 0 {
		s.corrupt--
		r[4] ^= 0x10 // the second word
	}
	return nil
}

func (s *simSHT4x) command(c byte) {
	s.answer = nil
	takes := time.Millisecond
	switch c {
	case 0x94:
		s.restarts++
	case 0x89:
		s.answer = sensirion(0x0123, 0x4567)
	case 0xFD, 0xF6, 0xE0:
		s.answer, takes = sensirion(s.temperature, s.humidity), 8300*time.Microsecond
	default:
		s.heated = true
	}
	s.ready = time.Now().Add(takes)
}
