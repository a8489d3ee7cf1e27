package sensors

import (
	"context"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"pipit/agent"
)

func w1Kind() Kind {
	return Kind{
		Name: "w1",
		Doc: "Thermometers on the kernel's 1-wire bus, such as DS18B20 (dtoverlay=w1-gpio). Several convert at the same time " +
			"if the user may write therm_bulk_read of the bus, else one after the other, 750 ms each.",
		Example: `[sensor.boilerroom]
kind = "w1"
id = ""             # of one thermometer, "28-0316a2795fff"; empty: all, each field named by its id
names = {}          # or some of them by name: { flow = "28-0316a2795fff", return = "28-0416c1d2e3ff" }
`,
		New: newW1,
	}
}

type w1Config struct {
	ID    string            `toml:"id"`
	Names map[string]string `toml:"names"`
}

const w1Devices = "/sys/bus/w1/devices"

// w1 implements agent.Sensor and agent.Troubled.
type w1 struct {
	patient
	host   *Host
	wanted []w1Wanted         // empty: all there are
	last   map[string]float64 // good values by id, in °C
}

type w1Wanted struct{ field, id string }

func newW1(h *Host, decode func(any) error) (Built, error) {
	var cfg w1Config
	if err := decode(&cfg); err != nil {
		return Built{}, err
	}
	if err := cfg.check(); err != nil {
		return Built{}, err
	}
	s := &w1{host: h, last: make(map[string]float64)}
	b := Built{Sensor: s, Bus: "w1", Timeout: time.Minute}
	if cfg.ID != "" {
		s.wanted, b.Timeout = []w1Wanted{{"", cfg.ID}}, 10*time.Second
	}
	for _, field := range slices.Sorted(maps.Keys(cfg.Names)) {
		s.wanted = append(s.wanted, w1Wanted{field, cfg.Names[field]})
	}
	for _, w := range s.wanted {
		b.Fields = append(b.Fields, w.field)
	}
	return b, nil
}

func (c *w1Config) check() error {
	var bad checker
	if c.ID != "" {
		checkW1(&bad, "id", c.ID)
	}
	if c.ID != "" && len(c.Names) > 0 {
		bad.fail("names", "id and names exclude each other")
	}
	ids := make(map[string]string)
	for _, field := range slices.Sorted(maps.Keys(c.Names)) {
		id := c.Names[field]
		if strings.Contains(field, ".") || agent.CheckName(field) != nil {
			bad.fail("names", "%q is no name of a field: only a-z, 0-9, _ and - are allowed", field)
		}
		checkW1(&bad, "names", id)
		if other, ok := ids[id]; ok {
			bad.fail("names", "%q and %q are the same thermometer", other, field)
		}
		ids[id] = field
	}
	return bad.err()
}

func checkW1(bad *checker, key, id string) {
	_, serial, _ := strings.Cut(id, "-")
	if !isThermometer(id) || len(serial) != 12 || strings.Trim(serial, "0123456789abcdef") != "" {
		bad.fail(key, "%q is no thermometer's id: write it as in %s, such as \"28-0316a2795fff\"", id, w1Devices)
	}
}

// thermometers returns the ids of the thermometers that the kernel has found,
// at least one.
func (h *Host) thermometers() ([]string, error) {
	names, err := h.list(w1Devices)
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, missing("there is no 1-wire bus: add dtoverlay=w1-gpio to config.txt and start anew")
	}
	ids := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !isThermometer(name) })
	switch {
	case len(ids) > 0:
		return ids, nil
	case slices.ContainsFunc(names, func(name string) bool { return strings.HasPrefix(name, "00-") }):
		return nil, missing("only noise answers on the 1-wire bus: it needs a resistor of 4.7 kΩ from data to 3.3 V")
	}
	return nil, missing("no thermometer answers on the 1-wire bus: check its wires and the resistor of 4.7 kΩ from data to 3.3 V")
}

// Read implements agent.Sensor.
func (s *w1) Read(ctx context.Context) ([]agent.Reading, error) {
	there, err := s.host.thermometers()
	if err != nil {
		return nil, err
	}
	wanted := s.wanted
	if len(wanted) == 0 {
		for _, id := range there {
			wanted = append(wanted, w1Wanted{agent.CleanName(id), id})
		}
	}
	s.convert(wanted, there)
	l := new(fieldList)
	for _, w := range wanted {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		t, err := s.read(ctx, w.id, there)
		if err != nil {
			l.fail(err, w.field)
			continue
		}
		s.last[w.id] = t
		l.number(w.field, t, "°C")
	}
	return l.readings, nil
}

// convert lets all thermometers of a bus measure at the same time, if all of
// them are read now: one that is not would give this value, however old, at
// its next Read. Where this is not possible a read measures by itself.
func (s *w1) convert(wanted []w1Wanted, there []string) {
	byMaster := make(map[string][]string)
	for _, id := range there {
		master := s.host.parent(w1Devices + "/" + id)
		byMaster[master] = append(byMaster[master], id)
	}
	for master, ids := range byMaster {
		unread := func(id string) bool {
			return !slices.ContainsFunc(wanted, func(w w1Wanted) bool { return w.id == id })
		}
		if master == "" || len(ids) < 2 || slices.ContainsFunc(ids, unread) {
			continue
		}
		// the kernel compares eight bytes: without the line feed it does nothing
		_ = s.host.store(w1Devices+"/"+master+"/therm_bulk_read", "trigger\n", "")
	}
}

func (s *w1) read(ctx context.Context, id string, there []string) (float64, error) {
	if !slices.Contains(there, id) {
		return 0, missing("there is no %s on the 1-wire bus; there are: %s", id, strings.Join(there, ", "))
	}
	var celsius float64
	s.begin()
	err := s.try(ctx, func() (err error) {
		celsius, err = s.measure(id)
		return err
	})
	return celsius, err
}

func (s *w1) measure(id string) (float64, error) {
	text, err := s.host.bytes(w1Devices+"/"+id+"/w1_slave", nil)
	if isMissing(err) && s.host.exists(w1Devices+"/"+id) {
		return 0, missing("the kernel has no driver for %s: load the module w1-therm", id)
	}
	if err != nil {
		return 0, err
	}
	pad, milli, err := parseW1(string(text))
	if err != nil {
		return 0, err
	}
	last, known := s.last[id]
	celsius := float64(milli) / 1000
	return celsius, checkScratchpad(id, pad, celsius, known && math.Abs(last-powerOn) <= nearPowerOn)
}
