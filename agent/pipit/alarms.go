package main

import (
	"fmt"
	"log/slog"
	"time"

	"pipit/agent"
	"pipit/agent/alarm"
	"pipit/agent/chart"
	"pipit/agent/commands"
	"pipit/agent/config"
)

// newPager returns what runs the rules of the config, nil when there are none.
// going says that they are running already.
func newPager(cfg *config.Config, a *agent.Agent, state alarm.State, offline func() time.Time, changed func(), going bool, log *slog.Logger) *alarm.Pager {
	if len(cfg.Rules) == 0 {
		return nil
	}
	var rooms []alarm.Room
	for _, r := range cfg.Rooms {
		rooms = append(rooms, alarm.Room{Name: r.Name, JID: r.JID, Level: r.Level})
	}
	return alarm.New(alarm.Config{
		Show: func(fires, silenced bool, text string) {
			a.Moods.Set(agent.Mood{Fires: fires, Silenced: silenced, Text: text})
		},
		Rooms: rooms, Rules: cfg.Rules, Plan: cfg.Alarms, Agent: a, Raise: a.Raise, State: state, Offline: offline, Changed: changed, Log: log, Going: going,
	})
}

// crosses tells whether a rule has another answer for now than for before: such
// a reading is never held back.
func crosses(rules []alarm.Rule, name string, before, now agent.Value) bool {
	for _, r := range rules {
		if r.When.Crosses(name, before, now) || r.Clear != nil && r.Clear.Crosses(name, before, now) {
			return true
		}
	}
	return false
}

// thresholds returns what rules compare a reading with, for its picture.
func thresholds(rules []alarm.Rule) func(name string) []chart.Threshold {
	return func(name string) (list []chart.Threshold) {
		for _, r := range rules {
			for _, v := range r.When.Thresholds(name) {
				list = append(list, chart.Threshold{Value: v, Label: r.Name})
			}
		}
		return list
	}
}

// checkActions tells which lines of rules the device could not run.
func checkActions(cfg *config.Config) error {
	a := &agent.Agent{}
	p := newPager(cfg, a, nil, nil, nil, false, nil)
	if p == nil {
		return nil
	}
	a.Commands = commands.All(&commands.Device{
		Agent: a, Sensors: cfg.Sensors, Outputs: &agent.Outputs{Tasks: allOutputs(cfg, nil)}, Alarm: p,
		Custom: &commands.Programs{Custom: cfg.Commands}, Danger: commands.Danger{Confirm: cfg.Device.Confirm},
	})
	if err := p.CheckActions(); err != nil {
		return fmt.Errorf("%s: %w", cfg.Path, err)
	}
	return nil
}
