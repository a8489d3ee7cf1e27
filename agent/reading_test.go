package agent

import (
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestValue(t *testing.T) {
	for _, c := range []struct {
		v    Value
		kind Kind
		text string
	}{
		{Value{}, None, ""},
		{Number(21.5), IsNumber, "21.5"},
		{Number(1e21), IsNumber, "1000000000000000000000"},
		{Number(1e-7), IsNumber, "0.0000001"},
		{Number(math.Copysign(0, -1)), IsNumber, "0"},
		{Number(math.NaN()), None, ""},
		{Number(math.Inf(1)), None, ""},
		{Number(math.Inf(-1)), None, ""},
		{Bool(true), IsBool, "true"},
		{Bool(false), IsBool, "false"},
		{Text("door open"), IsText, "door open"},
		{Text(""), IsText, ""},
		{Text("a\xffb"), IsText, "ab"},
		{Text(strings.Repeat("a", MaxText-1) + "é"), IsText, strings.Repeat("a", MaxText-1)},
	} {
		if c.v.Kind() != c.kind || c.v.String() != c.text {
			t.Errorf("%+v: kind %d, text %q, want %d, %q", c.v, c.v.Kind(), c.v.String(), c.kind, c.text)
		}
	}
	if len(Text(strings.Repeat("x", 5000)).String()) != MaxText {
		t.Error("a long text is not cut")
	}
}

func TestValueAs(t *testing.T) {
	for _, c := range []struct {
		v           Value
		f           float64
		isF, b, isB bool
	}{
		{Number(2), 2, true, true, false},
		{Bool(true), 1, true, true, true},
		{Bool(false), 0, true, false, true},
		{Text("1"), 0, false, false, false},
		{Value{}, 0, false, false, false},
	} {
		f, isF := c.v.Float()
		b, isB := c.v.Bool()
		if f != c.f || isF != c.isF || isB != c.isB || isB && b != c.b {
			t.Errorf("%q: float %v %v, bool %v %v", c.v, f, isF, b, isB)
		}
	}
}

func TestRound(t *testing.T) {
	for _, c := range []struct {
		in       Value
		decimals int
		want     string
	}{
		{Number(21.456), 1, "21.5"},
		{Number(21.456), 0, "21"},
		{Number(-0.04), 1, "0"},
		{Number(-2.5), 0, "-3"},
		{Number(1.0 / 3), 9, "0.333333333"},
		{Number(21.456), -1, "21.456"},
		{Number(21.456), 10, "21.456"},
		{Number(123456789012345678), 9, "123456789012345680"},
		{Number(9007199254740993e3), 2, Number(9007199254740993e3).String()},
		{Bool(true), 1, "true"},
		{Text("1.26"), 1, "1.26"},
	} {
		if got := c.in.Round(c.decimals).String(); got != c.want {
			t.Errorf("Round(%s, %d) = %s, want %s", c.in, c.decimals, got, c.want)
		}
	}
	for _, f := range []float64{math.MaxFloat64, -math.MaxFloat64, 1e300} {
		if got := Number(f).Round(9); got != Number(f) {
			t.Errorf("Round(%g) = %s", f, got)
		}
	}
	if f, _ := Number(-0.01).Round(1).Float(); math.Signbit(f) {
		t.Error("-0.01 is rounded to minus zero")
	}
}

func TestQuality(t *testing.T) {
	for q := Good; q <= Missing; q++ {
		if got, ok := ParseQuality(q.String()); !ok || got != q {
			t.Errorf("ParseQuality(%q) = %v, %v", q, got, ok)
		}
	}
	if got, ok := ParseQuality("Good"); ok {
		t.Errorf(`ParseQuality("Good") = %v`, got)
	}
	if got := Quality(9).String(); got != "quality(9)" {
		t.Error(got)
	}
}

func TestDisplay(t *testing.T) {
	for _, c := range []struct {
		r    Reading
		want string
	}{
		{Reading{Value: Number(21.46), Unit: "°C"}, "21.5 °C"},
		{Reading{Value: Number(21), Unit: "°C"}, "21.0 °C"},
		{Reading{Value: Number(-0.01), Unit: "°C"}, "0.0 °C"},
		{Reading{Value: Number(1013.249), Unit: "hPa"}, "1013.2 hPa"},
		{Reading{Value: Number(3e9), Unit: "B"}, "3000000000 B"},
		{Reading{Value: Number(3.25), Unit: "furlong"}, "3.25 furlong"},
		{Reading{Value: Number(3.25)}, "3.25"},
		{Reading{Value: Bool(true)}, "true"},
		{Reading{Value: Text("door open"), Unit: "°C"}, "door open"},
		{Reading{Value: Number(5), Unit: "lx", Quality: Uncertain}, "5 lx (uncertain)"},
		{Reading{Value: Number(5), Unit: "lx", Quality: Stale}, "5 lx (stale)"},
		{Reading{Quality: Fault, Reason: "i2c timeout"}, "fault: i2c timeout"},
		{Reading{Quality: Fault, Unit: "lx"}, "fault"},
		{Reading{Quality: Missing, Reason: "no such file"}, "missing: no such file"},
	} {
		if got := c.r.Display(); got != c.want {
			t.Errorf("%+v: %q, want %q", c.r, got, c.want)
		}
	}
}

func TestOK(t *testing.T) {
	for q, want := range map[Quality]bool{Good: true, Uncertain: true, Stale: false, Fault: false, Missing: false} {
		if got := (Reading{Value: Number(1), Quality: q}).OK(); got != want {
			t.Errorf("%v: %v", q, got)
		}
	}
	if (Reading{}).OK() {
		t.Error("a good reading without value is not OK")
	}
}

func TestCheckName(t *testing.T) {
	for _, good := range []string{"boiler", "outside.temperature", "a-b_9.x", strings.Repeat("a", MaxName)} {
		if err := CheckName(good); err != nil {
			t.Error(err)
		}
	}
	for name, want := range map[string]string{
		"":                        `name "": only a-z, 0-9, _ and - are allowed`,
		"Boiler":                  `name "Boiler": only a-z, 0-9, _ and - are allowed`,
		"a.":                      `name "a.": only a-z, 0-9, _ and - are allowed`,
		".a":                      `name ".a": only a-z, 0-9, _ and - are allowed`,
		"a b":                     `name "a b": only a-z, 0-9, _ and - are allowed`,
		"caf\u00e9":               "name \"caf\u00e9\": only a-z, 0-9, _ and - are allowed",
		"a.b.c":                   `name "a.b.c": at most 64 bytes and one dot`,
		strings.Repeat("a", 1000): `name "` + strings.Repeat("a", MaxName) + `": at most 64 bytes and one dot`,
	} {
		if err := CheckName(name); err == nil || err.Error() != want {
			t.Errorf("CheckName(%q) = %v, want %s", name, err, want)
		}
	}
}

func TestCleanName(t *testing.T) {
	for in, want := range map[string]string{
		"CPU Temp (core 0)":       "cpu_temp_core_0",
		"temperature":             "temperature",
		"a.b":                     "a_b",
		"  x  ":                   "x",
		"__":                      "x",
		"":                        "x",
		"-":                       "-",
		"Größe":                   "gr_e",
		"\xff\xfe":                "x",
		strings.Repeat("ab ", 50): strings.Repeat("ab_", 13) + "a",
	} {
		if got := CleanName(in); got != want {
			t.Errorf("CleanName(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzCleanName(f *testing.F) {
	for _, s := range []string{"", "CPU Temp (core 0)", "a.b.c", "\xff", "K", strings.Repeat("_a", 100)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := CleanName(s)
		if err := CheckName(got); err != nil || len(got) > 40 || strings.Contains(got, ".") {
			t.Errorf("CleanName(%q) = %q: %v", s, got, err)
		}
		if again := CleanName(got); again != got {
			t.Errorf("CleanName(%q) = %q: a clean name changes", got, again)
		}
	})
}

func TestStamp(t *testing.T) {
	at := time.Date(2026, 1, 2, 4, 4, 5, 678_900_000, time.FixedZone("", 3600))
	if got := Stamp(at); got != "2026-01-02T03:04:05.678Z" {
		t.Error(got)
	}
}

func FuzzTidy(f *testing.F) {
	for _, s := range []string{"", "E", "No such device.", "EIO", "a\nb\x00c", strings.Repeat("ü", 300)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := tidy(s)
		if len(got) > MaxReason || !utf8.ValidString(got) || strings.ContainsAny(got, "\n\r\x00") {
			t.Errorf("tidy(%q) = %q", s, got)
		}
	})
}

func TestTidy(t *testing.T) {
	for in, want := range map[string]string{
		"":                              "",
		"E":                             "E",
		"No such device.":               "no such device",
		"A device is\n\tgone ...":       "a device is gone",
		"EIO":                           "EIO",
		"I2C: no answer":                "I2C: no answer",
		"open /dev/ttyUSB0: No":         "open /dev/ttyUSB0: No",
		strings.Repeat("a", 199) + "é!": strings.Repeat("a", 199),
	} {
		if got := tidy(in); got != want {
			t.Errorf("tidy(%q) = %q, want %q", in, got, want)
		}
	}
}
