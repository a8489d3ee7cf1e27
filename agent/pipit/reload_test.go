package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pipit/agent"
	"pipit/agent/config"
	"pipit/agent/store"
	"pipit/sensors"
)

const reloadBase = `
[device]
state_dir = "state"
clock = "trust"
[xmpp]
jid = "device@example.org"
server = "127.0.0.1:1"
password_file = "password"
[people]
"owner@example.org" = "owner"
"guest@example.org" = "operator"
[sensor.level]
kind = "file"
path = "DIR/level"
every = "100ms"
[output.lamp]
kind = "sim"
safe_when = ["exit"]
[output.pump]
kind = "sim"
`

// A reloaded is a device without a server whose config the test writes.
type reloaded struct {
	*running
	t    *testing.T
	path string
	r    *reloader
	host *sensors.Host
}

func startReloaded(t *testing.T) *reloaded {
	dir := t.TempDir()
	write(t, dir, "password", "not a real one", 0o600)
	write(t, dir, "level", "10\n", 0o600)
	d := &reloaded{t: t, path: write(t, dir, "config.toml", strings.ReplaceAll(reloadBase, "DIR", dir), 0o600), host: sensors.NewHost("/")}
	cfg, err := loadAgent(d.path, d.host)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(testWriter{t}, nil))
	st, err := store.Open(cfg.Device.StateDir, store.Options{Flush: time.Second, Keep: time.Hour, MaxSize: 1e6, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	d.running = newRunning(cfg, st, nil, nil, newLogs(new(slog.LevelVar)), log)
	d.r = newReloader(source{load: func() (*config.Config, error) { return loadAgent(d.path, d.host) }}, d.running, log)
	d.commands.Reload = d.r.ask
	d.exchange(cfg, func() {})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.crew.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-done, st.Close()); err != nil {
			t.Error(err)
		}
	})
	d.until(func() bool { r, ok := d.agent.Board.Get("level"); return ok && r.OK() })
	d.until(func() bool { return d.do("set", "output", "lamp", "value", "on") == nil })
	return d
}

func (d *reloaded) until(ok func() bool) {
	d.t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			d.t.Fatal("it does not come")
		}
	}
}

func (d *reloaded) do(name string, args ...string) error {
	req := agent.Request{Via: agent.ViaLocal, Name: name, Args: map[string]string{}}
	for i := 0; i < len(args); i += 2 {
		req.Args[args[i]] = args[i+1]
	}
	_, err := d.agent.Do(d.t.Context(), req)
	return err
}

func (d *reloaded) change(pairs ...string) {
	d.t.Helper()
	d.rewrite(pairs...)
	d.r.reload(func() {})
}

func (d *reloaded) rewrite(pairs ...string) {
	d.t.Helper()
	text := strings.NewReplacer(pairs...).Replace(reloadBase)
	text = strings.ReplaceAll(text, "DIR", filepath.Dir(d.path))
	if err := os.WriteFile(d.path, []byte(text), 0o600); err != nil {
		d.t.Fatal(err)
	}
}

func (d *reloaded) output(name string) agent.OutputState {
	states := d.outputs.Load().States()
	i := slices.IndexFunc(states, func(s agent.OutputState) bool { return s.Name == name })
	if i < 0 {
		return agent.OutputState{}
	}
	return states[i]
}

func TestReloadChangesWhatChanged(t *testing.T) {
	t.Parallel()
	d := startReloaded(t)
	link, lamp, sensor, poller := d.link.Load(), d.output("lamp"), d.cfg.Load().Sensors[0].Sensor, d.pollers[d.cfg.Load().Sensors[0].Bus]
	if !lamp.On {
		t.Fatalf("the lamp is %+v", lamp)
	}
	d.change("\"guest@example.org\" = \"operator\"\n", "", "[output.pump]\nkind = \"sim\"", "[output.pump]\nkind = \"sim\"\nmax_on = \"1h\"\n[output.fan]\nkind = \"sim\"\n[sensor.more]\nkind = \"file\"\npath = \"DIR/level\"\n[field.more]\nunit = \"cm\"\n[rule.high]\nwhen = \"level > 5\"\n[command.hello]\nrun = [\"/bin/true\"]\nrole = \"owner\"\n")
	if role := d.agent.Role("guest@example.org"); role != agent.Stranger {
		t.Errorf("who was taken out is %s", role)
	}
	if d.link.Load() != link {
		t.Error("the link was restarted")
	}
	if got := d.output("lamp"); !got.On || got.Since != lamp.Since {
		t.Errorf("the lamp was driven: %+v, it was %+v", got, lamp)
	}
	if now := d.cfg.Load().Sensors[0]; now.Sensor != sensor || d.pollers[now.Bus] != poller {
		t.Error("a sensor that did not change was restarted")
	}
	d.until(func() bool { r, ok := d.agent.Board.Get("more"); return ok && r.Unit == "cm" })
	d.until(func() bool { return d.do("set", "output", "fan", "value", "on") == nil })
	d.until(func() bool { s := d.pager.Load().Standings(); return len(s) == 1 && s[0].Number == 1 })
	if d.do("hello"); !slices.ContainsFunc(d.agent.CommandsFor("", agent.ViaLocal), func(c agent.Command) bool { return c.Name == "hello" }) {
		t.Error("there is no new command")
	}

	d.change("[sensor.level]", "[sensor.depth]", "[output.lamp]\nkind = \"sim\"\nsafe_when = [\"exit\"]\n", "")
	if _, ok := d.agent.Board.Get("level"); ok {
		t.Error("the reading of a sensor that is gone stays on the board")
	}
	for _, name := range []string{"more", "lamp", "fan"} {
		if _, ok := d.agent.Board.Get(name); ok {
			t.Errorf("%s stays on the board", name)
		}
	}
	if d.pager.Load() != nil || d.do("hello") == nil || d.do("set", "output", "lamp", "value", "on") == nil {
		t.Error("what is not in the config any more still works")
	}
	d.until(func() bool { r, ok := d.agent.Board.Get("depth"); return ok && r.OK() })

	d.change("127.0.0.1:1", "127.0.0.1:2")
	if d.link.Load() == link {
		t.Error("the link still has the old server")
	}
}

// What a reload is told to change leaves the sensors of the next config as they
// were made: they take over where a read of the old ones never ends.
func TestReloadHasFreshSensors(t *testing.T) {
	d := startReloaded(t)
	old := d.cfg.Load()
	cfg, err := d.r.load()
	if err != nil {
		t.Fatal(err)
	}
	made := cfg.Sensors[0].Sensor
	if text := differences(old, cfg).String(); text != "nothing" {
		t.Errorf("differs in %s", text)
	}
	c := keepSensors(old, cfg)
	if cfg.Sensors[0].Sensor != old.Sensors[0].Sensor || made == old.Sensors[0].Sensor || c.anew(cfg.Sensors)[0].Sensor != made {
		t.Error("the sensor that goes on and the one that is new are mixed up")
	}
}

func TestReloadOfABadFileChangesNothing(t *testing.T) {
	d := startReloaded(t)
	cfg, lamp := d.cfg.Load(), d.output("lamp")
	for range 2 {
		d.change("[people]", "[peolpe]", "every", "evry")
		if err := d.do("reload"); err == nil || !strings.Contains(err.Error(), "peolpe") {
			t.Errorf("the command says %v", err)
		}
	}
	if d.cfg.Load() != cfg || d.agent.Role("guest@example.org") != agent.Operator || d.output("lamp") != lamp {
		t.Error("a bad file changed something")
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	msg, err := d.agent.Messages.Next(ctx)
	if err != nil || msg.To != "owner@example.org" || !strings.Contains(msg.Text, "the old one stays") ||
		!strings.Contains(msg.Text, "peolpe") || !strings.Contains(msg.Text, "evry") {
		t.Fatalf("%+v, %v", msg, err)
	}
	d.agent.Messages.Sent(msg.ID)
	d.agent.Tell("owner@example.org", "mark")
	if msg, err = d.agent.Messages.Next(ctx); err != nil || msg.Text != "mark" {
		t.Errorf("told twice: %+v, %v", msg, err)
	}
	_ = os.Remove(d.path)
	d.r.reload(func() {})
	if d.cfg.Load() != cfg {
		t.Error("a file that is gone changed something")
	}
}

func TestRefusalIsBounded(t *testing.T) {
	var many config.Problems
	for i := range 50 {
		many = append(many, config.Problem{File: "c.toml", Line: i, Text: strings.Repeat("é", 500)})
	}
	lines := refusal(fmt.Errorf("x: %w", many))
	if len(lines) != mostProblems+2 || lines[len(lines)-1] != "and 40 more" || len(strings.Join(lines, "\n")) > agent.MaxMessage {
		t.Errorf("%d lines, %d bytes, the last %q", len(lines), len(strings.Join(lines, "\n")), lines[len(lines)-1])
	}
}

func TestReloadAnswers(t *testing.T) {
	d := startReloaded(t)
	if text, err := d.r.ask(); err != nil || text != "Nothing has changed." {
		t.Errorf("%q, %v", text, err)
	}
	d.rewrite("state_dir = \"state\"", "state_dir = \"other\"", "[output.pump]\nkind = \"sim\"", "[output.fan]\nkind = \"sim\"")
	want := "Reloading: [device], [output.fan], [output.pump]. In force after the next start of the program only: [device] state_dir."
	if got, err := d.r.ask(); err != nil || got != want {
		t.Errorf("%q, %v", got, err)
	}
	write(t, filepath.Dir(d.path), "password", "another", 0o600)
	if got, err := d.r.ask(); err != nil || !strings.Contains(got, "[xmpp]") {
		t.Errorf("a new password: %q, %v", got, err)
	}
}

func TestGroupsOfOutputs(t *testing.T) {
	task := func(name string, with ...string) agent.OutputTask {
		return agent.OutputTask{Name: name, Interlock: with}
	}
	var got []string
	for _, g := range groups([]agent.OutputTask{task("a", "c"), task("b"), task("c", "a", "d"), task("d", "c"), task("e")}) {
		got = append(got, strings.Join(outputNames(g), "+"))
	}
	if want := []string{"a+c+d", "b", "e"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
