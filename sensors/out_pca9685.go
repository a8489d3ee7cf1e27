package sensors

import (
	"math"
)

func pca9685Output() OutputKind {
	return OutputKind{
		Name: "pca9685",
		Doc:  "A channel of a PCA9685 on I²C (16 channels, 12 bit), in %. All outputs and servos on one chip have one frequency.",
		Example: `[output.strip]
kind = "pca9685"
bus = 1             # N of /dev/i2c-N
address = 0x40      # 0x40 to 0x77: pins A0 to A5
channel = 0         # 0 to 15
frequency = 1000.0  # Hz, 24 to 1526
inverted = false    # true: low is on
`,
		New: newPCA9685,
	}
}

type pca9685Config struct {
	Bus       int     `toml:"bus"`
	Address   int     `toml:"address"`
	Channel   int     `toml:"channel"`
	Frequency float64 `toml:"frequency"`
	Inverted  bool    `toml:"inverted"`
}

func newPCA9685(h *Host, decode func(any) error) (BuiltOutput, error) {
	cfg := pca9685Config{Bus: 1, Address: 0x40, Frequency: 1000}
	if err := decode(&cfg); err != nil {
		return BuiltOutput{}, err
	}
	var bad checker
	bad.pca9685Channel(cfg.Bus, cfg.Address, cfg.Channel)
	if !(cfg.Frequency >= 24 && cfg.Frequency <= 1526) {
		bad.fail("frequency", "%g Hz is out of range (24 to 1526)", cfg.Frequency)
	}
	if err := bad.err(); err != nil {
		return BuiltOutput{}, err
	}
	return percentOutput(h.pca9685(pca9685At{cfg.Bus, cfg.Address}, cfg.Channel, cfg.Frequency, cfg.Inverted)), nil
}

func (c *checker) pca9685Channel(bus, address, channel int) {
	c.address(bus, address)
	if address < 0x40 && address >= 0x03 {
		c.fail("address", "0x%02x is no address of this chip (allowed: 0x40 to 0x77)", address)
	}
	if channel < 0 || channel > 15 {
		c.fail("channel", "%d is no channel of this chip (0 to 15)", channel)
	}
}

// pca9685 returns a channel of a chip. It touches no hardware.
func (h *Host) pca9685(at pca9685At, channel int, hz float64, inverted bool) *pca9685 {
	prescale := math.Round(25e6/4096/hz) - 1 // NXP PCA9685, 7.3.5
	return &pca9685{host: h, at: at, channel: byte(channel), inverted: inverted, prescale: byte(min(max(prescale, 3), 255))}
}
