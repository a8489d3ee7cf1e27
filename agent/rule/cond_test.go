package rule

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pipit/agent"
)

func TestParse(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"boiler>80", "boiler > 80"},
		{" boiler >= -0.50C ", "boiler >= -0.5 °C"},
		{"a > 5 1/min and b < 3%", "a > 5 rpm and b < 3 %"},
		{"sun > 3 UV index", "sun > 3 UV index"},
		{"a in 2..8", "a in 2 .. 8"},
		{"a.b not in -8.5 .. -2 degC", "a.b not in -8.5..-2 °C"},
		{"door == on or door == true", "door == true or door == true"},
		{`mode != 'a "b"'`, `mode != 'a "b"'`},
		{"mode == 'x'", `mode == "x"`},
		{"((a stale) or (b fault or c missing))", "a stale or b fault or c missing"},
		{"not (a changes)", "not a changes"},
		{"not (a > 1 and b > 1)", "not (a > 1 and b > 1)"},
		{"a > 1 and (b > 1 or c > 1)", "a > 1 and (b > 1 or c > 1)"},
		{"a > 1 or b > 1 and c > 1", "a > 1 or b > 1 and c > 1"},
		{"not not a stale", "not not a stale"},
		{"stale stale", "stale stale"},
		{"a == -0", "a == 0"},
	} {
		c.want = strings.Replace(c.want, " .. ", "..", 1)
		got, err := Parse(c.in)
		if err != nil || got.String() != c.want {
			t.Errorf("%s: %v, %v, want %s", c.in, got, err, c.want)
		}
	}
}

func TestParseErrors(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"", `column 1: expected the name of a reading, not, or "(", found the end`},
		{"boiler", "column 7: expected behind boiler one of > < >= <= == !=, in, not in, stale, fault, missing, changes, found the end"},
		{"boiler = 3", `column 8: expected behind boiler one of > < >= <= == !=, in, not in, stale, fault, missing, changes, found "="`},
		{"boiler > hot", `column 10: expected a number, true, false, on, off, or a text in quotes, found "hot"`},
		{"boiler > 80 furlong", `column 13: expected and, or, or the end, found "furlong"`},
		{"boiler > 80x", `column 12: expected a space or a unit behind the number, found "x"`},
		{"boiler > 5 and", `column 15: expected the name of a reading, not, or "(", found the end`},
		{"Boiler > 5", "column 1: name \"Boiler\": only a-z, 0-9, _ and - are allowed"},
		{"a > 1 AND b > 1", `column 7: expected and, or, or the end, found "AND"`},
		{"door > on", `column 8: expected a number behind >, found "on"`},
		{"a == 'x", "column 8: expected the closing ', found the end"},
		{"a == 'µ' b", `column 10: expected and, or, or the end, found "b"`},
		{"a in 8..2", "column 9: the range ends below its start: write the smaller number first"},
		{"a in 8", `column 7: expected ".." and a number, found the end`},
		{"a not 8", `column 7: expected in, found "8"`},
		{"(a stale", `column 9: expected and, or, or ")", found the end`},
		{"a stale)", `column 8: expected and, or, or the end, found ")"`},
		{"a > 1\x00", "column 6: a control character, or one that is not UTF-8"},
		{"a > " + strings.Repeat("9", 400), "column 5: the number is too large"},
		{strings.Repeat("(", 40) + "a stale" + strings.Repeat(")", 40), "column 18: more than 16 parentheses and nots in one another"},
		{strings.Repeat("a stale or ", 32) + "a stale", "column 353: more than 32 comparisons"},
		{strings.Repeat(" ", 1025), "the condition has 1025 bytes: at most 1024 are allowed"},
	} {
		_, err := Parse(c.in)
		if err == nil || err.Error() != c.want {
			t.Errorf("%.40s:\n got %v\nwant %s", c.in, err, c.want)
		}
	}
	if _, err := Parse(strings.Repeat("(", 16) + "a stale" + strings.Repeat(")", 16)); err != nil {
		t.Error(err)
	}
}

func parse(t *testing.T, s string) *Cond {
	t.Helper()
	c, err := Parse(s)
	if err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	return c
}

func TestEval(t *testing.T) {
	readings := map[string]agent.Reading{
		"n":       {Value: agent.Number(5), Unit: "°C"},
		"doubt":   {Value: agent.Number(5), Quality: agent.Uncertain},
		"on":      {Value: agent.Bool(true)},
		"text":    {Value: agent.Text("auto")},
		"stale":   {Value: agent.Number(5), Quality: agent.Stale},
		"fault":   {Quality: agent.Fault},
		"missing": {Quality: agent.Missing},
	}
	get := func(name string) (agent.Reading, bool) { r, ok := readings[name]; return r, ok }
	changed := func(name string) bool { return name == "n" || name == "fault" }
	for state, conds := range map[State][]string{
		True: {"n > 4", "n < 6", "n >= 5", "n <= 5", "n == 5", "n != 4", "n > 4 C", "n in 5..6", "n in 4..5", "n not in 6..7", "on == on", "on != false",
			"on > 0", "text == 'auto'", "text != 'man'", "doubt > 4", "stale stale", "fault fault", "missing missing", "none missing", "n changes",
			"not n > 5", "n > 4 and n < 6", "n > 5 or n < 6", "fault > 3 or n > 4", "n > 4 or fault > 3", "n > 6 and n > 7 or n == 5"},
		False: {"n > 5", "n < 5", "n >= 6", "n <= 4", "n == 4", "n != 5", "n in 6..7", "n not in 4..6", "on == false", "text == 'man'", "n stale",
			"stale fault", "fault missing", "fault stale", "none stale", "on changes", "fault > 3 and n > 5", "n > 5 or n > 6"},
		Unknown: {"stale > 4", "fault > 4", "missing > 4", "none > 4", "n > 4 K", "n == 'x'", "n == true", "text > 3", "text in 2..3", "on == 'x'",
			"fault changes", "not fault > 4", "fault > 4 or n > 5", "fault > 4 and n > 4"},
	} {
		for _, s := range conds {
			if got := parse(t, s).Eval(get, changed); got != state {
				t.Errorf("%s is %v, want %v", s, got, state)
			}
		}
	}
	if got := parse(t, "n changes").Eval(get, nil); got != False {
		t.Errorf("without changed: %v", got)
	}
}

func TestCondLists(t *testing.T) {
	c := parse(t, "b > 80 °C and a in 2..8 or b < 5 and b == 'x' or b == on or b > 80 C or b stale")
	if diff := cmp.Diff([]string{"b", "a"}, c.Names()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]float64{5, 80}, c.Thresholds("b")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]float64{2, 8}, c.Thresholds("a")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"°C"}, c.Units("b")); diff != "" {
		t.Error(diff)
	}
	for _, x := range []struct {
		name        string
		before, now float64
		want        bool
	}{{"b", 79, 80, false}, {"b", 80, 80.1, true}, {"b", 6, 5, false}, {"b", 5, 4, true}, {"a", 8, 8.1, true}, {"a", 3, 4, false}, {"c", 0, 99, false}} {
		if got := c.Crosses(x.name, agent.Number(x.before), agent.Number(x.now)); got != x.want {
			t.Errorf("%+v: %v", x, got)
		}
	}
}

func TestCheckClear(t *testing.T) {
	for _, c := range []struct {
		when, clear string
		ok          bool
	}{
		{"a > 80", "a < 75", true}, {"a > 80", "a <= 80", true}, {"a > 80", "a < 90", false}, {"a > 80", "a > 90", false},
		{"a >= 80", "a <= 80", false}, {"a >= 80", "a < 80", true}, {"a > 80 °C", "a < 90", false}, {"a > 80 C", "a < 70 °C", true},
		{"a < 5", "a > 4", false}, {"a < 5", "a > 6", true}, {"a not in 2..8", "a in 3..7", true}, {"a not in 2..8", "a in 1..7", false},
		{"a > 1 and a < 3", "a > 2.5", false}, {"a == 'x'", "a != 'x'", true}, {"a == 'x'", "a != 'y'", false}, {"a != 'x'", "a != 'y'", false},
		{"a == on", "a == off", true}, {"a == on", "a != off", false}, {"a stale", "not a stale", true}, {"a stale", "not a fault", false},
		{"a fault or a > 5", "a < 4", true}, {"a > 80", "b < 90", true}, {"a changes", "a == off", true}, {"a == 5", "a > 4 and a < 6", false},
	} {
		if err := CheckClear(parse(t, c.when), parse(t, c.clear)); (err == nil) != c.ok {
			t.Errorf("when %s, clear %s: %v", c.when, c.clear, err)
		}
	}
	want := `clear "a < 90" is true together with when "a > 80" (a = 85): write a clear that is false wherever when is true`
	if err := CheckClear(parse(t, "a > 80"), parse(t, "a < 90")); err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"boiler > 80 °C", "a in 2..8 or not (b stale and c == 'x')", "((", "a > 1e9", "a == \"µ\"", "a not in -1..+1 UVI", "not not a changes"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, err := Parse(s)
		if err != nil {
			return
		}
		again, err := Parse(c.String())
		if err != nil || again.String() != c.String() {
			t.Fatalf("%q -> %q -> %v, %v", s, c, again, err)
		}
		var rs []agent.Reading
		for _, name := range c.Names() {
			rs = append(rs, samples(c, name)...)
		}
		for _, r := range rs {
			get := func(string) (agent.Reading, bool) { return r, true }
			if a, b := c.Eval(get, nil), again.Eval(get, nil); a != b {
				t.Fatalf("%q is %v, %q is %v of %+v", s, a, c, b, r)
			}
		}
		CheckClear(c, again)
	})
}
