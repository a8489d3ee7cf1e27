package sensors

import (
	"context"
	"errors"
	"math"
	"time"

	"periph.io/x/conn/v3/i2c"

	"pipit/agent"
)

// The driver is our own. That of periph waits for the nominal time of a
// conversion and does not ask whether it has ended: the chip's clock may be
// 10 % slower, and then the value is the one before, of another input.

func ads1115Kind() Kind {
	return Kind{
		Name: "ads1115",
		Doc: "The voltages at the inputs of an ADS1115 or ADS1015 on I²C, in V; several sensors may use one chip, " +
			"each with its own range. For what the voltage stands for see scale and points of [field].",
		Example: `[sensor.analog]
kind = "ads1115"
bus = 1             # N of /dev/i2c-N
address = 0x48      # 0x48 to 0x4b: pin ADDR
channels = { battery = "0", bridge = "2-3" }  # field = "input", or "input-input" for a difference: 0-1, 0-3, 1-3, 2-3
range = 4.096       # V, both ways: 6.144, 4.096, 2.048, 1.024, 0.512 or 0.256; never more than the supply at a pin
`,
		New: newADS1115,
	}
}

type ads1115Config struct {
	Bus      int               `toml:"bus"`
	Address  int               `toml:"address"`
	Channels map[string]string `toml:"channels"`
	Range    float64           `toml:"range"`
}

// The places of these are the chip's codes (TI SBAS444: MUX and PGA).
var (
	ads1115Inputs = []string{"0-1", "0-3", "1-3", "2-3", "0", "1", "2", "3"}
	ads1115Ranges = []float64{6.144, 4.096, 2.048, 1.024, 0.512, 0.256}
)

func newADS1115(h *Host, decode func(any) error) (Built, error) {
	cfg := ads1115Config{Bus: 1, Address: 0x48, Range: 4.096,
		Channels: map[string]string{"in0": "0", "in1": "1", "in2": "2", "in3": "3"}}
	if err := decode(&cfg); err != nil {
		return Built{}, err
	}
	var bad checker
	bad.address(cfg.Bus, cfg.Address, 0x48, 0x49, 0x4A, 0x4B)
	inputs := bad.inputs("channels", cfg.Channels, ads1115Inputs)
	gain := -1
	for i, r := range ads1115Ranges {
		if r == cfg.Range {
			gain = i
		}
	}
	if gain < 0 {
		bad.fail("range", "%g V is no range of this chip (6.144, 4.096, 2.048, 1.024, 0.512 or 0.256)", cfg.Range)
	}
	if err := bad.err(); err != nil {
		return Built{}, err
	}
	return Built{
		Sensor: h.i2cSensor("ads1115", cfg.Bus, cfg.Address, false, func(bus i2c.Bus, address uint16) (agent.Sensor, error) {
			return &ads1115{words{bus, address}, inputs, uint16(gain)}, nil
		}),
		Bus:    busI2C(cfg.Bus),
		Fields: inputNames(inputs),
	}, nil
}

// Registers and bits of an ADS1115.
const (
	ads1115Conversion = 0
	ads1115Config1    = 1

	ads1115Start  = 0x8000 // OS: start; reads 1 when the conversion has ended
	ads1115Single = 0x0100 // one conversion, then power-down
	ads1115Rate   = 0x0080 // 128 a second; 1600 on an ADS1015
	ads1115Quiet  = 0x0003 // no comparator

	ads1115Time = 9 * time.Millisecond // of a conversion with the slowest clock
	adsPolls    = 10
)

// ads1115 implements agent.Sensor.
type ads1115 struct {
	words
	inputs []adcInput
	gain   uint16
}

// Read implements agent.Sensor.
func (s *ads1115) Read(ctx context.Context) ([]agent.Reading, error) {
	l, full := new(fieldList), ads1115Ranges[s.gain]
	for _, in := range s.inputs {
		raw, err := s.convert(ctx, uint16(in.code))
		if err != nil {
			return nil, err
		}
		v := float64(raw) * full / (1 << 15)
		if raw >= 0x7FF0 || raw == math.MinInt16 { // 0x7ff0: the last one of an ADS1015
			l.uncertain(in.name, v, "V", "at the end of the range: take a greater one")
			continue
		}
		l.number(in.name, v, "V")
	}
	return l.readings, nil
}

// convert measures one input. The settings that are read back prove that it is
// this chip that answers, and that it was not reset in between: so 0 V is 0 V.
func (s *ads1115) convert(ctx context.Context, input uint16) (int16, error) {
	config := input<<12 | s.gain<<9 | ads1115Single | ads1115Rate | ads1115Quiet
	if err := s.write(ads1115Config1, ads1115Start|config); err != nil {
		return 0, err
	}
	for range adsPolls {
		if err := wait(ctx, ads1115Time); err != nil {
			return 0, err
		}
		now, err := s.read(ads1115Config1)
		if err != nil {
			return 0, err
		}
		if now&^ads1115Start != config {
			return 0, implausible("the chip's settings are 0x%04x and not 0x%04x: it lost power, or is no ads1115", now, config)
		}
		if now&ads1115Start != 0 {
			raw, err := s.read(ads1115Conversion)
			return int16(raw), err
		}
	}
	return 0, errors.New("the conversion does not end")
}
