package sensors

import (
	"context"
	"fmt"
	"math/bits"

	"pipit/agent"
)

func mcp3008Kind() Kind {
	return Kind{
		Name: "mcp3008",
		Doc:  "The voltages at the inputs of an MCP3008 or MCP3004 on SPI, in V. For what the voltage stands for see scale and points of [field].",
		Example: `[sensor.knobs]
kind = "mcp3008"
bus = 0             # B and C of /dev/spidevB.C
chip_select = 0
channels = { volume = "0", bridge = "2-3" }  # field = "input", or "input-input" for a difference of two neighbours: 0-1, 1-0, 2-3, ...
reference = 3.3     # V, at the pin VREF
`,
		New: newMCP3008,
	}
}

type mcp3008Config struct {
	Bus       int               `toml:"bus"`
	Chip      int               `toml:"chip_select"`
	Channels  map[string]string `toml:"channels"`
	Reference float64           `toml:"reference"`
}

// The places of these are the chip's codes: SGL/DIFF D2 D1 D0.
var mcp3008Inputs = []string{"0-1", "1-0", "2-3", "3-2", "4-5", "5-4", "6-7", "7-6", "0", "1", "2", "3", "4", "5", "6", "7"}

const mcp3008Hz = 1_000_000 // at most 1.35 MHz with a supply of 2.7 V

func newMCP3008(h *Host, decode func(any) error) (Built, error) {
	cfg := mcp3008Config{Reference: 3.3, Channels: map[string]string{
		"in0": "0", "in1": "1", "in2": "2", "in3": "3", "in4": "4", "in5": "5", "in6": "6", "in7": "7"}}
	if err := decode(&cfg); err != nil {
		return Built{}, err
	}
	var bad checker
	bad.device("bus", cfg.Bus)
	bad.device("chip_select", cfg.Chip)
	inputs := bad.inputs("channels", cfg.Channels, mcp3008Inputs)
	bad.positive("reference", cfg.Reference)
	if err := bad.err(); err != nil {
		return Built{}, err
	}
	settings := SPISettings{Bus: cfg.Bus, Chip: cfg.Chip, Hz: mcp3008Hz}
	return Built{
		Sensor: &steady{make: func(context.Context) (agent.Sensor, error) {
			port, err := h.OpenSPI(settings)
			if err != nil {
				return nil, err
			}
			return &mcp3008{port, fmt.Sprintf("spidev%d.%d", cfg.Bus, cfg.Chip), inputs, cfg.Reference}, nil
		}},
		Bus:    fmt.Sprintf("spi:%d", cfg.Bus),
		Fields: inputNames(inputs),
	}, nil
}

func (c *checker) device(key string, n int) {
	if n < 0 || n > 255 {
		c.fail(key, "%d is no number of a device: write B and C of /dev/spidevB.C", n)
	}
}

// mcp3008 implements agent.Sensor and io.Closer.
type mcp3008 struct {
	port      SPIPort
	name      string
	inputs    []adcInput
	reference float64
}

// Read implements agent.Sensor.
func (s *mcp3008) Read(ctx context.Context) ([]agent.Reading, error) {
	l := new(fieldList)
	for _, in := range s.inputs {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		raw, err := s.convert(in.code)
		if err != nil {
			return nil, err
		}
		v := float64(raw) * s.reference / 1024
		if raw == 1023 {
			l.uncertain(in.name, v, "V", "at the end of the range, or above it")
			continue
		}
		l.number(in.name, v, "V")
	}
	return l.readings, nil
}

// convert measures one input. The chip has neither an id nor a checksum, but
// answers with a null bit, and, clocked further, with the same number once more
// with its bits in reverse and then zeros (Microchip DS21295, figure 5-1 and
// 5-2): so a line that is held high, noise, and bits that are shifted are told
// from a value. A line that is held low cannot be told from 0 V.
func (s *mcp3008) convert(code byte) (int, error) {
	w, r := [5]byte{1, code << 4}, [5]byte{}
	if err := s.port.Tx(w[:], r[:]); err != nil {
		return 0, fmt.Errorf("mcp3008 at %s: %w", s.name, err)
	}
	raw := int(r[1]&3)<<8 | int(r[2])
	if r[1]&4 != 0 || bits.Reverse8(r[3]) != byte(raw>>1) || r[4] != byte(raw>>9)<<7 {
		return 0, implausible("mcp3008 at %s: the frame % x makes no sense: check power, MISO and chip select", s.name, r[1:])
	}
	return raw, nil
}

// Close implements io.Closer.
func (s *mcp3008) Close() error { return s.port.Close() }
