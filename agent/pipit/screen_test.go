package main

import (
	"bytes"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"pipit/agent"
)

func TestSpeaksUTF8(t *testing.T) {
	for _, c := range []struct {
		all, ctype, lang string
		want             bool
	}{
		{"", "", "", false}, {"", "", "C", false}, {"", "", "C.UTF-8", true}, {"", "", "de_DE.utf8", true}, {"", "", "de_DE", false},
		{"C", "", "en_US.UTF-8", false}, {"", "C", "en_US.UTF-8", false}, {"", "en_US.UTF-8", "C", true}, {"en_US.UTF-8", "C", "C", true}, {"POSIX", "", "", false},
	} {
		env := map[string]string{"LC_ALL": c.all, "LC_CTYPE": c.ctype, "LANG": c.lang}
		if got := speaksUTF8(func(name string) string { return env[name] }); got != c.want {
			t.Errorf("%v: %t", env, got)
		}
	}
}

func TestPlain(t *testing.T) {
	for in, want := range map[string]string{
		"21.5 °C, 3 °": "21.5 degC, 3 deg", "a…": "a...", "µg/m³": "ug/m3", "▁▄█": "_-#", "5 Ω ± 1": "5 Ohm +/- 1", "日x": "?x", "plain": "plain", "": "",
	} {
		if got := plain(in); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
	for _, u := range agent.Units() {
		if got := plain(u.Symbol); strings.Contains(got, "?") {
			t.Errorf("the unit %s is written %q", u.Symbol, got)
		}
	}
}

func TestScreen(t *testing.T) {
	for _, c := range []struct {
		in, want string
		width    int
		ascii    bool
	}{
		{"short\n", "short\n", 40, false},
		{"> ", "> ", 20, true},
		{"one two three four five six seven\n", "one two three four\n  five six seven\n", 20, false},
		{strings.Repeat("x", 45) + "\n", strings.Repeat("x", 20) + "\n  " + strings.Repeat("x", 18) + "\n  " + strings.Repeat("x", 7) + "\n", 20, false},
		{"outside.temperature  21.5 °C  12:00\n", "outside.temperature\n  21.5 °C  12:00\n", 20, false},
		{"outside.temperature  21.5 °C …\n", "outside.temperature\n  21.5 degC ...\n", 20, true},
		{"a\n\nb\n", "a\n\nb\n", 20, false},
	} {
		var out bytes.Buffer
		s := &screen{out: &out, width: func() int { return c.width }, ascii: c.ascii}
		if n, err := s.Write([]byte(c.in)); n != len(c.in) || err != nil {
			t.Errorf("%d, %v", n, err)
		}
		if d := cmp.Diff(c.want, out.String()); d != "" {
			t.Error(d)
		}
	}
	var out bytes.Buffer
	if onScreen(&out) != &out || onPaper(&out) != &out {
		t.Error("what is no terminal is changed")
	}
}

func TestRowsFitTheScreen(t *testing.T) {
	at := time.Date(2026, 1, 2, 12, 0, 0, 0, time.Local)
	r := agent.Reading{Name: "outside.temperature", Value: agent.Number(21.5), Unit: "°C", Time: at}
	for width, want := range map[int]string{
		80: "outside.temperature              21.5 °C              12:00:00",
		40: "outside.temperature      21.5 °C",
		20: "~temperature 21.5 °C",
	} {
		if got := row(r, width, false); got != want {
			t.Errorf("%d columns: %q, want %q", width, got, want)
		}
	}
	r.Name = strings.Repeat("n", 64)
	for width := narrowest - 1; width < 200; width++ {
		got := row(r, width, true)
		if utf8.RuneCountInString(got) > width || !strings.Contains(got, "21.5") || plain(got) != got {
			t.Errorf("%d columns: %q", width, got)
		}
	}
}
