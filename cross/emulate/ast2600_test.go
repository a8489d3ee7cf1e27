//go:build emulate

package emulate

import (
	"testing"
	"time"

	"pipit/agent/xmpp/xmpptest"
)

// astSensors reads the AST2600's chip through the kernel's driver lm75, and its
// GPIO lines: see gpio_test.go.
const astSensors = `[sensor.kernel]
kind = "hwmon"
chip = "tmp105"
every = "1s"

`

// TestBoardAST2600 runs the agent on an emulated AST2600 evaluation board.
func TestBoardAST2600(t *testing.T) {
	d := boot(t, AST2600(), xmpptest.Prosody(t), astSensors+gpioTables)
	d.run("echo tmp105 0x49 >/sys/bus/i2c/devices/i2c-7/new_device")
	d.run("date -u -s @%d", time.Now().Unix())
	d.detects(
		`chip = "tmp105@7-0049"`,
		`i2c: lm75 at i2c bus 7, address 0x49; the kernel's driver has it`,
		`gpio: 1e780000\.gpio at gpiochip\d; 208 lines`,
	)
	d.heat(19750)
	d.reads(`kernel\.tmp105_temp1 19\.75 °C \[\d+\.\d ms\]`, `door false \[\d+\.\d ms\]`)
	free := d.hold(takenLine)
	pid := d.start("config.toml")
	const reading = "kernel.tmp105_temp1"
	owner := d.owner("phone", reading, "door", "bell", "rain.total", "lamp", "taken")
	for _, milli := range []int{21500, -7250, 30000} {
		d.heat(milli)
		follows(t, owner, reading, float64(milli)/1000)
		t.Logf("%s: %g °C", reading, float64(milli)/1000)
	}
	commands(t, owner, reading, "30.0 °C")
	inputs(t, d, owner, pid)
	outputs(t, d, owner, free)
	t.Log(d.memory(pid))
	crashOfAST2600(t, d, pid)
}
