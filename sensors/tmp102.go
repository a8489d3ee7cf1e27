package sensors

import (
	"context"
	"time"

	"periph.io/x/conn/v3/i2c"

	"pipit/agent"
)

// The driver is our own. That of periph drops the error of its first transfer
// and then writes what it did not read as the chip's settings, knows neither
// the extended mode nor the resolution of an LM75, and takes a bus that is
// stuck for a temperature. This one writes nothing, so that the kernel's
// driver may have the chip at the same time.

func tmp102Kind() Kind {
	return Kind{
		Name: "tmp102",
		Doc:  "The temperature of a TMP102, TMP105, TMP112, TMP75 or LM75 on I²C, in °C.",
		Example: `[sensor.outside]
kind = "tmp102"
bus = 1             # N of /dev/i2c-N
address = 0x48      # 0x48 to 0x4f: pins A0 to A2
bits = 12           # of the temperature: 12, or 11 for LM75A and LM75B of NXP, 9 for other LM75
`,
		New: newTMP102,
	}
}

type tmp102Config struct {
	Bus     int `toml:"bus"`
	Address int `toml:"address"`
	Bits    int `toml:"bits"`
}

func newTMP102(h *Host, decode func(any) error) (Built, error) {
	cfg := tmp102Config{Bus: 1, Address: 0x48, Bits: 12}
	if err := decode(&cfg); err != nil {
		return Built{}, err
	}
	var bad checker
	bad.address(cfg.Bus, cfg.Address, 0x48, 0x49, 0x4A, 0x4B, 0x4C, 0x4D, 0x4E, 0x4F)
	if cfg.Bits < 9 || cfg.Bits > 12 {
		bad.fail("bits", "%d is no resolution of these chips (9 to 12)", cfg.Bits)
	}
	if err := bad.err(); err != nil {
		return Built{}, err
	}
	return Built{
		Sensor: h.i2cSensor("tmp102", cfg.Bus, cfg.Address, true, func(bus i2c.Bus, address uint16) (agent.Sensor, error) {
			s := &tmp102{words: words{bus, address}, mask: 0xFFFF << (16 - cfg.Bits), fine: cfg.Bits == 12}
			return s, s.identify()
		}),
		Bus:    busI2C(cfg.Bus),
		Fields: []string{""},
	}, nil
}

// Registers of a TMP102 (TI SBOS397) and an LM75, and bits of the configuration.
const (
	tmp102Temperature = 0
	tmp102Config1     = 1
	tmp102Low         = 2
	tmp102High        = 3

	tmp102Shutdown = 0x0100
	tmp102Extended = 0x6010 // EM, and R1 R0, which read 1 on a TMP102

	tmp102Conversion = 350 * time.Millisecond // the slowest: an LM75, a TMP105
)

// tmp102 implements agent.Sensor.
type tmp102 struct {
	words
	mask uint16 // of the bits that have a meaning
	fine bool   // it may be in the extended mode
}

// identify tells what is not one of these chips, which have no id register, by
// the two temperature limits, which the chip has from the start.
func (s *tmp102) identify() error {
	v, err := s.readAll(tmp102Config1, tmp102Low, tmp102High)
	if err != nil {
		return err
	}
	if err := stuck(v...); err != nil {
		return err
	}
	for _, limit := range v[1:] {
		if c := float64(int16(limit)) / 256; c < -55 || c > 128 {
			return misconfigured(nil, "the chip at 0x%02x is no tmp102: its limits are 0x%04x and 0x%04x", s.address, v[1], v[2])
		}
	}
	if v[0]&tmp102Shutdown != 0 {
		return misconfigured(nil, "the chip at 0x%02x is in shutdown, another program has put it there: "+
			"end that, and take the chip's power away once", s.address)
	}
	return nil
}

// Read implements agent.Sensor. 0 °C is real, and is also what the chip has
// before its first conversion and what a bus reads that is held low: it is
// believed when the other registers are sound and it is still there after the
// time of a conversion.
func (s *tmp102) Read(ctx context.Context) ([]agent.Reading, error) {
	raw, err := s.read(tmp102Temperature)
	if err == nil && (raw == 0 || raw == 0xFFFF) {
		raw, err = s.again(ctx, raw)
	}
	if err != nil {
		return nil, err
	}
	v, highest := float64(int16(raw&s.mask))/256, 125.0
	if s.fine && raw&1 != 0 {
		config, err := s.read(tmp102Config1)
		if err != nil {
			return nil, err
		}
		if config&tmp102Extended == tmp102Extended {
			v, highest = float64(int16(raw&0xFFF8))/128, 150
		}
	}
	if err := within(v, -55, highest, "°C"); err != nil {
		return nil, err
	}
	l := new(fieldList)
	l.number("", v, "°C")
	return l.readings, nil
}

// again reads the temperature once more when raw is doubtful.
func (s *tmp102) again(ctx context.Context, raw uint16) (uint16, error) {
	if err := s.identify(); err != nil {
		return 0, err
	}
	if raw != 0 {
		return raw, nil
	}
	if err := wait(ctx, tmp102Conversion); err != nil {
		return 0, err
	}
	return s.read(tmp102Temperature)
}
