package sensors

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// w1Families are the thermometers of the kernel's driver w1_therm, by the
// family code that begins their id, with what they can measure in °C.
var w1Families = []struct {
	code        string
	chip        string
	lowest, top float64
}{
	{"10", "DS18S20", -55, 125},
	{"22", "DS1822", -55, 125},
	{"28", "DS18B20", -55, 125},
	{"3b", "DS1825 or MAX31850", -270, 1800}, // the latter has a thermocouple
	{"42", "DS28EA00", -55, 125},
}

func isThermometer(id string) bool {
	code, _, _ := strings.Cut(id, "-")
	for _, f := range w1Families {
		if f.code == code {
			return true
		}
	}
	return false
}

// parseW1 reads w1_slave: the nine bytes of the scratchpad, whether their
// checksum is right, and thousandths of a degree. This one file says more than
// temperature beside it does, and old kernels have only this one.
//
//	72 01 4b 46 7f ff 0e 10 57 : crc=57 YES
//	72 01 4b 46 7f ff 0e 10 57 t=23125
func parseW1(text string) (pad [9]byte, milli int64, err error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return pad, 0, fmt.Errorf("the conversion failed: %w: check wires and power of the thermometer", errEmpty)
	}
	first, second, _ := strings.Cut(text, "\n")
	digits, verdict, ok := strings.Cut(first, " : crc=")
	b, bad := hex.DecodeString(strings.ReplaceAll(digits, " ", ""))
	if !ok || bad != nil || len(b) != len(pad) {
		return pad, 0, fmt.Errorf("%s is no scratchpad", quote(first))
	}
	copy(pad[:], b)
	if !strings.HasSuffix(verdict, " YES") {
		return pad, 0, fmt.Errorf("%w: check wires and power of the thermometer", errChecksum)
	}
	_, number, ok := strings.Cut(second, "t=")
	if !ok {
		return pad, 0, errors.New("there is no temperature in w1_slave")
	}
	milli, err = parseInt(number)
	return pad, milli, err
}

// powerOn is what the scratchpad holds from power-on to the first conversion,
// in °C; next to it, within nearPowerOn, it does little harm.
const powerOn, nearPowerOn = 85.0, 5.0

// checkScratchpad refuses what cannot be a measurement. Exactly 85 °C is one
// when the last value was near, or when byte 6 says so: a DS18B20 counts there
// what is left of the last degree, 0x10 at a whole one, and has 0x0C after
// power-on (which the kernel's own check asks for; many clones always have it).
func checkScratchpad(id string, pad [9]byte, celsius float64, near bool) error {
	const counted = 0x10
	switch {
	case pad == [9]byte{}:
		return implausible("all bits are 0: the 1-wire bus is held low") // and a checksum of 0 is right
	case celsius == powerOn && !near && pad[6] != counted:
		return implausible("85 °C is what a thermometer holds before it has measured: check its power and wires")
	}
	for _, f := range w1Families {
		if strings.HasPrefix(id, f.code+"-") && (celsius < f.lowest || celsius > f.top) {
			return implausible("%v °C is outside of what a %s measures (%v to %v °C)", celsius, f.chip, f.lowest, f.top)
		}
	}
	return nil
}
