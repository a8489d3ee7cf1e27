package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipit/agent"
)

func TestFields(t *testing.T) {
	c := mustLoad(t, `
[field."tank.level"]
unit = "degC"
reject = [85, -127.5]
valid = [-40, 60.5]
scale = 2
offset = -0.7
max_step = 5
smooth = { kind = "median" }
precision = 0
change = 0
heartbeat = "1s"
stale = "30d"
[field."*"]
points = [[-1, 0.5], [0, 1], [2, 3]]
smooth = { window = 99, kind = "mean" }
change = "2.5 %"
[field.tank]
valid = [1, 1]
reject = []
smooth = { kind = "ema" }
change = 0.25
[field."t*.level".smooth]
kind = "ema"
alpha = 1
[sensor.tank]
kind = "sim"
`, built{})
	two, none, minus := 2.0, 0, -0.7
	want := []agent.FieldRule{
		{Glob: "tank.level", Field: agent.Field{
			Unit: "°C", Reject: []float64{85, -127.5}, Valid: &[2]float64{-40, 60.5}, Scale: &two, Offset: &minus, MaxStep: 5,
			Smooth: &agent.Smooth{Kind: "median", Window: 3}, Precision: &none, Change: &agent.Change{},
			Heartbeat: time.Second, Stale: 30 * 24 * time.Hour,
		}},
		{Glob: "*", Field: agent.Field{
			Points: [][2]float64{{-1, 0.5}, {0, 1}, {2, 3}}, Smooth: &agent.Smooth{Kind: "mean", Window: 99},
			Change: &agent.Change{By: 2.5, Percent: true},
		}},
		{Glob: "tank", Field: agent.Field{
			Reject: []float64{}, Valid: &[2]float64{1, 1}, Smooth: &agent.Smooth{Kind: "ema", Alpha: 0.3}, Change: &agent.Change{By: 0.25},
		}},
		{Glob: "t*.level", Field: agent.Field{Smooth: &agent.Smooth{Kind: "ema", Alpha: 1}}},
	}
	if d := cmp.Diff(want, c.Fields); d != "" {
		t.Error(d)
	}
	describes(t, c, `
field    tank.level, unit °C, reject 85 -127.5, valid -40 to 60.5, scale 2, offset -0.7, max_step 5, smooth median of 3, precision 0, change 0, heartbeat 1s, stale after 720h
field    *, 3 points, smooth mean of 99, change 2.5%
field    tank, valid 1 to 1, smooth ema, alpha 0.3, change 0.25
field    t*.level, smooth ema, alpha 1`)
}

func describes(t *testing.T, c *Config, want string) {
	t.Helper()
	var got strings.Builder
	for line := range strings.Lines(c.Describe()) {
		if name, rest, _ := strings.Cut(line, " "); name == "field" {
			got.WriteString("\nfield    " + strings.TrimSpace(rest))
		}
	}
	if d := cmp.Diff(want, got.String()); d != "" {
		t.Error(d)
	}
}

func TestFieldWarnings(t *testing.T) {
	c := mustLoad(t, `[xmpp]
jid = "a@example.org"
password_file = "password"
[people]
"a@example.org" = "owner"
[sensor.slow]
kind = "file"
path = "x"
every = "5m"
[sensor.fast]
kind = "sim"
every = "1s"
[field."slow.*"]
stale = "4m59s"
[field."*"]
stale = "1m"
[field.fast]
stale = "1m"
[field."slow.level"]
stale = "5m"
[field."fast.empty"]
`, built{})
	for i, w := range c.Warnings {
		c.Warnings[i] = strings.TrimPrefix(w, filepath.Dir(c.Path)+"/")
	}
	const seldom = "stale: sensor slow is read every 5m: its readings are stale most of the time"
	file := filepath.Base(c.Path)
	want := []string{
		file + `:14: field."slow.*".` + seldom,
		file + `:16: field."*".` + seldom,
		file + `:21: field."fast.empty": it is empty and changes nothing`,
	}
	if d := cmp.Diff(want, c.Warnings); d != "" {
		t.Error(d)
	}
	describes(t, &Config{Fields: []agent.FieldRule{{Glob: "fast.empty"}}}, "\nfield    fast.empty, as it is")
}

func TestFieldBounds(t *testing.T) {
	numbers := func(n int, format string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	many := "[field.\"*\"]\npoints = [" + numbers(65, "[%d, 0],") + "]\nreject = [" + numbers(65, "%d,") + "]\n"
	mustLoad(t, strings.NewReplacer("[64, 0],", "", ",64,", "").Replace(many), built{})
	mustLoad(t, numbers(256, "[field.\"*%d\"]\nprecision = 1\n"), built{})
	for text, want := range map[string][]string{
		many: {
			"pipit.toml:2: field.\"*\".points: wants 2 to 64 points, each [raw, true], such as [[0, 0.3], [100, 99.1]]",
			"pipit.toml:3: field.\"*\".reject: has more than 64 numbers",
		},
		numbers(257, "[field.\"*%d\"]\nprecision = 1\n"): {"pipit.toml:1: field: there are 257 fields, at most 256 are possible"},
	} {
		_, err := loadText(t, text, built{})
		ps, _ := errors.AsType[Problems](err)
		var got []string
		for _, p := range ps {
			p.File = filepath.Base(p.File)
			got = append(got, p.String())
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
	}
}
