package main

import (
	"cmp"
	"context"
	"log/slog"
	"regexp"
	"slices"

	"pipit/agent"
	"pipit/agent/config"
	"pipit/agent/rule"
	"pipit/bridge"
)

// mqttLink is the MQTT bridge with what it works on; it has no bridge, and does
// nothing, where the config has no [mqtt].
type mqttLink struct {
	cfg    config.MQTT
	device *running
	agent  *agent.Agent
	bridge *bridge.Bridge
	state  agent.State
	log    *slog.Logger
	id     string
	known  map[string]bridge.Entity // own readings and outputs that were there once; kept; belongs to the bridge's announcing
}

// newMQTT returns the link. The one before it must have ended: nobody asks what
// topics may do meanwhile.
func newMQTT(cfg *config.Config, d *running, state agent.State, log *slog.Logger) *mqttLink {
	a := d.agent
	m := &mqttLink{cfg: cfg.MQTT, device: d, agent: a, state: state, log: log}
	a.MQTT = cfg.MQTT.Commands
	if cfg.MQTT.Broker == "" {
		return m
	}
	m.id = deviceID(state, log)
	c := bridge.Config{
		Broker: broker(cfg.MQTT), Prefix: cfg.MQTT.Prefix, Device: cfg.MQTT.Device, Plain: cfg.MQTT.Plain, Imports: cfg.MQTT.Imports,
		Agent: a, State: state, Log: log, Alerts: m.alerts,
		Put:     d.fields.Put,
		Changed: func(name string) { d.outputs.Load().Changed(name) }, Configured: m.configured, Own: m.own,
	}
	if cfg.MQTT.HomeAssistant != "" {
		c.Announce, c.Entities = m.face, m.entities
	}
	m.bridge = bridge.New(c)
	return m
}

func broker(m config.MQTT) bridge.Broker {
	return bridge.Broker{
		URL: m.Broker, User: m.User, Password: m.Password.Reveal(), ClientID: m.ClientID,
		RootCAs: m.RootCAs, Certificate: m.Certificate, Keepalive: m.Keepalive,
	}
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
	pager := m.device.pager.Load()
	if pager == nil {
		return nil
	}
	for _, s := range pager.Standings() {
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
		ID: m.id, Name: m.agent.Name, Area: m.agent.Location, Version: m.agent.Version, Base: m.cfg.Prefix + "/" + m.cfg.Device,
		Discovery: m.cfg.HomeAssistant, Set: m.cfg.Commands >= agent.Operator,
	}
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
