package sensors

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pipit/agent"
)

// buildOutput makes an output of a kind from the text of its table.
func buildOutput(t *testing.T, kind OutputKind, h *Host, text string) BuiltOutput {
	t.Helper()
	b, err := kind.New(h, table(text))
	if err != nil {
		t.Fatalf("%s: New: %v", kind.Name, err)
	}
	return b
}

// drive sets an output and reads it back: its value, or "error: ..." or
// "missing: ..." of the first that fails.
func drive(t *testing.T, o agent.Output, v agent.Value) string {
	t.Helper()
	if err := o.Set(t.Context(), v); err != nil {
		return lines(nil, err)[0]
	}
	return get(t, o)
}

func get(t *testing.T, o agent.Output) string {
	t.Helper()
	v, err := o.Get(t.Context())
	if err != nil {
		return lines(nil, err)[0]
	}
	return v.String()
}

func TestOutputKindsAreComplete(t *testing.T) {
	want := map[string][]string{ // the keys of the example: what is not shown is not found
		"gpio":    {"line", "line_name", "chip", "active_low", "drive"},
		"exec":    {"set", "get", "min", "max", "unit", "timeout"},
		"sim":     {"what", "min", "max", "unit", "fault"},
		"pwm":     {"chip", "channel", "frequency", "inverted"},
		"servo":   {"on", "chip", "bus", "address", "channel", "min", "max", "pulse_min", "pulse_max"},
		"led":     {"name", "dim"},
		"pca9685": {"bus", "address", "channel", "frequency", "inverted"},
	}
	for _, k := range OutputKinds() {
		if k.Doc == "" || strings.Contains(k.Doc, "\n") {
			t.Errorf("%s: Doc = %q, want one line", k.Name, k.Doc)
		}
		if !strings.Contains(k.Example, "kind = \""+k.Name+"\"\n") || !strings.HasPrefix(k.Example, "[output.") {
			t.Errorf("%s: the example is no table of this kind:\n%s", k.Name, k.Example)
		}
		var keys []string
		for line := range strings.Lines(k.Example) {
			if key, _, ok := strings.Cut(line, " = "); ok && key != "kind" {
				keys = append(keys, key)
			}
		}
		if diff := cmp.Diff(want[k.Name], keys); diff != "" {
			t.Errorf("%s: %s", k.Name, diff)
		}
		checkBuilt(t, k.Name, buildOutput(t, k, NewHost(t.TempDir()), k.Example))
	}
}

func checkBuilt(t *testing.T, name string, b BuiltOutput) {
	t.Helper()
	_, isBool := b.Off.Bool()
	off, isNumber := b.Off.Float()
	switch {
	case b.Output == nil:
		t.Errorf("%s: no output from the example", name)
	case b.Min > b.Max:
		t.Errorf("%s: from %g to %g", name, b.Min, b.Max)
	case b.Min == b.Max && (!isBool || b.Unit != ""):
		t.Errorf("%s: a switch whose off is %v, and whose unit %q", name, b.Off, b.Unit)
	case b.Min < b.Max && isBool, b.Min < b.Max && isNumber && (off < b.Min || off > b.Max):
		t.Errorf("%s: a number whose off is %v", name, b.Off)
	}
	if _, ok := agent.LookupUnit(b.Unit); b.Unit != "" && !ok {
		t.Errorf("%s: %q is not in the unit table", name, b.Unit)
	}
}

// Hardware that is not there is missing, when it is set and when it is read,
// and closing changes nothing about that.
func TestOutputsWithoutHardware(t *testing.T) {
	for _, k := range OutputKinds() {
		if k.Name == "sim" {
			continue // it needs none
		}
		b := buildOutput(t, k, NewHost(t.TempDir()), map[string]string{"gpio": "line = 1", "exec": `set = ["/none", "{value}"]`}[k.Name])
		v := agent.Bool(true)
		if b.Min < b.Max {
			v = agent.Number(b.Max)
		}
		if err := b.Output.Set(t.Context(), v); !isMissing(err) {
			t.Errorf("%s: Set = %v, want missing", k.Name, err)
		}
		if v, err := b.Output.Get(t.Context()); !isMissing(err) && k.Name != "exec" { // which has nothing to look at
			t.Errorf("%s: Get = %v, %v, want missing", k.Name, v, err)
		}
		if err := b.Output.Close(); err != nil {
			t.Errorf("%s: Close = %v", k.Name, err)
		}
	}
}

func TestOutputKindsReturnTheErrorOfDecode(t *testing.T) {
	bad := errors.New("unknown key")
	for _, k := range OutputKinds() {
		if _, err := k.New(NewHost("/"), func(any) error { return bad }); err != bad {
			t.Errorf("%s: New = %v, want the error of decode", k.Name, err)
		}
	}
}

func TestBadOutputConfig(t *testing.T) {
	tests := []struct {
		kind, text string
		want       []string
	}{
		{"pwm", "chip = \"a/b\"\nchannel = -1\nfrequency = 0", []string{
			`chip: "a/b" is no pwm chip: write N of /sys/class/pwm/pwmchipN, or the name of its device`,
			`channel: it must not be below 0`, `frequency: 0 Hz is out of range (1 to 1000000)`}},
		{"pwm", "chip = \"\"\nfrequency = 1e7", []string{
			`chip: "" is no pwm chip: write N of /sys/class/pwm/pwmchipN, or the name of its device`,
			`frequency: 1e+07 Hz is out of range (1 to 1000000)`}},
		{"servo", "on = \"pca968\"\nmin = 90\npulse_min = \"2ms\"", []string{
			`on: "pca968" is not known (did you mean "pca9685"? allowed: pwm, pca9685)`,
			`min: it must be below max`, `pulse_min: it must differ from pulse_max`}},
		{"servo", "on = \"pca9685\"\nchannel = 16\npulse_min = \"99us\"\npulse_max = \"4ms\"", []string{
			`channel: 16 is no channel of this chip (0 to 15)`,
			`pulse_min: 99µs is no pulse of a servo (100µs to 3ms)`, `pulse_max: 4ms is no pulse of a servo (100µs to 3ms)`}},
		{"led", `name = "../x"`, []string{`name: "../x" is no name in /sys/class/leds`}},
		{"led", `name = ".."`, []string{`name: ".." is no name in /sys/class/leds`}},
		{"pca9685", "bus = 300\naddress = 0x3f\nchannel = -1\nfrequency = 23", []string{
			`bus: 300 is no i2c bus: write N of /dev/i2c-N`,
			`address: 0x3f is no address of this chip (allowed: 0x40 to 0x77)`,
			`channel: -1 is no channel of this chip (0 to 15)`, `frequency: 23 Hz is out of range (24 to 1526)`}},
		{"pca9685", "address = 0x78", []string{`address: 0x78 is no 7 bit address (0x03 to 0x77)`}},
	}
	kinds := OutputKinds()
	for _, tt := range tests {
		k := kinds[slices.IndexFunc(kinds, func(k OutputKind) bool { return k.Name == tt.kind })]
		_, err := k.New(NewHost("/"), table(tt.text))
		if diff := cmp.Diff(tt.want, paramErrors(t, err)); diff != "" {
			t.Errorf("%s with %q: %s", tt.kind, tt.text, diff)
		}
	}
}
