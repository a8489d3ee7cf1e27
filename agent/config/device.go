package config

import (
	"cmp"
	"log/slog"
	"os"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	maxLabel   = 128 // characters of a name or a location for people
	maxSummary = 16
)

var levels = map[string]slog.Level{
	"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError,
}

// device reads [device]; sensors are the names below [sensor] and [output].
func (l *loader) device(s section, sensors []string) Device {
	keys := struct {
		Name     string   `toml:"name"`
		Location string   `toml:"location"`
		StateDir string   `toml:"state_dir"`
		LogLevel string   `toml:"log_level"`
		Summary  []string `toml:"summary"`

		Flush   time.Duration `toml:"flush"`
		Keep    time.Duration `toml:"keep"`
		MaxSize size          `toml:"max_size"`

		Clock     string        `toml:"clock"`
		ClockWait time.Duration `toml:"clock_wait"`
	}{
		Name: hostName(), StateDir: "/var/lib/pipit", LogLevel: "info",
		Flush: 10 * time.Second, Keep: 30 * 24 * time.Hour, MaxSize: 64e6,
		Clock: "auto", ClockWait: 5 * time.Minute,
	}
	s.decode(&keys, append(fieldNames(&confirmKeys{}), fieldNames(&faceKeys{})...)...)
	checkLabel(s, "name", keys.Name)
	if keys.Location != "" {
		checkLabel(s, "location", keys.Location)
	}
	if s.given("state_dir") && keys.StateDir == "" {
		s.fail("state_dir", "is empty: it wants a folder")
	}
	s.oneOf("log_level", keys.LogLevel, "debug", "info", "warn", "error")
	checkSummary(s, keys.Summary, sensors)
	s.between("flush", keys.Flush, time.Second, 10*time.Minute)
	s.between("keep", keys.Keep, time.Hour, 3650*24*time.Hour)
	if s.given("max_size") && (keys.MaxSize < 1e6 || keys.MaxSize > 1e9) {
		s.fail("max_size", "is out of range (1MB to 1GB)")
	}
	s.oneOf("clock", keys.Clock, "auto", "trust")
	s.between("clock_wait", keys.ClockWait, 0, time.Hour)
	if keys.Clock == "trust" && s.given("clock_wait") {
		s.warn("clock_wait", "it changes nothing with clock = \"trust\": no reading waits")
	}
	return l.face(s, l.confirmation(s, Device{
		Name: keys.Name, Location: keys.Location, StateDir: l.resolve(keys.StateDir),
		LogLevel: levels[keys.LogLevel], Summary: keys.Summary,
		Flush: keys.Flush, Keep: keys.Keep, MaxSize: int64(keys.MaxSize),
		TrustClock: keys.Clock == "trust", ClockWait: keys.ClockWait,
	}))
}

func hostName() string {
	name, err := os.Hostname()
	if err != nil {
		return "pipit"
	}
	return cmp.Or(name, "pipit")
}

func checkLabel(s section, key, text string) {
	switch {
	case !s.given(key):
	case strings.TrimSpace(text) == "":
		s.fail(key, "is empty")
	case utf8.RuneCountInString(text) > maxLabel:
		s.fail(key, "is longer than %d characters", maxLabel)
	case strings.ContainsFunc(text, unicode.IsControl):
		s.fail(key, "is not one line of text")
	}
}

// checkSummary reports names of readings that cannot exist.
func checkSummary(s section, globs, sensors []string) {
	if !s.given("summary") {
		return
	}
	if len(globs) > maxSummary {
		s.fail("summary", "has more than %d names", maxSummary)
		return
	}
	for _, glob := range globs {
		if problem := globProblem(glob, "sensor or output", sensors); problem != "" {
			s.fail("summary", "%s", problem)
		}
	}
}
