package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"time"

	"pipit/agent"
	"pipit/agent/alarm"
	"pipit/agent/config"
	"pipit/agent/rule"
	"pipit/bridge"
)

// mqttLink is the MQTT bridge with what it works on; it has no bridge, and does
// nothing, where the config has no [mqtt].
type mqttLink struct {
	cfg    *config.Config
	agent  *agent.Agent
	bridge *bridge.Bridge
	state  agent.State
	log    *slog.Logger
	id     string
	known  map[string]bridge.Entity // own readings and outputs that were there once; kept; belongs to the bridge's announcing

	// Set by join, before Run.
	fields  *agent.Fields
	outputs *agent.Outputs
	pager   *alarm.Pager
}

// newMQTT returns the link; join completes it.
func newMQTT(cfg *config.Config, a *agent.Agent, state agent.State, log *slog.Logger) *mqttLink {
	m := &mqttLink{cfg: cfg, agent: a, state: state, log: log}
	if cfg.MQTT.Broker == "" {
		return m
	}
	m.id = deviceID(state, log)
	a.MQTT = cfg.MQTT.Commands
	c := bridge.Config{
		Broker: broker(cfg.MQTT), Prefix: cfg.MQTT.Prefix, Device: cfg.MQTT.Device, Plain: cfg.MQTT.Plain, Imports: cfg.MQTT.Imports,
		Agent: a, State: state, Log: log, Alerts: m.alerts,
		Put:     func(r agent.Reading) { m.fields.Put(r) },
		Changed: func(name string) { m.outputs.Changed(name) }, Configured: m.configured, Own: ownNames(cfg),
	}
	if cfg.MQTT.HomeAssistant != "" {
		c.Announce, c.Entities = m.face, m.entities
	}
	m.bridge = bridge.New(c)
	a.Seers = append(a.Seers, m.bridge.See)
	return m
}

func broker(m config.MQTT) bridge.Broker {
	return bridge.Broker{
		URL: m.Broker, User: m.User, Password: m.Password.Reveal(), ClientID: m.ClientID,
		RootCAs: m.RootCAs, Certificate: m.Certificate, Keepalive: m.Keepalive,
	}
}

func (m *mqttLink) join(fields *agent.Fields, outputs *agent.Outputs, pager *alarm.Pager) {
	m.fields, m.outputs, m.pager = fields, outputs, pager
}

// Run keeps the link up until ctx ends.
func (m *mqttLink) Run(ctx context.Context) error {
	if m.bridge == nil {
		return nil
	}
	return m.bridge.Run(ctx)
}

// Status says how the link is, nothing where there is none.
func (m *mqttLink) Status() []string {
	if m.bridge == nil {
		return nil
	}
	return m.bridge.Status()
}

func (m *mqttLink) alertsChanged() {
	if m.bridge != nil {
		m.bridge.AlertsChanged()
	}
}

// alerts returns the rules that fire.
func (m *mqttLink) alerts() (list []bridge.Alert) {
	if m.pager == nil {
		return nil
	}
	for _, s := range m.pager.Standings() {
		if s.Phase != rule.Firing && s.Phase != rule.Acked {
			continue
		}
		list = append(list, bridge.Alert{
			Rule: s.Rule, Level: s.Level.String(), State: string(s.Phase), Number: s.Number, Since: s.Since, By: s.By, Silenced: s.Silenced, Text: s.Now,
		})
	}
	return list
}

// face is what Home Assistant is told of the device.
func (m *mqttLink) face() bridge.Face {
	return bridge.Face{
		ID: m.id, Name: m.agent.Name, Area: m.agent.Location, Version: m.agent.Version, Base: m.cfg.MQTT.Prefix + "/" + m.cfg.MQTT.Device,
		Discovery: m.cfg.MQTT.HomeAssistant, Set: m.cfg.MQTT.Commands >= agent.Operator,
	}
}

// ownNames are the names that no topic of others may take.
func ownNames(cfg *config.Config) map[string]bool {
	names := make(map[string]bool)
	for _, t := range cfg.Sensors {
		names[t.Name] = true
	}
	for _, t := range cfg.Outputs {
		names[t.Name] = true
	}
	return names
}

// configured tells whether the config has what gives a reading.
func (m *mqttLink) configured(name string) bool {
	first, _, _ := strings.Cut(name, ".")
	imported := func(i agent.Import) bool { return i.As != "" || i.Name == first }
	return m.sensor(first) != nil || m.output(name) != nil || slices.ContainsFunc(m.cfg.MQTT.Imports, imported)
}

func (m *mqttLink) sensor(name string) *agent.Task {
	for i, t := range m.cfg.Sensors {
		if t.Name == name {
			return &m.cfg.Sensors[i]
		}
	}
	return nil
}

func (m *mqttLink) output(name string) *agent.OutputTask {
	for i, t := range m.cfg.Outputs {
		if t.Name == name {
			return &m.cfg.Outputs[i]
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
			e.Expire = expireAfter(agent.Beat(m.cfg.Fields, name, t.Every))
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

var placeholder = regexp.MustCompile(`\{[0-9]\}`)

// importRules says when imported readings are stale.
func importRules(imports []agent.Import) (rules []agent.FieldRule) {
	for _, i := range imports {
		glob := placeholder.ReplaceAllString(cmp.Or(i.As, i.Name), "*")
		if i.Expire > 0 && i.Output == nil {
			rules = append(rules, agent.FieldRule{Glob: glob, Field: agent.Field{Stale: i.Expire}})
		}
	}
	return rules
}

// allOutputs returns the outputs of the config, and those of imports with their
// drivers; a nil link, which is for checks, has none.
func allOutputs(cfg *config.Config, m *mqttLink) []agent.OutputTask {
	tasks := slices.Concat(cfg.Outputs, cfg.MQTT.Outputs)
	for i, t := range tasks {
		if t.Remote && m != nil {
			tasks[i].Output = m.bridge.Output(t.Name)
		}
	}
	return tasks
}
