package sensors

import (
	"slices"

	"periph.io/x/conn/v3/i2c"
)

// The chips BMP180, BMP280 and BME280 of Bosch. Their drivers are our own and
// not periph's bmxx80, which cannot be guarded from outside: it takes the
// signed calibration values H4 and H5 as positive (a wrong humidity from each
// chip where one is negative), it keeps raw values and control registers to
// itself, which alone show a brown-out, and its wait for the end of a
// measurement has neither a pause nor an end.

func bme280Kind() Kind {
	return Kind{
		Name: "bme280",
		Doc:  "Temperature, humidity and air pressure from a Bosch BME280 on I²C.",
		Example: `[sensor.outside]
kind = "bme280"
bus = 1             # N of /dev/i2c-N
address = 0x76      # or 0x77
`,
		New: airChip{"bme280", []int{0x76, 0x77}, []string{"temperature", "humidity", "pressure"}, openBME280}.build,
	}
}

func bmp280Kind() Kind {
	return Kind{
		Name: "bmp280",
		Doc:  "Temperature and air pressure from a Bosch BMP280 on I²C, which is often sold as a BME280.",
		Example: `[sensor.barometer]
kind = "bmp280"
bus = 1             # N of /dev/i2c-N
address = 0x76      # or 0x77
`,
		New: airChip{"bmp280", []int{0x76, 0x77}, []string{"temperature", "pressure"}, openBMP280}.build,
	}
}

func bmp180Kind() Kind {
	return Kind{
		Name: "bmp180",
		Doc:  "Temperature and air pressure from a Bosch BMP180 or BMP085 on I²C.",
		Example: `[sensor.barometer]
kind = "bmp180"
bus = 1             # N of /dev/i2c-N
address = 0x77      # the only one it has
`,
		New: airChip{"bmp180", []int{0x77}, []string{"temperature", "pressure"}, openBMP180}.build,
	}
}

// Registers and commands that the three chips share.
const (
	boschChipID   = 0xD0
	boschReset    = 0xE0
	boschControl  = 0xF4 // ctrl_meas
	boschSoftBoot = 0xB6 // written to boschReset
)

// A boschChip is an id of the family and what to do with such a chip.
type boschChip struct {
	id           byte
	name, advice string
}

var boschChips = []boschChip{
	{0x55, "BMP180 or BMP085", "use kind bmp180"},
	{0x56, "BMP280, which measures no humidity", "use kind bmp280"}, // 0x56 and 0x57 are samples
	{0x57, "BMP280, which measures no humidity", "use kind bmp280"},
	{0x58, "BMP280, which measures no humidity", "use kind bmp280"},
	{0x60, "BME280", "use kind bme280"},
	{0x61, "BME680", "turn its kernel driver on with dtoverlay=i2c-sensor,bme680 and use kind iio"},
}

// laterChips have their id in register 0x00.
var laterChips = []boschChip{
	{0x50, "BMP388", "turn its kernel driver on with dtoverlay=i2c-sensor,bmp380 and use kind iio"},
	{0x60, "BMP390", "turn its kernel driver on with dtoverlay=i2c-sensor,bmp380 and use kind iio"},
}

// checkBosch reads the id of a chip and says which chip it is when it is none
// of those wanted. It only reads: the chip may be of any maker.
func checkBosch(dev *i2c.Dev, want ...byte) error {
	id, err := readByte(dev, boschChipID)
	switch {
	case err != nil:
		return err
	case slices.Contains(want, id):
		return nil
	case id == 0x00 || id == 0xFF:
		return errBlank("the chip id")
	}
	if err := wrongBosch(boschChips, id, dev.Addr); err != nil {
		return err
	}
	later, err := readByte(dev, 0x00)
	if err != nil {
		return err
	}
	if err := wrongBosch(laterChips, later, dev.Addr); err != nil {
		return err
	}
	return misconfigured(nil, "chip id 0x%02x at 0x%02x is not known: \"pipit detect\" may tell what it is", id, dev.Addr)
}

func wrongBosch(known []boschChip, id byte, address uint16) error {
	i := slices.IndexFunc(known, func(c boschChip) bool { return c.id == id })
	if i < 0 {
		return nil
	}
	return misconfigured(nil, "chip id 0x%02x at 0x%02x is a %s: %s", id, address, known[i].name, known[i].advice)
}

func readByte(dev *i2c.Dev, register byte) (byte, error) {
	var b [1]byte
	err := dev.Tx([]byte{register}, b[:])
	return b[0], err
}
