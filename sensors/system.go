package sensors

import (
	"context"
	"errors"
	"path"
	"slices"
	"strings"

	"pipit/agent"
)

func systemKind() Kind {
	return Kind{
		Name: "system",
		Doc: "The board itself: CPU temperature and use, load, memory, swap, disk space and whether a disk has become read-only, " +
			"uptime, network counters, pressure, Wi-Fi level, and on a Raspberry Pi throttling and under-voltage.",
		Example: `[sensor.board]
kind = "system"
mounts = ["/"]      # file systems to measure, each by its mount point
interfaces = []     # network interfaces; empty: all physical ones
fields = []         # globs of the fields to keep, such as "cpu_*"; empty: all
`,
		New: newSystem,
	}
}

type systemConfig struct {
	Mounts     []string `toml:"mounts"`
	Interfaces []string `toml:"interfaces"`
	Fields     []string `toml:"fields"`
}

// system implements agent.Sensor. It keeps what the next Read compares with.
type system struct {
	host *Host
	cfg  systemConfig
	buf  []byte
	cpu  cpuTimes
	net  []netCounters
}

func newSystem(h *Host, decode func(any) error) (Built, error) {
	s := &system{host: h, cfg: systemConfig{Mounts: []string{"/"}}}
	if err := decode(&s.cfg); err != nil {
		return Built{}, err
	}
	if err := s.cfg.check(); err != nil {
		return Built{}, err
	}
	bus := busSysfs
	if slices.ContainsFunc(s.cfg.Mounts, func(m string) bool { return m != "/" }) {
		bus = "" // statfs waits for a dead network file system
	}
	return Built{Sensor: s, Bus: bus, Fields: s.cfg.certain()}, nil
}

func (c *systemConfig) check() error {
	var bad checker
	names := make(map[string]string)
	for i, m := range c.Mounts {
		if !path.IsAbs(m) {
			bad.fail("mounts", "%q is not a mount point: write the whole path, such as \"/boot\"", m)
			continue
		}
		m = path.Clean(m)
		c.Mounts[i] = m
		if other, ok := names[diskField("disk_used", m)]; ok {
			bad.fail("mounts", "%q and %q would have the same name", other, m)
		}
		names[diskField("disk_used", m)] = m
	}
	clear(names)
	for _, name := range c.Interfaces {
		if name == "" || strings.ContainsAny(name, "/ :") {
			bad.fail("interfaces", "%q is not the name of an interface", name)
		}
		if other, ok := names[agent.CleanName(name)]; ok {
			bad.fail("interfaces", "%q and %q would have the same name", other, name)
		}
		names[agent.CleanName(name)] = name
	}
	c.checkFields(&bad)
	return bad.err()
}

// checkFields refuses a field that no board can have. What a glob or the name
// of an interface stands for is known on the board only.
func (c *systemConfig) checkFields(bad *checker) {
	possible := append(c.known(), raspberryFields...)
	for _, f := range c.Fields {
		dynamic := slices.ContainsFunc(netPrefixes, func(p string) bool { return strings.HasPrefix(f, p) })
		if dynamic || strings.Contains(f, "*") || slices.Contains(possible, f) {
			continue
		}
		if near := agent.Nearest(f, possible); near != "" {
			bad.fail("fields", "there is no field %q (did you mean %q?)", f, near)
			continue
		}
		bad.fail("fields", "there is no field %q (allowed: %s, net_rx_*, net_tx_*, net_errors_*, wifi_*)", f, strings.Join(possible, ", "))
	}
}

// certain returns the names of the fields that every Read of this
// configuration gives.
func (c *systemConfig) certain() []string {
	l := fieldList{want: c.Fields}
	names := slices.DeleteFunc(c.known(), func(name string) bool { return !l.wants(name) })
	for _, f := range c.Fields {
		if !strings.Contains(f, "*") && !slices.Contains(names, f) {
			names = append(names, f)
		}
	}
	return names
}

// known returns the names of the fields that every Read gives without a choice.
func (c *systemConfig) known() []string {
	names := []string{"cpu_temperature", "cpu_use", "load1", "load5", "load15",
		"memory_used", "memory_available", "swap_used", "uptime"}
	for _, m := range c.Mounts {
		names = append(names, diskFields(m)...)
	}
	for _, name := range c.Interfaces {
		names = append(names, netFields(name)...)
	}
	names = append(names, "pressure_cpu", "pressure_io", "pressure_memory")
	return names
}

// Read implements agent.Sensor. Each part fails alone.
func (s *system) Read(ctx context.Context) ([]agent.Reading, error) {
	l := &fieldList{want: s.cfg.Fields}
	parts := []func(*fieldList){s.cpuTemperature, s.cpuUse, s.load, s.memory,
		s.disks, s.uptime, s.network, s.pressure, s.raspberry}
	for _, part := range parts {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		part(l)
	}
	for _, name := range s.cfg.Fields {
		if !strings.Contains(name, "*") {
			l.fail(missing("this machine does not have it"), name)
		}
	}
	if len(l.readings) == 0 {
		return nil, missing("this machine has no field that matches %s", strings.Join(s.cfg.Fields, ", "))
	}
	return l.readings, nil
}

// bytes reads a file into the sensor's buffer: valid until the next call.
func (s *system) bytes(name string) ([]byte, error) {
	b, err := s.host.bytes(name, s.buf)
	s.buf = b[:0]
	return b, err
}

func (s *system) load(l *fieldList) {
	names := []string{"load1", "load5", "load15"}
	b, err := s.bytes("/proc/loadavg")
	if err != nil {
		l.fail(err, names...)
		return
	}
	load, err := parseLoad(b)
	if err != nil {
		l.fail(err, names...)
		return
	}
	for i, name := range names {
		l.number(name, load[i], "")
	}
}

func (s *system) uptime(l *fieldList) {
	b, err := s.bytes("/proc/uptime")
	if err != nil {
		l.fail(err, "uptime")
		return
	}
	up, err := parseUptime(b)
	if err != nil {
		l.fail(err, "uptime")
		return
	}
	l.number("uptime", up, "s")
}

func (s *system) memory(l *fieldList) {
	b, err := s.bytes("/proc/meminfo")
	var m memory
	if err == nil {
		m, err = parseMeminfo(b)
	}
	if err != nil {
		l.fail(err, "memory_used", "memory_available", "swap_used")
		return
	}
	if m.hasAvailable {
		l.number("memory_used", percent(m.total-m.available, m.total), "%")
		l.number("memory_available", float64(m.available)/1024, "MiB")
	} else {
		l.fail(missing("this kernel does not tell MemAvailable"), "memory_used", "memory_available")
	}
	if m.swapTotal == 0 {
		l.fail(missing("no swap"), "swap_used")
		return
	}
	l.number("swap_used", percent(m.swapTotal-m.swapFree, m.swapTotal), "%")
}

func (s *system) pressure(l *fieldList) {
	for _, what := range []string{"cpu", "io", "memory"} {
		name := "pressure_" + what
		b, err := s.bytes("/proc/pressure/" + what)
		var p float64
		if err == nil {
			p, err = parsePressure(b)
		} else if isMissing(err) || errors.Is(err, errors.ErrUnsupported) { // psi=0 gives EOPNOTSUPP
			err = missing("kernel without pressure stall information")
		}
		if err != nil {
			l.fail(err, name)
			continue
		}
		l.number(name, p, "%")
	}
}

// percent returns the share of whole, which is not 0.
func percent(part, whole uint64) float64 { return 100 * float64(part) / float64(whole) }
