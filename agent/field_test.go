package agent

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A flow feeds one reading's samples to a Fields, one every 10 s unless it is
// told otherwise, and writes down what comes of each: "21.5" is published, "~21.5" only
// refreshed, "-" nothing.
type flow struct {
	*Fields
	name string
	now  time.Time
	out  []string
	last Reading // to Next or Refresh
	logs logs
}

func newFlow(rules ...FieldRule) *flow {
	f := &flow{name: "a.b", now: base}
	f.Fields = &Fields{
		Rules: rules, Log: f.logs.logger(slog.LevelInfo),
		Next:    func(r Reading) { f.last = r; f.out = append(f.out, show(r)) },
		Refresh: func(r Reading) { f.last = r; f.out = append(f.out, "~"+show(r)) },
	}
	return f
}

// show writes a reading without the name and the time.
func show(r Reading) string {
	s := strings.TrimSpace(r.Value.String() + " " + r.Unit)
	if r.Quality != Good {
		s = strings.TrimSpace(s + " " + r.Quality.String() + ": " + r.Reason)
	}
	return s
}

// feed takes samples: a number, a truth value, a Reading, a time.Duration that
// passes before the next, or a text "fault: why", "missing: why", "stale: why".
func (f *flow) feed(samples ...any) []string {
	f.out = nil
	for _, s := range samples {
		if d, ok := s.(time.Duration); ok {
			f.now = f.now.Add(d - 10*time.Second)
			continue
		}
		r := sample(s)
		r.Name = f.name
		f.now = f.now.Add(10 * time.Second)
		if r.Time.IsZero() {
			r.Time = f.now
		}
		n := len(f.out)
		if t, _ := f.find(f.name); t != nil {
			t.mu.Lock()
			t.take(r, f.now)
			t.mu.Unlock()
		} else {
			f.Put(r)
		}
		if len(f.out) == n {
			f.out = append(f.out, "-")
		}
	}
	return f.out
}

func sample(s any) Reading {
	switch s := s.(type) {
	case int:
		return Reading{Value: Number(float64(s))}
	case float64:
		return Reading{Value: Number(s)}
	case bool:
		return Reading{Value: Bool(s)}
	case Reading:
		return s
	}
	word, why, failure := strings.Cut(s.(string), ": ")
	if q, ok := ParseQuality(word); ok && failure {
		r := Faulty("", q, time.Time{}, why)
		if q == Stale {
			r.Value = Number(99) // the poller repeats the raw value
		}
		return r
	}
	return Reading{Value: Text(s.(string))}
}

func in(x float64, unit string, q Quality, reason string) Reading {
	return Reading{Value: Number(x), Unit: unit, Quality: q, Reason: reason}
}

func scaled(scale, offset float64) (f Field) {
	f.Scale, f.Offset = &scale, &offset
	return f
}

func dead(by float64) Field { return Field{Change: &Change{By: by}} }

func smooth(kind string, window int, alpha float64) Field {
	return Field{Smooth: &Smooth{kind, window, alpha}}
}

// with merges fields.
func with(fields ...Field) (f Field) {
	for _, g := range fields {
		f.merge(g)
	}
	return f
}

func decimals(n int) Field { return Field{Precision: &n} }

func valid(low, high float64) Field { return Field{Valid: &[2]float64{low, high}} }

// list is what a test writes for samples and for what comes of them.
func list(xs ...any) []any { return xs }

func TestFieldSteps(t *testing.T) {
	tests := []struct {
		name  string
		field Field
		in    []any
		want  string // joined by " | "
	}{
		{"nothing to do", Field{}, list(21.437, "open", true, "fault: no answer"), "21.437 | open | true | fault: no answer"},
		{"unit given", Field{Unit: "°C"}, list(20, in(20, "K", Good, "")), "20 °C | 20 °C"},
		{"unit of a text", Field{Unit: "°C"}, list("open", true), "open | true"},
		{"no number", Field{}, list(Reading{}), "fault: the sensor gave no number"},
		{"a fault with a value", Field{}, list(Reading{Value: Number(3), Quality: Fault, Reason: "x"}), "fault: x"},

		{"reject", Field{Reject: []float64{85, -127}}, list(85, 20, -127, 84.9), "- | 20 | - | 84.9"},
		{"reject nothing", Field{Reject: []float64{}}, list(85), "85"},
		{"reject is no text", Field{Reject: []float64{1}}, list(true, "1"), "true | 1"},
		{"valid", valid(-40, 60), list(-40, 60, -40.1, 60.1, 0), "-40 | 60 | - | - | 0"},

		{"scale", scaled(0.001, 0), list(21437, -500), "21.437 | -0.5"},
		{"scale and offset", scaled(2, -1), list(10.5), "20"},
		{"points", Field{Points: [][2]float64{{0, 1}, {100, 99}, {200, 299}}},
			list(0, 50, 100, 150, 200, -50, 250), "1 | 50 | 99 | 199 | 299 | -48 | 399"},
		{"no number after calibration", scaled(1e300, 0), list(1e9, 1e-300), "- | 1"},
		{"a slope without end", Field{Points: [][2]float64{{0, 0}, {1e-300, 1e300}}}, list(0, 5), "- | -"},
		{"more than a measurement", Field{}, list(1e301, -1e301, 1e300), "- | - | 1" + strings.Repeat("0", 300)},

		{"a step", Field{MaxStep: 5}, list(20, 25, 30.1, 29, 24, 18.9), "20 | 25 | - | 29 | 24 | -"},
		{"a step in decimals", Field{MaxStep: 0.1}, list(0.7, 0.8), "0.7 | 0.8"},
		{"a new level", Field{MaxStep: 5}, list(20, 90, 94, 98, 97), "20 | - | - | 98 | 97"},
		{"steps that do not agree", Field{MaxStep: 5}, list(20, 90, 50, 51, 52),
			"20 | - | - | fault: 3 implausible values in a row, the last 51 is more than 5 away from 20 | 52"},
		{"steps with a true value between", Field{MaxStep: 5}, list(20, 90, 90, 21, 90, 90, 21), "20 | - | - | 21 | - | - | 21"},
		{"steps with a rejected value between", Field{MaxStep: 5, Reject: []float64{85}}, list(20, 90, 85, 90, 90, 90),
			"20 | - | - | fault: 3 implausible values in a row, the last 90 is more than 5 away from 20 | " +
				"fault: 3 implausible values in a row, the last 90 is more than 5 away from 20 | 90"},
		{"steps with a fault between", Field{MaxStep: 5}, list(20, 90, "fault: x", 90, 90, 90), "20 | - | fault: x | - | - | 90"},

		{"median", smooth("median", 3, 0), list(20, 90, 21, 22, 0), "20 | 55 | 21 | 22 | 21"},
		{"mean", smooth("mean", 3, 0), list(1, 2, 3, 4), "1 | 1.5 | 2 | 3"},
		{"mean of equal numbers", smooth("mean", 7, 0), list(0.1, 0.1, 0.1), "0.1 | 0.1 | 0.1"},
		{"ema", smooth("ema", 0, 0.5), list(10, 20, 20), "10 | 15 | 17.5"},
		{"smoothing begins anew after a fault", smooth("mean", 9, 0), list(10, 20, "fault: x", 40, 50), "10 | 15 | fault: x | 40 | 45"},
		{"ema begins anew", smooth("ema", 0, 0.5), list(10, "missing: x", 40), "10 | missing: x | 40"},
		{"median begins anew when it was full", smooth("median", 2, 0), list(1, 2, 3, "fault: x", 10, 20, 30), "1 | 1.5 | 2.5 | fault: x | 10 | 15 | 25"},
		{"smoothing begins anew after a gap", with(smooth("mean", 9, 0), Field{Stale: time.Minute}),
			list(10, 20, 61*time.Second, 40, 60*time.Second, 50), "10 | 15 | 40 | 45"},
		{"smoothing begins anew on a new level", with(smooth("mean", 9, 0), Field{MaxStep: 5}),
			list(10, 10, 50, 50, 50, 52), "10 | 10 | - | - | 50 | 51"},
		{"any step after a gap", Field{MaxStep: 5, Stale: time.Minute}, list(20, 61*time.Second, 90), "20 | 90"},
		{"a discarded value is not smoothed", with(smooth("mean", 9, 0), valid(0, 50)), list(10, 99, 20), "10 | - | 15"},

		{"precision", decimals(1), list(21.46, -0.04, 1e20), "21.5 | 0 | 100000000000000000000"},
		{"precision 0", decimals(0), list(21.5), "22"},
		{"no dust of arithmetic", scaled(1.1, 0), list(1.1, -1.1e9, 1e-13), "1.21 | -1210000000 | 0.00000000000011000000000000001"},
		{"no rounding without arithmetic", Field{}, list(0.1234567890123456), "0.1234567890123456"},

		{"uncertain stays so", with(scaled(2, 0), decimals(0)), list(in(1.2, "V", Uncertain, "at the edge")), "2 V uncertain: at the edge"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := newFlow(FieldRule{"a.b", test.field}).feed(test.in...)
			if d := cmp.Diff(strings.Split(test.want, " | "), got); d != "" {
				t.Error(d)
			}
		})
	}
}

// Each test fails when its two steps change places.
func TestFieldOrder(t *testing.T) {
	tests := []struct {
		name   string
		field  Field
		in     []any
		want   string
		counts FieldCounts
	}{
		{"reject before valid", with(Field{Reject: []float64{85}}, valid(-40, 60)),
			list(85), "-", FieldCounts{"a.b", 1, 0, 0}},
		{"valid before calibrate", with(valid(0, 10), scaled(10, 0)),
			list(5, 11), "50 | -", FieldCounts{"a.b", 0, 1, 0}},
		{"calibrate before max_step", with(scaled(10, 0), Field{MaxStep: 5}),
			list(1, 2, 1.5), "10 | - | 15", FieldCounts{"a.b", 0, 0, 1}},
		{"max_step before smooth", with(Field{MaxStep: 5}, smooth("mean", 2, 0)),
			list(10, 14, 18, 24), "10 | 12 | 16 | -", FieldCounts{"a.b", 0, 0, 1}},
		{"smooth before precision", with(smooth("mean", 2, 0), decimals(0)),
			list(1.4, 1.8, 1.4), "1 | 2 | 2", FieldCounts{Name: "a.b"}},
		{"precision before change", with(decimals(0), dead(0.6)),
			list(20.4, 20.6, 20.4), "20 | 21 | 20", FieldCounts{Name: "a.b"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := newFlow(FieldRule{"a.b", test.field})
			if d := cmp.Diff(strings.Split(test.want, " | "), f.feed(test.in...)); d != "" {
				t.Error(d)
			}
			if got := f.Counts("a.b"); got != test.counts {
				t.Errorf("counts %+v, want %+v", got, test.counts)
			}
		})
	}
}

func TestFieldDeadBand(t *testing.T) {
	percent := Field{Change: &Change{5, true}}
	tests := []struct {
		name  string
		field Field
		in    []any
		want  string
	}{
		{"none", Field{}, list(20, 20, "fault: x", "fault: x"), "20 | 20 | fault: x | fault: x"},
		{"no drift hides in it", dead(0.5), list(20, 20.2, 20.4, 20.6, 20.8, 20.1), "20 | ~20.2 | ~20.4 | 20.6 | ~20.8 | 20.1"},
		{"its edge in decimals", dead(0.1), list(0.2, 0.3, 0.4, 0.35), "0.2 | 0.3 | 0.4 | ~0.35"},
		{"finer than the numbers", dead(1e-30), list(1, 1, 1.5), "1 | ~1 | 1.5"},
		{"percent", percent, list(100, 104.9, 105, 110.2, 110.25, -110.25), "100 | ~104.9 | 105 | ~110.2 | 110.25 | -110.25"},
		{"percent of nothing", percent, list(0, 0, 0.001), "0 | ~0 | 0.001"},
		{"of no width", dead(0), list(20, 20, "open", "open", "fault: x", "fault: x"), "20 | 20 | open | open | fault: x | fault: x"},
		{"of text", dead(1), list("open", "open", "shut", true, true, false, 0), "open | ~open | shut | true | ~true | false | 0"},
		{"change of unit", dead(1), list(in(1, "V", Good, ""), in(1, "mV", Good, "")), "1 V | 1 mV"},
		{"change of quality", dead(1), list(1, in(1, "", Uncertain, "x"), in(1, "", Uncertain, "y"), 1),
			"1 | 1 uncertain: x | ~1 uncertain: y | 1"},
		{"failures", dead(1), list(1, "fault: x", "fault: x", "fault: y", "missing: y", "missing: y", 1),
			"1 | fault: x | ~fault: x | fault: y | missing: y | ~missing: y | 1"},
		{"the default heartbeat", dead(1), list(1, 588*time.Second, 1, 587*time.Second, 1), "1 | 1 | ~1"},
		{"heartbeat", with(dead(1), Field{Heartbeat: time.Minute}), list(1, 58*time.Second, 1, 59*time.Second, 1, 1, 1), "1 | ~1 | 1 | ~1 | ~1"},
		{"heartbeat of a failure", with(dead(1), Field{Heartbeat: time.Minute}), list("fault: x", "fault: x", time.Minute, "fault: x"), "fault: x | ~fault: x | fault: x"},
		{"heartbeat alone", Field{Heartbeat: time.Minute}, list(1, 1, 1.001, 1.001, "open", "open"), "1 | ~1 | 1.001 | ~1.001 | open | ~open"},
		{"what is discarded is no heartbeat", with(dead(1), valid(0, 9), Field{Heartbeat: time.Minute}), list(1, time.Minute, 10, 1), "1 | - | 1"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := newFlow(FieldRule{"a.b", test.field}).feed(test.in...)
			if d := cmp.Diff(strings.Split(test.want, " | "), got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestFieldCrosses(t *testing.T) {
	f := newFlow(FieldRule{"a.b", dead(10)})
	var asked []string
	f.Crosses = func(name string, before, now Value) bool {
		asked = append(asked, fmt.Sprint(name, " ", before, " ", now))
		x, _ := before.Float()
		y, _ := now.Float()
		return (x > 25) != (y > 25)
	}
	if d := cmp.Diff([]string{"20", "~24", "26", "~28", "~26", "40"}, f.feed(20, 24, 26, 28, 26, 40)); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"a.b 20 24", "a.b 20 26", "a.b 26 28"}, asked); d != "" {
		t.Error(d)
	}
}

func TestFieldImplausible(t *testing.T) {
	f := newFlow(FieldRule{"a.b", with(valid(-40, 60), Field{Unit: "°C", Reject: []float64{85}})})
	const why = "fault: 3 implausible values in a row, the last 187.55 °C is above 60"
	if d := cmp.Diff([]string{"20 °C", "-", "-", why, why}, f.feed(20, 99, -99, 187.55, 85)); d != "" {
		t.Error(d)
	}
	if !f.last.Time.Equal(f.now) || f.last.Value.Kind() != None {
		t.Errorf("the fault is %+v", f.last)
	}
	if d := cmp.Diff([]string{"21 °C", "-"}, f.feed(21, 99)); d != "" {
		t.Error(d)
	}
	if n := f.logs.count("reading implausible", "reading=a.b"); n != 1 || f.logs.count("plausible again", "a.b") != 1 {
		t.Error(f.logs.String())
	}
	want := FieldCounts{"a.b", 1, 4, 0}
	if got := f.Counts("a.b"); got != want || got.Total() != 5 {
		t.Errorf("counts %+v", got)
	}
	if f.Counts("c") != (FieldCounts{Name: "c"}) {
		t.Error("counts of what was never seen")
	}
	f.Rules = append(f.Rules, FieldRule{"a", valid(0, 1)}, FieldRule{"b", valid(0, 1)})
	for _, f.name = range []string{"b", "a", "good"} {
		f.feed(5)
	}
	if d := cmp.Diff([]FieldCounts{{"a", 0, 1, 0}, want, {"b", 0, 1, 0}}, f.Discards()); d != "" {
		t.Error(d)
	}
}

// The reason has the number as the sensor gave it, in its own unit.
func TestFieldReasons(t *testing.T) {
	volts := in(5, "V", Good, "")
	tests := []struct {
		field Field
		in    Reading
		want  string
	}{
		{Field{Reject: []float64{5}, Unit: "°C"}, volts, "5 V means that there is no value"},
		{Field{Reject: []float64{5}, Unit: "°C"}, in(5, "", Good, ""), "5 °C means that there is no value"},
		{with(Field{Reject: []float64{5}, Unit: "°C"}, scaled(2, 0)), in(5, "", Good, ""), "5 means that there is no value"},
		{valid(6, 7), volts, "5 V is below 6"},
		{valid(0.1, 0.25), volts, "5 V is above 0.25"},
		{with(scaled(1e300, 0), Field{Unit: "°C"}), volts, "5 V gives no usable number"},
		{Field{}, in(1e305, "m", Good, ""), "1e+305 m gives no usable number"},
	}
	for _, test := range tests {
		got := newFlow(FieldRule{"a.b", test.field}).feed(test.in, test.in, test.in)
		if want := "fault: 3 implausible values in a row, the last " + test.want; got[2] != want {
			t.Errorf("got %s\nwant %s", got[2], want)
		}
	}
	f := newFlow(FieldRule{"a.b", with(scaled(2, 0), Field{MaxStep: 0.3, Unit: "°C"})})
	got := f.feed(volts, in(6, "V", Good, ""), in(7, "V", Good, ""), in(8, "V", Good, ""))
	if want := "fault: 3 implausible values in a row, the last 16 °C is more than 0.3 away from 10"; got[3] != want {
		t.Errorf("got %s\nwant %s", got[3], want)
	}
}

// The poller repeats the raw value as stale; people see the last good one.
func TestFieldStaleOfPoller(t *testing.T) {
	f := newFlow(FieldRule{"a.b", with(scaled(2, 0), smooth("mean", 2, 0), valid(0, 90))})
	f.feed(10, 20)
	measured := f.now
	if d := cmp.Diff([]string{"30 stale: bus held", "-"}, f.feed("stale: bus held", 91)); d != "" {
		t.Error(d)
	}
	if !f.last.Time.Equal(measured) {
		t.Error("a stale reading has a new time")
	}
	if d := cmp.Diff([]string{"80", "fault: x", "fault: bus held"}, f.feed(40, "fault: x", "stale: bus held")); d != "" {
		t.Error(d)
	}
	f = newFlow(FieldRule{"a.b", valid(0, 90)})
	if d := cmp.Diff([]string{"-", "fault: bus held"}, f.feed(91, "stale: bus held")); d != "" {
		t.Error(d)
	}
}

func TestFieldMerge(t *testing.T) {
	rules := []FieldRule{
		{"a.b", Field{Heartbeat: time.Minute, Unit: "K"}},
		{"*", with(scaled(2, 1), Field{Unit: "V", Reject: []float64{1}, Stale: time.Hour})},
		{"a", with(decimals(1), Field{Unit: "A"})},
		{"*.b", with(Field{Points: [][2]float64{{0, 0}, {1, 1}}}, smooth("mean", 2, 0))},
		{"x.*", dead(1)},
	}
	merge := func(name string) Field { f, _ := fieldOf(rules, name); return f }
	same := func(what string, got, want Field) {
		t.Helper()
		if d := cmp.Diff(want, got); d != "" {
			t.Error(what, d)
		}
	}
	want := with(rules[1].Field, rules[2].Field, rules[3].Field, rules[0].Field)
	same("all", merge("a.b"), want)
	if want.Unit != "K" || want.Scale != nil || want.Offset != nil || want.Points == nil || *want.Precision != 1 ||
		want.Heartbeat != time.Minute || want.Stale != time.Hour || want.Smooth == nil {
		t.Errorf("merged %+v", want)
	}
	same("no exact name", merge("a.c"), with(rules[1].Field, rules[2].Field))
	same("the first alone", merge("c"), rules[1].Field)
	offset := 1.0
	same("scale after points", with(rules[3].Field, Field{Offset: &offset}), with(smooth("mean", 2, 0), Field{Offset: &offset}))
	same("no reject", with(rules[1].Field, Field{Reject: []float64{}}), with(scaled(2, 1), Field{Unit: "V", Reject: []float64{}, Stale: time.Hour}))
	if _, ok := fieldOf(rules[2:], "c.d"); ok {
		t.Error("a rule matches c.d")
	}
}

func TestFieldBound(t *testing.T) {
	f := newFlow(FieldRule{"ruled*", scaled(2, 0)})
	f.name = "Not A Name"
	if got := f.feed(1); got[0] != "1" || len(f.byName) != 0 {
		t.Errorf("a bad name: %s, %d kept", got, len(f.byName))
	}
	for i := range MaxReadings - 1 {
		f.name = fmt.Sprint("n", i)
		f.feed(1)
	}
	for _, test := range [][2]string{{"ruled1", "2"}, {"ruled2", "-"}, {"ruled3", "-"}, {"other", "1"}, {"n1", "1"}} {
		if f.name = test[0]; f.feed(1)[0] != test[1] {
			t.Errorf("%s gives %s, want %s", f.name, f.out, test[1])
		}
	}
	if len(f.byName) != MaxReadings || f.logs.count("too many readings") != 1 {
		t.Errorf("%d names, log\n%s", len(f.byName), f.logs.String())
	}
	f.Remove("n7")
	if f.name = "ruled2"; f.feed(1)[0] != "2" {
		t.Error("a removed name leaves no room")
	}
}

func TestFieldRemove(t *testing.T) {
	f := newFlow(FieldRule{"*", with(dead(5), valid(0, 9), smooth("mean", 2, 0), Field{Stale: time.Minute})})
	f.feed(1, 10)
	tr, _ := f.find("a.b")
	f.Remove("a.b")
	f.Remove("never seen")
	if f.out = nil; !tr.expire(f.now.Add(time.Hour)).IsZero() || f.out != nil {
		t.Error("a removed name comes back as stale")
	}
	if f.Counts("a.b").Total() != 0 || len(f.byName) != 0 {
		t.Error("the counts are still there")
	}
	if d := cmp.Diff([]string{"2"}, f.feed(2)); d != "" {
		t.Error(d)
	}
}

// Without rules nothing is kept; without Refresh nothing else changes.
func TestFieldPassThrough(t *testing.T) {
	f := newFlow()
	want := Reading{Name: "a.b", Value: Number(1), Unit: "V", Time: base, Quality: Uncertain, Reason: "x"}
	f.Put(want)
	if f.last != want || f.byName != nil {
		t.Errorf("got %+v", f.last)
	}
	f = newFlow(FieldRule{"c", scaled(2, 0)})
	f.Put(want)
	if f.last != want || len(f.Discards()) != 0 {
		t.Errorf("got %+v", f.last)
	}
	f = newFlow(FieldRule{"a.b", dead(5)})
	f.Refresh = nil
	if d := cmp.Diff([]string{"1", "-", "6"}, f.feed(1, 2, 6)); d != "" {
		t.Error(d)
	}
}

func TestSmootherWindow(t *testing.T) {
	m := newSmoother(&Smooth{Kind: "median", Window: 99})
	var all []float64
	for i := range 250 {
		x := float64((i * 37) % 101)
		all = append(all, x)
		last := slices.Sorted(slices.Values(all[max(0, len(all)-99):]))
		n := len(last)
		want := (last[(n-1)/2] + last[n/2]) / 2
		if got := m.add(x); got != want {
			t.Fatalf("number %d: got %v, want %v", i, got, want)
		}
	}
}
