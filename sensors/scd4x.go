package sensors

import (
	"context"
	"errors"
	"math"
	"time"

	"periph.io/x/conn/v3/i2c"

	"pipit/agent"
)

// The driver is our own and not periph's scd4x, which sleeps up to 11 s where
// nothing can stop it, loses the error of the bus while it waits, and wakes
// the chip with a command that it never acknowledges.

func scd4xKind() Kind {
	return Kind{
		Name: "scd4x",
		Doc:  "CO₂, temperature and humidity from a Sensirion SCD40, SCD41 or SCD43 on I²C, which measures every 5 s.",
		Example: `[sensor.room]
kind = "scd4x"
bus = 1                     # N of /dev/i2c-N
address = 0x62              # the only one it has
altitude = 0                # of the place in m, 0 to 3000: the air is thinner there
temperature_offset = 4.0    # °C that the chip is warmer than the air, 0 to 20
`,
		New: newSCD4x,
	}
}

type scd4xConfig struct {
	Bus      int     `toml:"bus"`
	Address  int     `toml:"address"`
	Altitude int     `toml:"altitude"`
	Offset   float64 `toml:"temperature_offset"`
}

func (c *scd4xConfig) check() error {
	var bad checker
	bad.address(c.Bus, c.Address, 0x62)
	if c.Altitude < 0 || c.Altitude > 3000 {
		bad.fail("altitude", "%d m is not within 0 to 3000", c.Altitude)
	}
	if !(c.Offset >= 0 && c.Offset <= 20) {
		bad.fail("temperature_offset", "%g °C is not within 0 to 20", c.Offset)
	}
	return bad.err()
}

func newSCD4x(h *Host, decode func(any) error) (Built, error) {
	cfg := scd4xConfig{Bus: 1, Address: 0x62, Offset: 4}
	if err := decode(&cfg); err != nil {
		return Built{}, err
	}
	if err := cfg.check(); err != nil {
		return Built{}, err
	}
	// A bus of its own: the first Read takes almost 6 s, most of which the
	// chip needs for itself; the transfers take their turn on the port.
	return Built{
		Sensor:  h.i2cSensor("scd4x", cfg.Bus, cfg.Address, false, cfg.open),
		Fields:  []string{"co2", "temperature", "humidity"},
		Timeout: 2*scd4xSilence + 3*time.Second, // for a restart that shows at the last moment
	}, nil
}

// Commands of the SCD4x (datasheet, section 3.4).
const (
	scd4xStart       = 0x21B1 // start_periodic_measurement
	scd4xStop        = 0x3F86 // stop_periodic_measurement; the chip answers after 500 ms
	scd4xMeasurement = 0xEC05
	scd4xReady       = 0xE4B8
	scd4xSerial      = 0x3682
	scd4xSetOffset   = 0x241D
	scd4xSetAltitude = 0x2427

	scd4xExecutes = time.Millisecond // each of the others
	scd4xStops    = 500 * time.Millisecond
	scd4xAsks     = 200 * time.Millisecond
	scd4xSilence  = 6 * time.Second // it measures every 5 s
)

// A scd4x implements agent.Sensor. The chip measures by itself; each
// measurement is read at most once.
type scd4x struct {
	dev   i2c.Dev
	cfg   scd4xConfig
	since time.Time // of the start, or of the last measurement; zero before the start
}

// open stops the chip, which takes no settings while it measures. What takes
// time is left to the first Read, which can be stopped.
func (c scd4xConfig) open(bus i2c.Bus, address uint16) (agent.Sensor, error) {
	d := &scd4x{dev: i2c.Dev{Bus: bus, Addr: address}, cfg: c}
	return d, d.send(scd4xStop)
}

// Read implements agent.Sensor. It waits for a measurement that was not read
// yet, at most 5 s if the chip measures.
func (d *scd4x) Read(ctx context.Context) ([]agent.Reading, error) {
	if d.since.IsZero() {
		if err := d.start(ctx); err != nil {
			return nil, err
		}
	}
	if err := d.await(ctx); err != nil {
		return nil, err
	}
	d.since = time.Now() // the chip forgets a measurement when it is read, well or not
	words, err := d.ask(ctx, scd4xMeasurement, 3)
	if err != nil {
		return nil, err
	}
	return airReadings( // -40 to 70 °C is what the chip survives
		measured{"co2", float64(words[0]), "ppm", 1, 40000},
		measured{"temperature", sensirionCelsius(words[1]), "°C", -40, 70},
		measured{"humidity", 100 * float64(words[2]) / 65535, "%", 0, 100})
}

// start makes sure that the chip is one, sets it up and lets it measure. The
// settings go to its RAM, not to its EEPROM, which wears.
func (d *scd4x) start(ctx context.Context) error {
	if err := wait(ctx, scd4xStops); err != nil {
		return err
	}
	if _, err := d.ask(ctx, scd4xSerial, 3); err != nil {
		return err
	}
	offset := uint16(math.Round(d.cfg.Offset * 65535 / 175))
	for _, c := range []struct {
		command uint16
		words   []uint16
	}{{scd4xSetOffset, []uint16{offset}}, {scd4xSetAltitude, []uint16{uint16(d.cfg.Altitude)}}, {scd4xStart, nil}} {
		if err := d.send(c.command, c.words...); err != nil {
			return err
		}
		if err := wait(ctx, scd4xExecutes); err != nil {
			return err
		}
	}
	d.since = time.Now()
	return nil
}

// await waits for a new measurement. None for longer than the chip needs for
// one says that it does not measure any more.
func (d *scd4x) await(ctx context.Context) error {
	for {
		status, err := d.ask(ctx, scd4xReady, 1)
		if err != nil {
			return err
		}
		if status[0]&0x7FF != 0 {
			return nil
		}
		if time.Since(d.since) > scd4xSilence {
			return implausible("the chip does not measure: it has restarted")
		}
		if !pause(ctx, scd4xAsks) {
			return errors.New("no new measurement yet: the chip makes one every 5 s")
		}
	}
}

// send writes a command, and words with their checksums behind it.
func (d *scd4x) send(command uint16, words ...uint16) error {
	b := []byte{byte(command >> 8), byte(command)}
	for _, w := range words {
		word := []byte{byte(w >> 8), byte(w)}
		b = append(append(b, word...), crc8(word))
	}
	return d.dev.Tx(b, nil)
}

// ask writes a command and reads so many words.
func (d *scd4x) ask(ctx context.Context, command uint16, n int) ([]uint16, error) {
	if err := d.send(command); err != nil {
		return nil, err
	}
	if err := wait(ctx, scd4xExecutes); err != nil {
		return nil, err
	}
	return readWords(&d.dev, n)
}
