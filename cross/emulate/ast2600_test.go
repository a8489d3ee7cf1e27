//go:build emulate

package emulate

import (
	"strings"
	"testing"
	"time"

	"pipit/agent/xmpp/xmpptest"
)

// astSensors reads the AST2600's chip through the kernel's driver lm75.
const astSensors = `[sensor.kernel]
kind = "hwmon"
chip = "tmp105"
every = "1s"
`

// TestBoardAST2600 runs the agent on an emulated AST2600 evaluation board.
func TestBoardAST2600(t *testing.T) {
	d := boot(t, AST2600(), xmpptest.Prosody(t), astSensors)
	d.run("echo tmp105 0x49 >/sys/bus/i2c/devices/i2c-7/new_device")
	d.run("date -u -s @%d", time.Now().Unix())
	pid := d.start("config.toml")
	const reading = "kernel.tmp105_temp1"
	owner := d.owner("phone", reading)
	for _, milli := range []int{21500, -7250, 30000} {
		d.heat(milli)
		follows(t, owner, reading, float64(milli)/1000)
		t.Logf("%s: %g °C", reading, float64(milli)/1000)
	}
	commands(t, owner, reading, "30.0 °C")
	t.Log(d.memory(pid))
	gpioLines(t, d)
}

// gpioLines proves that lines can be driven and seen from outside.
func gpioLines(t *testing.T, d *device) {
	t.Helper()
	const input, output = 96, 97
	base := d.run("cat /sys/devices/platform/ahb/ahb:apb/1e780000.gpio/gpio/gpiochip*/base")
	in, out := d.export(base, input), d.export(base, output)
	for _, high := range []bool{true, false, true} {
		d.drive(input, high)
		if got := d.run("cat %s/value", in); (got == "1") != high {
			t.Errorf("line %d reads %s when it is driven to %v", input, got, high)
		}
	}
	for _, level := range []string{"low", "high", "low"} {
		d.run("echo %s >%s/direction", level, out)
		if got := d.level(output); got != (level == "high") {
			t.Errorf("line %d is %v outside when it is set to %s", output, got, level)
		}
	}
	t.Log("gpio lines:", strings.Join(strings.Fields(d.run("cat /sys/kernel/debug/gpio")), " "))
}

// export makes a line of the first chip visible in sysfs and returns its folder.
func (d *device) export(base string, line int) string {
	d.t.Helper()
	return d.run("n=$((%s+%d)); echo $n >/sys/class/gpio/export; echo /sys/class/gpio/gpio$n", base, line)
}

func (d *device) drive(line int, high bool) {
	d.t.Helper()
	if err := d.Drive(d.t.Context(), line, high); err != nil {
		d.t.Fatal(err)
	}
}

func (d *device) level(line int) bool {
	d.t.Helper()
	high, err := d.Level(d.t.Context(), line)
	if err != nil {
		d.t.Fatal(err)
	}
	return high
}
