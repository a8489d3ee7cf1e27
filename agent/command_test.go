package agent

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRole(t *testing.T) {
	for _, want := range []Role{Viewer, Operator, Owner} {
		if got, err := ParseRole(want.String()); got != want || err != nil {
			t.Errorf("ParseRole(%q) = %v, %v", want, got, err)
		}
	}
	for _, bad := range []string{"", "stranger", "Owner", "admin"} {
		if got, err := ParseRole(bad); got != Stranger || err == nil {
			t.Errorf("ParseRole(%q) = %v, %v", bad, got, err)
		}
	}
	if _, err := ParseRole("admin"); err.Error() != `"admin" is no role: use owner, operator or viewer` {
		t.Error(err)
	}
	if got := Role(9).String(); got != "role(9)" {
		t.Error(got)
	}
}

func TestAnswerString(t *testing.T) {
	for _, c := range []struct {
		a    Answer
		want string
	}{
		{Answer{}, ""},
		{Answer{Text: "all well"}, "all well"},
		{Answer{Text: "all well", Columns: []string{"a"}}, "all well"},
		{Answer{Columns: []string{"a", "b"}, Rows: [][]string{{"boiler", "21 °C"}, {"x", "1"}}}, "boiler  21 °C\nx       1"},
		{Answer{Text: "two", Columns: []string{"a", "b"}, Rows: [][]string{{"°", "1"}, {"µg", "2"}}}, "two\n°   1\nµg  2"},
		{Answer{Columns: []string{"a"}, Rows: [][]string{{"a", "longer"}, {"b"}}}, "a  longer\nb"},
	} {
		if got := c.a.String(); got != c.want {
			t.Errorf("%+v:\n%s\nwant\n%s", c.a, got, c.want)
		}
	}
}

func TestParamCheck(t *testing.T) {
	text := Param{Name: "p"}
	number := Param{Name: "p", Kind: ParamNumber, Min: -1, Max: 10}
	free := Param{Name: "p", Kind: ParamNumber}
	truth := Param{Name: "p", Kind: ParamBool}
	names := func() []string { return []string{"boiler", "outside.humidity", "outside.temperature"} }
	one := Param{Name: "p", Kind: ParamChoice, Choices: names}
	glob := Param{Name: "p", Kind: ParamChoice, Choices: names, Glob: true}
	many := Param{Name: "p", Kind: ParamChoices, Choices: names}
	globs := Param{Name: "p", Kind: ParamChoices, Choices: names, Glob: true}
	for _, c := range []struct {
		p             Param
		in, want, err string
	}{
		{text, " two words ", "two words", ""},
		{text, "", "", ""},
		{text, "a\nb", "", "p: only one line is allowed"},
		{text, "a\rb", "", "p: only one line is allowed"},
		{text, strings.Repeat("x", MaxText), strings.Repeat("x", MaxText), ""},
		{text, strings.Repeat("x", MaxText+1), "", "p: longer than 1024 bytes"},
		{Param{Name: "p", Required: true}, " ", "", "p: a value is needed"},
		{Param{Name: "p", Required: true, Default: "d"}, "", "d", ""},
		{Param{Name: "p", Default: "d"}, "x", "x", ""},
		{Param{Kind: ParamNumber}, "x", "", `"x" is not a number`},

		{number, " 2.50 ", "2.5", ""},
		{number, "-0", "0", ""},
		{number, "1e1", "10", ""},
		{number, "10", "10", ""},
		{number, "10.1", "", "p: 10.1 is not between -1 and 10"},
		{number, "-2", "", "p: -2 is not between -1 and 10"},
		{number, "two", "", `p: "two" is not a number`},
		{free, "1e99", "1" + strings.Repeat("0", 99), ""},
		{free, "1e999", "", `p: "1e999" is not a number`},
		{free, "NaN", "", `p: "NaN" is not a number`},
		{free, "inf", "", `p: "inf" is not a number`},
		{free, "0x10", "", `p: "0x10" is not a number`},
		{Param{Name: "p", Kind: ParamNumber, Default: "x"}, "", "", `p: "x" is not a number`},

		{truth, "ON", "true", ""},
		{truth, "1", "true", ""},
		{truth, "yes", "true", ""},
		{truth, "true", "true", ""},
		{truth, "off", "false", ""},
		{truth, "0", "false", ""},
		{truth, "No", "false", ""},
		{truth, "false", "false", ""},
		{truth, "", "", ""},
		{truth, "maybe", "", `p: "maybe" is neither true nor false`},

		{one, "boiler", "boiler", ""},
		{one, "boiler,outside.humidity", "", "p: only one value is allowed"},
		{many, " boiler, outside.humidity,boiler ,", "boiler outside.humidity", ""},
		{one, "boilr", "", `p: there is no "boilr", did you mean "boiler"?`},
		{one, "kitchen", "", `p: there is no "kitchen"`},
		{one, "boiler outside.humidity", "", "p: only one value is allowed"},
		{one, "*", "", `p: there is no "*"`},
		{one, "outside", "", `p: there is no "outside", did you mean "outside.humidity"?`},
		{Param{Name: "p", Kind: ParamChoice}, "a", "", `p: there is no "a"`},
		{glob, "bo*", "boiler", ""},
		{glob, "outside", "", "p: only one value is allowed"},
		{many, "outside.humidity boiler boiler", "outside.humidity boiler", ""},
		{many, "boiler out*", "", `p: there is no "out*"`},
		{globs, "*", "boiler outside.humidity outside.temperature", ""},
		{globs, "outside *", "outside.humidity outside.temperature boiler", ""},
		{globs, "kit*", "", `p: there is no "kit*"`},
		{many, strings.Repeat("outside.humidity ", 200), "outside.humidity", ""},
		{many, strings.Repeat("boiler ", 257), "", "p: at most 256 values are allowed"},
		{many, strings.Repeat("x", 16385), "", "p: longer than 16384 bytes"},
	} {
		got, err := c.p.Check(c.in)
		text := ""
		if err != nil {
			text = err.Error()
		}
		if got != c.want || text != c.err {
			t.Errorf("kind %d, %q: %q, %q, want %q, %q", c.p.Kind, c.in, got, text, c.want, c.err)
		}
		if bad := (*ParamError)(nil); err != nil && !errors.As(err, &bad) {
			t.Errorf("%q: the error is a %T", c.in, err)
		}
	}
}

func FuzzParamCheck(f *testing.F) {
	for k := ParamText; k <= ParamChoices; k++ {
		f.Add(uint8(k), "boiler *", true)
		f.Add(uint8(k), "-0x1p-2", false)
	}
	f.Fuzz(func(t *testing.T, kind uint8, in string, glob bool) {
		p := Param{Kind: ParamKind(kind % 5), Glob: glob, Choices: func() []string { return []string{"a", "boiler"} }}
		once, err := p.Check(in)
		if err != nil {
			return
		}
		if twice, err := p.Check(once); err != nil || twice != once {
			t.Errorf("Check(%q) = %q, and again %q, %v", in, once, twice, err)
		}
	})
}

func TestNearest(t *testing.T) {
	names := []string{"help", "status", "read", "who", "sensors", "version", "board.load1"}
	for in, want := range map[string]string{
		"help":          "help",
		"hepl":          "help",
		"hlp":           "help",
		"stat":          "status",
		"se":            "sensors",
		"sensor":        "sensors",
		"verison":       "version",
		"raed":          "read",
		"xyzzy":         "",
		"reboot":        "",
		"":              "",
		"sensorssensor": "",
		"load1":         "board.load1",
		"board":         "board.load1",
	} {
		if got := Nearest(in, names); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", in, got, want)
		}
	}
	long := strings.Repeat("a", 1000)
	if got := Nearest(long, []string{long + "b", long}); got == "" {
		t.Error("a long word finds nothing that starts with it")
	}
	if got := Nearest(long, []string{"x" + long}); got != "" {
		t.Error("a long word is compared by distance")
	}
}

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"", "abc", 3}, {"abc", "abc", 0}, {"abc", "acb", 1}, {"abc", "abd", 1},
		{"abc", "ab", 1}, {"größe", "grosse", 3}, {"kitten", "sitting", 3},
	} {
		if got, back := distance(c.a, c.b), distance(c.b, c.a); got != c.want || back != c.want {
			t.Errorf("distance(%q, %q) = %d, and back %d, want %d", c.a, c.b, got, back, c.want)
		}
	}
}

func TestCheckArgs(t *testing.T) {
	c := Command{Name: "set", Params: []Param{
		{Name: "what", Required: true},
		{Name: "level", Kind: ParamNumber, Default: "5"},
		{Name: "on", Kind: ParamBool},
	}}
	in := map[string]string{"what": " lamp ", "on": "YES"}
	got, err := c.CheckArgs(in)
	want := map[string]string{"what": "lamp", "level": "5", "on": "true"}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if in["what"] != " lamp " || len(in) != 2 {
		t.Errorf("the caller's map was changed: %v", in)
	}
	for text, args := range map[string]map[string]string{
		"what: a value is needed":                   nil,
		"colour: this command has no such argument": {"what": "lamp", "colour": "red"},
		`level: "x" is not a number`:                {"what": "lamp", "level": "x"},
	} {
		if got, err := c.CheckArgs(args); err == nil || err.Error() != text || got != nil {
			t.Errorf("CheckArgs(%v) = %v, %v, want %s", args, got, err, text)
		}
	}
}
