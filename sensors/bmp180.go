package sensors

import (
	"context"
	"encoding/binary"
	"time"

	"periph.io/x/conn/v3/i2c"

	"pipit/agent"
)

// Registers and commands of BMP180 (BST-BMP180-DS000, sections 3.3 and 4.3).
const (
	bmp180Calibration  = 0xAA
	bmp180Data         = 0xF6
	bmp180Temperature  = 0x2E                     // to ctrl_meas: takes 4.5 ms
	bmp180Pressure     = 0x34 | bmp180Sampling<<6 // to ctrl_meas: takes 25.5 ms
	bmp180Sampling     = 3                        // oss: 8 samples
	bmp180Converting   = 0x20                     // of ctrl_meas
	bmp180AfterRestart = 0x800000                 // what the data registers hold then
	bmp180Polls        = 6
)

// A bmp180 implements agent.Sensor.
type bmp180 struct {
	dev i2c.Dev
	cal bmp180Cal
}

func openBMP180(bus i2c.Bus, address uint16) (agent.Sensor, error) {
	d := &bmp180{dev: i2c.Dev{Bus: bus, Addr: address}}
	if err := checkBosch(&d.dev, 0x55); err != nil {
		return nil, err
	}
	if err := d.dev.Tx([]byte{boschReset, boschSoftBoot}, nil); err != nil {
		return nil, err
	}
	time.Sleep(10 * time.Millisecond) // the datasheet's start-up time
	var words [11]uint16
	var b [2 * len(words)]byte
	if err := d.dev.Tx([]byte{bmp180Calibration}, b[:]); err != nil {
		return nil, err
	}
	for i := range words {
		words[i] = binary.BigEndian.Uint16(b[2*i:])
		if words[i] == 0 || words[i] == 0xFFFF { // section 3.4: none of them is
			return nil, errBlank("a word of the calibration")
		}
	}
	d.cal = parseBMP180Cal(words)
	return d, nil
}

// Read implements agent.Sensor.
func (d *bmp180) Read(ctx context.Context) ([]agent.Reading, error) {
	ut, err := d.convert(ctx, bmp180Temperature, 5*time.Millisecond)
	if err != nil {
		return nil, err
	}
	up, err := d.convert(ctx, bmp180Pressure, 26*time.Millisecond)
	if err != nil {
		return nil, err
	}
	t, p, err := d.cal.compensate(int64(ut>>8), int64(up>>(8-bmp180Sampling)), bmp180Sampling)
	if err != nil {
		return nil, err
	}
	return airReadings(
		measured{"temperature", float64(t) / 10, "°C", -40, 85},
		measured{"pressure", float64(p) / 100, "hPa", 300, 1100})
}

// convert makes one conversion and returns the 24 bits of the data registers.
// The chip has no settings that a restart could lose: it shows in the data.
func (d *bmp180) convert(ctx context.Context, command byte, takes time.Duration) (uint32, error) {
	if err := d.dev.Tx([]byte{boschControl, command}, nil); err != nil {
		return 0, err
	}
	if err := d.converted(ctx, takes); err != nil {
		return 0, err
	}
	var b [3]byte
	if err := d.dev.Tx([]byte{bmp180Data}, b[:]); err != nil {
		return 0, err
	}
	data := uint32(b[0])<<16 | uint32(b[1])<<8 | uint32(b[2])
	switch {
	case blank(b[:2]):
		return 0, errBlank("the data")
	case data == bmp180AfterRestart:
		return 0, implausible("the chip has not measured: it has restarted")
	}
	return data, nil
}

// converted waits for the end of a conversion.
func (d *bmp180) converted(ctx context.Context, takes time.Duration) error {
	for range bmp180Polls {
		if err := wait(ctx, takes); err != nil {
			return err
		}
		control, err := readByte(&d.dev, boschControl)
		if err != nil || control&bmp180Converting == 0 {
			return err
		}
	}
	return implausible("the measurement does not end")
}

// A bmp180Cal is the calibration as the formulas of section 3.5 have it.
type bmp180Cal struct {
	ac1, ac2, ac3, ac4, ac5, ac6, b1, b2, mc, md int64
}

func parseBMP180Cal(w [11]uint16) bmp180Cal {
	signed := func(i int) int64 { return int64(int16(w[i])) }
	return bmp180Cal{
		ac1: signed(0), ac2: signed(1), ac3: signed(2),
		ac4: int64(w[3]), ac5: int64(w[4]), ac6: int64(w[5]),
		b1: signed(6), b2: signed(7), mc: signed(9), md: signed(10), // MB at 8 is not used
	}
}

// compensate returns tenths of °C and Pa from raw values with 1<<oss samples.
func (c *bmp180Cal) compensate(ut, up int64, oss uint) (t, p int64, err error) {
	x1 := (ut - c.ac6) * c.ac5 >> 15
	if x1+c.md == 0 {
		return 0, 0, implausible("raw temperature %d makes no sense with this calibration", ut)
	}
	b5 := x1 + c.mc<<11/(x1+c.md)
	b6 := b5 - 4000
	x3 := c.b2*(b6*b6>>12)>>11 + c.ac2*b6>>11
	b3 := ((c.ac1*4+x3)<<oss + 2) / 4
	x3 = (c.ac3*b6>>13 + c.b1*(b6*b6>>12)>>16 + 2) >> 2
	b4 := c.ac4 * (x3 + 32768) >> 15
	if b4 == 0 {
		return 0, 0, implausible("raw temperature %d makes no sense with this calibration", ut)
	}
	p = (up - b3) * (50000 >> oss) * 2 / b4
	x1 = (p >> 8) * (p >> 8) * 3038 >> 16
	p += (x1 + -7357*p>>16 + 3791) >> 4
	return (b5 + 8) >> 4, p, nil
}
