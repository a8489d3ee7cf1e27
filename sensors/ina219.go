package sensors

import (
	"context"
	"errors"
	"math"
	"time"

	"periph.io/x/conn/v3/i2c"

	"pipit/agent"
)

// The driver is our own. That of periph sets the chip to 16 V, loses all
// values when one overflows, and does not notice that the chip lost its
// settings: then the current is 0 for ever. This one takes the current from the
// voltage at the shunt, which the chip gives to 10 µV whatever its settings;
// so there is no calibration register to be lost, to overflow or to round.

func ina219Kind() Kind {
	return Kind{
		Name: "ina219",
		Doc:  "The voltage (V), current (A) and power (W) at an INA219 on I²C, up to 32 V. A current from IN- to IN+ is negative.",
		Example: `[sensor.battery]
kind = "ina219"
bus = 1             # N of /dev/i2c-N
address = 0x40      # 0x40 to 0x4f: pins A0 and A1
shunt = 0.1         # Ω, of the resistor between IN+ and IN-
max_current = 3.2   # A, that will flow; shunt * max_current is at most 0.32 V
`,
		New: newINA219,
	}
}

type ina219Config struct {
	Bus     int     `toml:"bus"`
	Address int     `toml:"address"`
	Shunt   float64 `toml:"shunt"`
	Max     float64 `toml:"max_current"`
}

func newINA219(h *Host, decode func(any) error) (Built, error) {
	cfg := ina219Config{Bus: 1, Address: 0x40, Shunt: 0.1, Max: 3.2}
	if err := decode(&cfg); err != nil {
		return Built{}, err
	}
	gain, err := cfg.check()
	if err != nil {
		return Built{}, err
	}
	return Built{
		Sensor: h.i2cSensor("ina219", cfg.Bus, cfg.Address, false, func(bus i2c.Bus, address uint16) (agent.Sensor, error) {
			s := &ina219{words{bus, address}, cfg.Shunt, gain}
			return s, s.write(ina219Config1, s.config())
		}),
		Bus:    busI2C(cfg.Bus),
		Fields: []string{"voltage", "current", "power"},
	}, nil
}

// check returns the gain whose range holds the greatest current.
func (cfg *ina219Config) check() (gain uint16, err error) {
	var bad checker
	bad.address(cfg.Bus, cfg.Address, 0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47,
		0x48, 0x49, 0x4A, 0x4B, 0x4C, 0x4D, 0x4E, 0x4F)
	bad.positive("shunt", cfg.Shunt)
	bad.positive("max_current", cfg.Max)
	drop := math.Round(cfg.Shunt*cfg.Max*1e6) / 1e6
	for gain < 3 && drop > ina219Ranges[gain] {
		gain++
	}
	if drop > ina219Ranges[gain] {
		bad.fail("max_current", "%g A through %g Ω is %g V: the chip measures up to %g V", cfg.Max, cfg.Shunt, drop, ina219Ranges[gain])
	}
	return gain, bad.err()
}

// positive refuses a number that is not above 0.
func (c *checker) positive(key string, v float64) {
	if !(v > 0) || math.IsInf(v, 0) {
		c.fail(key, "it must be above 0")
	}
}

// ina219Ranges are of the voltage at the shunt in V, by their gain.
var ina219Ranges = [4]float64{0.04, 0.08, 0.16, 0.32}

// Registers and bits of an INA219 (TI SBOS448).
const (
	ina219Config1 = 0
	ina219Shunt   = 1
	ina219Bus     = 2

	ina219Settings = 0x2000 | 0x0780 | 0x0078 | 0x0007 // 32 V, the mean of 128 samples of both, continuous
	ina219Ready    = 0x0002                            // of the bus voltage: there was a conversion

	ina219Poll = 20 * time.Millisecond // two conversions take 137 ms
	inaPolls   = 15
)

// ina219 implements agent.Sensor.
type ina219 struct {
	words
	shunt float64
	gain  uint16
}

func (s *ina219) config() uint16 { return ina219Settings | s.gain<<11 }

// Read implements agent.Sensor. The settings that are read back prove that it
// is this chip that answers, and that it was not reset since they were written:
// so 0 V and 0 A are real.
func (s *ina219) Read(ctx context.Context) ([]agent.Reading, error) {
	config, err := s.read(ina219Config1)
	if err != nil {
		return nil, err
	}
	if config != s.config() {
		return nil, implausible("the chip's settings are 0x%04x and not 0x%04x: it lost power, or is no ina219", config, s.config())
	}
	bus, err := s.voltage(ctx)
	if err != nil {
		return nil, err
	}
	raw, err := s.read(ina219Shunt)
	if err != nil {
		return nil, err
	}
	drop := float64(int16(raw)) * 1e-5
	current := drop / s.shunt
	l := new(fieldList)
	l.number("voltage", bus, "V")
	if math.Abs(drop) >= ina219Ranges[s.gain]-1e-9 {
		const reason = "the current is beyond the range: raise max_current"
		l.uncertain("current", current, "A", reason)
		l.uncertain("power", bus*current, "W", reason)
		return l.readings, nil
	}
	l.number("current", current, "A")
	l.number("power", bus*current, "W")
	return l.readings, nil
}

// voltage waits for the first conversion and returns the bus voltage.
func (s *ina219) voltage(ctx context.Context) (float64, error) {
	for range inaPolls {
		raw, err := s.read(ina219Bus)
		if err != nil {
			return 0, err
		}
		if raw&ina219Ready != 0 {
			v := float64(raw>>3) * 0.004
			return v, within(v, 0, 32, "V")
		}
		if err := wait(ctx, ina219Poll); err != nil {
			return 0, err
		}
	}
	return 0, errors.New("there is no conversion")
}
