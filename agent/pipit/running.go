package main

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"pipit/agent"
	"pipit/agent/alarm"
	"pipit/agent/commands"
	"pipit/agent/config"
	"pipit/agent/store"
	"pipit/agent/xmpp"
	"pipit/sensors"
)

// A running is the device that run has joined. What a reload of the config exchanges stands
// behind an atomic pointer, because others look at it meanwhile; what is in no
// pointer stays for the life of the process.
type running struct {
	agent    *agent.Agent
	store    *store.Store
	fields   *agent.Fields
	programs *commands.Programs
	again    *restarter
	health   *health
	service  *service
	logs     *logs
	commands commands.Device // without what exchangeCommands sets
	log      *slog.Logger
	crew     crew

	cfg     atomic.Pointer[config.Config] // in force
	link    atomic.Pointer[xmpp.Link]
	mqtt    atomic.Pointer[mqttLink]
	pager   atomic.Pointer[alarm.Pager]   // nil: there are no rules
	outputs atomic.Pointer[agent.Outputs] // of all executors

	// These belong to exchange.
	pollers   map[string]*agent.Poller // one for each bus
	executors []*agent.Outputs         // one for each group of interlocked outputs
}

// exchange puts a config in force, in the place of the present one if there is
// one: only parts that changed are ended and begun. People come first: who is
// taken out loses access at once. The link comes last, after what wait does, so
// that an answer gets out.
func (d *running) exchange(cfg *config.Config, wait func()) {
	old := cmp.Or(d.cfg.Load(), &config.Config{})
	bindSelf(cfg.Sensors, d.health)
	changes := keepSensors(old, cfg)
	if err := d.agent.Staff.Replace(cfg.People); err != nil {
		d.log.Warn("a grant of somebody who is in [people] is still on disk", "error", err)
	}
	d.logs.set(cfg.Device.LogLevel)
	d.cfg.Store(cfg)
	d.programs.Custom = cfg.Commands
	d.fields.SetRules(slices.Concat(importRules(cfg.MQTT.Imports), cfg.Fields))
	if changes.mqtt {
		d.exchangeMQTT(cfg)
	}
	d.exchangeOutputs(old, cfg, changes)
	if changes.rules {
		d.exchangeRules(cfg)
	}
	d.exchangeSensors(old, cfg, changes)
	d.exchangeCommands(cfg)
	if changes.link {
		wait()
		d.exchangeLink(cfg)
	} else {
		d.link.Load().SetInterval(slowest(cfg.Sensors))
	}
}

func (d *running) exchangeLink(cfg *config.Config) {
	d.ended("xmpp")
	link := xmpp.New(xmpp.Config{
		JID: cfg.XMPP.JID, Resource: cfg.XMPP.Resource, Password: reveal(cfg.XMPP.Password),
		Server: cfg.XMPP.Server, DirectTLS: cfg.XMPP.DirectTLS, RootCAs: cfg.XMPP.RootCAs, AllowPlain: cfg.XMPP.AllowPlain,
		PubSub: cfg.XMPP.PubSub, Access: cfg.XMPP.Access, Summary: cfg.Device.Summary, Interval: slowest(cfg.Sensors),
		Rooms: rooms(cfg.Rooms), Face: faceOf(cfg.Device), State: d.store,
	}, d.agent, d.log)
	d.link.Store(link)
	d.crew.put("xmpp", link.Run)
}

func (d *running) exchangeMQTT(cfg *config.Config) {
	d.ended("mqtt")
	m := newMQTT(cfg, d, d.store, d.log)
	d.mqtt.Store(m)
	d.crew.put("mqtt", m.Run)
}

// exchangeRules takes the state of the rules over by way of the store.
func (d *running) exchangeRules(cfg *config.Config) {
	going := d.pager.Load() != nil
	d.ended("rules")
	p := newPager(cfg, d.agent, d.store, d.offlineSince, func() { d.mqtt.Load().alertsChanged() }, going, d.log)
	d.pager.Store(p)
	if p == nil {
		d.agent.Moods.Set(agent.Mood{})
		return
	}
	for _, r := range d.agent.Board.All() {
		p.See(r)
	}
	d.crew.put("rules", p.Run)
}

// exchangeOutputs ends and begins executors; one whose outputs are all the same
// drives nothing.
func (d *running) exchangeOutputs(old, cfg *config.Config, changes *changes) {
	tasks := allOutputs(cfg, d.mqtt.Load())
	var kept []*agent.Outputs
	rest := groups(tasks)
	for _, x := range d.executors {
		i := slices.IndexFunc(rest, func(g []agent.OutputTask) bool { return sameNames(g, x.Tasks) })
		if i >= 0 && !slices.ContainsFunc(rest[i], func(t agent.OutputTask) bool { return changes.output(t) }) {
			kept, rest = append(kept, x), slices.Delete(rest, i, i+1)
			continue
		}
		d.ended(executorName(x.Tasks))
	}
	for _, g := range rest {
		x := &agent.Outputs{Tasks: g, Put: d.agent.Put, Board: &d.agent.Board, Offline: d.offlineSince, State: d.store, Log: d.log}
		kept = append(kept, x)
		d.crew.put(executorName(g), x.Run)
	}
	d.executors = kept
	d.outputs.Store(agent.JoinOutputs(outputNames(tasks), kept))
	for _, t := range slices.Concat(old.Outputs, old.MQTT.Outputs) {
		if !slices.Contains(outputNames(tasks), t.Name) {
			d.agent.Board.Remove(t.Name)
		}
	}
}

// exchangeSensors ends and begins the workers of buses on which something changed.
func (d *running) exchangeSensors(old, cfg *config.Config, changes *changes) {
	byBus := make(map[string][]agent.Task)
	for _, t := range slices.Concat(old.Sensors, cfg.Sensors) {
		byBus[t.Bus] = nil
	}
	for _, t := range cfg.Sensors {
		byBus[t.Bus] = append(byBus[t.Bus], t)
	}
	for bus, tasks := range byBus {
		if p := d.pollers[bus]; p == nil || !changes.sameTasks(p.Tasks, tasks) {
			d.exchangeBus(bus, tasks, changes)
		}
	}
	for _, t := range old.Sensors {
		if changes.sensor(t.Name) {
			d.forget(t, cfg.Sensors)
		}
	}
}

// exchangeBus gives a bus other tasks. Those that stay keep their schedule.
func (d *running) exchangeBus(bus string, tasks []agent.Task, changes *changes) {
	next := &agent.Poller{Tasks: tasks, Seed: d.cfg.Load().XMPP.JID, Put: d.service.put(d.fields.Put), Remove: d.remove, Loops: &d.agent.Loops, Log: d.log}
	if p := d.pollers[bus]; p != nil {
		next = p.Next(tasks, func(name string) bool { return !changes.sensor(name) })
		if d.ended("bus "+bus) != nil { // a read is left behind, and with it its sensor
			next = &agent.Poller{Tasks: changes.anew(tasks), Seed: next.Seed, Put: next.Put, Remove: next.Remove, Loops: next.Loops, Log: next.Log}
		}
	}
	delete(d.pollers, bus)
	if len(tasks) > 0 {
		d.pollers[bus] = next
		d.crew.put("bus "+bus, next.Run)
	}
}

// forget takes the readings of a sensor that is gone, or of another kind now, off
// the board.
func (d *running) forget(t agent.Task, now []agent.Task) {
	i := slices.IndexFunc(now, func(n agent.Task) bool { return n.Name == t.Name })
	for _, r := range d.agent.Board.All() {
		first, field, _ := strings.Cut(r.Name, ".")
		gone := i < 0 || now[i].Kind != t.Kind || now[i].Fields != nil && !slices.Contains(now[i].Fields, field)
		if first == t.Name && gone {
			d.remove(r.Name)
		}
	}
}

func (d *running) remove(name string) {
	d.fields.Remove(name)
	d.agent.Board.Remove(name)
}

func (d *running) exchangeCommands(cfg *config.Config) {
	c := d.commands
	c.Sensors, c.Cameras, c.Roles, c.Thresholds = cfg.Sensors, cameras(cfg.Sensors), cfg.Roles, thresholds(cfg.Rules)
	c.Outputs, c.Alarm = d.outputs.Load(), d.pager.Load()
	c.Danger = danger(cfg.Device, sensors.NewHost("/").Run, d.again)
	d.agent.SetCommands(commands.All(&c))
}

// ended ends a part. What it fails with is logged: the device goes on.
func (d *running) ended(name string) error {
	err := d.crew.remove(name)
	if err != nil {
		d.log.Error("a part of the old config did not end well", "part", name, "error", err)
	}
	return err
}

// offlineSince is xmpp.Link.OfflineSince of the present link.
func (d *running) offlineSince() time.Time {
	if l := d.link.Load(); l != nil {
		return l.OfflineSince()
	}
	return d.agent.Started
}

// watchLink is xmpp.Link.Watch of the present link.
func (d *running) watchLink() (string, <-chan struct{}) { return d.link.Load().Watch() }

func (d *running) counters() linkCounters { return linkCounters(d.link.Load().Counters()) }

func (d *running) status() []string {
	return slices.Concat(d.link.Load().Status(), d.mqtt.Load().Status(), d.agent.Clock.Status(), storeStatus(d.store.Stats()))
}

// see hands a reading on to what looks at all of them.
func (d *running) see(r agent.Reading) {
	if m := d.mqtt.Load(); m != nil && m.bridge != nil {
		m.bridge.See(r)
	}
	if p := d.pager.Load(); p != nil {
		p.See(r)
	}
}

// Delivered implements agent.AlertEvents.
func (d *running) Delivered(id, to string) {
	if p := d.pager.Load(); p != nil {
		p.Delivered(id, to)
	}
}

// Unreachable implements agent.AlertEvents.
func (d *running) Unreachable(id, to, reason string) {
	if p := d.pager.Load(); p != nil {
		p.Unreachable(id, to, reason)
	}
}

// crosses tells whether a rule has another answer for now than for before.
func (d *running) crosses(name string, before, now agent.Value) bool {
	return crosses(d.cfg.Load().Rules, name, before, now)
}

// Run runs all parts until ctx ends or one of them fails.
func (d *running) Run(ctx context.Context) error { return d.crew.Run(ctx) }
