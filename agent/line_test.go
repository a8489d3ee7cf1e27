package agent

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var lineGrammar = []Command{
	{Name: "help", Params: []Param{{Name: "command"}}},
	{Name: "set", Params: []Param{{Name: "output"}, {Name: "state"}, {Name: "minutes"}}},
	{Name: "read", Params: []Param{{Name: "name", Rest: true}}},
	{Name: "say", Params: []Param{{Name: "to"}, {Name: "text", Rest: true}}},
	{Name: "status"},
}

type args = map[string]string

func TestParseLine(t *testing.T) {
	for _, tt := range []struct {
		line, name string
		args       args
	}{
		{"status", "status", args{}},
		{"  STATUS  ", "status", args{}},
		{"/status", "status", args{}},
		{"! Status", "status", args{}},
		{"\u200bstatus\ufeff", "status", args{}},
		{"status\u200d\u00a0", "status", args{}},
		{"help set", "help", args{"command": "set"}},
		{"help\u00a0set", "help", args{"command": "set"}},
		{"help \u200bset\u2060", "help", args{"command": "set"}},
		{"set pump on 5", "set", args{"output": "pump", "state": "on", "minutes": "5"}},
		{"set\tpump  on", "set", args{"output": "pump", "state": "on"}},
		{"set state=on pump 5", "set", args{"state": "on", "output": "pump", "minutes": "5"}},
		{"set STATE=On output=a=b", "set", args{"state": "On", "output": "a=b"}},
		{"set state= pump", "set", args{"state": "", "output": "pump"}},
		{`set output="living room" on`, "set", args{"output": "living room", "state": "on"}},
		{`set "output=x" on`, "set", args{"output": "output=x", "state": "on"}},
		{`set other=x on`, "set", args{"output": "other=x", "state": "on"}},
		{`set "" on`, "set", args{"output": "", "state": "on"}},
		{`set a" "b on`, "set", args{"output": "a b", "state": "on"}},
		{"set „Küche hinten“ on", "set", args{"output": "Küche hinten", "state": "on"}},
		{"read", "read", args{}},
		{"read a b  c.*", "read", args{"name": "a b c.*"}},
		{`read name="a b"`, "read", args{"name": "a b"}},
		{`say anna the "quick  fox" to=x`, "say", args{"to": "anna", "text": "the quick  fox to=x"}},
	} {
		name, got, err := ParseLine(tt.line, lineGrammar)
		if err != nil || name != tt.name || !cmp.Equal(got, tt.args) {
			t.Errorf("%q: got %s %q, error %v, want %s %q", tt.line, name, got, err, tt.name, tt.args)
		}
	}
}

func TestParseLineErrors(t *testing.T) {
	for _, tt := range []struct{ line, name, want string }{
		{"", "", `unknown command ""`},
		{"/", "", `unknown command ""`},
		{"reed", "", `unknown command "reed", did you mean "read"?`},
		{"Statsu now", "", `unknown command "Statsu", did you mean "status"?`},
		{"!!status", "", `unknown command "!status", did you mean "status"?`},
		{"frobnicate", "", `unknown command "frobnicate"`},
		{"status now", "status", `"now" is one word too many`},
		{"set a b c d", "set", `"d" is one word too many`},
		{"set output=a output=b", "set", "output: given twice"},
		{"set a output=b", "set", "output: given twice"},
		{"read name=a b", "read", `"b" is one word too many`},
		{`set "a b`, "set", "a quote is not closed"},
		{`set a"`, "set", "a quote is not closed"},
	} {
		name, got, err := ParseLine(tt.line, lineGrammar)
		if err == nil || err.Error() != tt.want || name != tt.name || got != nil {
			t.Errorf("%q: got %s %q, error %v, want %s, error %s", tt.line, name, got, err, tt.name, tt.want)
			continue
		}
		var bad *ParamError
		if unknown := tt.name == ""; errors.Is(err, ErrUnknown) != unknown || errors.As(err, &bad) == unknown {
			t.Errorf("%q: error of the wrong kind: %#v", tt.line, err)
		}
	}
}

func FuzzParseLine(f *testing.F) {
	for _, s := range []string{
		"status", "! HELP set", "set pump on 5", `set output="living room" state=on`, "say „a b“ c=d e",
		`set "`, "read \u200b\u00a0name=*.x", "/me waves", "set a output=b", "\xff\xfe", "=", `"" ""`, "!",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		name, got, err := ParseLine(line, lineGrammar)
		if err != nil {
			if got != nil {
				t.Errorf("arguments %q with error %v", got, err)
			}
			return
		}
		var params []string
		for _, c := range lineGrammar {
			if c.Name == name {
				for _, p := range c.Params {
					params = append(params, p.Name)
				}
			}
		}
		total := 0
		for key, v := range got {
			if total += len(v); !strings.Contains(" "+strings.Join(params, " ")+" ", " "+key+" ") {
				t.Errorf("%q: %s has no argument %q", line, name, key)
			}
		}
		if total > 3*len(line) {
			t.Errorf("%q: %d bytes of arguments", line, total)
		}
	})
}
