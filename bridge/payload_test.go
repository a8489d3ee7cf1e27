package bridge

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pipit/agent"
)

func TestValue(t *testing.T) {
	plain := agent.ImportValue{}
	celsius := agent.ImportValue{Unit: "°C"}
	at := func(path string) agent.ImportValue { return agent.ImportValue{Path: path} }
	words := agent.ImportValue{Path: "contact", On: "false", Off: "true"}
	for _, tt := range []struct {
		v       agent.ImportValue
		payload string
		want    agent.Value
	}{
		{plain, " 21.50\n", agent.Number(21.5)},
		{plain, "-1e3", agent.Number(-1000)},
		{plain, "+.5", agent.Number(0.5)},
		{plain, "ON", agent.Bool(true)},
		{plain, "off", agent.Bool(false)},
		{plain, "True", agent.Bool(true)},
		{plain, "No", agent.Bool(false)},
		{plain, "idle", agent.Text("idle")},
		{plain, "0x1F", agent.Text("0x1F")},
		{plain, "255,128,0", agent.Text("255,128,0")},
		{plain, "2026-11-23", agent.Text("2026-11-23")},
		{plain, "1_000", agent.Text("1_000")},
		{plain, "-", agent.Text("-")},
		{plain, "21.5 °C", agent.Text("21.5 °C")},
		{plain, strings.Repeat("x", agent.MaxText), agent.Text(strings.Repeat("x", agent.MaxText))},
		{celsius, "21.5", agent.Number(21.5)},
		{celsius, "21.5 °C", agent.Number(21.5)},
		{celsius, "21.5C", agent.Number(21.5)},
		{celsius, "21.5\u00a0°C", agent.Number(21.5)},
		{agent.ImportValue{Unit: "rpm"}, "5 1/min", agent.Number(5)},
		{agent.ImportValue{Unit: "%"}, "55%", agent.Number(55)},
		{at("a"), `{"a":21.5}`, agent.Number(21.5)},
		{at("a"), `{"a":" 21.5 "}`, agent.Number(21.5)},
		{at("a"), `{"a":true}`, agent.Bool(true)},
		{at("a"), `{"a":"OFF"}`, agent.Bool(false)},
		{at("a"), `{"a":"single"}`, agent.Text("single")},
		{agent.ImportValue{On: "1", Off: "0"}, "1", agent.Bool(true)},
		{agent.ImportValue{On: "1", Off: "0"}, "0", agent.Bool(false)},
		{agent.ImportValue{On: "open", Off: "closed"}, "Open", agent.Text("Open")},
		{agent.ImportValue{On: "open", Off: "closed"}, "on", agent.Bool(true)},
		{words, `{"contact":true}`, agent.Bool(false)},
		{words, `{"contact":false}`, agent.Bool(true)},
	} {
		got, err := value(tt.v, []byte(tt.payload))
		if err != nil || got != tt.want {
			t.Errorf("value(%+v, %s) = %v %v, want %v", tt.v, tt.payload, got, err, tt.want)
		}
	}
}

func TestValueErrors(t *testing.T) {
	plain := agent.ImportValue{}
	celsius := agent.ImportValue{Unit: "°C"}
	a := agent.ImportValue{Path: "a"}
	for _, tt := range []struct {
		v             agent.ImportValue
		payload, want string
	}{
		{plain, "null", "the payload is null"},
		{plain, " \n", "the payload is empty"},
		{plain, "nan", `"nan" is not a number`},
		{plain, "-Inf", `"-Inf" is not a number`},
		{plain, "21,5", `"21,5" has a comma, a number needs a dot`},
		{plain, "1e999", `"1e999" is too large`},
		{plain, "1,5e999", `"1,5e999" has a comma, a number needs a dot`},
		{plain, "two\nlines", "the text has control characters"},
		{plain, "\x00", "the text has control characters"},
		{plain, "a\xffb", "the text is not UTF-8"},
		{plain, strings.Repeat("x", agent.MaxText+1), "the text has 1025 bytes, at most 1024 are allowed"},
		{celsius, "on", `"on" is not a number`},
		{celsius, "70 °F", `"70 °F" is not in °C`},
		{celsius, "°C", `"°C" is not a number`},
		{celsius, "21.5 °C°C", `"21.5 °C°C" is not a number`},
		{celsius, "0x1F", `"0x1F" is not a number`},
		{celsius, "1.2.3", `"1.2.3" is not a number`},
		{celsius, "21,5", `"21,5" has a comma, a number needs a dot`},
		{celsius, strings.Repeat("x", 1000), fmt.Sprintf("%q is not a number", strings.Repeat("x", 40))},
		{agent.ImportValue{Unit: "rpm"}, "51/min", `"51/min" is not a number`},
		{agent.ImportValue{Unit: "°C", Path: "a"}, `{"a":true}`, `"true" is not a number`},
		{a, `{"a":null}`, "a is null"},
		{a, `{"a":""}`, "a is empty"},
		{a, `{"a":"nan"}`, `"nan" is not a number`},
		{a, `{"a":1e999}`, `"1e999" is too large`},
		{a, `{"b":1}`, `there is no "a" (there are: b)`},
		{a, `{"a":{}}`, `"a" is an object: the path has to go on to a value in it`},
		{a, `{"a":"x\ty"}`, "the text has control characters"},
	} {
		got, err := value(tt.v, []byte(tt.payload))
		if err == nil || err.Error() != tt.want || got.Kind() != agent.None {
			t.Errorf("value(%+v, %q) = %v, %v, want %s", tt.v, tt.payload, got, err, tt.want)
		}
	}
}

func FuzzValue(f *testing.F) {
	f.Add("21.5 °C", "°C", "", "")
	f.Add("21,5", "", "on", "off")
	f.Add("\xff", "%", "", "")
	f.Add("NaN", "", "", "")
	f.Fuzz(func(t *testing.T, payload, unit, on, off string) {
		v, err := value(agent.ImportValue{Unit: unit, On: on, Off: off}, []byte(payload))
		if (err != nil) != (v.Kind() == agent.None) {
			t.Fatalf("%v with %v", v, err)
		}
		n, _ := v.Float()
		switch {
		case err != nil && len(err.Error()) > 1024+len(unit):
			t.Errorf("an error of %d bytes", len(err.Error()))
		case err == nil && unit != "" && v.Kind() != agent.IsNumber:
			t.Errorf("%q is %v, not a number", payload, v)
		case math.IsNaN(n) || math.IsInf(n, 0):
			t.Errorf("%q is %v", payload, n)
		case !utf8.ValidString(v.String()) || len(v.String()) > agent.MaxText:
			t.Errorf("%q gives a bad text", payload)
		}
	})
}

func TestStamp(t *testing.T) {
	zone(t)
	now := time.Date(2026, 11, 23, 14, 0, 30, 0, time.UTC)
	want := time.Date(2026, 11, 23, 14, 0, 0, 0, time.UTC)
	for _, text := range []string{
		`"2026-11-23T14:00:00Z"`,
		`"2026-11-23T14:00:00.000Z"`,
		`"2026-11-23T15:00:00+01:00"`,
		`"2026-11-23T15:00:00.000+0100"`,
		`"2026-11-23T15:00:00"`, // Tasmota: local time
		`" 2026-11-23T15:00:00 "`,
		`1795442400`, `1795442400.0`, `"1795442400"`,
		`1795442400000`, `"1795442400000"`,
	} {
		got, err := stamp([]byte(`{"t":`+text+`}`), "t", now)
		if err != nil || !got.Equal(want) {
			t.Errorf("stamp(%s) = %v %v, want %v", text, got, err, want)
		}
	}
}

// zone makes local time that of Vienna in winter.
func zone(t *testing.T) {
	before := time.Local
	time.Local = time.FixedZone("CET", 3600)
	t.Cleanup(func() { time.Local = before })
}

func TestStampErrors(t *testing.T) {
	now := time.Date(2026, 11, 23, 14, 0, 0, 0, time.UTC)
	for text, want := range map[string]string{
		`"1970-01-01T00:33:28Z"`: "t is a time before 2000", // Tasmota before it has the time
		`0`:                      "t is a time before 2000",
		`-1e13`:                  "t is a time before 2000",
		`"2026-11-23T14:01:01Z"`: "t is a time in the future",
		`1795446000`:             "t is a time in the future",
		`1e14`:                   `"1e14" is not a time`,
		`"yesterday"`:            `"yesterday" is not a time`,
		`true`:                   "there is no time at t",
		`null`:                   "there is no time at t",
		`{}`:                     `"t" is an object: the path has to go on to a value in it`,
	} {
		if _, err := stamp([]byte(`{"t":`+text+`}`), "t", now); err == nil || err.Error() != want {
			t.Errorf("stamp(%s): %v, want %s", text, err, want)
		}
	}
	if _, err := stamp([]byte(`{"t":"2026-11-23T14:01:00Z"}`), "t", now); err != nil {
		t.Errorf("a minute ahead: %v", err)
	}
}

func FuzzStamp(f *testing.F) {
	f.Add(`"2026-11-23T15:00:00+01:00"`)
	f.Add(`1795442400000`)
	f.Add(`"-1e308"`)
	f.Fuzz(func(t *testing.T, text string) {
		now := time.Date(2026, 11, 23, 14, 0, 0, 0, time.UTC)
		got, err := stamp([]byte(`{"t":`+text+`}`), "t", now)
		if err == nil && (got.Year() < 2000 || got.After(now.Add(time.Minute))) {
			t.Errorf("stamp(%s) = %v", text, got)
		}
	})
}
