package sensors

import (
	"context"
	"errors"
	"slices"
	"strings"

	"pipit/agent"
)

func thermalKind() Kind {
	return Kind{
		Name: "thermal",
		Doc:  "The thermal zones of the kernel, such as the CPU's, known by their type and never by their number.",
		Example: `[sensor.soc]
kind = "thermal"
zone = ""           # type of one zone, such as "cpu-thermal"; empty: all zones
`,
		New: newThermal,
	}
}

type thermalConfig struct {
	Zone string `toml:"zone"`
}

// thermal implements agent.Sensor.
type thermal struct {
	host *Host
	zone string // its type; "" is all
	patient
}

func newThermal(h *Host, decode func(any) error) (Built, error) {
	var cfg thermalConfig
	if err := decode(&cfg); err != nil {
		return Built{}, err
	}
	built := Built{Sensor: &thermal{host: h, zone: cfg.Zone}, Bus: busSysfs}
	if cfg.Zone != "" {
		built.Fields = []string{""}
	}
	return built, nil
}

// A zone is one directory of /sys/class/thermal; name is its type.
type zone struct{ dir, name, device string }

// zones returns the thermal zones in the kernel's order.
func (h *Host) zones() ([]zone, error) {
	const class = "/sys/class/thermal"
	entries, err := h.list(class)
	if err != nil {
		return nil, err
	}
	var zones []zone
	for _, entry := range entries {
		if !strings.HasPrefix(entry, "thermal_zone") {
			continue // cooling devices
		}
		dir := class + "/" + entry
		if name, err := h.line(dir + "/type"); err == nil && name != "" {
			zones = append(zones, zone{dir, name, h.target(dir + "/device")})
		}
	}
	return zones, nil
}

// zoneTemperature returns degrees Celsius. A disabled zone has a number too,
// but nobody has measured it.
func (h *Host) zoneTemperature(z zone) (float64, error) {
	if mode, err := h.line(z.dir + "/mode"); err == nil && mode == "disabled" {
		return 0, errors.New("the zone is disabled")
	}
	return h.milliCelsius(z.dir + "/temp")
}

// Read implements agent.Sensor. A zone that the config names and that is
// there once is a sensor of one field.
func (s *thermal) Read(ctx context.Context) ([]agent.Reading, error) {
	zones, err := s.selected()
	if err != nil {
		return nil, err
	}
	l := new(fieldList)
	s.begin()
	for _, z := range zones {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		name := ""
		if s.zone == "" || len(zones) > 1 {
			name = l.unique(zoneField(z, zones))
		}
		var t float64
		err := s.try(ctx, func() (err error) {
			t, err = s.host.zoneTemperature(z)
			return err
		})
		if err != nil {
			l.fail(err, name)
		} else {
			l.number(name, t, "°C")
		}
	}
	return l.readings, nil
}

func (s *thermal) selected() ([]zone, error) {
	all, err := s.host.zones()
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, missing("there is no thermal zone in /sys/class/thermal")
	}
	var chosen []zone
	var names []string
	for _, z := range all {
		names = append(names, z.name)
		if s.zone == "" || s.zone == z.name {
			chosen = append(chosen, z)
		}
	}
	if len(chosen) == 0 {
		return nil, missing("there is no thermal zone of type %s; there are: %s", s.zone, strings.Join(names, ", "))
	}
	return chosen, nil
}

// zoneField names a zone by its type, and by its device where another has that type.
func zoneField(z zone, zones []zone) string {
	same := func(o zone) bool { return o.name == z.name && o.dir != z.dir }
	if slices.ContainsFunc(zones, same) {
		return agent.CleanName(z.name + "_" + z.device)
	}
	return agent.CleanName(z.name)
}
