//go:build emulate

package emulate

import (
	"strings"
	"testing"
)

// lampTable is an output on a line of the Pi Zero's header.
const lampTable = `[output.lamp]
kind = "gpio"
line = 17
`

// crashOfPiZero kills an agent, which has no server, while its lamp is on: the
// pin then is as the kernel's option persist_gpio_outputs says.
func crashOfPiZero(t *testing.T, d *device, persist, note, pin string) {
	t.Helper()
	if got := d.run("cat /sys/module/pinctrl_bcm2835/parameters/persist_gpio_outputs"); got != persist {
		t.Fatalf("persist_gpio_outputs is %s, want %s", got, persist)
	}
	d.write("/etc/pipit/crash.toml", config("/var/crash", "127.0.0.1:1")+lampTable+"initial = \"on\"\n")
	d.pin17("gpio_in")
	pid := d.start("crash.toml")
	d.run("until grep '^pin 17 ' /sys/kernel/debug/pinctrl/*/pins | grep -q 'gpio_out in hi'; do sleep 0.1; done")
	t.Logf("persist_gpio_outputs=%s: %s", persist, d.logged("gpio outputs", note))
	t.Log("on:", d.pin17("gpio_out in hi"))
	d.kill(pid)
	t.Log("after kill -9:", d.pin17(pin))
	out := d.run("pipit outputs-safe --config /etc/pipit/crash.toml") // its exit code is 0
	if out != "lamp: off" {
		t.Errorf("outputs-safe: %q", out)
	}
	t.Logf("after outputs-safe (%q): %s", out, d.pin17(strings.Replace(pin, "hi", "lo", 1)))
}

// pin17 returns what the pin controller says of a pin, which must hold want.
func (d *device) pin17(want string) string {
	d.t.Helper()
	line := d.run("grep -h '^pin 17 ' /sys/kernel/debug/pinctrl/*/pins")
	if !strings.Contains(line, want) {
		d.t.Errorf("the pin controller says %q, want %s", line, want)
	}
	return line
}
