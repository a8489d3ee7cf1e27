package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"pipit/agent"
)

// call runs the program in this process and returns what it printed.
func call(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	root := rootCommand()
	root.SetArgs(args)
	root.SetOut(&out)
	root.SetErr(&errs)
	err := root.ExecuteContext(t.Context())
	code = exitOK
	if err != nil {
		code = exitFailed
		var e *exitError
		if errors.As(err, &e) {
			code = e.code
		}
		errs.WriteString(err.Error())
	}
	return code, out.String(), errs.String()
}

func write(t testing.TB, dir, name, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestInitPrintsTheExampleAndItLoads(t *testing.T) {
	code, out, errs := call(t, "init")
	if code != exitOK || errs != "" {
		t.Fatalf("exit %d, %s", code, errs)
	}
	file, err := os.ReadFile("../../config.toml.example")
	if err != nil {
		t.Fatal(err)
	}
	if out != string(file) {
		t.Error("config.toml.example is not what pipit init prints")
	}
	dir := t.TempDir()
	write(t, dir, "password", "not-a-real-password", 0o600)
	path := write(t, dir, "config.toml", out, 0o640)
	cfg, err := load(path)
	if err != nil || len(cfg.Warnings) > 0 {
		t.Fatal(err, cfg.Warnings)
	}
	for _, want := range []string{"system", "owner"} {
		if !strings.Contains(cfg.Describe(), want) {
			t.Errorf("check does not say %q:\n%s", want, cfg.Describe())
		}
	}
	// What a machine may lack is left out.
	cfg.Device.StateDir = dir
	cfg.Sensors = slices.DeleteFunc(cfg.Sensors, func(s agent.Task) bool { return s.Kind != "system" && s.Kind != "self" && s.Kind != "sim" })
	i := newInspection(cfg)
	i.offline, i.systemctl = true, nil
	if r := i.run(t.Context()); len(cfg.Sensors) != 3 || r.verdict() != nil {
		t.Errorf("check of the example: %+v", r)
	}
}

func TestCheckPrintsEveryProblem(t *testing.T) {
	dir := t.TempDir()
	path := write(t, dir, "c.toml", "[device]\nnmae = \"x\"\n\n[sensor.a]\nkind = \"sytem\"\n\n[sensor.b]\nkind = \"sim\"\nevery = 30\nshpae = \"sine\"\n", 0o600)
	code, out, errs := call(t, "check", "--config", path)
	if code != exitUsage || out != "" {
		t.Errorf("exit %d, stdout %q", code, out)
	}
	lines := strings.Split(strings.TrimSpace(errs), "\n")
	if len(lines) != 4 {
		t.Fatalf("%d problems, want 4:\n%s", len(lines), errs)
	}
	for i, want := range []string{":2: device.nmae:", ":5: sensor.a.kind:", ":9: sensor.b.every:", ":10: sensor.b.shpae:"} {
		if !strings.HasPrefix(lines[i], path+want) {
			t.Errorf("line %d is %q, want it to begin with FILE%s", i, lines[i], want)
		}
	}
}

// A config that is broken never starts half.
func TestRunRefusesABrokenConfig(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"unknown key": "[device]\nnmae = \"x\"\n",
		"no account":  "[sensor.a]\nkind = \"sim\"\n",
	} {
		code, _, errs := call(t, "run", "--config", write(t, dir, "c.toml", text, 0o600))
		if code != exitUsage || errs == "" {
			t.Errorf("%s: exit %d, %q", name, code, errs)
		}
	}
}

func TestExitCodes(t *testing.T) {
	dir := t.TempDir()
	password := write(t, dir, "pw", "x", 0o600)
	alone(t)
	device := "[device]\nstate_dir = \"" + dir + "\"\n"
	works := write(t, dir, "works.toml", device+"[sensor.a]\nkind = \"sim\"\n", 0o600)
	fails := write(t, dir, "fails.toml", device+"[sensor.a]\nkind = \"file\"\npath = \""+dir+"/absent\"\n", 0o600)
	broken := write(t, dir, "broken.toml", "[device]\nnmae = \"x\"\n", 0o600)
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"version"}, exitOK, ""},
		{[]string{"check", "--offline", "--config", works}, exitOK, ""},
		{[]string{"check", "--offline", "--config", fails}, exitFailed, ""},
		{[]string{"check", "--offline", "--config", broken}, exitUsage, ":2: "},
		{nil, exitOK, ""},
		{[]string{"rnu"}, exitUsage, `unknown command "rnu"`},
		{[]string{"run", "--cnofig", "x"}, exitUsage, "unknown flag: --cnofig"},
		{[]string{"run", "extra"}, exitUsage, ""},
		{[]string{"watch"}, exitUsage, "accepts 1 arg"},
		{[]string{"check", "--config", filepath.Join(dir, "absent.toml")}, exitUsage, "pipit init >"},
		{[]string{"watch", "pi@example.org"}, exitUsage, "--jid and --password-file are needed"},
		{[]string{"watch", "not a jid", "--jid", "a@example.org", "--password-file", password}, exitUsage, "not a JID"},
		{[]string{"call", "pi@example.org", "read", "name"}, exitUsage, "key=value"},
		{[]string{"watch", "pi@example.org", "--jid", "pi@example.org", "--password-file", password}, exitUsage, "own account"},
		{[]string{"watch", "pi@example.org", "--jid", "a@example.org", "--password-file", password, "--server", "127.0.0.1:1"}, exitNoLogin, "refused"},
	} {
		code, _, errs := call(t, c.args...)
		if code != c.code || !strings.Contains(errs, c.says) {
			t.Errorf("pipit %s: exit %d, want %d; says %q, want %q", strings.Join(c.args, " "), code, c.code, errs, c.says)
		}
	}
}

func TestReadGivesOneReadingOfEachSensor(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "level", "12.5\n", 0o600)
	path := write(t, dir, "c.toml", `
[sensor.tank]
kind = "file"
path = "`+filepath.Join(dir, "level")+`"
unit = "cm"

[sensor.gone]
kind = "file"
path = "`+filepath.Join(dir, "absent")+`"
`, 0o600)
	code, out, errs := call(t, "read", "--config", path)
	if code != exitOK {
		t.Fatalf("exit %d: %s", code, errs)
	}
	for _, want := range []string{` gone missing: .* \[[0-9.]+ ms\]\n`, ` tank 12\.5 cm \[[0-9.]+ ms\]\n`} {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	code, out, _ = call(t, "read", "--json", "--config", path)
	if code != exitOK || !strings.Contains(out, `"name":"tank","value":12.5,"unit":"cm"`) || strings.Count(out, "\n") != 2 {
		t.Errorf("exit %d:\n%s", code, out)
	}
	if n := strings.Count(out, `"took_ms":`); n != 2 {
		t.Errorf("%d of 2 readings have took_ms:\n%s", n, out)
	}
}

// Read shows what would be published, and what would be discarded and why.
func TestReadAppliesTheFields(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "level", "12.5\n", 0o600)
	table := func(name string) string {
		return "[sensor." + name + "]\nkind = \"file\"\npath = \"" + filepath.Join(dir, "level") + "\"\nunit = \"cm\"\n"
	}
	path := write(t, dir, "c.toml", table("tank")+table("well")+`
[field.tank]
scale = 2
offset = 1
[field.well]
valid = [0, 10]
`, 0o600)
	code, out, errs := call(t, "read", "--config", path)
	if code != exitOK || !strings.Contains(out, " tank 26 cm [") || !strings.Contains(out, " well 12.5 cm (uncertain: "+discarded+")") {
		t.Errorf("exit %d, %s:\n%s", code, errs, out)
	}
}

func TestReadSaysNoTimeOfAReadThatWasNone(t *testing.T) {
	var out bytes.Buffer
	r := timedReading{Reading: agent.Reading{Name: "a", Quality: agent.Fault, Reason: "not read"}}
	if r.write(&out, false) != nil || r.write(&out, true) != nil || strings.Contains(out.String(), "ms") {
		t.Errorf("it says %s", out.String())
	}
}

func TestLineOf(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.FixedZone("", 3600))
	for want, r := range map[string]agent.Reading{
		"2026-01-02T02:04:05.006Z a.b 1.5 °C":                 {Name: "a.b", Value: agent.Number(1.5), Unit: "°C", Time: at},
		"2026-01-02T02:04:05.006Z a true":                     {Name: "a", Value: agent.Bool(true), Time: at},
		"2026-01-02T02:04:05.006Z a fault: no answer":         {Name: "a", Quality: agent.Fault, Reason: "no answer", Time: at},
		"2026-01-02T02:04:05.006Z a 3 % (stale: bus is held)": {Name: "a", Value: agent.Number(3), Unit: "%", Quality: agent.Stale, Reason: "bus is held", Time: at},
		"2026-01-02T02:04:05.006Z a x [2Jy":                   {Name: "a", Value: agent.Text("x\x1b[2Jy"), Time: at},
	} {
		if got := lineOf(r); got != want {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	}
}

func TestKindsAreKnownToTheConfig(t *testing.T) {
	env := configEnv(nil)
	if _, err := env.NewSensor("x", "no such kind", nil); err == nil {
		t.Error("an unknown kind makes a sensor")
	}
	if len(env.Kinds) < 5 {
		t.Errorf("kinds %v", env.Kinds)
	}
}

func TestTogetherEndsAllWhenOneFails(t *testing.T) {
	boom := errors.New("boom")
	err := together(t.Context(),
		func(ctx context.Context) error { <-ctx.Done(); return nil },
		func(context.Context) error { return boom })
	if !errors.Is(err, boom) {
		t.Errorf("got %v", err)
	}
}
