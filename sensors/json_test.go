package sensors

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"pipit/agent"
	"pipit/agent/jsonpath"

	"github.com/google/go-cmp/cmp"
)

const answer = `{
	"main": {"temp": 21.5, "humidity": "48", "dot.ted": 1, "": 2, "gone": null, "deep": {"list": []}},
	"sensors": [{"value": -3e-2}, {"value": true}],
	"name": " Berlin\u0007 ", "huge": 1e999, "0": "zero"
}`

func TestPath(t *testing.T) {
	tests := []struct{ path, want string }{
		{`main.temp`, ": 21.5"},
		{`main["temp"]`, ": 21.5"},
		{`["main"].temp`, ": 21.5"},
		{`main.humidity`, ": 48"},
		{`main["dot.ted"]`, ": 1"},
		{`main[""]`, ": 2"},
		{`main.gone`, ": missing: it is null"},
		{`main.gone.x`, ": missing: there is no main.gone.x in the answer"},
		{`main.deep.list`, ": fault: it is an object or an array, not a value"},
		{`main.deep.list[0]`, ": missing: there is no main.deep.list[0] in the answer"},
		{`main`, ": fault: it is an object or an array, not a value"},
		{`sensors[0].value`, ": -0.03"},
		{`sensors[1].value`, ": true"},
		{`sensors[2].value`, ": missing: there is no sensors[2].value in the answer"},
		{`sensors.0.value`, ": missing: there is no sensors.0.value in the answer"},
		{`0`, ": zero"},
		{`[0]`, ": missing: there is no [0] in the answer"},
		{`name`, ": Berlin"},
		{`huge`, `: fault: "1e999" is out of range`},
		{`Main.temp`, ": missing: there is no Main.temp in the answer"},
	}
	for _, tt := range tests {
		var bad checker
		p := bad.picker(tt.path, nil, "", nil)
		if err := bad.err(); err != nil {
			t.Errorf("%s: %v", tt.path, err)
			continue
		}
		if diff := cmp.Diff([]string{tt.want}, lines(p.readings([]byte(answer)))); diff != "" {
			t.Errorf("%s: %s", tt.path, diff)
		}
	}
	for _, bad := range []string{"", ".a", "a.", "a..b", "a[", "a[]", "a[-1]", "a[1", "a[x]", "a]", `a["b]`, `a["b"`, "a[0]b", "a['b']",
		"a[99999]", strings.Repeat("a", 257), strings.Repeat("a.", 16) + "a"} {
		if p, err := jsonpath.Parse(bad); err == nil {
			t.Errorf("%q is the path %v", bad, p)
		}
	}
}

func TestPickerFlattens(t *testing.T) {
	p := &picker{units: map[string]string{"main_temp": "°C", "name": "V"}}
	want := []string{
		"0: zero", `huge: fault: "1e999" is out of range`, "main: 2", "main_dot_ted: 1", "main_gone: missing: it is null",
		"main_humidity: 48", "main_temp: 21.5 °C", `name: fault: "Berlin " is not a number`, "sensors_0_value: -0.03", "sensors_1_value: true",
	}
	if diff := cmp.Diff(want, lines(p.readings([]byte(answer)))); diff != "" {
		t.Error(diff)
	}
	for text, want := range map[string][]string{
		`21`:                    {": 21"},
		`{"a.b":1,"a":{"b":2}}`: {"a_b: 2", "a_b_2: 1"},
		`[]`:                    nil,
		`{}`:                    nil,
		`{"a":1}}`:              {`error: the answer is not JSON: "{\"a\":1}}"`},
		``:                      {`error: the answer is not JSON: ""`},
		strings.Repeat("[", 16) + "1" + strings.Repeat("]", 16): {"0_0_0_0_0_0_0_0_0_0_0_0_0_0_0_0: 1"},
		strings.Repeat("[", 17) + "1" + strings.Repeat("]", 17): nil,
	} {
		if diff := cmp.Diff(want, lines((&picker{}).readings([]byte(text)))); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
	}
	deep := strings.Repeat("[", 20000) + strings.Repeat("]", 20000)
	if got := lines((&picker{}).readings([]byte(deep))); len(got) != 1 || !strings.HasPrefix(got[0], "error: the answer is not JSON") {
		t.Errorf("deep nesting: %q", got)
	}
	wide, _ := json.Marshal(make([]int, 2000))
	if got, err := (&picker{}).readings(wide); len(got) != maxFields || err != nil {
		t.Errorf("%d fields, %v", len(got), err)
	}
}

func TestDecimal(t *testing.T) {
	for s, want := range map[string]float64{"1": 1, "-0.5": -.5, "+2e3": 2000, "1.": 1, ".5": .5} {
		if f, ok := decimal(s); !ok || f != want {
			t.Errorf("decimal(%q) = %v, %v", s, f, ok)
		}
	}
	for _, s := range []string{"", "e", "inf", "nan", "0x10", "1_000", "1e999", "1 2", "--1", "1,5"} {
		if f, ok := decimal(s); ok {
			t.Errorf("decimal(%q) = %v", s, f)
		}
	}
}

// However a text and a path look, what comes out can be a reading.
func FuzzPicker(f *testing.F) {
	for _, path := range []string{"main.temp", `sensors[0]["value"]`, "a", "[1]", "a..b", "main."} {
		f.Add(path, []byte(answer))
	}
	f.Add("x", []byte(`{"x":{"x":1e400}}`))
	f.Fuzz(func(t *testing.T, path string, text []byte) {
		var bad checker
		p := bad.picker(path, nil, "", nil)
		if path == "" || bad.err() != nil {
			p = &picker{}
		} else if again, err := jsonpath.Parse(path); err != nil || len(again) == 0 {
			t.Errorf("%q: %v, %v", path, again, err)
		}
		readings, err := p.readings(text)
		if err != nil != !json.Valid(text) {
			t.Errorf("%q: %v", text, err)
		}
		seen := map[string]bool{}
		for _, r := range readings {
			n, isNumber := r.Value.Float()
			if r.Name != "" && agent.CheckName("s."+r.Name) != nil || seen[r.Name] || isNumber && math.IsInf(n, 0) ||
				(r.Quality >= agent.Fault) != (r.Value.Kind() == agent.None) || r.Quality >= agent.Fault && r.Reason == "" {
				t.Errorf("%q, %q: %+v", path, text, r)
			}
			seen[r.Name] = true
		}
	})
}
