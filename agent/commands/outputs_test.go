package commands

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipit/agent"
)

const operator = "otto@example.org"

// An output that has what it was set to.
type memory struct{ v agent.Value }

func (m *memory) Set(_ context.Context, v agent.Value) error     { m.v = v; return nil }
func (m *memory) Get(context.Context) (v agent.Value, err error) { return m.v, nil }
func (m *memory) Close() error                                   { return nil }

// withOutputs runs a test on a device with a switch and a range.
func withOutputs(t *testing.T, test func(t *testing.T, d *Device)) {
	synctest.Test(t, func(t *testing.T) {
		off := agent.Bool(false)
		d := device()
		d.Agent.People[operator] = agent.Operator
		d.Outputs = &agent.Outputs{Put: d.Agent.Put, Tasks: []agent.OutputTask{
			{Name: "pump", Output: &memory{}, Off: off, Safe: off, Initial: off, MinOff: 2 * time.Minute, MaxOn: time.Hour, Pulse: 5 * time.Second},
			{Name: "lamp", Output: &memory{}, Max: 100, Unit: "%", Off: agent.Number(0), Safe: agent.Number(0), Initial: agent.Number(0), Pulse: time.Second},
		}}
		d.Agent.Commands = All(d)
		ctx, cancel := context.WithCancel(t.Context())
		end := make(chan error, 1)
		go func() { end <- d.Outputs.Run(ctx) }()
		synctest.Wait()
		test(t, d)
		cancel()
		if err := <-end; err != nil {
			t.Error(err)
		}
	})
}

func TestOutputCommands(t *testing.T) {
	withOutputs(t, func(t *testing.T, d *Device) {
		time.Sleep(20 * time.Second)
		until := func(d time.Duration, layout string) string { return time.Now().Add(d).Format(layout) }
		steps := []struct {
			name string
			args map[string]string
			wait time.Duration // before it
			want func() string
		}{
			{"set", map[string]string{"output": "pump", "value": "on"}, 0, func() string {
				return "error: refused: pump was switched off 20 s ago and stays off for 100 s more (min_off)"
			}},
			{"set", map[string]string{"output": "pump", "value": "ON", "for": "for 10 min"}, 100 * time.Second, func() string {
				return "pump: on, until " + until(10*time.Minute, "15:04") + " (10m)."
			}},
			{"outputs", nil, 30 * time.Second, func() string {
				return "2 outputs.\npump  on   30 s ago   off in 9 min\nlamp  0 %  2 min ago"
			}},
			{"toggle", map[string]string{"output": "pump"}, 0, func() string { return "pump: off." }},
			{"outputs", nil, 20 * time.Second, func() string {
				return "2 outputs.\npump  off  20 s ago   off for 1 min more (min_off)\nlamp  0 %  2 min ago"
			}},
			{"pulse", map[string]string{"output": "pump"}, 2 * time.Minute, func() string {
				return "pump: on, until " + until(5*time.Second, "15:04:05") + " (5s)."
			}},
			{"pulse", map[string]string{"output": "lamp", "for": "90s"}, 0, func() string {
				return "lamp: 100 %, until " + until(90*time.Second, "15:04:05") + " (1m30s)."
			}},
			{"set", map[string]string{"output": "lamp", "value": "12.5"}, 0, func() string { return "lamp: 12.5 %." }},
			{"set", map[string]string{"output": "lamp", "value": "on", "for": "2 days"}, 0, func() string {
				return "lamp: 100 %, until " + until(48*time.Hour, "2006-01-02 15:04") + " (48h)."
			}},
			{"set", map[string]string{"output": "pump", "value": "1"}, 5 * time.Minute, func() string {
				return "pump: on, until " + until(time.Hour, "15:04") + " (1h, max_on)."
			}},
			{"outputs", nil, 0, func() string {
				return "2 outputs.\npump  on     now        off in 1 h 0 min (max_on)\nlamp  100 %  5 min ago  off in 1 day 23 h"
			}},
			{"set", map[string]string{"output": "pump", "value": "half"}, 0, func() string {
				return `error: value: "half" is neither on nor off`
			}},
			{"set", map[string]string{"output": "lamp", "value": "101"}, 0, func() string {
				return `error: value: 101 is not between 0 and 100`
			}},
			{"set", map[string]string{"output": "lamp", "value": "off", "for": "1m"}, 0, func() string {
				return `error: for: only what is switched on goes off again`
			}},
			{"set", map[string]string{"output": "lamp", "value": "on", "for": "ever"}, 0, func() string {
				return `error: for: "ever" is not a duration: write a number and a unit, such as 30s, 10m or 1h30m`
			}},
			{"pulse", map[string]string{"output": "lamp", "for": "0s"}, 0, func() string {
				return `error: for: "0s" is not a duration: write a number and a unit, such as 30s, 10m or 1h30m`
			}},
			{"set", map[string]string{"output": "pmup", "value": "on"}, 0, func() string {
				return `error: output: there is no "pmup", did you mean "pump"?`
			}},
			{"read", map[string]string{"name": "lamp"}, 0, func() string { return "lamp: 100.0 %, 5 min ago." }},
		}
		for i, s := range steps {
			time.Sleep(s.wait)
			synctest.Wait()
			ans, err := ask(t, d, operator, s.name, s.args)
			got := ans.String()
			if err != nil {
				got = "error: " + err.Error()
			}
			if diff := cmp.Diff(s.want(), got); diff != "" {
				t.Errorf("step %d, %s %v (-want +got):\n%s", i, s.name, s.args, diff)
			}
		}
	})
}

func TestWhoMaySwitch(t *testing.T) {
	withOutputs(t, func(t *testing.T, d *Device) {
		for _, name := range []string{"set", "toggle", "pulse"} {
			args := map[string]string{"output": "lamp"}
			if name == "set" {
				args["value"] = "on"
			}
			if _, err := ask(t, d, viewer, name, args); !errors.Is(err, agent.ErrUnknown) {
				t.Errorf("%s by a viewer: %v", name, err)
			}
			if _, err := ask(t, d, operator, name, args); err != nil {
				t.Errorf("%s by an operator: %v", name, err)
			}
		}
		ans, err := ask(t, d, viewer, "outputs", nil)
		if err != nil || len(ans.Rows) != 2 || len(ans.Rows[0]) != len(ans.Columns) {
			t.Errorf("outputs by a viewer: %q, %v", ans, err)
		}
		help, err := ask(t, d, operator, "help", nil)
		if err != nil || !strings.Contains(help.String(), "set <output> <value> [for ...]") {
			t.Errorf("%s, %v", help, err)
		}
	})
}

func TestNoOutputsNoCommands(t *testing.T) {
	for _, outputs := range []*agent.Outputs{nil, {}} {
		d := device()
		d.Outputs = outputs
		for _, c := range All(d) {
			if c.Needs != agent.Viewer || c.Name == "outputs" {
				t.Errorf("there is a command %s", c.Name)
			}
		}
	}
}

func TestDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"10m": 10 * time.Minute, "for 10m": 10 * time.Minute, "FOR 10 Min": 10 * time.Minute, "1h30m": 90 * time.Minute,
		"1 hour 30 minutes": 90 * time.Minute, "1.5h": 90 * time.Minute, "90 s": 90 * time.Second, "500ms": 500 * time.Millisecond,
		"2 days": 48 * time.Hour, "1d 2h 3m 4s": 26*time.Hour + 3*time.Minute + 4*time.Second,
	} {
		if got, ok := duration(text); !ok || got != want {
			t.Errorf("%q: got %v, %v", text, got, ok)
		}
	}
	for _, text := range []string{"", "for", "10", "m", "10m10m", "10m1h", "-1s", "1..2s", "1e3s", "999999999999d", "ten minutes", "10 m for", "0x1s", "."} {
		if got, ok := duration(text); ok {
			t.Errorf("%q: got %v", text, got)
		}
	}
}

func FuzzDuration(f *testing.F) {
	for _, s := range []string{"10m", "for 1h30m", "1.5 days", "10", "h1", "9999999999999999999d", ".s", "1\u00a0h"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if d, ok := duration(s); ok && (d < 0 || d > 6*maxFor) {
			t.Errorf("%q: %v", s, d)
		}
	})
}

// The role of an output is for that output alone, the role of a command for the
// others.
func TestRolesOfOutputs(t *testing.T) {
	const viewer = "vera@example.org"
	for name, tt := range map[string]struct {
		roles map[string]agent.Role
		lamp  agent.Role
		may   map[string]string // who may set the lamp, and the pump
	}{
		"as it is":                {nil, agent.Stranger, map[string]string{viewer: "", operator: "lamp pump"}},
		"an output for viewers":   {nil, agent.Viewer, map[string]string{viewer: "lamp", operator: "lamp pump"}},
		"an output for owners":    {nil, agent.Owner, map[string]string{viewer: "", operator: "pump"}},
		"set for viewers":         {map[string]agent.Role{"set": agent.Viewer}, agent.Stranger, map[string]string{viewer: "lamp pump", operator: "lamp pump"}},
		"set for viewers but one": {map[string]agent.Role{"set": agent.Viewer}, agent.Owner, map[string]string{viewer: "pump", operator: "pump"}},
		"set for owners":          {map[string]agent.Role{"set": agent.Owner}, agent.Stranger, map[string]string{viewer: "", operator: ""}},
		"set for owners but one":  {map[string]agent.Role{"set": agent.Owner}, agent.Viewer, map[string]string{viewer: "lamp", operator: "lamp"}},
	} {
		withOutputs(t, func(t *testing.T, d *Device) {
			time.Sleep(time.Hour) // min_off of the pump
			d.Agent.People[viewer] = agent.Viewer
			d.Roles, d.Outputs.Tasks[1].Needs = tt.roles, tt.lamp
			d.Agent.Commands = All(d)
			for from, want := range tt.may {
				var may []string
				for _, output := range []string{"lamp", "pump"} {
					_, err := d.Agent.Do(t.Context(), agent.Request{From: from, Via: agent.ViaAdHoc, Name: "set", Args: map[string]string{"output": output, "value": "on"}})
					switch {
					case err == nil:
						may = append(may, output)
					case !errors.Is(err, agent.ErrForbidden) && !errors.Is(err, agent.ErrUnknown):
						t.Errorf("%s: %v", name, err)
					}
				}
				if got := strings.Join(may, " "); got != want {
					t.Errorf("%s: %s may set %q, want %q", name, from, got, want)
				}
			}
		})
	}
}

func TestRolesOfCommands(t *testing.T) {
	d := device()
	d.Roles = map[string]agent.Role{"sensors": agent.Owner}
	for _, c := range All(d) {
		if want := c.Name == "sensors" || c.Name == "log"; want != (c.Needs == agent.Owner) && c.Name != "people" {
			t.Errorf("%s needs a %s", c.Name, c.Needs)
		}
	}
}
