package main

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pipit/agent"
	"pipit/agent/commands"
	"pipit/agent/config"
	"pipit/sensors"
)

func TestOutputsSafe(t *testing.T) {
	dir := t.TempDir()
	for _, tt := range []struct {
		name, text string
		code       int
		out, errs  string // errs: a part
	}{
		{"all of them", "[output.heater]\nkind = \"sim\"\n[output.fan]\nkind = \"sim\"\nwhat = \"range\"\nsafe = 30\n",
			exitOK, "heater: off\nfan: 30 %\n", ""},
		{"no outputs", "[sensor.a]\nkind = \"sim\"\n", exitOK, "", ""},
		{"whatever else is wrong", "[xmpp]\npassword_file = \"absent\"\n[people]\nx = 1\n[sensor.a]\nkind = \"none\"\n[output.heater]\nkind = \"sim\"\n",
			exitOK, "heater: off\n", ""},
		{"one of them fails", "[output.heater]\nkind = \"sim\"\nsafe = \"on\"\nfault = \"stuck\"\n[output.fan]\nkind = \"sim\"\n",
			exitFailed, "output heater is not safe: set to on, but it reads back off\nfan: off\n", "not every output is safe"},
		{"one of them is wrong", "[output.heater]\nkind = \"sim\"\n[output.fan]\nkind = \"sim\"\nsafe = \"onn\"\n",
			exitUsage, "heater: off\n", ":5: output.fan.safe: \"onn\" is neither on nor off"},
		{"no TOML", "[output", exitUsage, "", ":1:"},
	} {
		path := write(t, dir, "c.toml", tt.text, 0o600)
		code, out, errs := call(t, "outputs-safe", "--config", path)
		if code != tt.code || out != tt.out || !strings.Contains(errs, tt.errs) || tt.errs == "" && errs != "" {
			t.Errorf("%s: exit %d, %q, %q", tt.name, code, out, errs)
		}
	}
	code, _, errs := call(t, "outputs-safe", "--config", dir+"/absent.toml")
	if code != exitUsage || !strings.Contains(errs, "cannot read the config") {
		t.Errorf("exit %d, %q", code, errs)
	}
}

// One that does not answer takes 5 s and keeps nobody else.
func TestOutputsSafeIsBounded(t *testing.T) {
	path := write(t, t.TempDir(), "c.toml", "[output.hung]\nkind = \"sim\"\nfault = \"hang\"\n[output.fan]\nkind = \"sim\"\n", 0o600)
	tasks, err := config.LoadOutputs(path, configEnv(sensors.NewHost("/")))
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		start := time.Now()
		err := outputsSafe(t.Context(), &out, tasks)
		if err == nil || time.Since(start) > 8*time.Second {
			t.Errorf("got %v after %v", err, time.Since(start))
		}
		if want := "output hung is not safe: no answer within 5s\nfan: off\n"; out.String() != want {
			t.Errorf("got %q, want %q", out.String(), want)
		}
	})
}

// What people write in a chat reaches the output.
func TestSetByChatLine(t *testing.T) {
	path := write(t, t.TempDir(), "c.toml", "[output.pump]\nkind = \"sim\"\n[output.lamp]\nkind = \"sim\"\nwhat = \"range\"\n", 0o600)
	cfg, err := load(path)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		a := &agent.Agent{Name: "Pi"}
		outputs := &agent.Outputs{Tasks: cfg.Outputs, Put: a.Put, Board: &a.Board}
		a.Commands = commands.All(&commands.Device{Agent: a, Outputs: outputs})
		ctx, cancel := context.WithCancel(t.Context())
		end := make(chan error, 1)
		go func() { end <- outputs.Run(ctx) }()
		synctest.Wait()
		for _, tt := range []struct{ line, want string }{
			{"set pump on for 10m", "pump: on, until +10m (10m)."},
			{"set pump on for 10 minutes", "pump: on, until +10m (10m)."},
			{"set pump on 10m", "pump: on, until +10m (10m)."},
			{"Set output=pump value=on for=10m", "pump: on, until +10m (10m)."},
			{"set pump off", "pump: off."},
			{"set lamp 50", "lamp: 50 %."},
			{"pulse pump for 5s", "pump: on, until +5s (5s)."},
			{"toggle pump", "pump: off."},
		} {
			name, args, err := agent.ParseLine(tt.line, a.Commands)
			if err != nil {
				t.Errorf("%s: %v", tt.line, err)
				continue
			}
			ans, err := a.Do(ctx, agent.Request{Via: agent.ViaLocal, Name: name, Args: args})
			want := strings.NewReplacer(
				"+10m", time.Now().Add(10*time.Minute).Format("15:04"), // local time
				"+5s", time.Now().Add(5*time.Second).Format("15:04:05")).Replace(tt.want)
			if got := ans.String(); err != nil || got != want {
				t.Errorf("%s: %q, %v, want %q", tt.line, got, err, want)
			}
		}
		cancel()
		if err := <-end; err != nil {
			t.Error(err)
		}
	})
}

func TestOutputKindsAreKnownToTheConfig(t *testing.T) {
	env := configEnv(nil)
	if _, err := env.NewOutput("x", "no such kind", nil); err == nil {
		t.Error("an unknown kind makes an output")
	}
	if len(env.OutputKinds) == 0 {
		t.Error("there are no kinds")
	}
}
