package sensors

import (
	"math"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFile(t *testing.T) {
	long := strings.Repeat("9", maxLine+1)
	tests := []struct {
		keys, content, want string
	}{
		{"", "21.5\n", ": 21.5"},
		{"", "  -7 \r\nsecond line\n", ": -7"},
		{"", "1.5e3", ": 1500"},
		{"", "0x1F\n", ": 31"},
		{"", "0XfF", ": 255"},
		{"", "-0x10", ": -16"},
		{"scale = 0.001\nunit = \"degC\"", "21500\n", ": 21.5 °C"},
		{"scale = 2\noffset = -40\nunit = \"lux\"", "100", ": 160 lx"},
		{"", "", "error: file is empty"},
		{"", " \t\n5\n", "error: file is empty"},
		{"", "\x00\x00", "error: file is empty"},
		{"", "0x", `error: "0x" is not a number`},
		{"", "0x1g", `error: "0x1g" is not a number`},
		{"", "0x11112222333344445", `error: "0x11112222333344445" is not a number`},
		{"", "nan", `error: "nan" is not a number`},
		{"", "-Inf", `error: "-Inf" is not a number`},
		{"", "1e999", `error: "1e999" is not a number`},
		{"", "1_000", `error: "1_000" is not a number`},
		{"", "12 volts", `error: "12 volts" is not a number`},
		{"", "temperature: 12 and so on", `error: "temperature: 12 and "... is not a number`},
		{"", "<a>\xff\x1b[2J", `error: "<a>\xff\x1b[2J" is not a number`},
		{"scale = 1e300", "1e300", "error: the number is too large with this scale"},
		{"", long, "error: the first line is longer than 4 KiB"},
		{"", "5\n" + long, ": 5"},
		{"what = \"text\"", "  hello world \nmore", ": hello world"},
		{"what = \"text\"", "a\x01b\xffc\x7f", ": a b\uFFFDc"},
		{"what = \"text\"", "", "error: file is empty"},
		{"what = \"text\"", long, "error: the first line is longer than 4 KiB"},
		{"what = \"bool\"", "Y\n", ": true"},
		{"what = \"bool\"", "off", ": false"},
		{"what = \"bool\"", "2", `error: "2" is neither true nor false`},
		{"what = \"bool\"", "", "error: file is empty"},
	}
	for _, tt := range tests {
		h := tree(t, map[string]string{"/run/value": tt.content})
		b := build(t, fileKind(), h, "path = \"/run/value\"\n"+tt.keys)
		if diff := cmp.Diff([]string{tt.want}, read(t, b.Sensor)); diff != "" {
			t.Errorf("%q with %q: %s", tt.content, tt.keys, diff)
		}
		if b.Bus != "" || len(b.Fields) != 1 || b.Fields[0] != "" {
			t.Errorf("bus %q, fields %q, want a bus of its own and one field", b.Bus, b.Fields)
		}
	}
}

func TestFileThatCannotBeRead(t *testing.T) {
	h := tree(t, map[string]string{"/dir/x": "", "/value": "1"})
	s := build(t, fileKind(), h, `path = "/none"`).Sensor
	if diff := cmp.Diff([]string{"missing: there is no /none"}, read(t, s)); diff != "" {
		t.Error(diff)
	}
	s = build(t, fileKind(), h, `path = "/dir"`).Sensor
	if diff := cmp.Diff([]string{"error: read /dir: not a regular file"}, read(t, s)); diff != "" {
		t.Error(diff)
	}
	failRead(h, "/value", syscall.EIO)
	s = build(t, fileKind(), h, `path = "/value"`).Sensor
	if diff := cmp.Diff([]string{"error: read /value: input/output error"}, read(t, s)); diff != "" {
		t.Error(diff)
	}
}

// A file that is read again is really read again, and a longer line than the
// last leaves nothing behind.
func TestFileIsReadAnew(t *testing.T) {
	h := tree(t, map[string]string{"/value": "123456789"})
	s := build(t, fileKind(), h, `path = "/value"`).Sensor
	for _, v := range []string{"123456789", "42", "", "7"} {
		put(t, h, "/value", v)
		want := ": " + v
		if v == "" {
			want = "error: file is empty"
		}
		if diff := cmp.Diff([]string{want}, read(t, s)); diff != "" {
			t.Error(diff)
		}
	}
}

func TestNumbersOfTheConfigAreFinite(t *testing.T) {
	_, err := fileKind().New(NewHost("/"), func(into any) error {
		c := into.(*fileConfig)
		c.Path, c.Scale, c.Offset = "/a", math.Inf(1), math.NaN()
		return nil
	})
	want := []string{"scale: a finite number is needed", "offset: a finite number is needed"}
	if diff := cmp.Diff(want, paramErrors(t, err)); diff != "" {
		t.Error(diff)
	}
	_, err = simKind().New(NewHost("/"), func(into any) error {
		into.(*simConfig).Max = math.NaN()
		return nil
	})
	if diff := cmp.Diff([]string{"max: a finite number is needed"}, paramErrors(t, err)); diff != "" {
		t.Error(diff)
	}
}

func FuzzNumber(f *testing.F) {
	for _, s := range []string{"21.5\n", "0x1f", "-0x10\n", "", "nan", "inf", "1e999", "1_0", "\x00", "-", "+5", " 1 \n2"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := parseNumber(firstLine(b))
		if err == nil && (math.IsNaN(v) || math.IsInf(v, 0)) {
			t.Errorf("%q gives %v", b, v)
		}
		if err != nil && (v != 0 || len(err.Error()) > 140) {
			t.Errorf("%q gives %v and %v", b, v, err)
		}
	})
}
