package sensors

import (
	"context"
	"errors"
	"io/fs"
	"math"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func pwmOutput() OutputKind {
	return OutputKind{
		Name: "pwm",
		Doc: "A channel of a PWM chip of the kernel (/sys/class/pwm), in %: a lamp, a fan, a heater behind a MOSFET. " +
			"On a Raspberry Pi it needs dtoverlay=pwm or pwm-2chan.",
		Example: `[output.fan]
kind = "pwm"
chip = "0"          # N of /sys/class/pwm/pwmchipN, or, as that may change, the device behind it: "fe20c000.pwm"
channel = 0
frequency = 1000.0  # Hz
inverted = false    # true: low is on
`,
		New: newPWM,
	}
}

type pwmConfig struct {
	Chip      string  `toml:"chip"`
	Channel   int     `toml:"channel"`
	Frequency float64 `toml:"frequency"`
	Inverted  bool    `toml:"inverted"`
}

func newPWM(h *Host, decode func(any) error) (BuiltOutput, error) {
	cfg := pwmConfig{Chip: "0", Frequency: 1000}
	if err := decode(&cfg); err != nil {
		return BuiltOutput{}, err
	}
	var bad checker
	bad.pwmChannel(cfg.Chip, cfg.Channel)
	if !(cfg.Frequency >= 1 && cfg.Frequency <= 1e6) {
		bad.fail("frequency", "%g Hz is out of range (1 to 1000000)", cfg.Frequency)
	}
	if err := bad.err(); err != nil {
		return BuiltOutput{}, err
	}
	return percentOutput(&pwm{host: h, chip: cfg.Chip, channel: cfg.Channel,
		period: int64(math.Round(1e9 / cfg.Frequency)), inverted: cfg.Inverted}), nil
}

func (c *checker) pwmChannel(chip string, channel int) {
	if chip == "" || strings.ContainsAny(chip, "/ ") {
		c.fail("chip", "%q is no pwm chip: write N of /sys/class/pwm/pwmchipN, or the name of its device", chip)
	}
	if channel < 0 {
		c.fail("channel", "it must not be below 0")
	}
}

const (
	pwmClass  = "/sys/class/pwm"
	pwmRights = "put the user that runs pipit into the group gpio, or write a udev rule for SUBSYSTEM==\"pwm\""
	pwmUdev   = time.Second // for udev to give the rights to what export made
)

// pwm implements modulator (Documentation/driver-api/pwm.rst). The chip is
// looked up anew each time: its number changes when a driver is loaded.
type pwm struct {
	host     *Host
	chip     string
	channel  int
	period   int64 // ns
	inverted bool
}

// Close implements modulator. The channel stays exported, because the kernel
// stops it with unexport: a safe value would not outlive the process.
func (p *pwm) Close() error { return nil }

func (p *pwm) setDuty(ctx context.Context, duty float64) (float64, error) {
	dir, err := p.find()
	if err != nil {
		return 0, err
	}
	exported, err := p.export(dir)
	if err != nil {
		return 0, err
	}
	want := int64(math.Round(duty * float64(p.period)))
	err = p.apply(p.attributes(dir), want)
	for end := time.Now().Add(pwmUdev); exported && errors.Is(err, fs.ErrPermission); {
		if !time.Now().Before(end) || !pause(ctx, firstPause) {
			break
		}
		err = p.apply(p.attributes(dir), want)
	}
	return float64(want) / float64(p.period), err
}

func (p *pwm) duty(context.Context) (float64, error) {
	dir, err := p.find()
	if err != nil {
		return 0, err
	}
	if !p.host.exists(p.attributes(dir)) {
		return 0, unset("channel %d of %s is not exported yet: it was not set", p.channel, dir)
	}
	now, err := p.state(p.attributes(dir))
	if err != nil || !now.enabled || now.period <= 0 {
		return 0, err
	}
	duty := float64(now.duty) / float64(now.period)
	if now.inverted != p.inverted {
		duty = 1 - duty
	}
	return duty, nil
}

// find returns the directory of the chip.
func (p *pwm) find() (string, error) {
	names, err := p.host.list(pwmClass)
	if err != nil {
		return "", err
	}
	var known []string
	for _, name := range names {
		device := p.host.target(pwmClass + "/" + name + "/device")
		if name == "pwmchip"+p.chip || device == p.chip {
			return pwmClass + "/" + name, nil
		}
		known = append(known, name+" ("+device+")")
	}
	if len(known) == 0 {
		return "", missing("there is no pwm chip in %s: turn it on with dtoverlay=pwm or dtoverlay=pwm-2chan in config.txt", pwmClass)
	}
	return "", missing("there is no pwm chip %s; there are: %s", p.chip, strings.Join(known, ", "))
}

// attributes returns the directory of the channel, which is there when it is exported.
func (p *pwm) attributes(dir string) string { return dir + "/pwm" + strconv.Itoa(p.channel) }

// export makes the directory of the channel and tells whether it was not there.
func (p *pwm) export(dir string) (bool, error) {
	if p.host.exists(p.attributes(dir)) {
		return false, nil
	}
	line, err := p.host.line(dir + "/npwm")
	if err != nil {
		return false, err
	}
	if n, err := parseInt(line); err == nil && int64(p.channel) >= n {
		return false, misconfigured(nil, "%s has no channel %d: it has %d, and they are counted from 0", dir, p.channel, n)
	}
	err = p.host.store(dir+"/export", strconv.Itoa(p.channel), pwmRights)
	if errors.Is(err, syscall.EBUSY) && !p.host.exists(p.attributes(dir)) {
		return false, misconfigured(err, "channel %d of %s belongs to a driver of the kernel: take the dtoverlay off that uses it", p.channel, dir)
	}
	return true, err
}

// pwmState is what the kernel has of a channel; the times are in ns.
type pwmState struct {
	period, duty      int64
	inverted, enabled bool
}

func (p *pwm) state(dir string) (pwmState, error) {
	var values [3]int64
	for i, name := range [...]string{"period", "duty_cycle", "enable"} {
		line, err := p.host.line(dir + "/" + name)
		if err != nil {
			return pwmState{}, err
		}
		if values[i], err = parseInt(line); err != nil {
			return pwmState{}, err
		}
	}
	polarity, err := p.host.line(dir + "/polarity")
	return pwmState{values[0], values[1], polarity == "inversed", values[2] != 0}, err
}

// apply writes what differs. The kernel refuses a period below the duty, a
// polarity before there is a period, and with some chips a polarity while the
// channel is on. Once on it stays on, also at 0: what a pin does that is
// disabled is not defined.
func (p *pwm) apply(dir string, want int64) error {
	now, err := p.state(dir)
	if err != nil {
		return err
	}
	turn := now.inverted != p.inverted
	polarity := "normal"
	if p.inverted {
		polarity = "inversed"
	}
	longer := p.period > now.period
	for _, a := range []struct {
		name, text string
		needed     bool
	}{
		{"enable", "0", turn && now.enabled},
		{"period", strconv.FormatInt(p.period, 10), longer},
		{"duty_cycle", strconv.FormatInt(want, 10), want != now.duty},
		{"period", strconv.FormatInt(p.period, 10), p.period < now.period},
		{"polarity", polarity, turn},
		{"enable", "1", turn || !now.enabled},
	} {
		if !a.needed {
			continue
		}
		if err := p.host.store(dir+"/"+a.name, a.text, pwmRights); err != nil {
			return err
		}
	}
	return nil
}
