package sensors

import (
	"os"
	"strings"
	"syscall"
	"testing"

	"pipit/agent"
)

const act = "/sys/class/leds/ACT/"

func ledTree(t *testing.T, highest string) *Host {
	h := tree(t, map[string]string{
		act + "brightness": "0\n", act + "max_brightness": highest + "\n",
		act + "trigger": "none kbd-scrolllock timer [mmc0] cpu\n", "/sys/class/leds/PWR/brightness": "1\n"})
	h.write = func(path, text string) error {
		if strings.HasSuffix(path, "/trigger") {
			text = "[none] kbd-scrolllock timer mmc0 cpu"
		}
		if _, err := os.Stat(path); err != nil {
			return err
		}
		return os.WriteFile(path, []byte(text+"\n"), 0o600)
	}
	return h
}

func content(t *testing.T, h *Host, name string) string {
	t.Helper()
	line, err := h.line(name)
	if err != nil {
		t.Error(err)
	}
	return line
}

func TestLEDSwitch(t *testing.T) {
	h := ledTree(t, "255")
	o := buildOutput(t, ledOutput(), h, "").Output
	if got := get(t, o); got != "missing: the kernel drives the lamp ACT (trigger mmc0): it was not set" {
		t.Error(got)
	}
	if got := drive(t, o, agent.Bool(true)); got != "true" || content(t, h, act+"brightness") != "255" || !strings.HasPrefix(content(t, h, act+"trigger"), "[none]") {
		t.Errorf("on: %s, %s, %s", got, content(t, h, act+"brightness"), content(t, h, act+"trigger"))
	}
	put(t, h, act+"brightness", "1\n")
	if got := get(t, o); got != "true" {
		t.Errorf("dim: %s", got)
	}
	if got := drive(t, o, agent.Bool(false)); got != "false" || content(t, h, act+"brightness") != "0" {
		t.Errorf("off: %s", got)
	}
	put(t, h, act+"trigger", "none [timer]\n") // somebody else: the next Set takes it back
	if got := drive(t, o, agent.Bool(true)); got != "true" {
		t.Errorf("with a trigger: %s", got)
	}
	if err := os.Remove(h.path(act + "trigger")); err != nil {
		t.Fatal(err)
	}
	if got := drive(t, o, agent.Bool(false)); got != "false" {
		t.Errorf("without triggers: %s", got)
	}
	if got := drive(t, o, agent.Number(1)); got != `error: "1" is neither on nor off` {
		t.Error(got)
	}
}

func TestLEDDim(t *testing.T) {
	tests := []struct {
		highest, brightness string
		percent             float64
	}{
		{"255", "128", 50}, {"255", "255", 100}, {"255", "0", 0}, {"255", "1", 0.4},
		{"15", "8", 50}, {"7", "0", 3}, {"65535", "6554", 10},
	}
	for _, tt := range tests {
		h := ledTree(t, tt.highest)
		o := buildOutput(t, ledOutput(), h, "dim = true").Output
		want := agent.Number(tt.percent).String()
		if got := drive(t, o, agent.Number(tt.percent)); got != want || content(t, h, act+"brightness") != tt.brightness {
			t.Errorf("%g %% of %s: it reads %s, brightness %s", tt.percent, tt.highest, got, content(t, h, act+"brightness"))
		}
		again := buildOutput(t, ledOutput(), h, "dim = true").Output
		put(t, h, act+"brightness", "3\n")
		put(t, h, act+"max_brightness", "9\n")
		for _, o := range []agent.Output{o, again} {
			if got := get(t, o); got != "33.3" {
				t.Errorf("after a change by somebody else it reads %s", got)
			}
		}
	}
}

func TestLEDFaults(t *testing.T) {
	tests := []struct {
		text, highest, want string
	}{
		{"dim = true", "1", "error: the lamp ACT is only on or off: take dim out of its table"},
		{`name = "led0"`, "1", "missing: there is no lamp led0 in /sys/class/leds; there are: ACT, PWR"},
		{"", "0", "error: " + act + "max_brightness is 0"},
		{"", "x", `error: "x" is not a whole number`},
	}
	for _, tt := range tests {
		b := buildOutput(t, ledOutput(), ledTree(t, tt.highest), tt.text)
		v := agent.Bool(true)
		if b.Max > 0 {
			v = agent.Number(50)
		}
		if got := drive(t, b.Output, v); got != tt.want {
			t.Errorf("%s: %s", tt.text, got)
		}
	}
	for _, file := range []string{"trigger", "brightness"} {
		h := ledTree(t, "1")
		inner := h.write
		h.write = func(path, text string) error {
			if strings.HasSuffix(path, file) {
				return syscall.EACCES
			}
			return inner(path, text)
		}
		want := "error: write " + act + file + ": " + ledRights + " (permission denied)"
		if got := drive(t, buildOutput(t, ledOutput(), h, "").Output, agent.Bool(true)); got != want {
			t.Error(got)
		}
	}
}
