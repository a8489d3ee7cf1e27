package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipit/agent/config"
	"pipit/sensors"
)

const testRules = `
[sensor.boiler]
kind = "sim"
[output.fan]
kind = "sim"
[rule.hot]
when = "boiler > 80 °C"
clear = "boiler < 75 °C"
level = "critical"
do = ["set fan on"]
on_clear = ["set fan off"]
[rule.both]
when = "boiler > 80 and fan == off"
for = "1m"
to = ["room.hall", "viewers"]
say = "{name}: {value}"
[room.hall]
jid = "hall@conference.example.org"
[alerts]
escalate = ["ben@example.org"]
receipt_after = "0s"
`

func TestTestRule(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.toml")
	if err := os.WriteFile(path, []byte(testRules), 0o600); err != nil {
		t.Fatal(err)
	}
	clock := regexp.MustCompile(`\b\d\d:\d\d\b`)
	for _, tt := range []struct {
		args string
		code int
		want string
	}{
		{"hot 70 85 86 +10m stale 74", exitOK, `hot, critical: when boiler > 80 °C, clear when boiler < 75 °C
      +30s  boiler=70.0 °C            false    idle
     +1m0s  boiler=85.0 °C            true     firing
            does  set fan on
            tells owners: [critical] hot: boiler is 85.0 °C at HH:MM #1
    +1m30s  boiler=86.0 °C            true     firing
     +6m0s                            true     firing
            tells ben@example.org: [critical] hot: boiler is 85.0 °C at HH:MM #1
   +11m30s                            true     firing
    +12m0s  boiler=stale              unknown  firing
   +12m30s  boiler=74.0 °C            false    idle
            does  set fan off
            tells owners: [resolved] hot: boiler is 74.0 °C, after 11 min #1
            tells ben@example.org: [resolved] hot: boiler is 74.0 °C, after 11 min #1
`},
		{"both boiler=85,fan=off fan=off +2m fan=on", exitOK, `both, warning: when boiler > 80 and fan == false
      +30s  boiler=85,fan=off         true     pending
     +1m0s  fan=off                   true     pending
    +1m30s                            true     firing
            tells room.hall: [warning] both: boiler: 85 #1
            tells viewers: [warning] both: boiler: 85 #1
     +3m0s                            true     firing
    +3m30s  fan=on                    false    idle
            tells room.hall: [resolved] both: boiler is 85, fan is on, after 2 min #1
            tells viewers: [resolved] both: boiler is 85, fan is on, after 2 min #1
`},
		{"both 85", exitUsage, `"85": the rule looks at several readings: write boiler=85`},
		{"both pump=on", exitUsage, `"pump=on": the rule does not look at "pump", only at boiler, fan`},
		{"hut 1", exitUsage, `there is no rule "hut": the config has hot, both`},
		{"hot", exitUsage, `requires at least 3 arg(s), only received 2; see "pipit test-rule --help"`},
	} {
		code, out, errs := call(t, append([]string{"test-rule", path}, strings.Fields(tt.args)...)...)
		if got := clock.ReplaceAllString(out+errs, "HH:MM"); code != tt.code || got != tt.want {
			t.Errorf("%s: exit code %d, want %d\n%s", tt.args, code, tt.code, cmp.Diff(tt.want, got))
		}
	}
}

// A line of do that the device could not run is a problem of the config.
func TestCheckFindsActions(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.toml")
	text := strings.ReplaceAll(testRules, `"set fan on"`, `"set fna on", "grant x owner", "read nothing"`)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	code, _, errs := call(t, "check", "--config", path)
	for _, want := range []string{`rule.hot.do: "set fna on": output: there is no "fna", did you mean "fan"?`, `rule.hot.do: "grant x owner": unknown command "grant"`, `"read nothing": name: there is no "nothing"`} {
		if code != exitUsage || !strings.Contains(errs, want) {
			t.Errorf("exit code %d, want 2:\n%s\nwant %s", code, errs, want)
		}
	}
}

func FuzzTestReadings(f *testing.F) {
	path := filepath.Join(f.TempDir(), "config.toml")
	if err := os.WriteFile(path, []byte(testRules), 0o600); err != nil {
		f.Fatal(err)
	}
	rules, _, err := config.LoadRules(path, configEnv(sensors.NewHost("/")))
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{"85", "boiler=85,fan=on", "stale", "+10m", "=", ",", "boiler=", "1e999"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, word string) {
		for _, r := range rules {
			samples, err := testSamples(r, time.Now(), []string{word})
			if err == nil && len(samples) != 1 {
				t.Errorf("%q: %d samples", word, len(samples))
			}
		}
	})
}
