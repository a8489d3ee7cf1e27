package config

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"pipit/agent"
)

const (
	// maxSensorName leaves room for a field in agent.MaxName.
	maxSensorName = 32

	defaultEvery           = 30 * time.Second
	minEvery, maxEvery     = 100 * time.Millisecond, 24 * time.Hour
	minTimeout, maxTimeout = 10 * time.Millisecond, time.Minute
)

// sensors reads every [sensor.NAME].
func (l *loader) sensors(s section, c *Config) {
	names := s.keys()
	if len(names) > maxSensors {
		s.r.fail(s.path, "there are %d sensors, at most %d are possible", len(names), maxSensors)
		return
	}
	if len(names) == 0 {
		s.r.warn(s.path, "there is no [sensor.NAME]: nothing is measured")
	}
	for _, name := range names {
		c.Sensors = append(c.Sensors, l.sensor(s.sub(name, "[sensor.NAME]"), name))
	}
}

// sensor reads one [sensor.NAME]: its kind, its schedule and, through the
// kind, all its other keys.
func (l *loader) sensor(s section, name string) agent.Task {
	task := agent.Task{Name: name}
	if s.table == nil {
		return task // not a table: reported
	}
	if err := agent.CheckName(name); err != nil || strings.Contains(name, ".") || len(name) > maxSensorName {
		s.r.fail(s.path, "a sensor's name is made of a-z, 0-9, _ and -, at most %d of them, such as %q", maxSensorName, sensorName(name))
	}
	var keys struct {
		Kind    string        `toml:"kind"`
		Every   time.Duration `toml:"every"`
		Timeout time.Duration `toml:"timeout"`
	}
	s.pick(&keys)
	s.between("every", keys.Every, minEvery, maxEvery)
	s.between("timeout", keys.Timeout, minTimeout, maxTimeout)
	switch {
	case !s.has("kind"):
		s.r.fail(s.path, "there is no kind%s", options("", l.env.Kinds))
	case s.given("kind") && !slices.Contains(l.env.Kinds, keys.Kind):
		s.fail("kind", "unknown kind %q%s", keys.Kind, options(keys.Kind, l.env.Kinds))
	case s.given("kind"):
		made, err := l.env.NewSensor(name, keys.Kind, func(into any) error {
			s.decode(into, fieldNames(&keys)...)
			return nil
		})
		if err != nil {
			s.failErr(err)
		}
		checkFields(s, made.Fields)
		task.Every, task.Timeout = cmp.Or(keys.Every, made.Every, defaultEvery), cmp.Or(keys.Timeout, made.Timeout)
		task.Sensor, task.Bus, task.Fields = made.Sensor, cmp.Or(made.Bus, "sensor:"+name), made.Fields
	}
	task.Kind = keys.Kind
	return task
}

// sensorName makes a sensor's name out of what somebody wrote.
func sensorName(s string) string {
	s = agent.CleanName(s)
	return s[:min(len(s), maxSensorName)]
}

// between reports a duration out of its range.
func (s section) between(key string, d, least, most time.Duration) {
	if s.given(key) && (d < least || d > most) {
		s.fail(key, "%s is out of range (%s to %s)", short(d), short(least), short(most))
	}
}

// checkFields reports a sensor and a field whose names are too long together.
func checkFields(s section, fields []string) {
	name := s.path[len(s.path)-1]
	for _, f := range fields {
		if f == "" || agent.CheckName(name) != nil {
			continue
		}
		if err := agent.CheckName(name + "." + f); err != nil {
			s.r.fail(s.path, "%s", err)
		}
	}
}

// short writes a duration without zero parts: 24h, not 24h0m0s.
func short(d time.Duration) string {
	s := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(s, zero) {
			s = s[:len(s)-2]
		}
	}
	return s
}
