package main

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"time"

	"pipit/agent"
	"pipit/bridge"
)

// own tells whether no topic of others may take a name.
func (m *mqttLink) own(name string) bool { return m.sensor(name) != nil || m.output(name) != nil }

// configured tells whether the config has what gives a reading.
func (m *mqttLink) configured(name string) bool {
	first, _, _ := strings.Cut(name, ".")
	imported := func(i agent.Import) bool { return i.As != "" || i.Name == first }
	return m.sensor(first) != nil || m.output(name) != nil || slices.ContainsFunc(m.cfg.Imports, imported)
}

func (m *mqttLink) sensor(name string) *agent.Task {
	for _, t := range m.device.cfg.Load().Sensors {
		if t.Name == name {
			return &t
		}
	}
	return nil
}

func (m *mqttLink) output(name string) *agent.OutputTask {
	for _, t := range m.device.cfg.Load().Outputs {
		if t.Name == name {
			return &t
		}
	}
	return nil
}

// entities returns what Home Assistant shows: the device's own readings and its
// outputs, but not what came from MQTT in the first place. What was there before
// the start and is still configured stays, so that nothing goes and comes again.
// It is called by one goroutine at a time.
func (m *mqttLink) entities() (list []bridge.Entity) {
	if m.known == nil {
		m.recall()
	}
	before := len(m.known)
	changed := false
	for _, r := range m.agent.Board.All() {
		e, ok := m.entity(r)
		if had, known := m.known[r.Name]; ok && (!known || had.Kind != e.Kind || had.Unit != e.Unit) {
			m.known[r.Name], changed = e, true
		}
	}
	for name, e := range m.known {
		first, _, _ := strings.Cut(name, ".")
		switch t, o := m.sensor(first), m.output(name); {
		case o != nil:
			e.Output, e.Unit = &bridge.OutputEntity{Min: o.Min, Max: o.Max}, o.Unit
		case t != nil:
			e.Expire = expireAfter(agent.Beat(m.device.cfg.Load().Fields, name, t.Every))
		default:
			delete(m.known, name)
			continue
		}
		list = append(list, e)
	}
	if changed || len(m.known) != before {
		m.remember()
	}
	slices.SortFunc(list, func(a, b bridge.Entity) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// entity returns what is kept of a reading; ok is false while its kind is not known.
func (m *mqttLink) entity(r agent.Reading) (e bridge.Entity, ok bool) {
	e = bridge.Entity{Name: r.Name, Unit: r.Unit, Kind: r.Value.Kind()}
	return e, e.Kind != agent.None || m.output(r.Name) != nil
}

const (
	mqttSpace   = "mqtt"
	idKey       = "id"
	entitiesKey = "entities"
)

func (m *mqttLink) recall() {
	m.known = make(map[string]bridge.Entity)
	if value, ok := m.state.Get(mqttSpace, entitiesKey); ok {
		if err := json.Unmarshal(value, &m.known); err != nil {
			m.log.Warn("what Home Assistant was told is forgotten", "error", err)
		}
	}
}

func (m *mqttLink) remember() {
	value, err := json.Marshal(m.known)
	if err == nil {
		err = m.state.Set(mqttSpace, entitiesKey, value)
	}
	if err != nil {
		m.log.Warn("Home Assistant will lose readings for a moment at the next start", "error", err)
	}
}

// expireAfter is when a reading that comes so often is missed: after two, and
// what a slow broker may take.
func expireAfter(beat time.Duration) time.Duration { return 2*beat + 30*time.Second }

// deviceID returns the id of this device for others, the same as before: it does
// not change with the name.
func deviceID(state agent.State, log *slog.Logger) string {
	if id, ok := state.Get(mqttSpace, idKey); ok && regexp.MustCompile("^[0-9a-f]{12}$").Match(id) {
		return string(id)
	}
	var b [6]byte
	_, _ = rand.Read(b[:])
	id := hex.EncodeToString(b[:])
	if err := state.Set(mqttSpace, idKey, []byte(id)); err != nil {
		log.Warn("Home Assistant will see another device after a restart", "error", err)
	}
	return id
}
