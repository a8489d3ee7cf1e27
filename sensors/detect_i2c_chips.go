package sensors

import "slices"

// An i2cChipRow is a chip that may live at some addresses, and how it may be
// told from the others there.
type i2cChipRow struct {
	name      string
	kind      string // of sensor; "" when there is none
	addresses []uint16
	probe     *i2cProbe // nil: it has nothing to be told by
	answer    []byte    // to the probe
}

// An i2cProbe reads what tells a chip, in one transfer.
type i2cProbe struct {
	write []byte // before the read; empty: nothing is written
	size  int    // of the answer
	weak  bool   // another answer does not rule the chip out
}

// What Detect may write, to a chip that has answered a read, and why it does
// no harm to what else is known to live at that address. It is no more than
// the number of a register to read:
var (
	// 0x76, 0x77: register 0xD0, the chip id of Bosch. DPS310, IS31FL3731 and
	// BMP388 set their register pointer; MS5611 and its family and HT16K33 have
	// no such command. A switch TCA9548A would take it for the set of open
	// channels: it answers with it, and gets back what it had (see ask).
	boschID = &i2cProbe{write: []byte{0xD0}, size: 1}
	// 0x18 to 0x1F: register 6, the manufacturer's id of JC-42.4 thermometers.
	// Accelerometers and magnetometers there (LIS3DH, MMA8452, HMC5883L) set
	// their register pointer; a bridge DS2482 has no such command.
	jc42ID = &i2cProbe{write: []byte{0x06}, size: 2}
	// An INA219 shows its register 0 until another is chosen. Its own id
	// register does not exist, and that of its successors, 0xFE, is the
	// command to reset of HTU21 and Si7021.
	ina219Probe = &i2cProbe{size: 2, weak: true}
)

// i2cChips are the chips that Detect knows, and so the addresses it looks at.
// Where a row has no probe nothing is ever written: the command that an SHT4x
// (0x44) wants would change the volume of a TDA7318, that of an SCD4x (0x62)
// the output of a DAC MCP4725, the number of a register the settings of an ADC
// MCP3424 (0x68), and any byte the pins of an expander. At 0x30 to 0x37 and
// 0x50 to 0x5f a write may change an EEPROM or its write protection: of these
// only 0x5c is looked at, by a read.
var i2cChips = []i2cChipRow{
	{"bme280", "bme280", between(0x76, 0x77), boschID, []byte{0x60}},
	{"bmp280", "bmp280", between(0x76, 0x77), boschID, []byte{0x58}},
	{"bmp180", "bmp180", between(0x77, 0x77), boschID, []byte{0x55}},
	{"bme680 (use the kernel's driver and kind iio)", "", between(0x76, 0x77), boschID, []byte{0x61}},
	{"mcp9808", "mcp9808", between(0x18, 0x1f), jc42ID, []byte{0x00, 0x54}},
	{"sht4x", "sht4x", between(0x44, 0x46), nil, nil},
	{"tmp102", "tmp102", between(0x48, 0x4b), nil, nil},
	{"lm75 or tmp105", "tmp102", between(0x48, 0x4f), nil, nil},
	{"ads1115", "ads1115", between(0x48, 0x4b), nil, nil},
	{"ina219", "ina219", between(0x40, 0x4f), ina219Probe, []byte{0x39, 0x9F}},
	{"aht20", "aht20", between(0x38, 0x38), nil, nil},
	{"bh1750", "bh1750", []uint16{0x23, 0x5c}, nil, nil},
	{"scd4x", "scd4x", between(0x62, 0x62), nil, nil},
	{"thermometer of a memory module, accelerometer or magnetometer", "", between(0x18, 0x1f), nil, nil},
	{"expander pcf8574 or mcp23017", "", append(between(0x20, 0x27), between(0x38, 0x3f)...), nil, nil},
	{"htu21, si7021 or hdc1080 (use the kernel's driver and kind hwmon or iio)", "", between(0x40, 0x40), nil, nil},
	{"servo driver pca9685 (kind of output)", "", between(0x40, 0x47), nil, nil},
	{"light sensor tsl2561 or distance sensor vl53l0x", "", between(0x29, 0x29), nil, nil},
	{"display ssd1306", "", between(0x3c, 0x3d), nil, nil},
	{"clock ds1307 or ds3231, or motion sensor mpu6050", "", between(0x68, 0x68), nil, nil},
	{"dac mcp4725", "", between(0x60, 0x67), nil, nil},
	{"switch tca9548a or display ht16k33", "", between(0x70, 0x77), nil, nil},
	{"pressure sensor dps310 or ms5611", "", between(0x76, 0x77), nil, nil},
}

func between(first, last uint16) (list []uint16) {
	for a := first; a <= last; a++ {
		list = append(list, a)
	}
	return list
}

// i2cAddresses are those of the table, in order.
func i2cAddresses() (list []uint16) {
	for _, row := range i2cChips {
		list = append(list, row.addresses...)
	}
	slices.Sort(list)
	return slices.Compact(list)
}
