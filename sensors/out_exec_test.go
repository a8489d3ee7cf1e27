package sensors

import (
	"errors"
	"strings"
	"testing"

	"pipit/agent"

	"github.com/google/go-cmp/cmp"
)

const radio = `case "$2" in "") test -e "$0.state" || { echo no state >&2; exit 1; }; cat "$0.state";; broken) exit 9;; *) printf '%s\n' "$2" > "$0.state"; printf '%s\n' "$1" > "$0.words";; esac`

func TestExecOutput(t *testing.T) {
	h := programs(t, map[string]string{"/radio": radio, "/fails": "exit 1"})
	const set, readBack = `set = ["/radio", "v={value}/{value}", "{value}"]` + "\n", `get = ["/radio", "volume"]` + "\n"
	tests := []struct {
		keys  string
		first string // Get before Set
		set   agent.Value
		err   string
		words string // what the program was given
		state string // Get behind Set
	}{
		{set, "missing: not set yet", agent.Bool(true), "", "v=on/on", "true"},
		{set, "missing: not set yet", agent.Bool(false), "", "v=off/off", "false"},
		{set + readBack, "error: /radio: exit status 1: no state", agent.Bool(true), "", "v=on/on", "true"},
		{set + "max = 100\nunit = \"%\"", "missing: not set yet", agent.Number(12.5), "", "v=12.5/12.5", "12.5"},
		{set + readBack + "min = -10\nmax = 10", "error: /radio: exit status 1: no state", agent.Number(-3), "", "v=-3/-3", "-3"},
		{set, "missing: not set yet", agent.Number(1), `"1" is neither on nor off`, "", "missing: not set yet"},
		{set, "missing: not set yet", agent.Text("on; reboot"), `"on; reboot" is neither on nor off`, "", "missing: not set yet"},
		{set + "max = 100", "missing: not set yet", agent.Number(101), `"101" is not a number from 0 to 100`, "", "missing: not set yet"},
		{set + "max = 100", "missing: not set yet", agent.Number(-1), `"-1" is not a number from 0 to 100`, "", "missing: not set yet"},
		{set + "max = 100", "missing: not set yet", agent.Bool(true), `"true" is not a number from 0 to 100`, "", "missing: not set yet"},
		{`set = ["/fails", "{value}"]`, "missing: not set yet", agent.Bool(true), "/fails: exit status 1", "", "error: not known since it could not be set"},
		{`set = ["/none", "{value}"]`, "missing: not set yet", agent.Bool(true), "there is no /none", "", "error: not known since it could not be set"},
	}
	for _, tt := range tests {
		put(t, h, "/radio.words", "")
		chmod(t, h.path("/radio.words"), 0o644)
		remove(h, "/radio.state")
		o := buildOutput(t, execOutputKind(), h, tt.keys).Output
		if got := get(t, o); got != tt.first {
			t.Errorf("%s: at first %q, want %q", tt.keys, got, tt.first)
		}
		msg := ""
		if err := o.Set(t.Context(), tt.set); err != nil {
			msg = err.Error()
		}
		words, _ := h.line("/radio.words")
		if got := get(t, o); msg != tt.err || words != tt.words || got != tt.state || o.Close() != nil {
			t.Errorf("%s: set %q, words %q, state %q; want %q, %q, %q", tt.keys, msg, words, got, tt.err, tt.words, tt.state)
		}
	}
}

func TestExecOutputReadsBackWhatIsThere(t *testing.T) {
	h := programs(t, map[string]string{"/radio": radio})
	for state, want := range map[string]string{"1\n": "true", "off": "false", "": "error: /radio: the answer is empty", "37\n": `error: /radio: "37" is neither true nor false`} {
		put(t, h, "/radio.state", state)
		o := buildOutput(t, execOutputKind(), h, "set = [\"/radio\", \"x\", \"{value}\"]\nget = [\"/radio\"]").Output
		if got := get(t, o); got != want {
			t.Errorf("%q: %q, want %q", state, got, want)
		}
	}
}

func TestExecOutputIsInItsTable(t *testing.T) {
	k := execOutputKind()
	if k.Doc == "" || strings.Contains(k.Doc, "\n") || !strings.HasPrefix(k.Example, "[output.") {
		t.Errorf("%+v", k)
	}
	b := buildOutput(t, execOutputKind(), NewHost("/"), k.Example)
	if b.Output == nil || b.Min != 0 || b.Max != 100 || b.Unit != "%" || b.Off != agent.Number(0) {
		t.Errorf("the example makes %+v", b)
	}
	for _, key := range []string{"set", "get", "min", "max", "unit", "timeout"} {
		if !strings.Contains(k.Example, "\n"+key+" = ") {
			t.Errorf("the example does not show %s", key)
		}
	}
	const set = `set = ["/radio", "{value}"]` + "\n"
	if b := buildOutput(t, execOutputKind(), NewHost("/"), set); b.Min != b.Max || b.Off != agent.Bool(false) {
		t.Errorf("a switch: %+v", b)
	}
	if b := buildOutput(t, execOutputKind(), NewHost("/"), set+"min = 5\nmax = 30"); b.Off.Kind() != agent.None {
		t.Errorf("off is %v where 0 is out of range", b.Off)
	}
	bad := errors.New("unknown key")
	if _, err := k.New(NewHost("/"), func(any) error { return bad }); err != bad {
		t.Errorf("New = %v, want the error of decode", err)
	}
}

func TestExecOutputBadConfig(t *testing.T) {
	for text, want := range map[string][]string{
		"": {`set: a program is needed, such as ["/usr/local/bin/measure", "--once"]`},
		"set = [\"/radio\"]\nget = [\"radio\", \"{value}\"]\nmin = 3\nmax = 3\nunit = \"Celcius\"": {
			`set: no argument holds {value}`,
			`get: "radio" is not a whole path: it must begin with /`,
			`get: {value} is for set`,
			`unit: "Celcius" is not a known unit (did you mean "°C"?)`,
			`min: 3 is not below max, which is 3`},
		"set = [\"/{value}\", \"{value}\"]\nunit = \"V\"": {`unit: a unit is for a number: give min and max`},
	} {
		_, err := newExecOutput(nil, table(text))
		if diff := cmp.Diff(want, paramErrors(t, err)); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
	}
	c := execOutputConfig{Set: []string{"/x", placeholder}, Timeout: maxSetTime + 1}
	if diff := cmp.Diff([]string{"timeout: 5.000000001s is not above 0s and at most 5s"}, paramErrors(t, c.check())); diff != "" {
		t.Error(diff)
	}
}
