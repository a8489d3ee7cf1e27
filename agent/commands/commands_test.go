package commands

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipit/agent"
)

const (
	owner  = "olga@example.org"
	viewer = "vera@example.org"
)

// device returns a device with a sensor of two fields, one that failed and one
// that was never read, and with a command that only the owner may run.
func device() *Device {
	a := &agent.Agent{
		Name: "Garden Pi", Location: "greenhouse", Version: "0.1",
		Started: time.Now().Add(-26*time.Hour - 3*time.Minute),
		People:  map[string]agent.Role{owner: agent.Owner, viewer: agent.Viewer},
	}
	d := &Device{
		Agent:    a,
		Status:   func() []string { return []string{"xmpp: online as pi@example.org/pipit"} },
		Counters: func() []string { return []string{"counters: 3 reconnects"} },
		FullJID:  func() string { return "pi@example.org/pipit" },
		Sensors: []agent.Task{
			{Name: "outside", Kind: "bme280", Every: 30 * time.Second, Bus: "i2c:1", Sensor: troubled{Retried: 3, Remade: 1}},
			{Name: "boiler", Kind: "w1", Every: time.Minute, Bus: "w1", Sensor: troubled{}},
			{Name: "door", Kind: "gpio", Every: time.Second},
		},
	}
	a.Commands = append(All(d), agent.Command{Name: "reset", Help: "start again", Needs: agent.Owner})
	now := time.Now()
	a.Put(agent.Reading{Name: "outside.temperature", Value: agent.Number(21.46), Unit: "°C", Time: now.Add(-12 * time.Second)})
	a.Put(agent.Reading{Name: "outside.humidity", Value: agent.Number(45), Unit: "%", Time: now.Add(-5 * time.Minute), Quality: agent.Stale, Reason: "no answer\nsince 12:00"})
	a.Put(agent.Faulty("boiler", agent.Fault, now.Add(-3*time.Second), "crc error"))
	return d
}

// A troubled sensor had what it is.
type troubled agent.Trouble

func (troubled) Read(context.Context) ([]agent.Reading, error) { return nil, nil }
func (s troubled) Trouble() agent.Trouble                      { return agent.Trouble(s) }

func ask(t *testing.T, d *Device, from, name string, args map[string]string) (agent.Answer, error) {
	t.Helper()
	return d.Agent.Do(t.Context(), agent.Request{From: from, Via: agent.ViaChat, Name: name, Args: args})
}

func TestAnswers(t *testing.T) {
	for _, tt := range []struct {
		line, from, name string
		args             map[string]string
		want             string
	}{
		{"help", viewer, "help", nil, `
Commands of Garden Pi; "help NAME" explains one.
As forms (ad-hoc commands) they are at pi@example.org/pipit.
help [command]   the commands you may use, or the arguments of one
status           how the device, its links and its readings are
read [name ...]  the newest readings, all of them or those you name
sensors          the configured sensors, how often they are read and how they are
who              who you are to this device and what you may do
version          the version of the program`},
		{"help of a command", viewer, "help", map[string]string{"command": "Read"}, `
read [name ...]: the newest readings, all of them or those you name.
name: names of readings or sensors; any of boiler, door, outside, outside.humidity, outside.temperature; * stands for any characters; may be left out.`},
		{"status", viewer, "status", nil, `
Garden Pi: 3 readings: 1 good, 1 stale, 1 fault.
Pipit 0.1, greenhouse, running for 1 day 2 h.
xmpp: online as pi@example.org/pipit
Not good:
boiler            fault  crc error              3 s ago
outside.humidity  stale  no answer since 12:00  5 min ago`},
		{"status, an owner", owner, "status", nil, `
Garden Pi: 3 readings: 1 good, 1 stale, 1 fault.
Pipit 0.1, greenhouse, running for 1 day 2 h.
xmpp: online as pi@example.org/pipit
counters: 3 reconnects
Not good:
boiler            fault  crc error              3 s ago
outside.humidity  stale  no answer since 12:00  5 min ago`},
		{"read all", viewer, "read", nil, `
3 readings: 1 good, 1 stale, 1 fault.
boiler               fault: crc error  3 s ago
outside.humidity     45.0 % (stale)    5 min ago
outside.temperature  21.5 °C           12 s ago`},
		{"read one", viewer, "read", map[string]string{"name": "outside.temperature"}, `
outside.temperature: 21.5 °C, 12 s ago.`},
		{"read a sensor", viewer, "read", map[string]string{"name": "outside"}, `
2 readings: 1 good, 1 stale.
outside.humidity     45.0 % (stale)  5 min ago
outside.temperature  21.5 °C         12 s ago`},
		{"read two globs", viewer, "read", map[string]string{"name": "*.temp* b*"}, `
2 readings: 1 good, 1 fault.
boiler               fault: crc error  3 s ago
outside.temperature  21.5 °C           12 s ago`},
		{"read what has no reading", viewer, "read", map[string]string{"name": "door"}, `
No readings yet.`},
		{"sensors", viewer, "sensors", nil, `
3 sensors.
outside  bme280  30s  i2c:1  12 s ago  stale         3 retried, 1 made anew
boiler   w1      1m   w1     3 s ago   fault
door     gpio    1s          never     not read yet`},
		{"who, a viewer", viewer, "who", nil, `
You are vera@example.org, viewer of Garden Pi.
You may use: help, status, read, sensors, who, version.`},
		{"who, an owner", owner, "who", nil, `
You are olga@example.org, owner of Garden Pi.
You may use: help, status, read, sensors, who, version, reset.`},
		{"version", viewer, "version", nil, fmt.Sprintf(`
Garden Pi: Pipit 0.1, built with %s for %s/%s.`, runtime.Version(), runtime.GOOS, runtime.GOARCH)},
	} {
		t.Run(tt.line, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ans, err := ask(t, device(), tt.from, tt.name, tt.args)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(strings.TrimPrefix(tt.want, "\n"), ans.String()); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
				for _, row := range ans.Rows {
					if len(row) != len(ans.Columns) {
						t.Errorf("row %q does not fit the columns %q", row, ans.Columns)
					}
				}
			})
		})
	}
}

func TestErrors(t *testing.T) {
	d := device()
	for _, tt := range []struct {
		from, name string
		args       map[string]string
		want       string
	}{
		{viewer, "help", map[string]string{"command": "reed"}, `command: there is no command "reed", did you mean "read"?`},
		{viewer, "help", map[string]string{"command": "rese"}, `command: there is no command "rese"`}, // not theirs: its name does not leak
		{owner, "help", map[string]string{"command": "rese"}, `command: there is no command "rese", did you mean "reset"?`},
		{viewer, "help", map[string]string{"command": "reset"}, `command: there is no command "reset"`},
		{viewer, "read", map[string]string{"name": "outsid"}, `name: there is no "outsid", did you mean "outside"?`},
		{viewer, "read", map[string]string{"name": "cellar.*"}, `name: there is no "cellar.*"`},
		{viewer, "reset", nil, "unknown command"},
		{"eve@example.org", "help", nil, "unknown command"},
	} {
		if ans, err := ask(t, d, tt.from, tt.name, tt.args); err == nil || err.Error() != tt.want {
			t.Errorf("%s %s %v: got %q, error %v, want %q", tt.from, tt.name, tt.args, ans, err, tt.want)
		}
	}
}

func TestLongListsAreBounded(t *testing.T) {
	d := device()
	for i := range 70 {
		d.Agent.Put(agent.Faulty(fmt.Sprintf("n%02d", i), agent.Missing, time.Now(), strings.Repeat("no bus ", 100)))
	}
	read, err := ask(t, d, viewer, "read", nil)
	if err != nil {
		t.Fatal(err)
	}
	want := "73 readings: 1 good, 1 stale, 1 fault, 70 missing. The first 50 are here, 23 more are not; name what you want."
	if read.Text != want || len(read.Rows) != 50 {
		t.Errorf("read: %q and %d rows, want %q and 50", read.Text, len(read.Rows), want)
	}
	status, err := ask(t, d, viewer, "status", nil)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(status.Text, "\nThe worst 10 of 72 that are not good:") || len(status.Rows) != 10 || status.Rows[0][1] != "missing" {
		t.Errorf("status: %q, %q", status.Text, status.Rows)
	}
	if n := len([]rune(status.Rows[0][2])); n != maxCell {
		t.Errorf("a reason of %d runes, want %d", n, maxCell)
	}
	help, err := ask(t, d, viewer, "help", map[string]string{"command": "read"})
	if err != nil || !strings.Contains(help.Text, " and 55 more;") {
		t.Errorf("help: %q, %v", help.Text, err)
	}
}

func TestEmptyDevice(t *testing.T) {
	d := &Device{Agent: &agent.Agent{Name: "Pi", Started: time.Now()}, Status: func() []string { return nil }, FullJID: func() string { return "" }}
	d.Agent.Commands = All(d)
	for name, want := range map[string]string{
		"read":    "No readings yet.",
		"sensors": "No sensors are configured.",
		"who":     "You are at Pi itself and may do all that its owner may.",
		"status":  "Pi: no readings yet.",
		"help":    `Commands of Pi; "help NAME" explains one.`,
	} {
		ans, err := d.Agent.Do(t.Context(), agent.Request{Via: agent.ViaLocal, Name: name})
		if first, _, _ := strings.Cut(ans.Text, "\n"); err != nil || first != want {
			t.Errorf("%s: %q, %v, want %q", name, ans.Text, err, want)
		}
	}
}

func TestExplainParam(t *testing.T) {
	for _, tt := range []struct {
		p    agent.Param
		want string
	}{
		{agent.Param{Name: "minutes", Help: "how long", Kind: agent.ParamNumber, Min: 0, Max: 60, Default: "5"}, "minutes: how long; a number from 0 to 60; default 5; may be left out."},
		{agent.Param{Name: "n", Kind: agent.ParamNumber, Required: true}, "n: a number."},
		{agent.Param{Name: "state", Kind: agent.ParamBool, Required: true}, "state: on or off."},
		{agent.Param{Name: "to", Required: true}, "to: a text of one line."},
		{agent.Param{Name: "out", Kind: agent.ParamChoice, Choices: func() []string { return nil }, Required: true}, "out: one of nothing yet."},
	} {
		if got := explainParam(tt.p); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
	c := agent.Command{Name: "set", Params: []agent.Param{{Name: "out", Required: true}, {Name: "for", Rest: true}}}
	if got, want := usage(c), "set <out> [for ...]"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestEvery(t *testing.T) {
	for d, want := range map[time.Duration]string{
		100 * time.Millisecond: "100ms", 30 * time.Second: "30s", time.Minute: "1m", 90 * time.Second: "1m30s", 2 * time.Hour: "2h", 10 * time.Minute: "10m",
	} {
		if got := every(d); got != want {
			t.Errorf("every(%d) = %q, want %q", d, got, want)
		}
	}
}

func TestAgo(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0:                                      "now",
		-500 * time.Millisecond:                "now",
		1500 * time.Millisecond:                "1 s ago",
		59 * time.Second:                       "59 s ago",
		time.Minute:                            "1 min ago",
		3*time.Hour + 59*time.Minute:           "3 h 59 min ago",
		49 * time.Hour:                         "2 days 1 h ago",
		-2 * time.Hour:                         "dated 2 h 0 min ahead",
		24*time.Hour + 30*time.Second:          "1 day 0 h ago",
		time.Hour - time.Millisecond:           "59 min ago",
		999*time.Millisecond - time.Nanosecond: "now",
	} {
		if got := ago(d); got != want {
			t.Errorf("ago(%v) = %q, want %q", d, got, want)
		}
	}
}

func TestSensorsTellsWhatFieldsDiscard(t *testing.T) {
	d := device()
	d.Fields = &agent.Fields{
		Rules: []agent.FieldRule{{Glob: "outside.temperature", Field: agent.Field{Valid: &[2]float64{0, 10}}}},
		Next:  func(agent.Reading) {},
	}
	d.Fields.Put(agent.Reading{Name: "outside.temperature", Value: agent.Number(11), Time: time.Now()})
	ans, err := ask(t, d, viewer, "sensors", nil)
	if err != nil || !strings.Contains(ans.String(), "3 retried, 1 made anew, 1 discarded") {
		t.Errorf("%s, %v", ans, err)
	}
}
