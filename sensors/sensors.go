// Package sensors reads and drives the hardware of a Linux board: one file for
// each kind of sensor or output, and one table of each. Host is the only door
// to the hardware: files, I²C, SPI, GPIO, serial ports, programs; tests open
// onto fakes.
//
// What the kernel shows in /proc and /sys comes first (Documentation/ABI,
// hwmon, IIO, w1, PWM and LED interfaces, PSI, statfs(2)): no driver of ours,
// no race for the bus, and mostly no rights needed. Where the kernel has no
// driver loaded, a chip is read from here:
//
//   - The bus of I²C is our own (i2c.go). It ends each transfer by a deadline
//     and each Read by a bound, keeps the errno, takes a short transfer for an
//     error, and lets one transfer at a time onto a bus. It is periph's i2c.Bus,
//     so that a driver of periph.io/x/devices can run on it, also one that loops
//     until a status bit changes or drops the error of a transfer.
//   - For the kinds here those drivers are not used: they hide what a guard
//     against a brown-out must see, or sleep where nobody can end it, or give
//     wrong numbers; the file of each kind says which. Tests run theirs on our
//     bus and compare.
//   - periph.io/x/host is not used. Its host.Init can panic the process, close
//     file descriptor 0 and wait for ever; its I²C and SPI keep pointers as
//     numbers across a stack that may move, which gives wrong values; its GPIO
//     turns outputs into inputs when they are read. The board's name comes from
//     the device tree, the names of lines from their chips, SPI is spi.go.
//   - GPIO is the kernel's character device, uAPI v2, by go-gpiocdev.
//
// Absent hardware is Missing with the reason, a failed read or a text that
// makes no sense is Fault with the reason; neither ever becomes a zero. A
// transient failure is tried again twice within a Read (steady.go).
package sensors

import (
	"time"

	"pipit/agent"
)

// A Kind is one row of the table of sensor kinds.
type Kind struct {
	Name    string // the config's kind
	Doc     string // one or two sentences for people
	Example string // TOML of one [sensor.NAME] table that can be used as it is

	// New checks the configuration and builds the sensor. It does not touch
	// the hardware: what is not there is told by Read, each time.
	//
	// decode strictly decodes the sensor's own table over a struct with
	// `toml` tags that holds the defaults; its error is returned unchanged.
	// Every other error is one or more *agent.ParamError (errors.Join), whose
	// Param is the key of the table that is wrong.
	New func(h *Host, decode func(into any) error) (Built, error)
}

// Built is a sensor with what its schedule should know.
type Built struct {
	Sensor agent.Sensor
	// Bus is shared by sensors that must be read one after the other; "" asks
	// for a bus of its own, so that a read that hangs stops nobody else.
	Bus string
	// Fields are the names of fields that are known before the first Read.
	// They get the failure of a Read as a whole. {""} is a sensor of one field.
	Fields  []string
	Every   time.Duration // default interval; 0 means 30 s
	Timeout time.Duration // default for one Read; 0 means the default of agent.Task
}

// Kinds returns the table of sensor kinds in the order of documentation.
func Kinds() []Kind {
	return []Kind{
		systemKind(), hwmonKind(), thermalKind(), iioKind(), w1Kind(), powerKind(),
		bme280Kind(), bmp280Kind(), bmp180Kind(), aht20Kind(), sht4xKind(), scd4xKind(),
		tmp102Kind(), mcp9808Kind(), bh1750Kind(), ads1115Kind(), ina219Kind(), mcp3008Kind(),
		gpioKind(), serialKind(), fileKind(), execKind(), httpKind(), cameraKind(), simKind(),
	}
}

// An OutputKind is one row of the table of output kinds.
type OutputKind struct {
	Name    string // the config's kind
	Doc     string // one or two sentences for people
	Example string // TOML of one [output.NAME] table that can be used as it is

	// New checks the configuration and builds the output, as Kind.New does. It
	// does not touch the hardware.
	New func(h *Host, decode func(into any) error) (BuiltOutput, error)
}

// BuiltOutput is an output with what its executor should know.
type BuiltOutput struct {
	Output agent.Output
	// Min < Max is the range of a number in Unit; Min == Max says that the
	// output is a switch: its values are truth values.
	Min, Max float64
	Unit     string
	Off      agent.Value // what "off" means: false, or a number; no value: there is no off (a servo)
}

// OutputKinds returns the table of output kinds in the order of documentation.
func OutputKinds() []OutputKind {
	return []OutputKind{
		gpioOutputKind(), pwmOutput(), servoOutput(), ledOutput(), pca9685Output(), execOutputKind(), simOutputKind(),
	}
}

// busSysfs is the bus of reads from /proc and /sys that never wait for hardware.
const busSysfs = "sysfs"
