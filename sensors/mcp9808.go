package sensors

import (
	"context"
	"time"

	"periph.io/x/conn/v3/i2c"

	"pipit/agent"
)

// The driver is our own. That of periph does not look at the chip's id, loses
// the errors of the bus, writes the settings of a chip that has good ones, and
// puts it into shutdown in the end, where it keeps its last temperature for
// ever. This one writes nothing, so that the kernel's driver (jc42) may have
// the chip at the same time.

func mcp9808Kind() Kind {
	return Kind{
		Name: "mcp9808",
		Doc:  "The temperature of an MCP9808 on I²C, in °C, to 0.0625 °C.",
		Example: `[sensor.cellar]
kind = "mcp9808"
bus = 1             # N of /dev/i2c-N
address = 0x18      # 0x18 to 0x1f: pins A0 to A2
`,
		New: newMCP9808,
	}
}

type mcp9808Config struct {
	Bus     int `toml:"bus"`
	Address int `toml:"address"`
}

func newMCP9808(h *Host, decode func(any) error) (Built, error) {
	cfg := mcp9808Config{Bus: 1, Address: 0x18}
	if err := decode(&cfg); err != nil {
		return Built{}, err
	}
	var bad checker
	bad.address(cfg.Bus, cfg.Address, 0x18, 0x19, 0x1A, 0x1B, 0x1C, 0x1D, 0x1E, 0x1F)
	if err := bad.err(); err != nil {
		return Built{}, err
	}
	return Built{
		Sensor: h.i2cSensor("mcp9808", cfg.Bus, cfg.Address, true, func(bus i2c.Bus, address uint16) (agent.Sensor, error) {
			s := &mcp9808{words{bus, address}}
			return s, s.identify()
		}),
		Bus:    busI2C(cfg.Bus),
		Fields: []string{""},
	}, nil
}

// Registers of an MCP9808 (Microchip DS25095).
const (
	mcp9808Config1      = 1
	mcp9808Temperature  = 5
	mcp9808Manufacturer = 6 // 0x0054
	mcp9808Device       = 7 // 0x04 and the revision

	mcp9808Shutdown   = 0x0100
	mcp9808Conversion = 300 * time.Millisecond // 250 ms at 0.0625 °C
)

// mcp9808 implements agent.Sensor.
type mcp9808 struct{ words }

func (s *mcp9808) identify() error {
	v, err := s.readAll(mcp9808Manufacturer, mcp9808Device, mcp9808Config1)
	if err != nil {
		return err
	}
	if err := stuck(v...); err != nil {
		return err
	}
	if v[0] != 0x0054 || v[1]>>8 != 0x04 {
		return misconfigured(nil, "the chip at 0x%02x is no mcp9808: manufacturer id 0x%04x (want 0x0054), device id 0x%02x (want 0x04)",
			s.address, v[0], v[1]>>8)
	}
	if v[2]&mcp9808Shutdown != 0 {
		return misconfigured(nil, "the chip at 0x%02x is in shutdown, another program has put it there: "+
			"end that, and take the chip's power away once", s.address)
	}
	return nil
}

// Read implements agent.Sensor. 0 °C is real, and is also what the chip has
// before its first conversion: see tmp102. The upper three bits are comparisons
// with limits, and not a part of the temperature.
func (s *mcp9808) Read(ctx context.Context) ([]agent.Reading, error) {
	raw, err := s.read(mcp9808Temperature)
	if err == nil && (raw == 0 || raw == 0xFFFF) {
		raw, err = s.again(ctx, raw)
	}
	if err != nil {
		return nil, err
	}
	v := float64(int16(raw<<3)) / 128
	if err := within(v, -40, 125, "°C"); err != nil {
		return nil, err
	}
	l := new(fieldList)
	l.number("", v, "°C")
	return l.readings, nil
}

// again reads the temperature once more when raw is doubtful.
func (s *mcp9808) again(ctx context.Context, raw uint16) (uint16, error) {
	if err := s.identify(); err != nil {
		return 0, err
	}
	if raw == 0xFFFF {
		return raw, nil
	}
	if err := wait(ctx, mcp9808Conversion); err != nil {
		return 0, err
	}
	return s.read(mcp9808Temperature)
}
