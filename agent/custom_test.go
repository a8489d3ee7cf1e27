package agent

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestWords(t *testing.T) {
	tests := []struct {
		run, args, want string // words separated by spaces; args as name=value|...
	}{
		{"/x", "", "/x"},
		{"/x a {b}", "b=1", "/x a 1"},
		{"/x --to={b}", "b=usb", "/x --to=usb"},
		{"/x {b}{c}", "b=1|c=2", "/x 12"},
		{"/x {b} {c} end", "c=2", "/x 2 end"}, // left out, not empty
		{"/x --to={b} end", "b=", "/x end"},
		{"/x {b}:{c} end", "b=1", "/x end"},
		{"/x {b}", "b={c}|c=no", "/x {c}"}, // a value is not a template
		{"/x {} {,} {a} { {b {b}} {{b}", "a=1|b=2", "/x {} {,} 1 { {b 2} {2"},
		{"/x {ä}", "", "/x {ä}"},
		{"/x/{b}", "b=1", "/x/{b}"},
		{"/x {b}", "b=$(reboot);`id`|c=", "/x $(reboot);`id`"},
		{"/x {b}", "b=-rf", `b: "-rf" begins with -, which a program takes for an option`},
		{"/x {b}", "b=-5", `b: "-5" begins with -, which a program takes for an option`},
		{"/x {b}", "b=-", `b: "-" begins with -, which a program takes for an option`},
		{"/x {c}{b}", "b=1|c=-", `c: "-" begins with -, which a program takes for an option`},
		{"/x -{b} --level={b} +{b}", "b=-5", "/x --5 --level=-5 +-5"},
		{"/x {b}", "b=–5", "/x –5"}, // an en dash is no option
		{"/x {b}", "b=a\tb", "b: control characters are not allowed"},
		{"/x {b}", "b=a\x00b", "b: control characters are not allowed"},
		{"/x {b}", "b=a\u0085b", "b: control characters are not allowed"},
		{"/x " + strings.Repeat("{b}", 17), "b=" + strings.Repeat("x", 1024), "b: too long for this command"},
	}
	for _, tt := range tests {
		args := map[string]string{}
		for pair := range strings.SplitSeq(tt.args, "|") {
			name, value, _ := strings.Cut(pair, "=")
			args[name] = value
		}
		c := Custom{Argv: strings.Split(tt.run, " ")}
		words, err := c.Words(args)
		got := strings.Join(words, " ")
		if err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%s with %s: got %s, want %s", tt.run, tt.args, got, tt.want)
		}
	}
}

// An argument may have blanks: it stays one word.
func TestWordsKeepBlanks(t *testing.T) {
	c := Custom{Argv: []string{"/x", "{b}"}}
	words, err := c.Words(map[string]string{"b": "a b  'c\" *"})
	if want := []string{"/x", "a b  'c\" *"}; !slices.Equal(words, want) || err != nil {
		t.Errorf("got %q, %v", words, err)
	}
}

func FuzzWords(f *testing.F) {
	for _, s := range []string{"", "{a}", "--x={a}", "{a}{b}", "{{a}}", "{", "}", "-{b}{a}", "{A}", "{a b}", "{a"} {
		f.Add(s, "value", "-v")
		f.Add(s, "-", "")
		f.Add(s, "{b}", "{a}")
		f.Add(s, "\x00", "ü")
	}
	f.Fuzz(func(t *testing.T, template, a, b string) {
		c := Custom{Argv: []string{"/x", template}}
		words, err := c.Words(map[string]string{"a": a, "b": b})
		names := Placeholders(template)
		if err != nil {
			pe, ok := errors.AsType[*ParamError](err)
			if !ok || !slices.Contains(names, pe.Param) || words != nil {
				t.Fatalf("%q: %q, %v", template, words, err)
			}
			return
		}
		if words[0] != "/x" || len(words) > 2 {
			t.Fatalf("%q became %q", template, words)
		}
		if len(names) == 0 && (len(words) != 2 || words[1] != template) {
			t.Fatalf("%q has no placeholder and became %q", template, words)
		}
		if len(words) == 1 {
			return // left out
		}
		if strings.HasPrefix(words[1], "-") && !strings.HasPrefix(template, "-") {
			t.Fatalf("%q became an option: %q", template, words[1])
		}
		if utf8.ValidString(template) && utf8.ValidString(a) && utf8.ValidString(b) && !utf8.ValidString(words[1]) {
			t.Fatalf("%q became %q, which is not UTF-8", template, words[1])
		}
		if len(words[1]) > maxWord+len(template) {
			t.Fatalf("%d bytes", len(words[1]))
		}
	})
}
