package sensors

import (
	"time"
)

func servoOutput() OutputKind {
	return OutputKind{
		Name: "servo",
		Doc:  "A servo for models, in ° of its arm, on a PWM channel of the kernel or of a PCA9685, with a pulse 50 times a second.",
		Example: `[output.valve]
kind = "servo"
on = "pwm"          # or "pca9685"
chip = "0"          # with on = "pwm": N of /sys/class/pwm/pwmchipN, or the device behind it
bus = 1             # with on = "pca9685": N of /dev/i2c-N
address = 0x40      # with on = "pca9685"
channel = 0
min = 0.0           # °, at pulse_min
max = 90.0          # °, at pulse_max
pulse_min = "1ms"   # more than 1ms to 2ms turns most servos further; too much runs them against their end
pulse_max = "2ms"   # below pulse_min: it turns the other way round
`,
		New: newServo,
	}
}

type servoConfig struct {
	On       string        `toml:"on"`
	Chip     string        `toml:"chip"`
	Bus      int           `toml:"bus"`
	Address  int           `toml:"address"`
	Channel  int           `toml:"channel"`
	Min      float64       `toml:"min"`
	Max      float64       `toml:"max"`
	PulseMin time.Duration `toml:"pulse_min"`
	PulseMax time.Duration `toml:"pulse_max"`
}

const (
	servoHz     = 50
	servoPeriod = time.Second / servoHz
)

func newServo(h *Host, decode func(any) error) (BuiltOutput, error) {
	cfg := servoConfig{On: "pwm", Chip: "0", Bus: 1, Address: 0x40, Max: 90, PulseMin: time.Millisecond, PulseMax: 2 * time.Millisecond}
	if err := decode(&cfg); err != nil {
		return BuiltOutput{}, err
	}
	if err := cfg.check(); err != nil {
		return BuiltOutput{}, err
	}
	var m modulator = &pwm{host: h, chip: cfg.Chip, channel: cfg.Channel, period: servoPeriod.Nanoseconds()}
	if cfg.On == "pca9685" {
		at := pca9685At{cfg.Bus, cfg.Address}
		m = h.pca9685(at, cfg.Channel, servoHz, false)
	}
	part := func(pulse time.Duration) float64 { return float64(pulse) / float64(servoPeriod) }
	return BuiltOutput{
		Output: &scaled{modulator: m, min: cfg.Min, max: cfg.Max, from: part(cfg.PulseMin), to: part(cfg.PulseMax)},
		Min:    cfg.Min, Max: cfg.Max, Unit: "°",
	}, nil
}

func (cfg *servoConfig) check() error {
	var bad checker
	bad.oneOf("on", cfg.On, "pwm", "pca9685")
	if cfg.On == "pca9685" {
		bad.pca9685Channel(cfg.Bus, cfg.Address, cfg.Channel)
	} else {
		bad.pwmChannel(cfg.Chip, cfg.Channel)
	}
	bad.finite("min", cfg.Min)
	bad.finite("max", cfg.Max)
	if cfg.Min >= cfg.Max {
		bad.fail("min", "it must be below max")
	}
	bad.pulse("pulse_min", cfg.PulseMin)
	bad.pulse("pulse_max", cfg.PulseMax)
	if cfg.PulseMin == cfg.PulseMax {
		bad.fail("pulse_min", "it must differ from pulse_max")
	}
	return bad.err()
}

func (c *checker) pulse(key string, d time.Duration) {
	if d < 100*time.Microsecond || d > 3*time.Millisecond {
		c.fail(key, "%s is no pulse of a servo (100µs to 3ms)", d)
	}
}
