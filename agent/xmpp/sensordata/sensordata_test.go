package sensordata

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipit/agent"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 825e6, time.UTC)

func reading(name string, v agent.Value, unit string) agent.Reading {
	return agent.Reading{Name: name, Value: v, Unit: unit, Time: noon}
}

func bad(r agent.Reading, q agent.Quality, reason string) agent.Reading {
	r.Quality, r.Reason = q, reason
	return r
}

func at(r agent.Reading, t time.Time) agent.Reading {
	r.Time = t
	return r
}

// board holds every kind of value in every quality.
var board = []agent.Reading{
	reading("outside.temperature", agent.Number(-21.5), "°C"),
	reading("tiny", agent.Number(0.000001), ""),
	reading("huge", agent.Number(1e21), "B"),
	reading("tank", agent.Number(12), "L"),
	reading("door", agent.Bool(true), ""),
	reading("window", agent.Bool(false), ""),
	reading("state", agent.Text("a 'b' <c> & \"d\"\n\té"), ""),
	reading("nothing", agent.Text(""), ""),
	bad(reading("u.plain", agent.Number(1), "%"), agent.Uncertain, "at the edge: 100 is the most"),
	bad(reading("u.clock", agent.Number(1), "%"), agent.Uncertain, "the clock is not set"),
	bad(reading("u.bare", agent.Bool(true), ""), agent.Uncertain, ""),
	at(bad(reading("s.old", agent.Number(3), "hPa"), agent.Stale, "not read since 10:00"), noon.Add(-2*time.Hour)),
	bad(reading("s.text", agent.Text("x"), ""), agent.Stale, ""),
	bad(reading("f.co2", agent.Value{}, "ppm"), agent.Fault, "i2c timeout"),
	bad(reading("f.bare", agent.Value{}, ""), agent.Fault, ""),
	bad(reading("m.gone", agent.Value{}, ""), agent.Missing, "missing: no such <device>"),
}

func TestEncode(t *testing.T) {
	stamp := "2026-11-22T12:00:00.825Z"
	tests := []struct {
		name     string
		readings []agent.Reading
		o        Options
		want     string
	}{
		{"nothing", nil, Options{}, `<resp xmlns='urn:nf:iot:sd:1.0' id=''></resp>`},
		{"one", board[:1], Options{Namespace: Namespaces[2], ID: "7"}, `<resp xmlns='urn:ieee:iot:sd:1.0' id='7'><ts v='` + stamp + `'>` +
			`<q n='outside.temperature' v='-21.5' u='°C' m='true' ar='true'/></ts></resp>`},
		{"the unit of the schema", board[3:4], Options{}, `<resp xmlns='urn:nf:iot:sd:1.0' id=''><ts v='` + stamp + `'><q n='tank' v='12' u='l' m='true' ar='true'/></ts></resp>`},
		{"snapshot", []agent.Reading{board[0], board[4], board[11], board[13]},
			Options{Seq: 1<<31 + 42, Boot: "a3f1", Interval: 90 * time.Second, Time: noon},
			`<resp xmlns='urn:nf:iot:sd:1.0' id=''><ts v='2026-11-22T10:00:00.825Z'>` +
				`<q n='s.old' v='3' u='hPa' m='true' ar='true' w='true'/><err>s.old: stale: not read since 10:00</err></ts>` +
				`<ts v='` + stamp + `'><q n='outside.temperature' v='-21.5' u='°C' m='true' ar='true'/><b n='door' v='true' m='true' ar='true'/>` +
				`<q n='f.co2' v='0' u='ppm' m='true' ms='true' er='true'/><err>f.co2: fault: i2c timeout</err>` +
				`<i n='Seq' v='42' s='true'/><s n='Boot' v='a3f1' s='true'/><dr n='Interval' v='PT90S' i='true'/></ts></resp>`},
		{"status at a time of its own", board[4:5], Options{Seq: 1, Time: noon.Add(time.Millisecond)},
			`<resp xmlns='urn:nf:iot:sd:1.0' id=''><ts v='` + stamp + `'><b n='door' v='true' m='true' ar='true'/></ts>` +
				`<ts v='2026-11-22T12:00:00.826Z'><i n='Seq' v='1' s='true'/></ts></resp>`},
		{"status alone", nil, Options{Boot: "b", Time: noon}, `<resp xmlns='urn:nf:iot:sd:1.0' id=''><ts v='` + stamp + `'><s n='Boot' v='b' s='true'/></ts></resp>`},
		{"no value is never a good zero", []agent.Reading{{Name: "x", Time: noon}}, Options{},
			`<resp xmlns='urn:nf:iot:sd:1.0' id=''><ts v='` + stamp + `'><q n='x' v='0' m='true' ms='true' er='true'/><err>x: fault: no value</err></ts></resp>`},
		{"clock", board[9:10], Options{}, `<resp xmlns='urn:nf:iot:sd:1.0' id=''><ts v='` + stamp + `'><q n='u.clock' v='1' u='%' m='true' ar='true' of='true' w='true'/>` +
			`<err>u.clock: uncertain: the clock is not set</err></ts></resp>`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, string(Encode(tt.readings, tt.o))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestEncodeLeavesReadingsAlone(t *testing.T) {
	in := []agent.Reading{board[0], board[11]}
	Encode(in, Options{})
	if in[0] != board[0] || in[1] != board[11] {
		t.Error("the caller's readings were sorted")
	}
}

func TestRoundTrip(t *testing.T) {
	o := Options{Seq: 10342, Boot: "a3f1", Interval: 1500 * time.Millisecond, Time: noon}
	for _, ns := range Namespaces {
		for _, r := range board {
			t.Run(ns+"/"+r.Name, func(t *testing.T) {
				o.Namespace = ns
				got, meta, err := Parse(Encode([]agent.Reading{r}, o))
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff([]agent.Reading{r}, got, cmp.Comparer(func(x, y agent.Value) bool { return x == y })); diff != "" {
					t.Error(diff)
				}
				if want := (Meta{o.Seq, o.Boot, o.Interval, noon}); meta != want {
					t.Errorf("meta %+v, want %+v", meta, want)
				}
			})
		}
	}
	all, _, err := Parse(Encode(board, Options{}))
	if err != nil || len(all) != len(board) {
		t.Errorf("%d readings, error %v", len(all), err)
	}
}

func TestParseOthers(t *testing.T) {
	in := `<resp xmlns="urn:nfi:iot:sd:1.0" id="1"><ts v="2017-09-22T15:22:33Z">` +
		`<q n="Temperature" v="12.30" u="Cel" m="true" ar="1"/><i n="Count" v="7" s="true"/><l n="Long" v="-8"/><e n="Mode" v="Auto" t="M"/>` +
		`<dt n="Since" v="2017-01-01T00:00:00"/><b n="On" v="1"/><b n="Odd" v="yes"/><q n="NaN" v="NaN"/><q n="Empty"/>` +
		`<q n="CO2" v="0" u="ppm" ms="true" er="true"/><err>CO2: i2c timeout</err>` +
		`<q n="W" v="1" w="true"/><err>W: stale as a stone</err><q n="X" v="1"/><err>X: stale: no flag</err>` +
		`<q n="Y" v="1" w="true"/><err>Y: fault: but it has a value</err><err>bus down</err>` +
		`<zz n="New" v="1"/><i n="Seq" v="-1"/></ts></resp>`
	day := time.Date(2017, 9, 22, 15, 22, 33, 0, time.UTC)
	r := func(name string, v agent.Value, unit string, q agent.Quality, reason string) agent.Reading {
		return agent.Reading{Name: name, Value: v, Unit: unit, Time: day, Quality: q, Reason: reason}
	}
	want := []agent.Reading{
		r("Temperature", agent.Number(12.3), "°C", 0, ""), r("Count", agent.Number(7), "", 0, ""), r("Long", agent.Number(-8), "", 0, ""),
		r("Mode", agent.Text("Auto"), "", 0, ""), r("Since", agent.Text("2017-01-01T00:00:00"), "", 0, ""), r("On", agent.Bool(true), "", 0, ""),
		r("Odd", agent.Value{}, "", agent.Fault, `"yes" is no value of type b`),
		r("NaN", agent.Value{}, "", agent.Fault, `"NaN" is no value of type q`),
		r("Empty", agent.Value{}, "", agent.Fault, `"" is no value of type q`),
		r("CO2", agent.Value{}, "ppm", agent.Fault, "i2c timeout"),
		r("W", agent.Number(1), "", agent.Uncertain, "stale as a stone"),
		r("X", agent.Number(1), "", agent.Good, ""),
		r("Y", agent.Number(1), "", agent.Uncertain, "but it has a value"),
		r("Seq", agent.Number(-1), "", 0, ""),
	}
	got, meta, err := Parse([]byte(in))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(x, y agent.Value) bool { return x == y })); diff != "" {
		t.Error(diff)
	}
	if meta != (Meta{}) {
		t.Errorf("meta %+v", meta)
	}
	got, _, err = Parse([]byte(`<resp xmlns='urn:nf:iot:sd:1.0' id=''><nd id='outdoor'><ts v='2017-09-22T17:22:33+02:00'><q n='t' v='1'/></ts></nd></resp>`))
	if err != nil || len(got) != 1 || got[0].Name != "outdoor.t" || !got[0].Time.Equal(day) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestParseRefuses(t *testing.T) {
	ts := func(s string) string {
		return `<resp xmlns='urn:nf:iot:sd:1.0'><ts v='2017-09-22T15:22:33Z'>` + s + `</ts></resp>`
	}
	for name, in := range map[string]string{
		"empty":             ``,
		"malformed":         ts(`<q n='a'>`),
		"other namespace":   `<resp xmlns='urn:other'/>`,
		"other element":     `<req xmlns='urn:nf:iot:sd:1.0'/>`,
		"no time":           `<resp xmlns='urn:nf:iot:sd:1.0'><ts v='soon'/></resp>`,
		"too many fields":   ts(strings.Repeat(`<q n='a' v='1'/>`, MaxFields+1)),
		"no name":           ts(`<q v='1'/>`),
		"long name":         ts(`<q n='` + strings.Repeat("a", maxName+1) + `' v='1'/>`),
		"more than allowed": ts(`<s n='a' v='` + strings.Repeat("a", maxPayload) + `'/>`),
		"entity":            ts(`<s n='a' v='&file;'/>`),
	} {
		if got, _, err := Parse([]byte(in)); err == nil {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}

func TestParseCuts(t *testing.T) {
	got, _, err := Parse([]byte(`<resp xmlns='urn:nf:iot:sd:1.0'><ts v='2017-09-22T15:22:33Z'><s n='a' v='` + strings.Repeat("v", agent.MaxText+1) +
		`'/><q n='b' v='1' w='true' u='` + strings.Repeat("u", maxUnit+1) + `'/><err>b: ` + strings.Repeat("ü", maxReason) + `</err></ts></resp>`))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(got[0].Value.String()); n != agent.MaxText {
		t.Errorf("text of %d bytes", n)
	}
	if len(got[1].Unit) != maxUnit || len(got[1].Reason) != maxReason {
		t.Errorf("unit of %d bytes, reason of %d", len(got[1].Unit), len(got[1].Reason))
	}
}

func TestDuration(t *testing.T) {
	for in, want := range map[string]time.Duration{
		"PT60S": time.Minute, "PT0.5S": 500 * time.Millisecond, "PT1H2M3S": time.Hour + 2*time.Minute + 3*time.Second,
		"P1D": 24 * time.Hour, "P1DT1M": 24*time.Hour + time.Minute, "PT0S": 0,
	} {
		if got, err := parseDuration(in); got != want || err != nil {
			t.Errorf("%s: %s, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "P", "PT", "P1DT", "60", "60S", "-PT1S", "PT-1S", "P1Y", "P1M", "PT1S1M", "PTNaNS", "PTInfS", "PT1e18S", "PTS", "P1D2D"} {
		if got, err := parseDuration(in); err == nil {
			t.Errorf("%q: got %s", in, got)
		}
	}
	for _, d := range []time.Duration{time.Millisecond, time.Second, 90 * time.Minute} {
		if got, err := parseDuration(duration(d)); got != d || err != nil {
			t.Errorf("%s came back as %s, %v", d, got, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(Encode(board, Options{Seq: 1, Boot: "b", Interval: time.Minute, Time: noon}))
	f.Add([]byte(`<resp xmlns="urn:ieee:iot:sd:1.0" id="1"><nd id="n" src="s"><ts v="2017-09-22T15:22:33"><q n="T" v="1" u="Cel"/><err>T: x</err></ts></nd></resp>`))
	f.Add([]byte(`<resp xmlns='urn:nf:iot:sd:1.0'><ts v='0001-01-01T00:00:00Z'><b n='&#xD;' v='1' ms='1'/></ts></resp>`))
	f.Fuzz(func(t *testing.T, in []byte) {
		readings, meta, err := Parse(in)
		if err != nil {
			return
		}
		if len(readings) > MaxFields {
			t.Fatalf("%d readings", len(readings))
		}
		for _, r := range readings {
			if (r.Value.Kind() == agent.None) != (r.Quality >= agent.Fault) {
				t.Errorf("value and quality do not agree: %+v", r)
			}
			if len(r.Name) > maxName || len(r.Reason) > maxReason || len(r.Unit) > maxUnit {
				t.Errorf("bounds: %+v", r)
			}
		}
		again := Encode(readings, Options{Seq: meta.Seq, Boot: meta.Boot, Interval: meta.Interval, Time: meta.Time})
		if err := checkSchema(again); err != nil && !tooOld(readings) {
			t.Errorf("%v in %s", err, again)
		}
	})
}

// tooOld tells of times that XEP-0082 cannot write.
func tooOld(readings []agent.Reading) bool {
	for _, r := range readings {
		if r.Time.Year() < 1 || r.Time.Year() > 9999 {
			return true
		}
	}
	return false
}

func ExampleEncode() {
	r := agent.Reading{Name: "outside.temperature", Value: agent.Number(21.5), Unit: "°C", Time: noon}
	fmt.Println(string(Encode([]agent.Reading{r}, Options{})))
	// Output: <resp xmlns='urn:nf:iot:sd:1.0' id=''><ts v='2026-11-22T12:00:00.825Z'><q n='outside.temperature' v='21.5' u='°C' m='true' ar='true'/></ts></resp>
}
