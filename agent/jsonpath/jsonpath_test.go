package jsonpath

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLookup(t *testing.T) {
	for _, tt := range []struct {
		payload, path string
		want          any
	}{
		{`{"a":{"b":21.50}}`, "a.b", json.Number("21.50")},
		{`{"list":[{"x":1},{"x":"two"}]}`, "list[1].x", "two"},
		{`{"list":[[1,2],[3,4]]}`, "list[1][0]", json.Number("3")},
		{`[true,false]`, "[1]", false},
		{`{"a":null}`, "a", nil},
		{`{"weird.key":{"x":true}}`, `"weird.key".x`, true},
		{`{"a":{"two words":1}}`, `a."two words"`, json.Number("1")},
		{`{"say \"hi\"":1}`, `"say \"hi\""`, json.Number("1")},
		{`{"DS18B20-1":{"Temperature":1}}`, "DS18B20-1.Temperature", json.Number("1")},
		{`{"größe":1}`, "größe", json.Number("1")},
		{`{"":{"":"x"}}`, `"".""`, "x"},
		{`{"a":1,"a":2}`, "a", json.Number("2")},
		{`{"a":9007199254740993}`, "a", json.Number("9007199254740993")},
		{`{"x":"\"` + strings.Repeat("[", 40) + `","a":1}`, "a", json.Number("1")}, // no brackets of JSON
		{nested(maxSteps), strings.Repeat("[0]", maxSteps), json.Number("1")},
	} {
		got, err := find(tt.payload, tt.path)
		if diff := cmp.Diff(tt.want, got); err != nil || diff != "" {
			t.Errorf("%s at %s: %v %s", tt.payload, tt.path, err, diff)
		}
	}
}

// find goes the whole way.
func find(text, path string) (any, error) {
	p, err := Parse(path)
	if err != nil {
		return nil, err
	}
	v, err := Decode([]byte(text))
	if err != nil {
		return nil, err
	}
	return p.Leaf(v)
}

func nested(depth int) string {
	return strings.Repeat("[", depth) + "1" + strings.Repeat("]", depth)
}

func TestLookupErrors(t *testing.T) {
	many := `{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1,"i":1,"j":1}`
	for _, tt := range []struct{ payload, path, want string }{
		{`{"voltage":3,"humidity":40,"linkquality":9}`, "temperature", `there is no "temperature" (there are: humidity, linkquality, voltage)`},
		{many, "x", `there is no "x" (there are: a, b, c, d, e, f, g, h and 2 more)`},
		{`{"two words":1,"x\n":1}`, "y", `there is no "y" (there are: "two words", "x\n")`},
		{`{}`, "a", `there is no "a" (there is nothing)`},
		{`{"a":{"c":1}}`, "a.b", `there is no "b" (there are: c)`},
		{`{"a":1}`, "a.b", `"a" is a number, not an object`},
		{`{"a":null}`, "a.b", `"a" is null, not an object`},
		{`{"a":null}`, "a[0]", `"a" is null, not a list`},
		{`{"a":{}}`, "a[0]", `"a" is an object, not a list`},
		{`{"a":[1,2]}`, "a[2]", `there is no [2] in "a" (it has 2)`},
		{`{"a":[{"b":{"x":1}}]}`, "a[0].b", `"a"[0]."b" is an object: the path has to go on to a value in it`},
		{`{"a":[1]}`, "a", `"a" is a list: the path has to go on to a value in it`},
		{`true`, "a", `the text is true or false, not an object`},
		{`"x"`, "a", `the text is a text, not an object`},
		{`21.5 °C`, "a", `"21.5 °C" is not JSON`},
		{`{"a":1} {}`, "a", `"{\"a\":1} {}" is not JSON`},
		{"{\"a\":\"\xff\"}", "a", `"{\"a\":\"\xff\"}" is not JSON`},
		{nested(maxDepth + 1), "[0]", `it is nested deeper than 32`},
		{"", "a", `"" is not JSON`},
	} {
		_, err := find(tt.payload, tt.path)
		if err == nil || err.Error() != tt.want {
			t.Errorf("%s at %s: %v, want %s", tt.payload, tt.path, err, tt.want)
		}
	}
}

func TestParse(t *testing.T) {
	for _, path := range []string{"a", "a.b[0]", "[0]", `"a b"`, "DS18B20-1.x", "a[65535]", "a b", `["a b"].c[0]["x"]`} {
		if _, err := Parse(path); err != nil {
			t.Errorf("Parse(%q): %v", path, err)
		}
	}
	for path, want := range map[string]string{
		"":                        "1 to 256 bytes",
		"a..b":                    "a key is needed",
		".a":                      "a key is needed",
		"a.":                      "a key is needed",
		"a]":                      "a dot or [ is needed",
		"a\\b":                    "needs double quotes",
		"a\x00":                   "needs double quotes",
		"[x]":                     "a number or a key in double quotes",
		"[-1]":                    "a number or a key in double quotes",
		"[65536]":                 "a number or a key in double quotes",
		"[0":                      "a number or a key in double quotes",
		"a[0]b":                   "a dot or [ is needed",
		`"a"b`:                    "a dot or [ is needed",
		`"a`:                      "needs double quotes",
		`["a"b`:                   "a ] is needed",
		"\xff":                    "1 to 256 bytes",
		strings.Repeat("a", 257):  "1 to 256 bytes",
		strings.Repeat("[0]", 17): "more than 16 steps",
	} {
		if _, err := Parse(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Parse(%q): %v, want %s", path, err, want)
		}
	}
}

func FuzzPath(f *testing.F) {
	f.Add([]byte(`{"a":{"b":[1,"x",null]}}`), "a.b[1]")
	f.Add([]byte(`{"weird.key":1}`), `"weird.key"`)
	f.Add([]byte(nested(40)), "[0]")
	f.Add([]byte(`{"x`), "a")
	f.Fuzz(func(t *testing.T, payload []byte, path string) {
		v, err := find(string(payload), path)
		if err != nil {
			if len(err.Error()) > 16*MaxPath {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
			return
		}
		if _, bad := Parse(path); bad != nil {
			t.Errorf("found at %q: %v", path, bad)
		}
		switch v.(type) {
		case nil, bool, string, json.Number:
		default:
			t.Errorf("a %T", v)
		}
	})
}
