package sensors

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"

	"pipit/agent"
)

func ledOutput() OutputKind {
	return OutputKind{
		Name: "led",
		Doc:  "A lamp of the kernel (/sys/class/leds), such as the board's own ACT and PWR: on and off, or its brightness in %.",
		Example: `[output.lamp]
kind = "led"
name = "ACT"        # as it is called in /sys/class/leds
dim = false         # true: a brightness from 0 to 100 %, where the lamp can do that
`,
		New: newLED,
	}
}

type ledConfig struct {
	Name string `toml:"name"`
	Dim  bool   `toml:"dim"`
}

func newLED(h *Host, decode func(any) error) (BuiltOutput, error) {
	cfg := ledConfig{Name: "ACT"}
	if err := decode(&cfg); err != nil {
		return BuiltOutput{}, err
	}
	var bad checker
	if cfg.Name == "" || cfg.Name == "." || cfg.Name == ".." || strings.Contains(cfg.Name, "/") {
		bad.fail("name", "%q is no name in %s", cfg.Name, ledClass)
	}
	if err := bad.err(); err != nil {
		return BuiltOutput{}, err
	}
	l := led{h, cfg.Name}
	if cfg.Dim {
		return percentOutput(l), nil
	}
	return BuiltOutput{Output: ledSwitch{l}, Off: agent.Bool(false)}, nil
}

const (
	ledClass  = "/sys/class/leds"
	ledRights = "write a udev rule for SUBSYSTEM==\"leds\" that gives the user that runs pipit the right to write it"
)

// led implements modulator (Documentation/leds/leds-class.rst).
type led struct {
	host *Host
	name string
}

// Close implements modulator. The trigger that the lamp had is not put back:
// that would drive it.
func (l led) Close() error { return nil }

func (l led) path(attribute string) string { return ledClass + "/" + l.name + "/" + attribute }

func (l led) number(attribute string) (int64, error) {
	line, err := l.host.line(l.path(attribute))
	if err != nil {
		return 0, err
	}
	return parseInt(line)
}

// highest returns the greatest brightness, at least 1.
func (l led) highest() (int64, error) {
	if !l.host.exists(ledClass + "/" + l.name) {
		names, err := l.host.list(ledClass)
		if err != nil {
			return 0, err
		}
		return 0, missing("there is no lamp %s in %s; there are: %s", l.name, ledClass, strings.Join(names, ", "))
	}
	n, err := l.number("max_brightness")
	if err == nil && n < 1 {
		err = fmt.Errorf("%s is %d", l.path("max_brightness"), n)
	}
	return n, err
}

// trigger returns what of the kernel drives the lamp, "" when nothing does.
func (l led) trigger() (string, error) {
	b, err := l.host.bytes(l.path("trigger"), nil)
	if isMissing(err) {
		return "", nil // a kernel without triggers
	}
	_, rest, _ := strings.Cut(string(b), "[")
	name, _, _ := strings.Cut(rest, "]")
	if name == "none" {
		name = ""
	}
	return name, err
}

// drive takes the lamp from its trigger and sets its brightness.
func (l led) drive(brightness int64) error {
	trigger, err := l.trigger()
	if err != nil {
		return err
	}
	if trigger != "" {
		if err := l.host.store(l.path("trigger"), "none", ledRights); err != nil {
			return err
		}
	}
	return l.host.store(l.path("brightness"), strconv.FormatInt(brightness, 10), ledRights)
}

// lit returns the brightness and the greatest one.
func (l led) lit() (now, highest int64, err error) {
	if highest, err = l.highest(); err != nil {
		return 0, 0, err
	}
	trigger, err := l.trigger()
	if err != nil {
		return 0, 0, err
	}
	if trigger != "" {
		return 0, 0, unset("the kernel drives the lamp %s (trigger %s): it was not set", l.name, trigger)
	}
	now, err = l.number("brightness")
	return now, highest, err
}

func (l led) setDuty(_ context.Context, duty float64) (float64, error) {
	highest, err := l.highest()
	if err != nil {
		return 0, err
	}
	if highest == 1 {
		return 0, misconfigured(nil, "the lamp %s is only on or off: take dim out of its table", l.name)
	}
	want := int64(math.Round(duty * float64(highest)))
	return float64(want) / float64(highest), l.drive(want)
}

func (l led) duty(context.Context) (float64, error) {
	now, highest, err := l.lit()
	if err != nil {
		return 0, err
	}
	return float64(now) / float64(highest), nil
}

// ledSwitch implements agent.Output.
type ledSwitch struct{ led }

// Set implements agent.Output.
func (l ledSwitch) Set(_ context.Context, v agent.Value) error {
	on, ok := v.Bool()
	if !ok {
		return fmt.Errorf("%q is neither on nor off", v)
	}
	highest, err := l.highest()
	if err != nil {
		return err
	}
	if !on {
		highest = 0
	}
	return l.drive(highest)
}

// Get implements agent.Output.
func (l ledSwitch) Get(context.Context) (agent.Value, error) {
	now, _, err := l.lit()
	if err != nil {
		return agent.Value{}, err
	}
	return agent.Bool(now > 0), nil
}
