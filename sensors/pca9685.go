package sensors

import (
	"context"
	"errors"
	"math"
	"sync"
	"time"
)

// The driver is our own. That of periph turns all channels off when it is
// made, also those that a program before it left on for a reason, writes four
// registers before it has switched on the increment that this needs, is off by
// one in the prescaler, sleeps for 205 ms, and cannot read anything back.

// pca9685At is where a chip is.
type pca9685At struct{ bus, address int }

// pca9685Chip is one chip of a Host, shared by the outputs on it.
type pca9685Chip struct {
	i2cChip
	owner func() string
	free  chan struct{} // holds one while nobody works with the chip

	mu       sync.Mutex
	users    int
	prescale byte // of the users
}

// pca9685 is a channel of a chip. It implements modulator.
type pca9685 struct {
	host     *Host
	at       pca9685At
	channel  byte
	prescale byte
	inverted bool
	joined   bool
}

func (h *Host) pca9685Chip(at pca9685At) *pca9685Chip {
	port := h.i2c(at.bus)
	h.mu.Lock()
	defer h.mu.Unlock()
	c := h.pwms[at]
	if c == nil {
		c = &pca9685Chip{
			i2cChip: i2cChip{bus: &i2cBus{port: port}, name: "pca9685", address: uint16(at.address)},
			owner:   func() string { return h.i2cOwner(at.bus, at.address) },
			free:    make(chan struct{}, 1),
		}
		c.free <- struct{}{}
		if h.pwms == nil {
			h.pwms = make(map[pca9685At]*pca9685Chip)
		}
		h.pwms[at] = c
	}
	return c
}

// join makes the channel a user of its chip.
func (p *pca9685) join(c *pca9685Chip) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case p.joined:
		return nil
	case c.users > 0 && c.prescale != p.prescale:
		return misconfigured(nil, "another output on the pca9685 at 0x%02x of i2c bus %d has %.4g Hz, this one %.4g Hz: the chip has one frequency",
			p.at.address, p.at.bus, pca9685Hz(c.prescale), pca9685Hz(p.prescale))
	}
	c.users, c.prescale, p.joined = c.users+1, p.prescale, true
	return nil
}

// pca9685Hz is the frequency of a prescaler.
func pca9685Hz(prescale byte) float64 { return 25e6 / 4096 / (float64(prescale) + 1) }

// Close implements modulator. The chip goes on with what it has.
func (p *pca9685) Close() error {
	c := p.host.pca9685Chip(p.at)
	c.mu.Lock()
	defer c.mu.Unlock()
	if p.joined {
		c.users, p.joined = c.users-1, false
	}
	return nil
}

// Registers and bits of a PCA9685.
const (
	pca9685Mode1    = 0x00
	pca9685Mode2    = 0x01
	pca9685LED0     = 0x06 // ON_L, ON_H, OFF_L, OFF_H of each channel
	pca9685Prescale = 0xFE

	pca9685Restart   = 0x80 // MODE1
	pca9685Increment = 0x20
	pca9685Sleep     = 0x10
	pca9685Invert    = 0x10 // MODE2; of the whole chip
	pca9685TotemPole = 0x04

	pca9685Full = 0x10 // in ON_H: always on; in OFF_H: always off, which wins
	pca9685Step = 4096

	pca9685Wake = time.Millisecond // 0.5 ms for the oscillator
)

func (p *pca9685) register() byte { return pca9685LED0 + 4*p.channel }

func (p *pca9685) setDuty(ctx context.Context, duty float64) (float64, error) {
	c := p.host.pca9685Chip(p.at)
	if err := p.join(c); err != nil {
		return 0, err
	}
	step := int(math.Round(duty * pca9685Step))
	on := step
	if p.inverted {
		on = pca9685Step - step
	}
	var w [5]byte
	switch w[0] = p.register(); {
	case on <= 0:
		w[4] = pca9685Full
	case on >= pca9685Step:
		w[2] = pca9685Full
	default:
		w[3], w[4] = byte(on), byte(on>>8)
	}
	err := c.work(ctx, func() error {
		if err := c.start(ctx, p.prescale); err != nil {
			return err
		}
		return c.bus.Tx(c.address, w[:], nil) // the pin changes at the end, in one step
	})
	return float64(step) / pca9685Step, err
}

func (p *pca9685) duty(ctx context.Context) (duty float64, err error) {
	c := p.host.pca9685Chip(p.at)
	var r [4]byte
	err = c.work(ctx, func() error {
		set, err := c.isSet(p.prescale)
		if err == nil && !set {
			err = errors.New("the pca9685 has other settings than ours, as after a loss of power: it has to be set again")
		}
		if err != nil {
			return err
		}
		return c.bus.Tx(c.address, []byte{p.register()}, r[:])
	})
	on := (int(r[2]) | int(r[3])<<8) - (int(r[0]) | int(r[1])<<8)
	switch {
	case r[3]&pca9685Full != 0:
		on = 0
	case r[1]&pca9685Full != 0:
		on = pca9685Step
	default:
		on &= pca9685Step - 1
	}
	if p.inverted {
		on = pca9685Step - on
	}
	return float64(on) / pca9685Step, err
}

// work runs some transfers alone on the chip, again where a failure may pass.
func (c *pca9685Chip) work(ctx context.Context, transfers func() error) error {
	select {
	case <-c.free:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { c.free <- struct{}{} }()
	if owner := c.owner(); owner != "" {
		return misconfigured(nil, "the kernel's driver %s has the chip at 0x%02x of i2c bus %d: use kind pwm, or take its dtoverlay off",
			owner, c.address, c.bus.port.number)
	}
	for try := 0; ; try++ {
		c.bus.begin(ctx)
		err := c.result(transfers(), true)
		if err == nil || classify(err) != classTransient || try == maxRetries || !pause(ctx, firstPause<<try) {
			return err
		}
	}
}

func (c *pca9685Chip) read(register byte) (byte, error) {
	var r [1]byte
	err := c.bus.Tx(c.address, []byte{register}, r[:])
	return r[0], err
}

// isSet tells whether the chip runs with our settings. It has no id: bits that
// are always 0 and a prescaler that is never below 3 tell a stuck bus from it.
func (c *pca9685Chip) isSet(prescale byte) (bool, error) {
	var v [3]byte
	for i, r := range [...]byte{pca9685Mode1, pca9685Mode2, pca9685Prescale} {
		var err error
		if v[i], err = c.read(r); err != nil {
			return false, err
		}
	}
	if v[1]&0xE0 != 0 || v[2] < 3 {
		return false, implausible("the chip at 0x%02x reads % x: check SDA and its power, or it is no pca9685", c.address, v)
	}
	return v[0]&(pca9685Sleep|pca9685Increment) == pca9685Increment &&
		v[1]&(pca9685Invert|pca9685TotemPole) == pca9685TotemPole && v[2] == prescale, nil
}

// start gives the chip its settings when it does not have them: at first, and
// after a loss of power. The prescaler can be written only while it sleeps;
// channels that were on before go on after it.
func (c *pca9685Chip) start(ctx context.Context, prescale byte) error {
	if set, err := c.isSet(prescale); err != nil || set {
		return err
	}
	for _, w := range [...][2]byte{
		{pca9685Mode1, pca9685Increment | pca9685Sleep},
		{pca9685Prescale, prescale},
		{pca9685Mode2, pca9685TotemPole},
		{pca9685Mode1, pca9685Increment},
	} {
		if err := c.bus.Tx(c.address, w[:], nil); err != nil {
			return err
		}
	}
	if err := wait(ctx, pca9685Wake); err != nil {
		return err
	}
	mode, err := c.read(pca9685Mode1)
	if err == nil && mode&pca9685Restart != 0 {
		err = c.bus.Tx(c.address, []byte{pca9685Mode1, mode}, nil)
	}
	return err
}
