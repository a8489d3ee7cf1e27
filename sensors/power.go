package sensors

import (
	"context"
	"errors"
	"slices"
	"strings"
	"syscall"
	"time"

	"pipit/agent"
)

func powerKind() Kind {
	return Kind{
		Name: "power",
		Doc: "Batteries, UPS HATs, mains and USB supplies as the kernel's power_supply class shows them: capacity, status, " +
			"voltage, current, charge, energy, temperature.",
		Example: `[sensor.ups]
kind = "power"
supply = ""         # name of one supply in /sys/class/power_supply, "battery"; empty: all, its name before each field
fields = []         # globs of the fields to keep: ["capacity", "status"]; empty: all
`,
		New: newPower,
	}
}

type powerConfig struct {
	Supply string   `toml:"supply"`
	Fields []string `toml:"fields"`
}

const powerSupplies = "/sys/class/power_supply"

// power implements agent.Sensor and agent.Troubled.
type power struct {
	patient
	host *Host
	cfg  powerConfig
}

func newPower(h *Host, decode func(any) error) (Built, error) {
	var cfg powerConfig
	if err := decode(&cfg); err != nil {
		return Built{}, err
	}
	if cfg.Supply != "" && (strings.Contains(cfg.Supply, "/") || strings.HasPrefix(cfg.Supply, ".")) {
		var bad checker
		bad.fail("supply", "%q is no supply: write its name in %s, such as \"battery\"", cfg.Supply, powerSupplies)
		return Built{}, bad.err()
	}
	return Built{Sensor: &power{host: h, cfg: cfg}, Bus: "power", Timeout: 10 * time.Second}, nil
}

// A property is a file of a supply (Documentation/ABI/testing/sysfs-class-power).
type property struct {
	file, field string
	read        func(*fieldList, string, string) error // nil: the number below
	unit        string
	scale       float64 // what the file holds, times scale, is in unit
	min, max    float64 // in unit; a value outside makes no sense
}

var properties = []property{
	{file: "status", field: "status", read: (*fieldList).word},
	{file: "health", field: "health", read: (*fieldList).word},
	{file: "online", field: "online", read: (*fieldList).truth},
	{file: "capacity", field: "capacity", unit: "%", scale: 1, max: 100},
	{file: "voltage_now", field: "voltage", unit: "V", scale: 1e-6, min: -anything, max: anything},
	{file: "current_now", field: "current", unit: "A", scale: 1e-6, min: -anything, max: anything},
	{file: "power_now", field: "power", unit: "W", scale: 1e-6, min: -anything, max: anything},
	{file: "charge_now", field: "charge", unit: "Ah", scale: 1e-6, min: -anything, max: anything},
	{file: "charge_full", field: "charge_full", unit: "Ah", scale: 1e-6, max: anything},
	{file: "energy_now", field: "energy", unit: "Wh", scale: 1e-6, max: anything},
	{file: "energy_full", field: "energy_full", unit: "Wh", scale: 1e-6, max: anything},
	{file: "temp", field: "temperature", unit: "°C", scale: 0.1, min: lowestCelsius, max: highestCelsius},
	{file: "cycle_count", field: "cycles", unit: "count", scale: 1, max: anything},
	{file: "time_to_empty_now", field: "time_to_empty", unit: "s", scale: 1, max: anything},
	{file: "time_to_full_now", field: "time_to_full", unit: "s", scale: 1, max: anything},
}

// word adds what the kernel says in a word, such as "Not charging".
func (l *fieldList) word(name, text string) error {
	if text == "" {
		return errEmpty
	}
	l.add(agent.Reading{Name: name, Value: agent.Text(strings.Map(printable, text))})
	return nil
}

// truth adds a truth value; a supply that can be programmed says 2 for on.
func (l *fieldList) truth(name, text string) error {
	n, err := parseInt(text)
	if err == nil {
		l.bool(name, n > 0)
	}
	return err
}

// Read implements agent.Sensor.
func (s *power) Read(ctx context.Context) ([]agent.Reading, error) {
	all, err := s.host.list(powerSupplies)
	if err != nil {
		return nil, err
	}
	supplies := all
	switch {
	case len(all) == 0:
		return nil, missing("there is no power supply in %s: load its driver, for example by dtoverlay=i2c-sensor,max17040", powerSupplies)
	case s.cfg.Supply != "" && !slices.Contains(all, s.cfg.Supply):
		return nil, missing("there is no power supply %s; there are: %s", s.cfg.Supply, strings.Join(all, ", "))
	case s.cfg.Supply != "":
		supplies = []string{s.cfg.Supply}
	}
	l := &fieldList{want: s.cfg.Fields}
	for _, supply := range supplies {
		prefix := ""
		if s.cfg.Supply == "" {
			prefix = agent.CleanName(supply) + "_"
		}
		if err := s.readSupply(ctx, l, powerSupplies+"/"+supply, prefix); err != nil {
			return nil, err
		}
	}
	if len(l.readings) == 0 {
		return nil, missing("%s: nothing that can be measured, or no such field", strings.Join(supplies, ", "))
	}
	return l.readings, nil
}

func (s *power) readSupply(ctx context.Context, l *fieldList, dir, prefix string) error {
	files, err := s.host.list(dir)
	if err != nil {
		return err
	}
	s.begin()
	for _, p := range properties {
		name := prefix + p.field
		if !slices.Contains(files, p.file) || !l.wants(name) {
			continue
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := s.readProperty(ctx, l, dir+"/"+p.file, name, p); err != nil {
			l.fail(err, name)
		}
	}
	return nil
}

func (s *power) readProperty(ctx context.Context, l *fieldList, path, name string, p property) error {
	var line string
	err := s.try(ctx, func() (err error) {
		line, err = s.host.line(path)
		if errors.Is(err, syscall.ENODATA) || errors.Is(err, syscall.ENODEV) {
			return missing("the driver has no value now") // as for the time to empty while charging
		}
		return err
	})
	switch {
	case err != nil:
		return err
	case p.read != nil:
		return p.read(l, name, line)
	}
	n, err := parseInt(line)
	if err != nil {
		return err
	}
	v, err := plausible(float64(n)*p.scale, p.min, p.max, p.unit)
	if err == nil {
		l.number(name, v, p.unit)
	}
	return err
}
