package sensors

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"pipit/agent"
)

func hwmonKind() Kind {
	return Kind{
		Name: "hwmon",
		Doc: "What the kernel's hardware monitoring drivers measure: temperatures, voltages, currents, powers, fans, " +
			"humidity and energy of chips such as sht4x, lm75, ina219 or nct6775.",
		Example: `[sensor.chips]
kind = "hwmon"
chip = ""           # name of one chip, "sht4x", or of one of several, "sht4x@1-0044"; empty: all chips
`,
		New: newHwmon,
	}
}

type hwmonConfig struct {
	Chip string `toml:"chip"`
}

// hwmon implements agent.Sensor. Chips are looked up anew at each Read: their
// numbers change when a driver is loaded, and a chip may come later.
type hwmon struct {
	host         *Host
	name, device string // of the chip; "" is any
	patient
}

func newHwmon(h *Host, decode func(any) error) (Built, error) {
	var cfg hwmonConfig
	if err := decode(&cfg); err != nil {
		return Built{}, err
	}
	name, device, err := chipKey("chip", cfg.Chip)
	if err != nil {
		return Built{}, err
	}
	return Built{
		Sensor:  &hwmon{host: h, name: name, device: device},
		Bus:     "hwmon",
		Timeout: 10 * time.Second, // chips behind a slow bus, one after the other
	}, nil
}

// chipKey reads the key that names a chip by its name and, where several have
// that name, by its device.
func chipKey(key, text string) (name, device string, err error) {
	name, device, at := strings.Cut(text, "@")
	if at && (name == "" || device == "") {
		var bad checker
		bad.fail(key, "%q is not a chip: write its name, such as \"sht4x\", or name@device, such as \"sht4x@1-0044\"", text)
		return "", "", bad.err()
	}
	return name, device, nil
}

// A chip is one directory of /sys/class/hwmon or /sys/bus/iio. Its number means nothing: it
// is known by its name and by the device it stands for.
type chip struct{ dir, name, device string }

func (c chip) String() string {
	if c.device == "" {
		return c.name
	}
	return c.name + "@" + c.device
}

// prefix begins the names of a chip's fields: its own name, with its device
// where another of the chips has that name.
func (c chip) prefix(chips []chip) string {
	same := func(o chip) bool { return o.name == c.name && o.dir != c.dir }
	if slices.ContainsFunc(chips, same) {
		return agent.CleanName(c.name + "_" + c.device)
	}
	return agent.CleanName(c.name)
}

// chips returns the chips that have a name.
func (h *Host) chips() ([]chip, error) {
	const class = "/sys/class/hwmon"
	entries, err := h.list(class)
	if err != nil {
		return nil, err
	}
	var chips []chip
	for _, entry := range entries {
		dir := class + "/" + entry
		if name, err := h.line(dir + "/name"); err == nil && name != "" {
			chips = append(chips, chip{dir, name, h.target(dir + "/device")})
		}
	}
	return chips, nil
}

// Read implements agent.Sensor.
func (s *hwmon) Read(ctx context.Context) ([]agent.Reading, error) {
	chips, err := s.selected()
	if err != nil {
		return nil, err
	}
	l := new(fieldList)
	for _, c := range chips {
		if err := s.readChip(ctx, l, c, c.prefix(chips)); err != nil {
			return nil, err
		}
	}
	if len(l.readings) == 0 {
		return nil, missing("hwmon: %s: nothing that can be measured", chipNames(chips))
	}
	return l.readings, nil
}

// selected returns the chips that the config asks for, at least one.
func (s *hwmon) selected() ([]chip, error) {
	all, err := s.host.chips()
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, missing("there is no hwmon chip in /sys/class/hwmon")
	}
	chosen := slices.DeleteFunc(slices.Clone(all), func(c chip) bool {
		return s.name != "" && c.name != s.name || s.device != "" && c.device != s.device
	})
	if len(chosen) == 0 {
		return nil, missing("there is no hwmon chip %s; there are: %s", chip{"", s.name, s.device}, chipNames(all))
	}
	return chosen, nil
}

func chipNames(chips []chip) string {
	names := make([]string, len(chips))
	for i, c := range chips {
		names[i] = c.String()
	}
	return strings.Join(names, ", ")
}

// readChip adds every channel of a chip. Only the end of ctx is an error: it
// is looked at between channels, because a read itself cannot be stopped.
func (s *hwmon) readChip(ctx context.Context, l *fieldList, c chip, prefix string) error {
	files, err := s.host.list(c.dir)
	if err != nil {
		l.fail(err, prefix)
		return nil
	}
	s.begin()
	for _, ch := range channels(files) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		label := ch.id
		if slices.Contains(files, ch.id+"_label") {
			if text, err := s.host.line(c.dir + "/" + ch.id + "_label"); err == nil && text != "" {
				label = text
			}
		}
		name := l.unique(agent.CleanName(prefix + "_" + label))
		var v float64
		err := s.try(ctx, func() (err error) {
			v, err = s.value(c, ch, slices.Contains(files, ch.id+"_fault"))
			return err
		})
		switch {
		case err != nil:
			l.fail(err, name)
		case ch.unit == "%" && (v < 0 || v > 100):
			l.uncertain(name, v, ch.unit, "outside of 0 to 100 %")
		default:
			l.number(name, v, ch.unit)
		}
	}
	return nil
}

// A measure is a row of the hwmon sysfs interface: how a channel's file gives
// its number.
type measure struct {
	prefix   string
	unit     string
	divide   float64 // what the file holds, to get the unit
	min, max float64 // in unit; a value outside makes no sense
}

const anything = 1e12

var measures = []measure{
	{"temp", "°C", 1e3, lowestCelsius, highestCelsius},
	{"humidity", "%", 1e3, -6, 119}, // what a Sensirion chip can give
	{"in", "V", 1e3, -anything, anything},
	{"curr", "A", 1e3, -anything, anything},
	{"power", "W", 1e6, -anything, anything},
	{"energy", "J", 1e6, 0, anything},
	{"fan", "rpm", 1, 0, 1e6},
}

// A channel is one number of a chip: "temp1", read from "temp1_input".
type channel struct {
	id, file string
	number   int
	measure
}

// channels finds what can be read among the files of a chip, in the order of
// measures and of their numbers.
func channels(files []string) []channel {
	var list []channel
	for _, m := range measures {
		start := len(list)
		for _, f := range files {
			id, what, _ := strings.Cut(f, "_")
			n, err := strconv.Atoi(strings.TrimPrefix(id, m.prefix))
			if err != nil || n < 0 || !strings.HasPrefix(id, m.prefix) {
				continue
			}
			// acpi_power_meter and amdgpu have an average and no input
			if what == "input" || what == "average" && !slices.Contains(files, id+"_input") {
				list = append(list, channel{id, f, n, m})
			}
		}
		slices.SortStableFunc(list[start:], func(a, b channel) int { return a.number - b.number })
	}
	return list
}

func (s *hwmon) value(c chip, ch channel, hasFault bool) (float64, error) {
	if hasFault {
		if line, err := s.host.line(c.dir + "/" + ch.id + "_fault"); err == nil && line != "0" {
			return 0, errors.New("the chip reports a fault: look at the sensor and its wires")
		}
	}
	line, err := s.host.line(c.dir + "/" + ch.file)
	if err != nil {
		return 0, err
	}
	n, err := parseInt(line)
	if err != nil {
		return 0, err
	}
	return plausible(float64(n)/ch.divide, ch.min, ch.max, ch.unit)
}
