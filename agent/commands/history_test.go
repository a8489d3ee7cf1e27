package commands

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image/png"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipit/agent"
	"pipit/agent/chart"
)

// A past is a record in the order of acceptance.
type past struct {
	list  []agent.Reading
	err   error
	pages int
}

func (p *past) Range(name string, from, to time.Time, limit int) (found []agent.Reading, err error) {
	p.pages++
	for _, r := range p.list {
		if r.Name == name && !r.Time.Before(from) && r.Time.Before(to) && len(found) < limit {
			found = append(found, r)
		}
	}
	return found, p.err
}

// fill records a reading in the middle of every so often, from a time ago until now.
func (p *past) fill(name, unit string, ago, every time.Duration, value func(i int) agent.Value) {
	now := time.Now()
	for i, at := 0, now.Add(every/2-ago); at.Before(now); i, at = i+1, at.Add(every) {
		r := agent.Reading{Name: name, Unit: unit, Time: at, Value: value(i)}
		if r.Value.Kind() == agent.None {
			r = agent.Faulty(name, agent.Fault, at, "no answer")
		}
		p.list = append(p.list, r)
	}
}

// withPast runs a test on a device with a day of records, at a time of day of 12:00.
func withPast(t *testing.T, test func(t *testing.T, d *Device, p *past)) {
	synctest.Test(t, func(t *testing.T) {
		y, m, day := time.Now().Local().Date()
		time.Sleep(time.Until(time.Date(y, m, day+3, 12, 0, 0, 0, time.Local)))
		d, p := device(), &past{}
		d.History = p
		d.Agent.Commands = All(d)
		p.fill("outside.temperature", "°C", 24*time.Hour, time.Minute, func(i int) agent.Value {
			if i >= 600 && i < 670 {
				return agent.Value{}
			}
			return agent.Number(float64(i%1200)/100 - 3)
		})
		p.fill("outside.humidity", "%", 24*time.Hour, 10*time.Minute, func(i int) agent.Value { return agent.Number(60) })
		p.fill("door", "", 24*time.Hour, time.Minute, func(i int) agent.Value { return agent.Bool(i/360 == 1) })
		p.fill("meter", "kWh", 24*time.Hour, time.Hour, func(i int) agent.Value { return agent.Number(1200.1 + float64(i)/2) })
		p.fill("state", "", 24*time.Hour, time.Hour, func(i int) agent.Value { return agent.Text([]string{"idle", "busy\nwith it"}[i/20]) })
		p.fill("pressure", "hPa", 24*time.Hour, time.Hour, func(i int) agent.Value { return agent.Number(1000 + float64(i)) })
		p.fill("ratio", "", 6*time.Hour, time.Hour, func(i int) agent.Value { return agent.Number(float64(i) / 7) })
		for _, r := range append(p.list, agent.Faulty("silent", agent.Missing, time.Now(), "not there")) {
			d.Agent.Put(r)
		}
		test(t, d, p)
	})
}

func TestHistory(t *testing.T) {
	withPast(t, func(t *testing.T, d *Device, _ *past) {
		for _, tt := range []struct{ name, span, want string }{
			{"outside.temperature", "", `
outside.temperature, last 24 h: min -3.0 °C at 12:00, mean 2.1, max 9.0 at 07:59, last -0.6 °C.
12:00 ▁▁▁▂▂▃▃▃▄▄ ▅▆▆▆▇▇███▁▁▁▂ 12:00
1370 readings, 1 gap of 1 h 11 min, 70 failed.`},
			{"outside.temperature", "2h", `
outside.temperature, last 2 h: min -1.8 °C at 10:00, mean -1.2, max -0.6 at 11:59, last -0.6 °C.
10:00 ▁▁▁▂▂▂▃▃▃▄▄▄▅▅▅▆▆▆▇▇▇███ 12:00
120 readings.`},
			{"outside.humidity", "7d", `
outside.humidity, last 7 days: always 60.0 %.
144 readings.`},
			{"door", "24h", `
door, last 24 h: on for 25 % of the time, 2 changes, off since 00:00.
12:00 ▁▁▁▁▁▁██████▁▁▁▁▁▁▁▁▁▁▁▁ 12:00
1440 readings.`},
			{"meter", "24 h", `
meter, last 24 h: 11.50 kWh more, from 1200.10 to 1211.60 kWh.
12:00 ▁▁▁▂▂▂▃▃▃▄▄▄▅▅▅▆▆▆▇▇▇███ 12:00
24 readings.`},
			{"state", "", `
state, last 24 h: 1 change, last "busy with it" since 08:30.
24 readings.`},
			{"ratio", "", `
ratio, last 24 h: min 0 at 06:30, mean 0.3571, max 0.7143 at 11:30, last 0.7143.
12:00                   ▁▂▄▅▇█ 12:00
6 readings.`},
			{"silent", "90m", `
silent, last 90 min: no readings.
0 readings.`},
		} {
			ans, err := ask(t, d, viewer, "history", map[string]string{"name": tt.name, "span": tt.span})
			if diff := cmp.Diff(strings.TrimPrefix(tt.want, "\n"), ans.Text); diff != "" || err != nil {
				t.Errorf("%s %s: %v (-want +got):\n%s", tt.name, tt.span, err, diff)
			}
		}
	})
}

func TestHistoryRefuses(t *testing.T) {
	withPast(t, func(t *testing.T, d *Device, p *past) {
		for _, tt := range []struct{ command, name, span, want string }{
			{"history", "outside.temperatur", "", `name: there is no "outside.temperatur", did you mean "outside.temperature"?`},
			{"history", "outside.*", "", `name: there is no "outside.*"`},
			{"history", "", "", "name: a value is needed"},
			{"history", "door,meter", "", "name: only one value is allowed"},
			{"history", "door", "1y", `span: "1y" is no span: write ` + spanHelp},
			{"plot", "door", "2s", `span: "2s" is no span: write ` + spanHelp},
			{"plot", "door", "metre 24h", `name: there is no "metre", did you mean "meter"?`},
			{"plot", "door", "metre", `name: there is no "metre", did you mean "meter"?`},
			{"plot", "state,door", "", `name: state is a text: only numbers, and what is on or off, can be drawn; "history" tells of it`},
			{"plot", "door meter outside.temperature", "", "name: these have 3 units (on and off, kWh, °C), and a picture at most 2"},
			{"plot", "boiler door meter outside.temperature outside.humidity pressure", "ratio 7d", "name: 7 readings, and a picture at most 6"},
		} {
			_, err := ask(t, d, viewer, tt.command, map[string]string{"name": tt.name, "span": tt.span})
			var wrong *agent.ParamError
			if !errors.As(err, &wrong) || err.Error() != tt.want {
				t.Errorf("%s %s %s:\n got %v\nwant %s", tt.command, tt.name, tt.span, err, tt.want)
			}
		}
		p.err = errors.New("file damaged")
		for _, command := range []string{"history", "plot"} {
			if _, err := ask(t, d, viewer, command, map[string]string{"name": "door"}); err == nil || err.Error() != "history of door: file damaged" {
				t.Errorf("%s: %v", command, err)
			}
		}
	})
}

func TestPlot(t *testing.T) {
	withPast(t, func(t *testing.T, d *Device, _ *past) {
		asked := ""
		d.Thresholds = func(name string) []chart.Threshold {
			asked += name + " "
			return []chart.Threshold{{Value: 0, Label: "frost"}}
		}
		for _, tt := range []struct{ name, span, lines, file string }{
			{"outside.temperature", "", "outside.temperature, last 24 h", "outside.temperature-%s.png"},
			{"outside.temperature,outside.humidity", "7d", "outside.temperature, last 7 days|outside.humidity, last 7 days", "readings-%s.png"},
			{"outside.temperature", "outside.humidity, door 4 h", "", ""}, // three units
			{"door", "meter meter", "door, last 24 h|meter, last 24 h", "readings-%s.png"},
			{"silent meter door", "24h", "silent, last 24 h|meter, last 24 h|door, last 24 h", "readings-%s.png"},
		} {
			ans, err := ask(t, d, viewer, "plot", map[string]string{"name": tt.name, "span": tt.span})
			if tt.lines == "" {
				if err == nil {
					t.Errorf("%s %s: no error", tt.name, tt.span)
				}
				continue
			}
			if err != nil || ans.File == nil {
				t.Fatalf("%s %s: %v, file %v", tt.name, tt.span, err, ans.File)
			}
			var lines []string
			for line := range strings.Lines(ans.Text) {
				if name, _, ok := strings.Cut(line, ":"); ok && strings.Contains(name, ", last ") {
					lines = append(lines, name)
				}
			}
			file := fmt.Sprintf(tt.file, time.Now().Local().Format("20060102-1504"))
			if got := strings.Join(lines, "|"); got != tt.lines || ans.File.Name != file || ans.File.Type != "image/png" {
				t.Errorf("%s %s: %q with %s (%s), want %q with %s", tt.name, tt.span, got, ans.File.Name, ans.File.Type, tt.lines, file)
			}
			if _, err := png.Decode(bytes.NewReader(ans.File.Data)); err != nil || len(ans.File.Data) > 60_000 {
				t.Errorf("%s %s: %d bytes, %v", tt.name, tt.span, len(ans.File.Data), err)
			}
		}
		if !strings.HasPrefix(asked, "outside.temperature outside.temperature outside.humidity ") {
			t.Errorf("asked for the thresholds of %s", asked)
		}
		ans, err := ask(t, d, viewer, "plot", map[string]string{"name": "silent"})
		if err != nil || ans.File != nil || !strings.HasPrefix(ans.Text, "silent, last 24 h: no readings.") {
			t.Errorf("plot of nothing: %q, file %v, %v", ans.Text, ans.File, err)
		}
	})
}

func TestThresholdsAreDrawn(t *testing.T) {
	withPast(t, func(t *testing.T, d *Device, _ *past) {
		size := func() int {
			ans, err := ask(t, d, viewer, "plot", map[string]string{"name": "pressure"})
			if err != nil {
				t.Fatal(err)
			}
			return len(ans.File.Data)
		}
		without := size()
		d.Thresholds = func(string) []chart.Threshold { return []chart.Threshold{{Value: 1012, Label: "storm"}} }
		if size() == without {
			t.Error("the picture is the same with a threshold")
		}
	})
}

// What is more than a page is read in parts, all of it and in the order of time.
func TestLongHistoryIsReadInPages(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	p := &past{}
	for i := range 5 * pageSize {
		p.list = append(p.list, agent.Reading{Name: "x", Value: agent.Number(float64(i)), Time: start.Add(time.Duration(i) * 100 * time.Millisecond)})
	}
	p.list[7], p.list[5000] = p.list[5000], p.list[7] // the clock was set
	end := start.Add(400 * 24 * time.Hour)
	n, last := 0, time.Time{}
	err := eachReading(t.Context(), p, "x", start, end, func(r agent.Reading) {
		if r.Time.Before(last) {
			t.Fatalf("%v after %v", r.Time, last)
		}
		n, last = n+1, r.Time
	})
	if err != nil || n != 5*pageSize || p.pages > 60 {
		t.Errorf("%d readings in %d pages, %v", n, p.pages, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := eachReading(ctx, p, "x", start, end, func(agent.Reading) { t.Error("read on") }); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	dense := &past{} // more than a page in three milliseconds
	for i := range 2*pageSize - 1 {
		dense.list = append(dense.list, agent.Reading{Name: "x", Value: agent.Number(1), Time: start.Add(time.Duration(i%3) * time.Millisecond)})
	}
	n = 0
	if err := eachReading(t.Context(), dense, "x", start, end, func(agent.Reading) { n++ }); err != nil || n != len(dense.list) {
		t.Errorf("%d readings of three milliseconds, %v", n, err)
	}
	burst := &past{}
	for range 2 * pageSize {
		burst.list = append(burst.list, agent.Reading{Name: "x", Value: agent.Number(1), Time: start})
	}
	n = 0
	if err := eachReading(t.Context(), burst, "x", start, end, func(agent.Reading) { n++ }); err != nil || n != pageSize {
		t.Errorf("%d readings of one moment, %v", n, err)
	}
}

// The value of an output holds until it is set again.
func TestHistoryOfAnOutput(t *testing.T) {
	withPast(t, func(t *testing.T, d *Device, p *past) {
		d.Outputs = &agent.Outputs{Tasks: []agent.OutputTask{{Name: "fan"}, {Name: "pump"}}}
		now := time.Now()
		for _, r := range []agent.Reading{
			{Name: "fan", Unit: "%", Value: agent.Number(20), Time: now.Add(-20 * time.Hour)},
			{Name: "fan", Unit: "%", Value: agent.Number(60), Time: now.Add(-15 * time.Hour)},
			{Name: "pump", Value: agent.Bool(true), Time: now.Add(-6 * time.Hour)},
		} {
			p.list = append(p.list, r)
			d.Agent.Put(r)
		}
		for name, want := range map[string]string{
			"fan":  "fan, last 24 h: min 20.0 % at 16:00, mean 50.0, max 60.0 at 21:00, last 60.0 %.\n12:00    ▁▁▁▁▁████████████████ 12:00\n2 readings.",
			"pump": "pump, last 24 h: on for 100 % of the time, 0 changes, on since 06:00.\n1 reading.",
		} {
			ans, err := ask(t, d, viewer, "history", map[string]string{"name": name})
			if diff := cmp.Diff(want, ans.Text); diff != "" || err != nil {
				t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
			}
		}
	})
}

func TestUsualIntervalFromTheConfig(t *testing.T) {
	d := device()
	if got := d.usual("outside.temperature"); got != 30*time.Second {
		t.Errorf("%v, want that of the sensor", got)
	}
	d.Fields = &agent.Fields{Rules: []agent.FieldRule{
		{Glob: "*.temperature", Field: agent.Field{Change: &agent.Change{By: 0.5}}},
		{Glob: "outside.humidity", Field: agent.Field{Heartbeat: time.Hour}},
		{Glob: "boiler", Field: agent.Field{Unit: "°C"}},
	}}
	for name, want := range map[string]time.Duration{
		"outside.temperature": agent.DefaultHeartbeat, "outside.humidity": time.Hour, "boiler": time.Minute, "lamp": 0,
	} {
		if got := d.usual(name); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

func TestNoRecordNoHistory(t *testing.T) {
	for _, c := range All(device()) {
		if c.Name == "history" || c.Name == "plot" {
			t.Errorf("there is a command %s", c.Name)
		}
	}
}
