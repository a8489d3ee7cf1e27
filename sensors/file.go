package sensors

import (
	"bytes"
	"context"
	"errors"
	"path"
	"strings"
	"unicode"

	"pipit/agent"
)

func fileKind() Kind {
	return Kind{
		Name: "file",
		Doc: "The first line of a file as a number, a text or a truth value: for a value that a driver, " +
			"a script or another program writes down.",
		Example: `[sensor.boiler]
kind = "file"
path = "/run/boiler/temperature"
what = "number"     # or "text", or "bool" (1, 0, on, off, yes, no, true, false)
unit = "°C"         # of the unit table
scale = 0.001       # the value is number * scale + offset
offset = 0.0
`,
		New: newFile,
	}
}

type fileConfig struct {
	Path   string  `toml:"path"`
	What   string  `toml:"what"`
	Unit   string  `toml:"unit"`
	Scale  float64 `toml:"scale"`
	Offset float64 `toml:"offset"`
}

// maxLine is the longest first line of a file sensor in bytes.
const maxLine = 4 << 10

// file implements agent.Sensor.
type file struct {
	host *Host
	cfg  fileConfig
	buf  []byte
}

func newFile(h *Host, decode func(any) error) (Built, error) {
	s := &file{host: h, cfg: fileConfig{What: "number", Scale: 1}}
	if err := decode(&s.cfg); err != nil {
		return Built{}, err
	}
	if err := s.cfg.check(); err != nil {
		return Built{}, err
	}
	// A bus of its own: nobody knows what stands behind the path.
	return Built{Sensor: s, Fields: []string{""}}, nil
}

func (c *fileConfig) check() error {
	var bad checker
	switch {
	case c.Path == "":
		bad.fail("path", "the path of a file is needed")
	case !path.IsAbs(c.Path):
		bad.fail("path", "%q is not a whole path: it must begin with /", c.Path)
	}
	bad.oneOf("what", c.What, "number", "text", "bool")
	c.Unit = bad.unit("unit", c.Unit)
	bad.finite("scale", c.Scale)
	bad.finite("offset", c.Offset)
	switch {
	case c.Scale == 0:
		bad.fail("scale", "0 would make every value the same")
	case c.What != "number" && (c.Scale != 1 || c.Offset != 0):
		bad.fail("scale", "scale and offset are for what = \"number\"")
	}
	if c.What != "number" && c.Unit != "" {
		bad.fail("unit", "a unit is for what = \"number\"")
	}
	return bad.err()
}

// Read implements agent.Sensor.
func (s *file) Read(context.Context) ([]agent.Reading, error) {
	b, err := s.host.head(s.cfg.Path, s.buf, maxLine)
	s.buf = b[:0]
	if err != nil {
		return nil, err
	}
	if len(b) > maxLine && bytes.IndexByte(b, '\n') < 0 {
		return nil, errors.New("the first line is longer than 4 KiB")
	}
	line := firstLine(b)
	if line == "" {
		return nil, errors.New("file is empty")
	}
	v, err := s.value(line)
	if err != nil {
		return nil, err
	}
	return []agent.Reading{{Value: v, Unit: s.cfg.Unit}}, nil
}

func (s *file) value(line string) (agent.Value, error) {
	switch s.cfg.What {
	case "text":
		return agent.Text(strings.Map(printable, line)), nil
	case "bool":
		b, err := parseBool(line)
		return agent.Bool(b), err
	}
	f, err := parseNumber(line)
	if err != nil {
		return agent.Value{}, err
	}
	v := agent.Number(f*s.cfg.Scale + s.cfg.Offset).Round(9) // 21437 * 0.001 is 21.437
	if v.Kind() == agent.None {
		return v, errors.New("the number is too large with this scale")
	}
	return v, nil
}

// printable makes a space of a control character, which XML cannot hold.
func printable(r rune) rune {
	if unicode.IsControl(r) {
		return ' '
	}
	return r
}
