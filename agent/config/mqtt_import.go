package config

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"pipit/agent"
	"pipit/agent/jsonpath"
)

const (
	maxImports      = 256
	maxImportFields = 32
	defaultExpire   = 2 * time.Hour
)

// importKeys is [mqtt.import.NAME] but for output.
type importKeys struct {
	Topic        string            `toml:"topic"`
	Path         string            `toml:"path"`
	Fields       map[string]string `toml:"fields"`
	Unit         string            `toml:"unit"`
	Units        map[string]string `toml:"units"`
	On           string            `toml:"on"`
	Off          string            `toml:"off"`
	Time         string            `toml:"time"`
	Name         string            `toml:"name"`
	Availability string            `toml:"availability"`
	Expire       time.Duration     `toml:"expire"`
}

// imports reads every [mqtt.import.NAME].
func (l *loader) imports(s section, m *MQTT, taken []string) {
	names := s.keys()
	if len(names) > maxImports {
		s.r.fail(s.path, "there are %d imports, at most %d are possible", len(names), maxImports)
		return
	}
	for _, name := range names {
		at := s.sub(name, "[mqtt.import.NAME]")
		if at.table == nil {
			continue // not a table: reported
		}
		if err := agent.CheckName(name); err != nil || strings.Contains(name, ".") || len(name) > maxSensorName {
			at.r.fail(at.path, "an import's name is made of a-z, 0-9, _ and -, at most %d of them, such as %q", maxSensorName, sensorName(name))
		}
		i := l.importOf(at, name, m)
		if first, _, _ := strings.Cut(cmp.Or(i.As, name), "."); slices.Contains(taken, first) {
			at.r.fail(at.path, "a sensor or an output has the name %s", first)
		}
		m.Imports = append(m.Imports, i)
	}
}

func (l *loader) importOf(s section, name string, m *MQTT) agent.Import {
	keys := importKeys{Expire: defaultExpire}
	s.decode(&keys, "output")
	i := agent.Import{Name: name, Topic: keys.Topic, As: keys.Name, TimePath: keys.Time, Availability: keys.Availability, Expire: keys.Expire}
	if !s.has("topic") {
		s.r.fail(s.path, `there is no topic: write topic = "zigbee2mqtt/kitchen"`)
	}
	s.foreignTopic("topic", keys.Topic, m)
	paths(s, keys)
	i.Values = s.importValues(keys)
	s.template(keys)
	s.available(keys, m)
	if keys.Expire != 0 {
		s.between("expire", keys.Expire, time.Second, 30*24*time.Hour)
	}
	if s.has("output") {
		l.importOutput(s, &i, keys, m)
	}
	return i
}

// foreignTopic checks a filter of topics that others write.
func (s section) foreignTopic(key, filter string, m *MQTT) {
	if !s.given(key) {
		return
	}
	if err := checkFilter(filter); err != nil {
		s.fail(key, "%q %s", filter, err)
	} else if own := m.loops(filter); own != "" {
		s.fail(key, "it matches what this device itself publishes below %s: that would be a loop", strings.TrimSuffix(own, "/#"))
	}
}

// paths checks what leads into a payload.
func paths(s section, keys importKeys) {
	check := func(at section, key, path string) {
		if at.given(key) {
			if _, err := jsonpath.Parse(path); err != nil {
				at.fail(key, "%s", err)
			}
		}
	}
	check(s, "path", keys.Path)
	check(s, "time", keys.Time)
	fields := s.sub("fields", tableHeader(s.at("fields")))
	for _, f := range fields.keys() {
		check(fields, f, keys.Fields[f])
	}
}

// importValues returns what is read out of a payload, in the order of the file.
func (s section) importValues(keys importKeys) []agent.ImportValue {
	one := agent.ImportValue{Path: keys.Path, On: keys.On, Off: keys.Off}
	if !s.has("fields") {
		if s.has("units") {
			s.fail("units", "it goes with fields: write unit")
		}
		one.Unit = s.unit("unit", keys.Unit)
		if s.has("unit") && (s.has("on") || s.has("off")) {
			s.fail("unit", "a value with a unit is a number: on and off are for values without")
		}
		return []agent.ImportValue{one}
	}
	for _, key := range []string{"path", "unit"} {
		if s.has(key) {
			s.fail(key, "there are fields too: it goes there, or into units")
		}
	}
	fields, units := s.sub("fields", tableHeader(s.at("fields"))), s.sub("units", tableHeader(s.at("units")))
	names := fields.keys()
	if len(names) == 0 || len(names) > maxImportFields {
		s.fail("fields", "wants 1 to %d fields", maxImportFields)
	}
	for _, name := range units.keys() {
		if !slices.Contains(names, name) {
			units.fail(name, "there is no such field%s", options(name, names))
		}
	}
	var values []agent.ImportValue
	for _, name := range names {
		if agent.CheckName("x."+name) != nil || strings.Contains(name, ".") {
			fields.fail(name, "a field's name is made of a-z, 0-9, _ and -")
		}
		values = append(values, agent.ImportValue{Field: name, Path: keys.Fields[name], Unit: units.unit(name, keys.Units[name]), On: keys.On, Off: keys.Off})
	}
	return values
}

// unit returns a unit of the table for its spelling.
func (s section) unit(key, spelling string) string {
	if !s.given(key) || spelling == "" {
		return ""
	}
	u, ok := agent.LookupUnit(spelling)
	if !ok {
		s.fail(key, "%q is not a known unit (use one of the unit table, such as °C, %%, hPa, V)", spelling)
	}
	return u.Symbol
}

// template checks the names that wildcards make.
func (s section) template(keys importKeys) {
	wild := strings.Count(keys.Topic, "+") + strings.Count(keys.Topic, "#")
	switch {
	case wild == 0 && s.has("name"):
		s.fail("name", "it is for topics with + or #: without them the table's name is the reading's")
		return
	case wild > 0 && !s.has("name"):
		s.r.fail(s.path, `the topic has wildcards: write name = "{1}", in which {1} is what the first of them stands for`)
		return
	case !s.given("name"):
		return
	}
	rest := keys.Name
	for n := range wild {
		rest = strings.ReplaceAll(rest, "{"+strconv.Itoa(n+1)+"}", "x")
	}
	dots := strings.Count(rest, ".")
	if rest == keys.Name || agent.CheckName(rest) != nil || dots > 0 && len(keys.Fields) > 0 {
		s.fail("name", `%q makes no names of readings: {1} to {%d}, a-z, 0-9, _ and -, and a dot where there are no fields`, keys.Name, wild)
	}
}

// available checks the topic that says whether a device is there.
func (s section) available(keys importKeys, m *MQTT) {
	if !s.given("availability") {
		return
	}
	levels := strings.Split(keys.Availability, "/")
	for i, l := range levels {
		if len(l) == 3 && l[0] == '{' && l[1] >= '1' && l[1] <= '9' && l[2] == '}' {
			levels[i] = "+"
		}
	}
	filter := strings.Join(levels, "/")
	if strings.ContainsAny(keys.Availability, "+#") || strings.ContainsAny(filter, "{}") {
		s.fail("availability", "wants a topic, in which {1} may be a level of its own")
		return
	}
	s.foreignTopic("availability", filter, m)
}

// importOutput reads [mqtt.import.NAME.output].
func (l *loader) importOutput(s section, i *agent.Import, keys importKeys, m *MQTT) {
	if s.has("fields") || s.has("name") {
		s.fail("output", "only an import of one value can be an output")
		return
	}
	at := s.sub("output", "[mqtt.import.NAME.output]")
	if at.table == nil {
		return // not a table: reported
	}
	out := struct {
		Topic   string        `toml:"topic"`
		Payload string        `toml:"payload"`
		On      string        `toml:"on"`
		Off     string        `toml:"off"`
		Min     float64       `toml:"min"`
		Max     float64       `toml:"max"`
		MaxOn   time.Duration `toml:"max_on"`
		Confirm bool          `toml:"confirm"`
		Role    string        `toml:"role"`
	}{On: "on", Off: "off"}
	at.decode(&out)
	if !at.has("topic") {
		at.r.fail(at.path, `there is no topic: write topic = "zigbee2mqtt/lamp/set"`)
	} else if err := checkTopic(out.Topic); at.given("topic") && err != nil {
		at.fail("topic", "%q %s", out.Topic, err)
	} else if own := m.loops(out.Topic); at.given("topic") && own != "" {
		at.fail("topic", "it is a topic of this device itself, below %s", strings.TrimSuffix(own, "/#"))
	}
	if at.has("min") != at.has("max") || at.has("min") && out.Min >= out.Max {
		at.r.fail(at.path, "a number wants min and max, and min is less than max")
	}
	if at.given("payload") && !strings.Contains(out.Payload, "{value}") {
		at.fail("payload", "there is no {value} in it")
	}
	at.between("max_on", out.MaxOn, minTimer, maxTimer)
	i.Output = &agent.ImportOutput{Topic: out.Topic, Payload: out.Payload, On: out.On, Off: out.Off, Min: out.Min, Max: out.Max, Unit: i.Values[0].Unit}
	task := agent.OutputTask{Name: i.Name, Kind: "mqtt", Min: out.Min, Max: out.Max, Unit: i.Values[0].Unit, MaxOn: out.MaxOn, Pulse: defaultPulse, Confirm: out.Confirm, Remote: true}
	task.Off, task.Safe = agent.Bool(false), agent.Bool(false)
	if !task.Switch() {
		task.Off, task.Safe = agent.Number(out.Min), agent.Number(out.Min)
	}
	if at.given("role") {
		task.Needs = at.role("role", out.Role)
	}
	m.Outputs = append(m.Outputs, task)
}

// importSources names the readings of imports as far as they are known before: the
// first parts of their names, and "*" where wildcards make those.
func importSources(top section) (names []string) {
	imports := top.sub("mqtt", writeMQTT).sub("import", "[mqtt.import.NAME], one for each topic")
	for _, name := range imports.keys() {
		table, _ := imports.table[name].(map[string]any)
		template, ok := table["name"].(string)
		first, _, _ := strings.Cut(template, ".")
		switch {
		case !ok:
			names = append(names, name)
		case strings.Contains(first, "{"):
			names = append(names, "*")
		default:
			names = append(names, first)
		}
	}
	return names
}
