package sensors

import (
	"context"
	"encoding/binary"
	"time"

	"periph.io/x/conn/v3/i2c"

	"pipit/agent"
)

// The driver is our own. That of periph cuts the value to whole lux, sends the
// reset where it means to switch on and off, and waits for less than the
// datasheet's longest measurement, which gives the value before.

func bh1750Kind() Kind {
	return Kind{
		Name: "bh1750",
		Doc:  "The illuminance at a BH1750 on I²C, in lx, to 0.8 lx, up to 54612 lx.",
		Example: `[sensor.light]
kind = "bh1750"
bus = 1             # N of /dev/i2c-N
address = 0x23      # or 0x5c: pin ADDR high
`,
		New: newBH1750,
	}
}

type bh1750Config struct {
	Bus     int `toml:"bus"`
	Address int `toml:"address"`
}

func newBH1750(h *Host, decode func(any) error) (Built, error) {
	cfg := bh1750Config{Bus: 1, Address: 0x23}
	if err := decode(&cfg); err != nil {
		return Built{}, err
	}
	var bad checker
	bad.address(cfg.Bus, cfg.Address, 0x23, 0x5C)
	if err := bad.err(); err != nil {
		return Built{}, err
	}
	return Built{
		Sensor: h.i2cSensor("bh1750", cfg.Bus, cfg.Address, false, func(bus i2c.Bus, address uint16) (agent.Sensor, error) {
			return &bh1750{bus, address}, nil
		}),
		Bus:    busI2C(cfg.Bus),
		Fields: []string{""},
	}, nil
}

// Commands of a BH1750 (ROHM BH1750FVI).
const (
	bh1750On      = 0x01
	bh1750Reset   = 0x07 // of the data register; only while it is on
	bh1750High    = 0x42 // the measurement time is 69,
	bh1750Low     = 0x65 // as it is after power-on
	bh1750OneTime = 0x20 // measure in high resolution once, then switch off

	bh1750Time = 180 * time.Millisecond // of a measurement, at most
)

// bh1750 implements agent.Sensor. Every measurement brings all its settings
// with it: there is nothing that a brown-out could take away.
type bh1750 struct {
	bus     i2c.Bus
	address uint16
}

// Read implements agent.Sensor. All zeros is darkness, and what is left of a
// measurement that was lost in a brown-out: it is measured again. A data line
// that is held low cannot be told from darkness, the chip has nothing else that
// can be read. All ones is too much light when a reset changes it, else the bus
// is stuck.
func (s *bh1750) Read(ctx context.Context) ([]agent.Reading, error) {
	raw, err := s.measure(ctx)
	if err == nil && raw == 0 {
		raw, err = s.measure(ctx)
	}
	if err != nil {
		return nil, err
	}
	l := new(fieldList)
	lux := float64(raw) / 1.2
	if raw < 0xFFFF {
		l.number("", lux, "lx")
		return l.readings, nil
	}
	if err := s.send(bh1750On, bh1750Reset); err != nil {
		return nil, err
	}
	if raw, err = s.data(); err != nil {
		return nil, err
	}
	if raw == 0xFFFF {
		return nil, implausible("the chip reads 0xffff also after a reset: check SDA and the power of the chip")
	}
	l.uncertain("", lux, "lx", "brighter than the chip can measure")
	return l.readings, nil
}

func (s *bh1750) measure(ctx context.Context) (uint16, error) {
	if err := s.send(bh1750On, bh1750Reset, bh1750High, bh1750Low, bh1750OneTime); err != nil {
		return 0, err
	}
	if err := wait(ctx, bh1750Time); err != nil {
		return 0, err
	}
	return s.data()
}

func (s *bh1750) send(commands ...byte) error {
	for _, c := range commands {
		if err := s.bus.Tx(s.address, []byte{c}, nil); err != nil {
			return err
		}
	}
	return nil
}

func (s *bh1750) data() (uint16, error) {
	var b [2]byte
	err := s.bus.Tx(s.address, nil, b[:])
	return binary.BigEndian.Uint16(b[:]), err
}
