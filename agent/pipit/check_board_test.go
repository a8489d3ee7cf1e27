package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"pipit/agent"
	"pipit/agent/config"
	"pipit/sensors"
)

// loaded reads a config whose hardware is host's.
func loaded(t *testing.T, host *sensors.Host, text string) *config.Config {
	t.Helper()
	cfg, err := loadOn(write(t, t.TempDir(), "c.toml", text, 0o600), host)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// found runs one part and returns its findings by id.
func found(t *testing.T, look func(context.Context, branch)) map[string]finding {
	t.Helper()
	tr := &tree{}
	look(t.Context(), branch{tree: tr})
	list := make(map[string]finding)
	for _, f := range tr.findings() {
		list[f.ID] = f
		if (f.State == stateFailed || f.State == stateWarning) && f.Hint == "" {
			t.Errorf("%+v does not say what to do", f)
		}
	}
	return list
}

func expectFinding(t *testing.T, f finding, state, says string) {
	t.Helper()
	if f.State != state || !strings.Contains(f.Text, says) {
		t.Errorf("%+v, want %s: %s", f, state, says)
	}
}

// lines is a board with one GPIO chip, whose lines others have.
func lines(used ...sensors.GPIOLine) *sensors.Host {
	host := sensors.NewHost("/nowhere")
	host.GPIOChips = func() ([]sensors.GPIOChip, error) {
		return []sensors.GPIOChip{{Name: "gpiochip0", Label: "pinctrl-x", Lines: used}}, nil
	}
	host.OpenLine = func(sensors.LineRequest) (sensors.Line, error) { return nil, syscall.EBUSY }
	return host
}

func TestOutputsAreLookedAt(t *testing.T) {
	host := lines(
		sensors.GPIOLine{Offset: 0}, sensors.GPIOLine{Offset: 1, Used: true, Consumer: "pipit"},
		sensors.GPIOLine{Offset: 2, Used: true, Consumer: "onewire"}, sensors.GPIOLine{Offset: 3, Used: true})
	text := ""
	for n := range 5 {
		text += fmt.Sprintf("[output.l%d]\nkind = \"gpio\"\nline = %d\n", n, n)
	}
	cfg := loaded(t, host, text+"[output.sim]\nkind = \"sim\"\n[output.led]\nkind = \"led\"\n[output.own]\nkind = \"exec\"\nset = [\"/bin/true\", \"{value}\"]\n")
	i := newInspection(cfg)
	i.agent.running = true
	got := found(t, i.outputs)
	expectFinding(t, got["outputs/l0"], stateOK, "line 0 of pinctrl-x, free")
	expectFinding(t, got["outputs/l1"], stateOK, held)
	expectFinding(t, got["outputs/l2"], stateFailed, "in use by onewire")
	expectFinding(t, got["outputs/l3"], stateFailed, "in use by the kernel")
	expectFinding(t, got["outputs/l4"], stateFailed, "has no line 4")
	expectFinding(t, got["outputs/sim"], stateOK, "is off")
	expectFinding(t, got["outputs/led"], stateFailed, "there is no lamp ACT")
	expectFinding(t, got["outputs/own"], stateOK, "not set yet")
	i.agent.running = false
	expectFinding(t, found(t, i.outputs)["outputs/l1"], stateFailed, "in use by pipit")
}

// What the agent has is no failure while it runs, and one while it does not.
func TestSensorsThatTheAgentHas(t *testing.T) {
	host := lines(sensors.GPIOLine{Offset: 0, Used: true, Consumer: "pipit"})
	opened := false
	host.OpenI2C = func(int) (sensors.I2CBus, error) { opened = true; return nil, errors.New("no bus") }
	cfg := loaded(t, host, "[sensor.door]\nkind = \"gpio\"\nline = 0\n[sensor.chip]\nkind = \"bme280\"\n[sensor.sim]\nkind = \"sim\"\n")
	cfg.Sensors = append(cfg.Sensors, agent.Task{Name: "port", Kind: "serial", Bus: "p", Every: time.Second, Sensor: busy{}})
	i := newInspection(cfg)
	i.agent.running = true
	got := found(t, i.sensors)
	expectFinding(t, got["sensors/door"], stateOK, held)
	expectFinding(t, got["sensors/chip"], stateSkipped, held)
	expectFinding(t, got["sensors/port"], stateOK, held)
	expectFinding(t, got["sensors/sim"], stateOK, " ms, values: 1")
	if opened {
		t.Error("the bus was opened beside the agent")
	}
	if names := strings.Join(<-i.names, " "); !strings.Contains(names, "chip.temperature") || !strings.Contains(names, "sim") {
		t.Errorf("names %s", names)
	}
	i = newInspection(cfg)
	got = found(t, i.sensors)
	for id, says := range map[string]string{"door": "is held by pipit", "chip": "no bus", "port": "busy"} {
		expectFinding(t, got["sensors/"+id], stateFailed, says)
	}
}

// busy is a sensor whose port somebody has.
type busy struct{}

func (busy) Read(context.Context) ([]agent.Reading, error) {
	return nil, fmt.Errorf("open /dev/ttyUSB0: %w", syscall.EBUSY)
}

func TestPartOfASensorIsAWarning(t *testing.T) {
	for name, c := range map[string]struct {
		kind     string
		readings []agent.Reading
		state    string
	}{
		"all":             {"x", []agent.Reading{{Name: "s.a", Value: agent.Number(1)}}, stateOK},
		"one fails":       {"x", []agent.Reading{{Name: "s.a", Value: agent.Number(1)}, {Name: "s.b", Quality: agent.Fault, Reason: "broken"}}, stateWarning},
		"one is missing":  {"x", []agent.Reading{{Name: "s.a", Value: agent.Number(1)}, {Name: "s.b", Quality: agent.Missing, Reason: "gone"}}, stateWarning},
		"board lacks one": {"system", []agent.Reading{{Name: "s.a", Value: agent.Number(1)}, {Name: "s.b", Quality: agent.Missing, Reason: "no swap"}}, stateOK},
		"of the agent":    {"self", []agent.Reading{{Name: "s.a", Value: agent.Number(1)}, {Name: "s.b", Quality: agent.Missing, Reason: agentOnly}}, stateOK},
		"none":            {"x", nil, stateFailed},
	} {
		var readings []timedReading
		for _, r := range c.readings {
			readings = append(readings, timedReading{Reading: r})
		}
		i := newInspection(&config.Config{})
		got := found(t, func(_ context.Context, b branch) { i.judge(b, agent.Task{Name: "s", Kind: c.kind}, readings) })
		if got["s"].State != c.state {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestClock(t *testing.T) {
	for synced, state := range map[bool]string{true: stateOK, false: stateWarning} {
		i := newInspection(&config.Config{})
		i.synced = func() bool { return synced }
		expectFinding(t, found(t, i.clock)["clock"], state, "synchronised")
	}
}

func TestSecretsAreTold(t *testing.T) {
	here := config.NewSecret("not-real")
	for name, c := range map[string]struct {
		cfg         config.Config
		state, says string
	}{
		"none":        {config.Config{}, stateSkipped, "none"},
		"file":        {config.Config{XMPP: config.XMPP{Password: here, PasswordFile: "/etc/pw"}}, stateOK, "[xmpp] in /etc/pw"},
		"in the file": {config.Config{XMPP: config.XMPP{Password: here, PasswordFile: "/etc/pw"}, MQTT: config.MQTT{Password: here}}, stateWarning, "in the config itself: [mqtt]"},
		"room":        {config.Config{Rooms: []config.Room{{Name: "r", Password: here}}}, stateWarning, "[room.r]"},
	} {
		f := found(t, newInspection(&c.cfg).files)["secrets"]
		if f.State != c.state || !strings.Contains(f.Text, c.says) || strings.Contains(f.Text, "not-real") {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

func TestDiskIsJudgedForTheServicesUser(t *testing.T) {
	nobody, err := user.Lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	uid, _ := strconv.Atoi(nobody.Uid)
	open, closed := filepath.Join("/tmp", fmt.Sprintf("pipit-check-%d", os.Getpid())), t.TempDir()
	if err := os.Mkdir(open, 0o700); err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(open)
	below := filepath.Join(open, "closed", "below")
	if err := os.MkdirAll(below, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{open, below} {
		if err := os.Chmod(dir, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(closed, 0o755); err != nil {
		t.Fatal(err)
	}
	file := write(t, closed, "file", "", 0o644)
	for name, c := range map[string]struct {
		dir         string
		uid         int
		max         int64
		state, says string
	}{
		"mine":               {closed, os.Geteuid(), 0, stateOK, "may write"},
		"not there yet":      {filepath.Join(closed, "a/b"), os.Geteuid(), 0, stateOK, "may write"},
		"of others":          {closed, uid, 0, stateFailed, nobody.Username + " cannot "},
		"open to all":        {open, uid, 0, stateOK, nobody.Username + " may write"},
		"closed above":       {below, uid, 0, stateFailed, "cannot enter " + filepath.Dir(below)},
		"no room":            {open, uid, 1 << 62, stateWarning, "MB free"},
		"no directory":       {file, os.Geteuid(), 0, stateFailed, "is no directory"},
		"a user of no entry": {closed, 12345678, 0, stateFailed, "user 12345678 cannot"},
	} {
		i := newInspection(&config.Config{Device: config.Device{StateDir: c.dir, MaxSize: c.max}})
		i.agent = agentFacts{true, c.uid}
		f := found(t, i.disk)["disk"]
		if f.State != c.state || !strings.Contains(f.Text, c.says) {
			t.Errorf("%s: %+v", name, f)
		}
	}
	i := newInspection(&config.Config{Device: config.Device{StateDir: open}})
	f := found(t, func(_ context.Context, b branch) { i.tellSpace(b, open, "pipit", sensors.Space{ReadOnly: true}, false) })["disk"]
	expectFinding(t, f, stateFailed, "read-only")
}
