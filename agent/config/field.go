package config

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"pipit/agent"
)

const (
	maxFields    = 256
	maxPoints    = 64 // of one field; as many numbers in reject
	maxPercent   = 1000
	maxHeartbeat = 24 * time.Hour
	maxStale     = 30 * 24 * time.Hour
)

// fieldKeys is [field."NAME"] but for change, which is a number or text, and
// smooth, a table of its own.
type fieldKeys struct {
	Unit      string        `toml:"unit"`
	Reject    []float64     `toml:"reject"`
	Valid     []float64     `toml:"valid"`
	Scale     *float64      `toml:"scale"`
	Offset    *float64      `toml:"offset"`
	Points    [][]float64   `toml:"points"`
	MaxStep   float64       `toml:"max_step"`
	Precision *int          `toml:"precision"`
	Heartbeat time.Duration `toml:"heartbeat"`
	Stale     time.Duration `toml:"stale"`
}

// fields reads every [field."NAME"]. Sources are the names of what gives
// readings: sensors and outputs.
func (l *loader) fields(s section, sources []string, c *Config) {
	globs := s.keys()
	if len(globs) > maxFields {
		s.r.fail(s.path, "there are %d fields, at most %d are possible", len(globs), maxFields)
		return
	}
	for _, glob := range globs {
		table := s.sub(glob, `[field."NAME"], one for each reading or glob`)
		if table.table == nil {
			continue // not a table: reported
		}
		if problem := globProblem(glob, "sensor", sources); problem != "" {
			table.r.fail(table.path, "%s", problem)
		}
		rule := agent.FieldRule{Glob: glob, Field: field(table)}
		warnStale(table, rule, c.Sensors)
		c.Fields = append(c.Fields, rule)
	}
}

// globProblem tells why a name or a glob cannot match a reading of what has the
// names of sources, of which "*" stands for any; "" when it can.
func globProblem(glob, what string, sources []string) string {
	source, _, _ := strings.Cut(glob, ".")
	if agent.CheckName(strings.ReplaceAll(glob, "*", "x")) != nil {
		return fmt.Sprintf("%q is not the name of a reading, such as %q or %q", glob, "outside.temperature", "outside.*")
	}
	if !strings.Contains(source, "*") && !slices.Contains(sources, source) && !slices.Contains(sources, "*") {
		return fmt.Sprintf("there is no %s %q%s", what, source, options(source, sources))
	}
	return ""
}

// warnStale finds sensors that are read so seldom that their readings are
// stale before the next one.
func warnStale(s section, rule agent.FieldRule, sensors []agent.Task) {
	source, _, _ := strings.Cut(rule.Glob, ".")
	for _, t := range sensors {
		if s.given("stale") && agent.Match(source, t.Name) && rule.Stale < t.Every {
			s.warn("stale", "sensor %s is read every %s: its readings are stale most of the time", t.Name, short(t.Every))
			return
		}
	}
}

// field reads one [field."NAME"].
func field(s section) agent.Field {
	var keys fieldKeys
	if len(s.table) == 0 {
		s.r.warn(s.path, "it is empty and changes nothing")
	}
	unquoted(s)
	s.decode(&keys, "change", "smooth")
	f := agent.Field{
		Unit: fieldUnit(s, keys.Unit), Reject: keys.Reject, Scale: keys.Scale, Offset: keys.Offset, MaxStep: keys.MaxStep,
		Precision: keys.Precision, Heartbeat: keys.Heartbeat, Stale: keys.Stale,
		Valid: fieldValid(s, keys.Valid), Points: fieldPoints(s, keys.Points), Smooth: fieldSmooth(s), Change: fieldChange(s),
	}
	if len(keys.Reject) > maxPoints {
		s.fail("reject", "has more than %d numbers", maxPoints)
	}
	if s.given("scale") && *keys.Scale == 0 {
		s.fail("scale", "0 makes every value the same")
	}
	if s.given("max_step") && keys.MaxStep <= 0 {
		s.fail("max_step", "%v is out of range (above 0)", keys.MaxStep)
	}
	if s.given("precision") && (*keys.Precision < 0 || *keys.Precision > 9) {
		s.fail("precision", "%d is out of range (0 to 9 decimals)", *keys.Precision)
	}
	s.between("heartbeat", keys.Heartbeat, time.Second, maxHeartbeat)
	s.between("stale", keys.Stale, time.Second, maxStale)
	return f
}

// unquoted explains [field.outside.temperature], which TOML reads as a table
// in [field.outside], and takes it out of the unknown keys.
func unquoted(s section) {
	name := s.path[len(s.path)-1]
	allowed := append(fieldNames(&fieldKeys{}), "change", "smooth")
	for _, key := range s.keys() {
		_, table := s.table[key].(map[string]any)
		if table && !strings.Contains(name, ".") && agent.Nearest(key, allowed) == "" {
			s.fail(key, "write the reading's name in quotes: [field.%q]", name+"."+key)
			delete(s.table, key)
		}
	}
}

func fieldUnit(s section, spelling string) string {
	u, ok := agent.LookupUnit(spelling)
	if s.given("unit") && !ok {
		var symbols []string
		for _, u := range agent.Units() {
			symbols = append(append(symbols, u.Symbol), u.Spellings...)
		}
		hint := "use one of the unit table, such as °C, %, hPa, V"
		if near := agent.Nearest(spelling, symbols); near != "" {
			hint = fmt.Sprintf("did you mean %q?", near)
		}
		s.fail("unit", "%q is not a known unit (%s)", spelling, hint)
	}
	return u.Symbol
}

func fieldValid(s section, v []float64) *[2]float64 {
	switch {
	case !s.given("valid"):
		return nil
	case len(v) != 2:
		s.fail("valid", "wants two numbers, the least and the greatest, such as [-40, 60]")
		return nil
	case v[0] > v[1]:
		s.fail("valid", "the least, %v, is above the greatest, %v", v[0], v[1])
	}
	return &[2]float64{v[0], v[1]}
}

func fieldPoints(s section, points [][]float64) [][2]float64 {
	if !s.given("points") {
		return nil
	}
	if s.has("scale") || s.has("offset") {
		s.fail("points", "does not go together with scale or offset: they calibrate as well")
		return nil
	}
	if len(points) < 2 || len(points) > maxPoints {
		s.fail("points", "wants 2 to %d points, each [raw, true], such as [[0, 0.3], [100, 99.1]]", maxPoints)
		return nil
	}
	pairs := make([][2]float64, len(points))
	for i, p := range points {
		if len(p) != 2 {
			s.fail("points", "item %d: wants two numbers, [raw, true]", i+1)
			return nil
		}
		if i > 0 && p[0] <= points[i-1][0] {
			s.fail("points", "item %d: raw numbers must rise, and %v is not above %v", i+1, p[0], points[i-1][0])
			return nil
		}
		pairs[i] = [2]float64{p[0], p[1]}
	}
	return pairs
}

func fieldSmooth(s section) *agent.Smooth {
	table := s.sub("smooth", `smooth = { kind = "median", window = 3 }`)
	if table.table == nil {
		return nil
	}
	keys := struct {
		Kind   string  `toml:"kind"`
		Window int     `toml:"window"`
		Alpha  float64 `toml:"alpha"`
	}{Window: 3, Alpha: 0.3}
	table.decode(&keys)
	kinds := []string{"median", "mean", "ema"}
	if !table.has("kind") {
		s.fail("smooth", "there is no kind%s", options("", kinds))
	}
	table.oneOf("kind", keys.Kind, kinds...)
	switch {
	case !table.given("kind"):
	case keys.Kind == "ema" && table.given("window"):
		table.fail("window", "it is for median and mean; ema has alpha")
	case keys.Kind != "ema" && table.given("alpha"):
		table.fail("alpha", "it is for ema alone; median and mean have window")
	case table.given("window") && (keys.Window < 2 || keys.Window > 99):
		table.fail("window", "%d is out of range (2 to 99)", keys.Window)
	case table.given("alpha") && (keys.Alpha <= 0 || keys.Alpha > 1):
		table.fail("alpha", "%v is out of range (above 0, at most 1)", keys.Alpha)
	}
	if keys.Kind == "ema" {
		return &agent.Smooth{Kind: keys.Kind, Alpha: keys.Alpha}
	}
	return &agent.Smooth{Kind: keys.Kind, Window: keys.Window}
}

func fieldChange(s section) *agent.Change {
	if !s.has("change") {
		return nil
	}
	var c agent.Change
	if text, ok := s.table["change"].(string); ok {
		number, percent := strings.CutSuffix(text, "%")
		by, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if !percent || err != nil || !(by > 0 && by <= maxPercent) {
			s.fail("change", `%q is not a change: write a number, or a percentage such as "5%%" (above 0, at most %d)`, text, maxPercent)
		}
		c.By, c.Percent = by, true
	} else if err := assign(reflect.ValueOf(&c.By).Elem(), s.table["change"]); err != nil {
		s.fail("change", `%s; or write a percentage such as "5%%"`, err)
	} else if c.By < 0 {
		s.fail("change", "%v is out of range (0 or more; 0 publishes every reading)", c.By)
	}
	return &c
}
