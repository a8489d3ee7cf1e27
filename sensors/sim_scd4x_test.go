package sensors

import (
	"encoding/binary"
	"syscall"
	"time"
)

// A simSCD4x is a simulated SCD4x: it measures every 5 s after the start, keeps
// one measurement until it is read, takes settings in rest only, and
// acknowledges nothing for half a second after it was stopped.
type simSCD4x struct {
	co2, temperature, humidity uint16 // raw
	offset, altitude           uint16
	next                       time.Time // measurement; zero at rest
	fresh                      bool
	busy                       time.Time // it acknowledges nothing until then
	answer                     []byte
	starts                     int
	corrupt                    int // so many answers with a wrong checksum
}

// newSimSCD4x returns a chip that measures what the datasheet's example has:
// 500 ppm, 25 °C and 37 %.
func newSimSCD4x() *simSCD4x { return &simSCD4x{co2: 0x01F4, temperature: 0x6667, humidity: 0x5EB9} }

// brownOut stops the measurements and forgets the settings.
func (s *simSCD4x) brownOut() {
	s.next, s.fresh, s.answer, s.offset, s.altitude = time.Time{}, false, nil, 1498, 0
}

// Tx implements simChip.
func (s *simSCD4x) Tx(w, r []byte) error {
	now := time.Now()
	if now.Before(s.busy) {
		return syscall.EREMOTEIO
	}
	for ; !s.next.IsZero() && !now.Before(s.next); s.next = s.next.Add(5 * time.Second) {
		s.fresh = true
	}
	if len(w) > 0 {
		return s.command(binary.BigEndian.Uint16(w), w[2:])
	}
	if s.answer == nil {
		return syscall.EREMOTEIO
	}
	copy(r, s.answer)
	s.answer = nil
	if s.corrupt > 0 {
		s.corrupt--
		r[2]++
	}
	return nil
}

func (s *simSCD4x) command(c uint16, arguments []byte) error {
	s.busy, s.answer = time.Now().Add(time.Millisecond), nil
	measuring := !s.next.IsZero()
	switch c {
	case 0xE4B8:
		s.answer = sensirion(0x8000)
		if s.fresh {
			s.answer = sensirion(0x8006)
		}
		return nil
	case 0xEC05:
		if s.fresh {
			s.answer = sensirion(s.co2, s.temperature, s.humidity)
		}
		s.fresh = false
		return nil
	case 0x3F86:
		s.next, s.fresh, s.busy = time.Time{}, false, time.Now().Add(500*time.Millisecond)
		return nil
	}
	if measuring {
		return syscall.EREMOTEIO
	}
	return s.atRest(c, arguments)
}

func (s *simSCD4x) atRest(c uint16, arguments []byte) error {
	switch c {
	case 0x21B1:
		s.starts++
		s.next = time.Now().Add(5 * time.Second)
		return nil
	case 0x3682:
		s.answer = sensirion(0xF896, 0x9F07, 0x3BBE)
		return nil
	}
	if len(arguments) != 3 || crc8(arguments[:2]) != arguments[2] {
		return syscall.EREMOTEIO
	}
	switch word := binary.BigEndian.Uint16(arguments); c {
	case 0x241D:
		s.offset = word
	case 0x2427:
		s.altitude = word
	}
	return nil
}
