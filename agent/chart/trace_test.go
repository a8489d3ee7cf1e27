package chart

import (
	"fmt"
	"math"
	"testing"
	"time"

	"pipit/agent"
)

func TestTraceOfNumbers(t *testing.T) {
	const minute = time.Minute
	none := math.NaN()
	step := func(h float64) float64 { return math.Floor(h) }
	for _, tt := range []struct {
		name   string
		list   []agent.Reading
		held   bool
		want   string // count, changes, min, mean, max, last, gaps, longest, quiet
		counts bool
	}{
		{"none", nil, false, "0 0, min , mean 0.0, max , last , 0 gaps 0s, quiet 0s", false},
		{"one", readings("x", "°C", 24*hours, 24*hours, func(float64) float64 { return 21 }), false, "1 0, min 21, mean 21.0, max 21, last 21, 0 gaps 0s, quiet 0s", false},
		{"regular", readings("x", "°C", 24*hours, minute, func(h float64) float64 { return h - 12 }), false, "1440 1439, min -12, mean -0.0, max 11.983333333333334, last 11.983333333333334, 0 gaps 0s, quiet 0s", false},
		{"two missing is no gap", readings("x", "°C", hours, minute, func(h float64) float64 {
			if h > 0.5 && h < 0.55 {
				return none
			}
			return 1
		}), false, "58 0, min 1, mean 1.0, max 1, last 1, 0 gaps 0s, quiet 0s", false},
		{"gaps, and the time in them does not count", readings("x", "°C", 4*hours, minute, func(h float64) float64 {
			switch {
			case h > 1 && h < 2, h > 3.5 && h < 3.75:
				return none
			case h <= 1:
				return 10
			}
			return 20
		}), false, "167 1, min 10, mean 16.3, max 20, last 20, 2 gaps 1h0m0s, quiet 0s", false},
		{"quiet at the end", readings("x", "°C", 4*hours, minute, func(h float64) float64 {
			if h > 3 {
				return none
			}
			return h
		}), false, "181 180, min 0, mean 1.5, max 3, last 3, 0 gaps 0s, quiet 1h0m0s", false},
		{"a counter that began anew", readings("x", "kWh", 4*hours, hours, func(h float64) float64 { return []float64{10, 12, 0.5, 1}[int(h)] }), false,
			"4 3, min 0.5, mean 6.0, max 12, last 1, 0 gaps 0s, quiet 0s", true},
		{"a tank that is used", readings("x", "L", 4*hours, hours, func(h float64) float64 { return 100 - h }), false, "4 3, min 97, mean 98.5, max 100, last 97, 0 gaps 0s, quiet 0s", false},
		{"an output", readings("x", "%", 4*hours, 2*hours, step), true, "2 1, min 0, mean 1.0, max 2, last 2, 0 gaps 0s, quiet 0s", false},
	} {
		tr := trace(4*hours, tt.held, tt.list)
		if len(tt.list) > 0 {
			tr = NewTrace(tt.list[0].Time, noon, tt.held, 0)
			for _, r := range tt.list {
				tr.Add(r)
			}
		}
		n, longest := tr.Gaps()
		got := fmt.Sprintf("%d %d, min %v, mean %.1f, max %v, last %v, %d gaps %v, quiet %v", tr.Count, tr.Changes,
			tr.Min.Value, tr.Mean(), tr.Max.Value, tr.Last.Value, n, longest.Round(minute), tr.Quiet().Round(minute))
		if got != tt.want || tr.Counts() != tt.counts {
			t.Errorf("%s:\n got %s, %v\nwant %s, %v", tt.name, got, tr.Counts(), tt.want, tt.counts)
		}
	}
}

// With a dead-band readings come when the value moves, and at the heartbeat.
func TestTraceOfADeadBand(t *testing.T) {
	const short, middle, heartbeat = 30 * time.Second, 90 * time.Second, 10 * time.Minute
	for _, tt := range []struct {
		name  string
		usual time.Duration // as the config says
		times []time.Duration
	}{
		{"seen from the readings", 0, []time.Duration{short, short, short, middle, short, middle, middle, middle, middle, heartbeat}},
		{"told, as the heartbeat is seldom", heartbeat, append(make([]time.Duration, 30), heartbeat)},
	} {
		tr := NewTrace(noon.Add(-24*hours), noon, false, tt.usual)
		for i, at := 0, tr.From; at.Before(noon); i++ {
			tr.Add(agent.Reading{Name: "x", Value: agent.Number(float64(i)), Time: at})
			at = at.Add(max(short, tt.times[i%len(tt.times)]))
			if i == 100 {
				at = at.Add(2 * hours)
			}
		}
		if n, longest := tr.Gaps(); n != 1 || longest < 2*hours || longest > 3*hours {
			t.Errorf("%s: %d gaps, the longest %v, want one of 2 h", tt.name, n, longest)
		}
	}
}

func TestTraceOfASwitch(t *testing.T) {
	on := func(h float64) bool { return h >= 6 && h < 12 }
	polled := trace(24*hours, false, switched("door", 24*hours, time.Second, on))
	if polled.Count != 86400 || polled.Changes != 2 || math.Abs(polled.Mean()-0.25) > 0.001 || polled.Kind != agent.IsBool {
		t.Errorf("%d readings, %d changes, mean %v", polled.Count, polled.Changes, polled.Mean())
	}
	if s := polled.Series("door"); len(s.Points) != 6 || !s.Steps || !s.Switch {
		t.Errorf("%d points for three states", len(s.Points))
	}
	if got, want := polled.Spark(), "▁▁▁▁▁▁██████▁▁▁▁▁▁▁▁▁▁▁▁"; got != want {
		t.Errorf("%q, want %q", got, want)
	}

	told := NewTrace(noon.Add(-24*hours), noon, false, 0)
	for _, h := range []time.Duration{1, 2, 3, 11, 20} {
		told.Add(agent.Reading{Value: agent.Bool(h%2 == 1), Time: told.From.Add(h * hours)})
	}
	if n, _ := told.Gaps(); n != 0 || told.Quiet() != 0 {
		t.Errorf("%d gaps, quiet %v: what is only told when it changes has none", n, told.Quiet())
	}
	if got, want := told.Mean(), 18.0/23; math.Abs(got-want) > 1e-9 {
		t.Errorf("on for %v of the time, want %v", got, want)
	}
	if got, want := told.Spark(), " █▁█████████████████▁▁▁▁"; got != want {
		t.Errorf("%q, want %q", got, want)
	}

	told.Add(agent.Faulty("door", agent.Fault, told.From.Add(22*hours), "no answer"))
	if told.Quiet() == 0 || told.Failed != 1 {
		t.Error("a switch that failed is not known")
	}
	points := told.Series("door").Points
	if !math.IsNaN(points[len(points)-1].Mean) {
		t.Error("the line goes on after the failure")
	}
}

func TestTraceKeepsTheNewUnit(t *testing.T) {
	tr := NewTrace(noon.Add(-hours), noon, false, 0)
	for i, r := range []agent.Reading{
		{Value: agent.Number(70), Unit: "°F"}, {Value: agent.Number(71), Unit: "°F"}, {Quality: agent.Fault},
		{Value: agent.Number(21), Unit: "°C"}, {Value: agent.Number(22), Unit: "°C"},
	} {
		r.Time = tr.From.Add(time.Duration(i) * time.Minute)
		tr.Add(r)
	}
	tr.Add(agent.Reading{Value: agent.Number(99), Unit: "°C", Time: noon}) // behind the span
	if tr.Count != 2 || tr.Earlier != 2 || tr.Failed != 1 || tr.Unit != "°C" || tr.Min.Value != agent.Number(21) {
		t.Errorf("%+v", tr)
	}
	text := NewTrace(noon.Add(-hours), noon, false, 0)
	for i, s := range []string{"idle", "idle", "busy"} {
		text.Add(agent.Reading{Value: agent.Text(s), Time: text.From.Add(time.Duration(i) * time.Minute)})
	}
	if text.Kind != agent.IsText || text.Changes != 1 || !text.Since.Equal(text.Last.Time) || len(text.Series("x").Points) != 0 {
		t.Errorf("%+v", text)
	}
}

func TestTraceSparkBridgesWhatIsSeldom(t *testing.T) {
	seldom := trace(24*hours, false, readings("x", "", 24*hours, 3*hours, func(h float64) float64 { return h }))
	if got, want := seldom.Spark(), "▁▁▁▂▂▂▃▃▃▄▄▄▅▅▅▆▆▆▇▇▇███"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	often := trace(24*hours, false, readings("x", "", 24*hours, time.Minute, func(h float64) float64 {
		if h < 4 || h >= 12 && h < 16 {
			return math.NaN()
		}
		return h
	}))
	if got, want := often.Spark(), "    ▁▁▁▂▂▃▃▃    ▆▆▆▇▇███"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestSeriesOfMany(t *testing.T) {
	tr := trace(24*hours, false, readings("x", "°C", 24*hours, 30*time.Second, temperature))
	s := tr.Series("x")
	breaks := 0
	for i, p := range s.Points {
		switch {
		case math.IsNaN(p.Mean):
			breaks++
		case p.Min > p.Mean || p.Mean > p.Max || i > 0 && p.Time.Before(s.Points[i-1].Time):
			t.Errorf("point %d: %+v", i, p)
		}
	}
	if len(s.Points) > slots+1 || breaks != 1 {
		t.Errorf("%d points with %d breaks, want at most %d with one", len(s.Points), breaks, slots+1)
	}
}
