package sensors

import (
	"context"
	"errors"
	"fmt"
	"time"

	"periph.io/x/conn/v3/i2c"

	"pipit/agent"
)

func sht4xKind() Kind {
	return Kind{
		Name: "sht4x",
		Doc:  "Temperature and humidity from a Sensirion SHT40, SHT41 or SHT45 on I²C.",
		Example: `[sensor.cellar]
kind = "sht4x"
bus = 1             # N of /dev/i2c-N
address = 0x44      # or 0x45, 0x46
`,
		New: airChip{"sht4x", []int{0x44, 0x45, 0x46}, []string{"temperature", "humidity"}, openSHT4x}.build,
	}
}

// Commands of the SHT4x (datasheet, section 4.5). Those that switch the heater
// on are not used.
const (
	sht4xMeasure   = 0xFD // with high precision
	sht4xSerial    = 0x89
	sht4xSoftReset = 0x94

	sht4xMeasures = 10 * time.Millisecond // at most 8.3 ms
	sht4xStarts   = 2 * time.Millisecond  // at most 1 ms
)

// A sht4x implements agent.Sensor. The chip keeps no settings: after a
// brown-out it measures as before.
type sht4x struct{ dev i2c.Dev }

// openSHT4x restarts the chip and reads its serial number, whose checksum
// tells that it is one.
func openSHT4x(bus i2c.Bus, address uint16) (agent.Sensor, error) {
	d := &sht4x{i2c.Dev{Bus: bus, Addr: address}}
	for _, command := range []byte{sht4xSoftReset, sht4xSerial} {
		if err := d.dev.Tx([]byte{command}, nil); err != nil {
			return nil, err
		}
		time.Sleep(sht4xStarts)
	}
	if _, err := readWords(&d.dev, 2); errors.Is(err, errChecksum) {
		return nil, fmt.Errorf("what answers at 0x%02x may be no sht4x: %w", address, err)
	} else if err != nil {
		return nil, err
	}
	return d, nil
}

// Read implements agent.Sensor.
func (d *sht4x) Read(ctx context.Context) ([]agent.Reading, error) {
	if err := d.dev.Tx([]byte{sht4xMeasure}, nil); err != nil {
		return nil, err
	}
	if err := wait(ctx, sht4xMeasures); err != nil {
		return nil, err
	}
	words, err := readWords(&d.dev, 2)
	if err != nil {
		return nil, err
	}
	// The datasheet has the humidity cut to 0 to 100: -6 to 119 is what the
	// formula gives.
	humidity := min(max(-6+125*float64(words[1])/65535, 0), 100)
	return airReadings(
		measured{"temperature", sensirionCelsius(words[0]), "°C", -40, 125},
		measured{"humidity", humidity, "%", 0, 100})
}

// sensirionCelsius is the temperature of SHT3x, SHT4x and SCD4x.
func sensirionCelsius(word uint16) float64 { return -45 + 175*float64(word)/65535 }
