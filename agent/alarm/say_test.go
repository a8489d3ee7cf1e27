package alarm

import (
	"strings"
	"testing"

	"pipit/agent"
)

func TestSay(t *testing.T) {
	v := Values{"85.2", "°C", "boiler", "17:18", "17:10", "hot", "critical"}
	for _, tt := range []struct{ in, want, err string }{
		{"", "", ""},
		{"the {name} has {value} {unit} at {time}, since {since} ({rule}, {level})", "the boiler has 85.2 °C at 17:18, since 17:10 (hot, critical)", ""},
		{"{{value}} }}{{", "{value} }{", ""},
		{"{vlaue}", "", "unknown placeholder {vlaue} (allowed: {value}, {unit}, {name}, {time}, {since}, {rule}, {level})"},
		{"a { b", "a ", "a { stands alone: write {{ for a brace"},
		{"a } b", "a ", "a } stands alone: write }} for a brace"},
		{"{", "", "a { stands alone: write {{ for a brace"},
		{"{{}", "{", "a } stands alone: write }} for a brace"},
	} {
		err := CheckSay(tt.in)
		if got := Say(tt.in, v); got != tt.want || (err == nil) != (tt.err == "") || err != nil && err.Error() != tt.err {
			t.Errorf("%q: %q, %v; want %q, %s", tt.in, got, err, tt.want, tt.err)
		}
	}
}

func FuzzSay(f *testing.F) {
	for _, s := range []string{"", "{value}", "{{{value}}}", "}", "{", "{}", strings.Repeat("{name}", 100)} {
		f.Add(s, "x")
	}
	f.Fuzz(func(t *testing.T, template, value string) {
		err := CheckSay(template)
		text := Say(template, Values{Value: value})
		if len(text) > agent.MaxText {
			t.Errorf("%d bytes", len(text))
		}
		if err == nil && !strings.ContainsAny(template, "{}") && len(template) <= agent.MaxText && text != strings.ToValidUTF8(template, "") {
			t.Errorf("%q became %q", template, text)
		}
	})
}
