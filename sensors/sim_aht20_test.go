package sensors

import "time"

// A simAHT20 is a simulated AHT20.
type simAHT20 struct {
	temperature, humidity uint32 // raw, 20 bits
	calibrated            bool
	takes                 time.Duration // a measurement
	ready                 time.Time
	restarts              int
	// Faults.
	worn    bool // it does not get calibrated
	stalled bool // a measurement does not end, not even with a restart
	hangs   int  // so many restarts until it measures
	corrupt int  // so many answers with a wrong checksum
}

// newSimAHT20 returns a chip that measures 21.5 °C and 45 %, not yet calibrated.
func newSimAHT20() *simAHT20 {
	return &simAHT20{temperature: 374866, humidity: 471859, takes: 75 * time.Millisecond}
}

// brownOut loses the calibration.
func (s *simAHT20) brownOut() { s.calibrated = false }

// Tx implements simChip.
func (s *simAHT20) Tx(w, r []byte) error {
	if len(w) > 0 {
		s.command(w[0])
	}
	if len(r) == 0 {
		return nil
	}
	b := []byte{s.status(), byte(s.humidity >> 12), byte(s.humidity >> 4),
		byte(s.humidity<<4) | byte(s.temperature>>16), byte(s.temperature >> 8), byte(s.temperature)}
	b = append(b, crc8(b))
	if b[0]&0x80 != 0 {
		b[6]++ // only the status counts
	}
	if s.corrupt > 0 && len(r) == 7 {
		s.corrupt--
		b[3] ^= 1
	}
	copy(r, b)
	return nil
}

func (s *simAHT20) command(c byte) {
	switch c {
	case 0xBA:
		s.calibrated = false
		s.restarts++
	case 0xBE:
		s.calibrated = !s.worn
	case 0xAC:
		s.ready = time.Now().Add(s.takes)
	}
}

func (s *simAHT20) status() byte {
	b := byte(0x10)
	if s.calibrated {
		b |= 0x08
	}
	if s.stalled || s.restarts <= s.hangs || time.Now().Before(s.ready) {
		b |= 0x80
	}
	return b
}
