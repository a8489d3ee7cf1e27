package sensors

import (
	"context"
	"time"

	"periph.io/x/conn/v3/i2c"

	"pipit/agent"
)

// The driver is our own and not periph's aht20, which sleeps up to 230 ms
// where ctx does not end it, takes a chip that does not get calibrated for a
// good one, and has a Halt that may wait for ever.

func aht20Kind() Kind {
	return Kind{
		Name: "aht20",
		Doc:  "Temperature and humidity from an Aosong AHT20, AHT21 or AHT25 on I²C.",
		Example: `[sensor.attic]
kind = "aht20"
bus = 1             # N of /dev/i2c-N
address = 0x38      # the only one it has
`,
		New: airChip{"aht20", []int{0x38}, []string{"temperature", "humidity"}, openAHT20}.build,
	}
}

// Commands and status of the AHT20 (datasheet, section 5.3).
const (
	aht20SoftReset  = 0xBA
	aht20Status     = 0x71
	aht20Busy       = 0x80 // of the status
	aht20Calibrated = 0x08 // of the status

	aht20Starts   = 20 * time.Millisecond
	aht20Measures = 80 * time.Millisecond
	aht20Polls    = 3
)

var (
	aht20Calibrate = []byte{0xBE, 0x08, 0x00} // takes 10 ms
	aht20Measure   = []byte{0xAC, 0x33, 0x00}
)

// An aht20 implements agent.Sensor.
type aht20 struct{ dev i2c.Dev }

// openAHT20 restarts the chip, which ends a measurement that hangs, and has it
// calibrated if it does not do so by itself.
func openAHT20(bus i2c.Bus, address uint16) (agent.Sensor, error) {
	d := &aht20{i2c.Dev{Bus: bus, Addr: address}}
	if err := d.dev.Tx([]byte{aht20SoftReset}, nil); err != nil {
		return nil, err
	}
	for range 2 {
		time.Sleep(aht20Starts)
		status, err := readByte(&d.dev, aht20Status)
		if err != nil {
			return nil, err
		}
		if status&aht20Calibrated != 0 {
			return d, nil
		}
		if err := d.dev.Tx(aht20Calibrate, nil); err != nil {
			return nil, err
		}
	}
	return nil, implausible("the chip does not get calibrated")
}

// Read implements agent.Sensor.
func (d *aht20) Read(ctx context.Context) ([]agent.Reading, error) {
	b, err := d.measure(ctx)
	switch {
	case err != nil:
		return nil, err
	case crc8(b[:6]) != b[6]:
		return nil, errChecksum
	case b[0]&aht20Calibrated == 0:
		return nil, implausible("the chip is not calibrated: it has restarted")
	}
	humidity := uint32(b[1])<<12 | uint32(b[2])<<4 | uint32(b[3])>>4
	temperature := uint32(b[3]&0x0F)<<16 | uint32(b[4])<<8 | uint32(b[5])
	return airReadings(
		measured{"temperature", float64(temperature)*200/(1<<20) - 50, "°C", -40, 85},
		measured{"humidity", float64(humidity) * 100 / (1 << 20), "%", 0, 100})
}

// measure makes one measurement and returns status, 40 bits of data and the
// checksum. Before the end of it only the status counts.
func (d *aht20) measure(ctx context.Context) ([]byte, error) {
	if err := d.dev.Tx(aht20Measure, nil); err != nil {
		return nil, err
	}
	b := make([]byte, 7)
	for range aht20Polls {
		if err := wait(ctx, aht20Measures); err != nil {
			return nil, err
		}
		if err := d.dev.Tx(nil, b); err != nil {
			return nil, err
		}
		if blank(b) {
			return nil, errBlank("the answer")
		}
		if b[0]&aht20Busy == 0 {
			return b, nil
		}
	}
	return nil, implausible("the measurement does not end")
}
