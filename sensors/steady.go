package sensors

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"periph.io/x/conn/v3/i2c"

	"pipit/agent"
)

const (
	maxRetries  = 2                     // in one Read
	firstPause  = 20 * time.Millisecond // before the first retry, then twice that
	remakeAfter = 3                     // failed Reads in a row
)

// A steady sensor makes a driver when it is first read, tries a transient
// failure again within the Read, and makes the driver anew after three failed
// Reads in a row or one value that cannot be true: so a chip that lost its
// settings in a brown-out gets them again. It implements agent.Sensor,
// agent.Troubled and io.Closer.
type steady struct {
	make   func(ctx context.Context) (agent.Sensor, error) // touches the hardware
	sensor agent.Sensor
	failed int // Reads in a row
	troubles
}

// troubles counts what a sensor gets over by itself. It implements agent.Troubled.
type troubles struct{ retried, implausible, remade atomic.Uint64 }

// Trouble implements agent.Troubled.
func (t *troubles) Trouble() agent.Trouble {
	return agent.Trouble{Retried: t.retried.Load(), Implausible: t.implausible.Load(), Remade: t.remade.Load()}
}

// Read implements agent.Sensor.
func (s *steady) Read(ctx context.Context) ([]agent.Reading, error) {
	for try := 0; ; try++ {
		readings, err := s.once(ctx)
		if err == nil {
			s.failed = 0
			return readings, nil
		}
		c := classify(err)
		if c == classImplausible {
			s.implausible.Add(1)
			s.drop()
		}
		again := c == classTransient && try < maxRetries || c == classImplausible && try == 0
		if !again || !pause(ctx, firstPause<<try) {
			s.fail()
			return nil, err
		}
		s.retried.Add(1)
	}
}

func (s *steady) once(ctx context.Context) ([]agent.Reading, error) {
	if s.sensor == nil {
		made, err := s.make(ctx)
		if err != nil {
			return nil, err
		}
		s.sensor = made
	}
	return s.sensor.Read(ctx)
}

func (s *steady) fail() {
	if s.failed++; s.failed >= remakeAfter {
		s.failed = 0
		s.drop()
	}
}

// drop gives the driver up; the next attempt makes a new one.
func (s *steady) drop() {
	if s.sensor == nil {
		return
	}
	s.remade.Add(1)
	s.Close()
}

// Close implements io.Closer.
func (s *steady) Close() error {
	c, ok := s.sensor.(io.Closer)
	s.sensor = nil
	if !ok {
		return nil
	}
	return c.Close()
}

// pause waits and reports false when ctx ends or would end in between.
func pause(ctx context.Context, d time.Duration) bool {
	if end, ok := ctx.Deadline(); ok && time.Until(end) <= d {
		return false
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// errNoTime is what wait returns when the end of ctx is too near.
var errNoTime = fmt.Errorf("the timeout leaves the chip no time to measure: %w", context.DeadlineExceeded)

// wait sleeps as the chip demands, or returns why ctx does not allow it.
func wait(ctx context.Context, d time.Duration) error {
	if pause(ctx, d) {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return errNoTime
}

// An i2cChip is a driver on an I²C bus.
type i2cChip struct {
	bus     *i2cBus
	name    string // the kind, for errors
	address uint16
	driver  agent.Sensor
}

// An openChip makes the driver of a chip: it may check the chip's id and write
// its settings. It must not keep goroutines, and the driver it returns is used
// from one goroutine at a time.
type openChip func(bus i2c.Bus, address uint16) (agent.Sensor, error)

// i2cSensor returns a sensor on an I²C bus. The kernel's own driver, if one
// holds the address, is a configuration error unless the chip can be shared:
// one that has plain registers and is not written to.
func (h *Host) i2cSensor(kind string, bus, address int, shared bool, open openChip) agent.Sensor {
	c := &i2cChip{bus: &i2cBus{port: h.i2c(bus)}, name: kind, address: uint16(address)}
	return &steady{make: func(ctx context.Context) (agent.Sensor, error) {
		if owner := h.i2cOwner(bus, address); owner != "" && !shared {
			return nil, misconfigured(nil, "the kernel's driver %s has the chip at 0x%02x of i2c bus %d: "+
				"use kind hwmon or iio, or take its dtoverlay off", owner, address, bus)
		}
		c.bus.begin(ctx)
		driver, err := open(c.bus, c.address)
		if err = c.result(err, true); err != nil {
			return nil, err
		}
		c.driver = driver
		return c, nil
	}}
}

// Read implements agent.Sensor. A transfer that failed is an error of the
// Read even where the driver says nothing of it.
func (c *i2cChip) Read(ctx context.Context) ([]agent.Reading, error) {
	c.bus.begin(ctx)
	readings, err := c.driver.Read(ctx)
	if err := c.result(err, false); err != nil {
		return nil, err
	}
	return readings, nil
}

// result puts the bus's own error in place of what a driver made of it.
func (c *i2cChip) result(err error, making bool) error {
	switch {
	case c.bus.err == nil && err == nil:
		return nil
	case c.bus.err == nil:
		return err
	case isMissing(c.bus.err), classify(c.bus.err) == classConfiguration:
		return c.bus.err
	}
	if unacknowledged(c.bus.err) {
		what := "nothing answers"
		if !making {
			what = c.name + " stopped answering"
		}
		return fmt.Errorf("%s at 0x%02x of i2c bus %d: %w: check power, SDA and SCL; \"pipit detect\" lists what answers",
			what, c.address, c.bus.port.number, c.bus.err)
	}
	return fmt.Errorf("%s at 0x%02x of i2c bus %d: %w", c.name, c.address, c.bus.port.number, c.bus.err)
}

// Close implements io.Closer. Drivers of periph that have a Halt are asked to
// stop measuring, best effort.
func (c *i2cChip) Close() error {
	closer, ok := c.driver.(io.Closer)
	if !ok {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	c.bus.begin(ctx)
	return errors.Join(closer.Close())
}

// i2cOwner returns the kernel driver bound to an address, "" when none is.
func (h *Host) i2cOwner(bus, address int) string {
	return h.target(fmt.Sprintf("/sys/bus/i2c/devices/%d-%04x/driver", bus, address))
}

// busI2C names a bus for the schedule: its sensors are read one after the other.
func busI2C(number int) string { return fmt.Sprintf("i2c:%d", number) }

// address checks the 7 bit address of a chip and its bus number.
func (c *checker) address(bus, address int, allowed ...int) {
	if bus < 0 || bus > 255 {
		c.fail("bus", "%d is no i2c bus: write N of /dev/i2c-N", bus)
	}
	for _, a := range allowed {
		if a == address {
			return
		}
	}
	if len(allowed) > 0 {
		hint := ""
		for i, a := range allowed {
			if i > 0 {
				hint += ", "
			}
			hint += fmt.Sprintf("0x%02x", a)
		}
		c.fail("address", "0x%02x is no address of this chip (allowed: %s)", address, hint)
	} else if address < 0x03 || address > 0x77 {
		c.fail("address", "0x%02x is no 7 bit address (0x03 to 0x77)", address)
	}
}
