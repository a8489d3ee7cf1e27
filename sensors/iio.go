package sensors

import (
	"context"
	"slices"
	"strings"
	"time"

	"pipit/agent"
)

func iioKind() Kind {
	return Kind{
		Name: "iio",
		Doc: "What the kernel's industrial I/O drivers measure: temperature, humidity, pressure, light, gases, dust, " +
			"voltages, currents, motion, of chips such as bme280, sps30, ads1015, dht11 or mpu6050.",
		Example: `[sensor.air]
kind = "iio"
device = ""         # name or label of one device, "bme280", or of one of several, "bme280@1-0076"; empty: all, its name before each field
fields = []         # globs of the fields to keep: ["temperature", "humidity"]; empty: all
`,
		New: newIIO,
	}
}

type iioConfig struct {
	Device string   `toml:"device"`
	Fields []string `toml:"fields"`
}

// iio implements agent.Sensor and agent.Troubled. Devices are looked up anew
// at each Read: their numbers change from one start to the next.
type iio struct {
	patient
	host         *Host
	name, device string // of the device and of what it is on; "" is any
	fields       []string
}

func newIIO(h *Host, decode func(any) error) (Built, error) {
	var cfg iioConfig
	if err := decode(&cfg); err != nil {
		return Built{}, err
	}
	name, device, err := chipKey("device", cfg.Device)
	if err != nil {
		return Built{}, err
	}
	s := &iio{host: h, name: name, device: device, fields: cfg.Fields}
	return Built{Sensor: s, Bus: "iio", Timeout: 10 * time.Second}, nil
}

// iioDevices returns the devices that have a name. One with a label (since
// Linux 5.8, from the device tree) may be known by that as well.
func (h *Host) iioDevices() (devices []chip, labels []string, err error) {
	const bus = "/sys/bus/iio/devices"
	entries, err := h.list(bus)
	if err != nil {
		return nil, nil, err
	}
	for _, entry := range entries {
		dir := bus + "/" + entry
		if !strings.HasPrefix(entry, "iio:device") {
			continue // triggers
		}
		if name, err := h.line(dir + "/name"); err == nil && name != "" {
			label, _ := h.line(dir + "/label") // most have none
			devices = append(devices, chip{dir, name, h.parent(dir)})
			labels = append(labels, label)
		}
	}
	return devices, labels, nil
}

// Read implements agent.Sensor. The fields of a device that the config names
// and that is there once have no prefix.
func (s *iio) Read(ctx context.Context) ([]agent.Reading, error) {
	devices, err := s.selected()
	if err != nil {
		return nil, err
	}
	l := &fieldList{want: s.fields}
	for _, d := range devices {
		prefix := ""
		if s.name == "" || len(devices) > 1 {
			prefix = d.prefix(devices) + "_"
		}
		if err := s.readDevice(ctx, l, d, prefix); err != nil {
			return nil, err
		}
	}
	if len(l.readings) == 0 {
		return nil, missing("iio: %s: nothing that can be measured, or no such field", chipNames(devices))
	}
	return l.readings, nil
}

// selected returns the devices that the config asks for, at least one.
func (s *iio) selected() ([]chip, error) {
	all, labels, err := s.host.iioDevices()
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, missing("there is no iio device: load its driver, for example by dtoverlay=i2c-sensor,bme280 in config.txt")
	}
	var chosen []chip
	for i, d := range all {
		if (s.name == "" || s.name == d.name || s.name == labels[i]) && (s.device == "" || s.device == d.device) {
			chosen = append(chosen, d)
		}
	}
	if len(chosen) == 0 {
		return nil, missing("there is no iio device %s; there are: %s", chip{"", s.name, s.device}, chipNames(all))
	}
	return chosen, nil
}

// readDevice adds every channel of a device. Only the end of ctx is an error.
func (s *iio) readDevice(ctx context.Context, l *fieldList, d chip, prefix string) error {
	files, err := s.host.list(d.dir)
	if err != nil {
		l.fail(err, strings.TrimSuffix(prefix, "_"))
		return nil
	}
	s.begin()
	for _, ch := range iioChannels(files) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		name := l.unique(prefix + s.label(d, ch, files))
		if !l.wants(name) {
			continue
		}
		var v float64
		err := s.try(ctx, func() (err error) {
			v, err = s.value(d, ch)
			return err
		})
		switch {
		case err != nil:
			l.fail(err, name)
		case ch.unscaled:
			l.uncertain(name, v, "", "a raw number: the driver tells no scale")
		case ch.unit == "%" && (v < 0 || v > 100):
			l.uncertain(name, v, ch.unit, "outside of 0 to 100 %")
		default:
			l.number(name, v, ch.unit)
		}
	}
	return nil
}

// label names a channel by its label where it has one.
func (s *iio) label(d chip, ch iioChannel, files []string) string {
	if slices.Contains(files, ch.id+"_label") {
		if text, err := s.host.line(d.dir + "/" + ch.id + "_label"); err == nil && text != "" {
			return agent.CleanName(text)
		}
	}
	return ch.field
}

// value returns a channel in its unit: (raw + offset) * scale, or what the
// driver has scaled itself.
func (s *iio) value(d chip, ch iioChannel) (float64, error) {
	v, err := s.decimal(d.dir + "/" + ch.file)
	if err != nil {
		return 0, err
	}
	for _, step := range []struct {
		file  string
		apply func(float64)
	}{
		{ch.offset, func(f float64) { v += f }},
		{ch.scale, func(f float64) { v *= f }},
	} {
		if step.file == "" {
			continue
		}
		f, err := s.decimal(d.dir + "/" + step.file)
		if err != nil {
			return 0, err
		}
		step.apply(f)
	}
	return plausible(v*ch.factor, ch.min, ch.max, ch.unit)
}

func (s *iio) decimal(path string) (float64, error) {
	line, err := s.host.line(path)
	if err != nil {
		return 0, err
	}
	return parseNumber(line)
}
