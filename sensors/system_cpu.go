package sensors

import "strings"

// cpuZones are the types of thermal zones that measure the CPU, best first,
// with - for _.
var cpuZones = []string{"cpu-thermal", "x86-pkg-temp", "cpu-therm", "cpu0-thermal", "package-thermal", "soc-thermal", "imx-thermal-zone"}

// cpuChips are the names of hwmon chips whose first temperature is the CPU's, best first.
var cpuChips = []string{"coretemp", "k10temp", "zenpower", "cpu_thermal"}

func (s *system) cpuTemperature(l *fieldList) {
	const name = "cpu_temperature"
	t, err := s.host.cpuTemperature()
	if err != nil {
		l.fail(err, name)
		return
	}
	l.number(name, t, "°C")
}

// cpuTemperature returns degrees Celsius from the first CPU sensor there is.
func (h *Host) cpuTemperature() (float64, error) {
	zones, err := h.zones()
	if err != nil {
		return 0, err
	}
	for _, want := range cpuZones {
		for _, z := range zones {
			if strings.ReplaceAll(strings.ToLower(z.name), "_", "-") == want {
				return h.zoneTemperature(z)
			}
		}
	}
	chips, err := h.chips()
	if err != nil {
		return 0, err
	}
	for _, want := range cpuChips {
		for _, c := range chips {
			if c.name == want {
				return h.firstTemperature(c)
			}
		}
	}
	return 0, missing("no CPU temperature sensor in /sys/class/thermal or hwmon")
}

// firstTemperature reads the lowest temp channel of a chip: coretemp has no
// temp1 on a CPU without a package sensor.
func (h *Host) firstTemperature(c chip) (float64, error) {
	files, err := h.list(c.dir)
	if err != nil {
		return 0, err
	}
	for _, ch := range channels(files) {
		if ch.prefix == "temp" {
			return h.milliCelsius(c.dir + "/" + ch.file)
		}
	}
	return 0, missing("the chip %s shows no temperature", c)
}

// milliCelsius reads a file of thousandths of a degree.
func (h *Host) milliCelsius(name string) (float64, error) {
	line, err := h.line(name)
	if err != nil {
		return 0, err
	}
	milli, err := parseInt(line)
	if err != nil {
		return 0, err
	}
	return celsius(milli)
}

// cpuUse measures from one Read to the next. The share since boot would be a
// number, but not the one that people ask for.
func (s *system) cpuUse(l *fieldList) {
	const name = "cpu_use"
	b, err := s.bytes("/proc/stat")
	var now cpuTimes
	if err == nil {
		now, err = parseStat(b)
	}
	if err != nil {
		l.fail(err, name)
		return
	}
	before := s.cpu
	s.cpu = now
	if before.total == 0 {
		l.fail(missing("measured from the second reading on"), name)
		return
	}
	if use, ok := now.use(before); ok {
		l.number(name, use, "%")
		return
	}
	l.fail(missing("no CPU time was counted since the last reading"), name)
}
