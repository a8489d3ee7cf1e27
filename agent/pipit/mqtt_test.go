package main

import (
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipit/agent"
	"pipit/agent/config"
	"pipit/bridge"
)

// keeps is a State in memory.
type keeps map[string]string

func (k keeps) Set(space, key string, value []byte) error {
	k[space+"/"+key] = string(value)
	return nil
}

func (k keeps) Get(space, key string) ([]byte, bool) {
	v, ok := k[space+"/"+key]
	return []byte(v), ok
}

// What Home Assistant was told stays over a restart, in which nothing has been
// read yet, until the config has it no more; so does the id of the device.
func TestEntitiesStay(t *testing.T) {
	change := &agent.Change{By: 1}
	cfg := &config.Config{
		MQTT:    config.MQTT{Broker: "mqtt://127.0.0.1:1", Device: "x", Prefix: "p", HomeAssistant: "homeassistant", Imports: []agent.Import{{Name: "kitchen"}}},
		Sensors: []agent.Task{{Name: "outside", Every: 10 * time.Second}, {Name: "boiler", Every: time.Minute}},
		Outputs: []agent.OutputTask{{Name: "lamp", Max: 100, Unit: "%"}},
		Fields:  []agent.FieldRule{{Glob: "boiler", Field: agent.Field{Change: change}}},
	}
	state := keeps{}
	start := func() *mqttLink {
		d := &running{agent: &agent.Agent{Name: "x"}}
		d.cfg.Store(cfg)
		return newMQTT(cfg, d, state, slog.New(slog.DiscardHandler))
	}
	first := start()
	if got := first.entities(); len(got) != 0 {
		t.Errorf("nothing is known, and %+v", got)
	}
	for _, r := range []agent.Reading{
		{Name: "outside.temperature", Value: agent.Number(21), Unit: "°C"}, {Name: "boiler", Value: agent.Number(60), Unit: "°C"},
		agent.Faulty("outside.humidity", agent.Missing, time.Now(), "not there"), {Name: "lamp", Value: agent.Number(0), Unit: "%"}, {Name: "kitchen.temperature", Value: agent.Number(20)},
	} {
		first.agent.Board.Put(r)
	}
	want := []bridge.Entity{
		{Name: "boiler", Unit: "°C", Kind: agent.IsNumber, Expire: 2*agent.DefaultHeartbeat + 30*time.Second},
		{Name: "lamp", Unit: "%", Kind: agent.IsNumber, Output: &bridge.OutputEntity{Max: 100}},
		{Name: "outside.temperature", Unit: "°C", Kind: agent.IsNumber, Expire: 50 * time.Second},
	}
	if d := cmp.Diff(want, first.entities()); d != "" {
		t.Error(d)
	}
	second := start()
	if d := cmp.Diff(want, second.entities()); d != "" || second.id != first.id || len(first.id) != 12 {
		t.Errorf("after a restart, id %s: %s", second.id, d)
	}
	second.agent.Board.Put(agent.Faulty("boiler", agent.Fault, time.Now(), "no answer"))
	if d := cmp.Diff(want, second.entities()); d != "" {
		t.Errorf("with a fault: %s", d)
	}
	for name, want := range map[string]bool{"boiler": true, "outside.x": true, "lamp": true, "kitchen.temperature": true, "gone": false} {
		if second.configured(name) != want {
			t.Errorf("%s is configured: %t", name, !want)
		}
	}
	cfg.Sensors = cfg.Sensors[:1]
	if d := cmp.Diff(want[1:], start().entities()); d != "" {
		t.Error(d)
	}
}

func TestImportRules(t *testing.T) {
	got := importRules([]agent.Import{{Name: "a", Expire: time.Hour}, {Name: "b", As: "{1}.x", Expire: time.Minute}, {Name: "never"}, {Name: "lamp", Expire: time.Hour, Output: &agent.ImportOutput{}}})
	want := []agent.FieldRule{{Glob: "a", Field: agent.Field{Stale: time.Hour}}, {Glob: "*.x", Field: agent.Field{Stale: time.Minute}}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}
