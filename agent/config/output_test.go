package config

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipit/agent"
)

type fakeOutput struct{ kind string }

func (fakeOutput) Set(context.Context, agent.Value) error         { return nil }
func (fakeOutput) Get(context.Context) (v agent.Value, err error) { return v, nil }
func (fakeOutput) Close() error                                   { return nil }

// newOutput builds a sim, a switch or a range, or a servo, which has no off.
func (b built) newOutput(name, kind string, decode func(any) error) (MadeOutput, error) {
	keys := struct {
		What  string  `toml:"what"`
		Min   float64 `toml:"min"`
		Max   float64 `toml:"max"`
		Unit  string  `toml:"unit"`
		Fault string  `toml:"fault"`
	}{What: "switch", Max: 100, Unit: "%"}
	if err := decode(&keys); err != nil {
		return MadeOutput{}, err
	}
	made := MadeOutput{Output: fakeOutput{kind}}
	switch {
	case keys.Fault == "config":
		return made, errors.Join(&agent.ParamError{Param: "fault", Text: "this is refused"})
	case kind == "servo":
		made.Max, made.Unit = 180, "°"
	case keys.What == "range":
		made.Min, made.Max, made.Unit, made.Off = keys.Min, keys.Max, keys.Unit, agent.Number(keys.Min)
	}
	return made, nil
}

func TestOutputs(t *testing.T) {
	c := mustLoad(t, `
[device]
summary = ["pump", "boiler"]
[sensor.boiler]
kind = "file"
path = "/dev/null"
[output.pump]
kind = "sim"
initial = "last"
max_on = "1h"
min_on = "30s"
min_off = "2m"
interlock = ["valve"]
dead_time = "500ms"
safe_when = ["exit", "offline > 10m", "stale:boiler", "stale:boiler.pressure"]
[output.valve]
kind = "sim"
safe = true
initial = "on"
pulse = "50ms"
safe_when = []
[output.dimmer]
kind = "sim"
what = "range"
min = 10
max = 20
safe = 12.5
initial = "on"
[output.arm]
kind = "servo"
safe = 90
initial = 0
`, built{})
	sim, off, on := fakeOutput{"sim"}, agent.Bool(false), agent.Bool(true)
	want := []agent.OutputTask{
		{Name: "pump", Kind: "sim", Output: sim, Off: off, Safe: off, Initial: off, Last: true,
			MaxOn: time.Hour, MinOn: 30 * time.Second, MinOff: 2 * time.Minute, Pulse: 30 * time.Second,
			Interlock: []string{"valve"}, DeadTime: 500 * time.Millisecond,
			SafeOnExit: true, SafeOffline: 10 * time.Minute, SafeStale: []string{"boiler", "boiler.pressure"}},
		{Name: "valve", Kind: "sim", Output: sim, Off: off, Safe: on, Initial: on, Pulse: 50 * time.Millisecond, Interlock: []string{"pump"}},
		{Name: "dimmer", Kind: "sim", Output: sim, Min: 10, Max: 20, Unit: "%", Off: agent.Number(10), Safe: agent.Number(12.5), Initial: agent.Number(20),
			Pulse: time.Second, SafeOnExit: true},
		{Name: "arm", Kind: "servo", Output: fakeOutput{"servo"}, Max: 180, Unit: "°", Safe: agent.Number(90), Initial: agent.Number(0),
			Pulse: time.Second, SafeOnExit: true},
	}
	equal := cmp.Comparer(func(x, y agent.Value) bool { return x == y })
	if d := cmp.Diff(want, c.Outputs, equal, cmp.AllowUnexported(fakeOutput{})); d != "" {
		t.Error(d)
	}
	lines := strings.Split(c.Describe(), "\n")
	if d := cmp.Diff([]string{
		"output  pump, sim, begins as last set, safe off when exit, offline>10m, stale:boiler, stale:boiler.pressure, max_on 1h, min_on 30s, min_off 2m, never on with valve",
		"output  valve, sim, begins on, safe on, never on with pump",
		"output  dimmer, sim, begins 20 %, safe 12.5 % when exit",
		"output  arm, servo, begins 0 °, safe 90 ° when exit",
	}, lines[len(lines)-4:]); d != "" {
		t.Error(d)
	}
}

// What is wrong elsewhere does not keep an output from being driven safe, and
// an output that may not be what was meant is not driven.
func TestLoadOutputs(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "c.toml")
	load := func(text string) (names []string, problems string) {
		t.Helper()
		write(t, path, "0600", text)
		tasks, err := LoadOutputs(path, fakeEnv(built{}))
		for _, task := range tasks {
			names = append(names, task.Name+" "+task.Word(task.Safe))
		}
		if err != nil {
			problems = strings.ReplaceAll(err.Error(), path+":", "")
		}
		return names, problems
	}
	for _, tt := range []struct {
		text     string
		names    []string
		problems string
	}{
		{`
nonsense = 1
[device]
nmae = "x"
[xmpp]
password_file = "absent"
[sensor.a]
kind = "no such kind"
[output.heater]
kind = "sim"
safe_when = ["exit", "stale:a", "stale:elsewhere"]
`, []string{"heater off"}, ""},
		{`
[output.heater]
kind = "sim"
max_on = 5
initial = "maybe"
interlock = ["gone"]
[output.fan]
kind = "sim"
saef = "on"
[output.valve]
kind = "sim"
safe = "open"
[output.pump]
kind = "smi"
[output.lamp]
kind = "sim"
fault = "config"
`, []string{"heater off"}, `4: output.heater.max_on: a duration is text such as "30s", not a bare number
5: output.heater.initial: "maybe" is neither on nor off
6: output.heater.interlock: there is no output "gone" (allowed: heater, fan, valve, pump, lamp)
9: output.fan.saef: unknown key (did you mean "safe"? allowed: kind, safe, initial, max_on, min_on, min_off, pulse, interlock, dead_time, safe_when, confirm, role, what, min, max, unit, fault)
12: output.valve.safe: "open" is neither on nor off
14: output.pump.kind: unknown kind "smi" (did you mean "sim"? allowed: sim, servo)
17: output.lamp.fault: this is refused`},
		{"[output.a]\nkind = ", nil, `2: expected value but found end of file instead`},
		{"", nil, ""},
	} {
		names, problems := load(tt.text)
		if d := cmp.Diff(tt.names, names); d != "" {
			t.Error(d)
		}
		if d := cmp.Diff(tt.problems, problems); d != "" && !(len(tt.names) == 0 && problems != "" && tt.problems != "") {
			t.Error(d)
		}
	}
	if _, err := LoadOutputs(filepath.Join(dir, "absent"), fakeEnv(built{})); err == nil {
		t.Error("a config that is not there is no error")
	}
}
