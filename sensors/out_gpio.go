package sensors

import (
	"bytes"
	"context"

	"pipit/agent"
)

func gpioOutputKind() OutputKind {
	return OutputKind{
		Name: "gpio",
		Doc: "A line of a GPIO chip: a relay, a transistor, a lamp. It gets direction and level in one step, " +
			"so that a relay does not click when the agent starts.",
		Example: `[output.pump]
kind = "gpio"
line = 22             # number of the line on its chip: on a Raspberry Pi that of GPIO22
line_name = ""        # instead of line: its name, as "pipit detect" shows it
chip = ""             # label of the chip, such as "pinctrl-bcm2711"; empty: the board's own
active_low = false    # true: on is low, as most relay boards want it
drive = "push-pull"   # or "open-drain", "open-source"
`,
		New: newGPIOOutput,
	}
}

type gpioOutputConfig struct {
	Line      int    `toml:"line"`
	LineName  string `toml:"line_name"`
	Chip      string `toml:"chip"`
	ActiveLow bool   `toml:"active_low"`
	Drive     string `toml:"drive"`
}

func newGPIOOutput(h *Host, decode func(any) error) (BuiltOutput, error) {
	cfg := gpioOutputConfig{Line: -1, Drive: "push-pull"}
	if err := decode(&cfg); err != nil {
		return BuiltOutput{}, err
	}
	var c checker
	place := c.place(cfg.Chip, cfg.Line, cfg.LineName)
	c.oneOf("drive", cfg.Drive, "push-pull", "open-drain", "open-source")
	if err := c.err(); err != nil {
		return BuiltOutput{}, err
	}
	return BuiltOutput{Output: &gpioOut{host: h, place: place, cfg: cfg}, Off: agent.Bool(false)}, nil
}

// gpioOut implements agent.Output. The line is requested by the first Set, and
// again by the next one after a failure.
type gpioOut struct {
	host  *Host
	place linePlace
	cfg   gpioOutputConfig
	line  Line // nil: not requested
}

// Set implements agent.Output.
func (o *gpioOut) Set(_ context.Context, v agent.Value) error {
	on, _ := v.Bool()
	if o.line == nil {
		return o.open(on)
	}
	return o.check(o.line.SetValue(on))
}

// open requests the line with its level. A chip that loses a level which comes
// before the direction gets it again.
func (o *gpioOut) open(on bool) error {
	line, err := o.host.request(o.place, LineRequest{Output: true, Value: on, ActiveLow: o.cfg.ActiveLow, Drive: o.cfg.Drive})
	if err != nil {
		return err
	}
	o.line = line
	got, err := line.Value()
	if err == nil && got != on {
		err = line.SetValue(on)
	}
	return o.check(err)
}

// Get implements agent.Output: the level that the line really has. A line that
// cannot be read is kept: to give it up could change its level.
func (o *gpioOut) Get(context.Context) (agent.Value, error) {
	if o.line == nil {
		return agent.Value{}, unset("%s was not set yet", o.place)
	}
	on, err := o.line.Value()
	if err != nil {
		return agent.Value{}, &lineError{o.place, err}
	}
	return agent.Bool(on), nil
}

// Line tells which line the output is of and who uses it, and takes nothing. It
// may be called before the first Set.
func (o *gpioOut) Line() (chip string, line GPIOLine, err error) {
	c, line, err := o.host.locate(o.place)
	return c.Label, line, err
}

// check gives a line up that failed: the next Set requests it anew.
func (o *gpioOut) check(err error) error {
	if err == nil {
		return nil
	}
	o.Close()
	return &lineError{o.place, err}
}

// Close implements agent.Output. What becomes of the level is told by CrashNote.
func (o *gpioOut) Close() error {
	if o.line == nil {
		return nil
	}
	line := o.line
	o.line = nil
	return line.Close()
}

// CrashNote says what becomes of GPIO outputs when the agent crashes, and how
// to change that, in a sentence or two.
func (h *Host) CrashNote() string {
	driver := h.pinDriver()
	name := "/sys/module/" + driver + "/parameters/persist_gpio_outputs"
	text, err := h.line(name)
	keeps, bad := parseBool(text)
	switch {
	case isMissing(err):
		return "a crash leaves GPIO outputs to the chip's driver: most stay at their last level; " +
			"\"pipit outputs-safe\" in ExecStopPost drives them safe"
	case err != nil || bad != nil:
		return "a crash leaves GPIO outputs at a level that is not known: " + name + " cannot be read; " +
			"\"pipit outputs-safe\" in ExecStopPost drives them safe"
	case keeps:
		return "a crash leaves GPIO outputs at their last level, on stays on (persist_gpio_outputs is set): " +
			"\"pipit outputs-safe\" in ExecStopPost drives them safe; to have the kernel release them, " +
			"write dtparam=strict_gpiod into config.txt or " + driver + ".persist_gpio_outputs=n into cmdline.txt"
	}
	return "a crash or a stop makes GPIO outputs inputs again (persist_gpio_outputs is not set): " +
		"the pull of the board decides, so give each a resistor towards its safe level"
}

// pinDriver names the module that has the pins of the header: a Raspberry Pi 5
// shows the parameters of the other one too, which has nothing to say there.
func (h *Host) pinDriver() string {
	compatible, _ := h.head("/proc/device-tree/compatible", nil, 512)
	if bytes.Contains(compatible, []byte("brcm,bcm2712")) {
		return "pinctrl_rp1"
	}
	return "pinctrl_bcm2835"
}
