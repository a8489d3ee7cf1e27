//go:build emulate

package emulate

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pipit/agent/xmpp/xmpptest"
)

// piSensors are the ways to the temperature of the Pi Zero's chip: the name and
// the config of a sensor, without its every, and its reading.
var piSensors = []struct{ name, reading, config string }{
	{"kernel", "kernel.ad7414_temp1", `kind = "hwmon"
chip = "ad7414"
`},
	{"direct", "direct", `kind = "tmp102"
bus = 1
address = 0x48
`},
}

// piCommands set the board up: the chip to its full resolution, a kernel driver
// for it, and the time from the battery-backed clock. Debian's kernel for the
// Pi Zero is built without lm75; the driver of the AD7414 reads the same
// register, to a quarter of a degree.
var piCommands = []string{
	"i2cset -y 1 0x48 1 0x60",
	"echo ad7414 0x48 >/sys/bus/i2c/devices/i2c-1/new_device",
	"echo ds1338 0x68 >/sys/bus/i2c/devices/i2c-1/new_device",
	"hwclock -u -s",
}

// TestBoardPiZero runs the agent on an emulated Raspberry Pi Zero.
func TestBoardPiZero(t *testing.T) {
	var toml strings.Builder
	var readings []string
	for _, s := range piSensors {
		fmt.Fprintf(&toml, "[sensor.%s]\nevery = \"1s\"\n%s", s.name, s.config)
		readings = append(readings, s.reading)
	}
	d := boot(t, PiZero(), xmpptest.Prosody(t), toml.String()+lampTable)
	for _, command := range piCommands {
		d.run("%s", command)
	}
	t.Log("time from the DS1338:", d.run("date -u"))
	d.detects(
		`chip = "ad7414@1-0048"`,
		`i2c: ad7414 at i2c bus 1, address 0x48; the kernel's driver has it`,
		`i2c: rtc-ds1307 at i2c bus 1, address 0x68`,
		`gpio: pinctrl-bcm2835 at gpiochip\d; 54 lines`,
	)
	d.heat(19750)
	d.reads(`kernel\.ad7414_temp1 19\.75 °C \[\d+\.\d ms\]`, `direct 19\.75 °C \[\d+\.\d ms\]`)
	began := time.Now()
	pid := d.start("config.toml")
	owner := d.owner("phone", append(readings, "lamp")...)
	t.Logf("the owner sees the device %.1f s after its start", time.Since(began).Seconds())

	for _, milli := range []int{21500, -7250, 30000} {
		began := time.Now()
		d.heat(milli)
		for _, reading := range readings {
			follows(t, owner, reading, float64(milli)/1000)
			t.Logf("%s: %g °C, %.1f s after the chip", reading, float64(milli)/1000, time.Since(began).Seconds())
		}
	}
	commands(t, owner, readings[0], "30.0 °C")
	lamp := arrivals(t, owner, "lamp")
	lamp.is(0)
	t.Log("set lamp on:", say(owner, "set lamp on", "lamp: on."))
	lamp.is(1)
	t.Log(d.pin17("gpio_out in hi"))
	d.busy("connected", pid, len(readings))
	outage(t, d, pid, readings)
	d.run("kill %s; while [ -d /proc/%[1]s ]; do sleep 0.1; done; tail -n 1 /var/pipit.log | grep -w stopped", pid)
	t.Log("after a stop:", d.pin17("gpio_in in lo"))                  // off came first: see crashOfPiZero
	d.run("echo 20980000.usb >/sys/bus/platform/drivers/dwc2/unbind") // 2000 interrupts a second
	d.costs()
	crashOfPiZero(t, d, "N", "makes GPIO outputs inputs again", "gpio_in")
	d.reboot("pinctrl_bcm2835.persist_gpio_outputs=1") // as kernels of Raspberry Pi OS have it
	crashOfPiZero(t, d, "Y", "on stays on", "gpio_out in hi")
}

// commands asks for a reading by chat line and by ad-hoc command.
func commands(t *testing.T, owner *xmpptest.Client, reading, want string) {
	t.Helper()
	owner.Chat(fullJID, "read "+reading, "")
	owner.Wait(xmpptest.Has("<body>", reading, want), patience)
	const node = "<command xmlns='http://jabber.org/protocol/commands' node='status'/>"
	if got := owner.IQ(fullJID, "set", node); !strings.Contains(got, `status="completed"`) || !strings.Contains(got, "Emulated board") {
		t.Errorf("the ad-hoc command status: %s", got)
	}
}

// outage takes the server away. The readings of that time arrive later.
func outage(t *testing.T, d *device, pid string, readings []string) {
	t.Helper()
	if err := d.server.Kill(); err != nil {
		t.Fatal(err)
	}
	gone := time.Now()
	d.heat(41000)
	d.busy("without a server", pid, len(readings))
	d.heat(42000)
	d.run("sleep 5")
	lasted := time.Since(gone)
	if err := d.server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	back := time.Now()
	owner := d.owner("desk", readings...)
	for _, reading := range readings {
		list := between(t, owner, reading, 41, 42)
		// The time of the board's readings is the board's, however slow its emulation.
		for i, r := range list[1:] {
			if step := r.Time.Sub(list[i].Time); step < 500*time.Millisecond || step > 5*time.Second {
				t.Errorf("%s: %v between two readings of the outage, want 1 s", reading, step)
			}
		}
		t.Logf("%s: %d readings of an outage of %.0f s, seen %.1f s after the server was back",
			reading, len(list), lasted.Seconds(), time.Since(back).Seconds())
	}
}

// busy logs what an agent takes for a while in which each sensor reads once a second.
func (d *device) busy(state, pid string, readings int) {
	d.t.Helper()
	const seconds = 10
	before := d.processor(pid)
	d.run("sleep %d", seconds)
	used := d.processor(pid) - before
	d.t.Logf("%s: %s; %d readings in %d s took %v of the processor, %d instructions each",
		state, d.memory(pid), seconds*readings, seconds, used, instructions(used)/(seconds*readings))
}

// instructions tells how many the Pi Zero executes in a time: see PiZero.
func instructions(d time.Duration) int { return int(d / (8 * time.Nanosecond)) }

// costs logs what one reading takes from the chip into the store: the difference
// between an agent that reads every 100 ms and one that reads once, all of them
// without a server.
func (d *device) costs() {
	d.t.Helper()
	const seconds = 10
	start := func(name, every, sensor string) string {
		text := config("/var/"+name, "127.0.0.1:1") + fmt.Sprintf("[sensor.chip]\nevery = %q\n%s", every, sensor)
		d.write("/etc/pipit/"+name+".toml", text)
		return d.start(name + ".toml")
	}
	pids := []string{start("once", "1h", piSensors[0].config)}
	for _, s := range piSensors {
		pids = append(pids, start(s.name, "100ms", s.config))
	}
	d.run("sleep 3") // for what happens once
	var before, used []time.Duration
	for _, pid := range pids {
		before = append(before, d.processor(pid))
	}
	d.run("sleep %d", seconds)
	for i, pid := range pids {
		used = append(used, d.processor(pid)-before[i])
	}
	d.run("kill %s", strings.Join(pids, " "))
	for i, s := range piSensors {
		d.t.Logf("%s: from the chip to the store: %d instructions a reading (%v of the processor in %d s every 100 ms, %v without reading)",
			s.name, instructions(used[i+1]-used[0])/(10*seconds), used[i+1], seconds, used[0])
	}
}
