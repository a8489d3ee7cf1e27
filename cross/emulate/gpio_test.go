//go:build emulate

package emulate

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pipit/agent"
	"pipit/agent/xmpp/xmpptest"
)

// Lines of the AST2600's first GPIO chip.
const (
	doorLine  = 96 // M0
	lampLine  = 97
	rainLine  = 98
	bellLine  = 99
	takenLine = 100
)

// bellHold is long enough for a burst of toggles from outside on a busy machine.
const bellHold = time.Second

// gpioTables read and drive these lines. What is not told by an edge is read
// once an hour: the tests count the readings.
const gpioTables = `[sensor.door]
kind = "gpio"
chip = "1e780000.gpio"
line = 96
every = "1h"

[sensor.rain]
kind = "gpio"
chip = "1e780000.gpio"
line = 98
what = "counter"
scale = 0.25
unit = "mm"
debounce = "0s"
every = "1s"

[sensor.bell]
kind = "gpio"
chip = "1e780000.gpio"
line = 99
debounce = "1s"
every = "1h"

[field.bell]
heartbeat = "1h"

[output.lamp]
kind = "gpio"
chip = "1e780000.gpio"
line = 97

[output.taken]
kind = "gpio"
chip = "1e780000.gpio"
line = 100
`

// inputs checks what a subscriber gets of lines that are driven from outside.
func inputs(t *testing.T, d *device, owner *xmpptest.Client, pid string) {
	t.Helper()
	door := arrivals(t, owner, "door")
	doorEdges(t, d, door)
	pulses(t, d, owner)
	whileStopped(t, d, owner, door, pid)
	bounces(t, d, owner)
	same(t, owner, door)
}

// doorEdges opens and closes a door: each edge is one reading, in their order.
func doorEdges(t *testing.T, d *device, door *arrived) {
	t.Helper()
	door.is(0)
	line := d.kernelLine(doorLine)
	if !strings.Contains(line, "|pipit") || !strings.Contains(line, "in  lo IRQ") {
		t.Errorf("the kernel says %q, want an input of pipit with an interrupt", line)
	}
	t.Log("the kernel:", line)
	for i := range 6 {
		high := i%2 == 0
		before := d.now()
		began := time.Now()
		d.drive(doorLine, high)
		r := door.is(number(high))
		took := time.Since(began)
		within(t, r, before, d.now())
		t.Logf("door: %v, seen by the subscriber %d ms after the line", high, took.Milliseconds())
	}
}

// pulses are counted, all of them and no other.
func pulses(t *testing.T, d *device, owner *xmpptest.Client) {
	t.Helper()
	const n = 20
	for range n {
		d.pulse(rainLine)
	}
	follows(t, owner, "rain.total", n*0.25)
	t.Logf("rain: %d pulses are %g mm", n, n*0.25)
}

// pulse drives a line high and low again.
func (d *device) pulse(line int) {
	d.t.Helper()
	d.drive(line, true)
	d.drive(line, false)
}

// whileStopped stops the agent for a while: the edges of that time are in the
// kernel, and have its times.
func whileStopped(t *testing.T, d *device, owner *xmpptest.Client, door *arrived, pid string) {
	t.Helper()
	const n = 8
	d.run("kill -STOP %s", pid)
	before := d.now()
	d.drive(doorLine, true)
	for range n {
		d.pulse(rainLine)
	}
	after := d.now()
	d.run("sleep 3; kill -CONT %s", pid)
	r := door.is(1)
	within(t, r, before, after)
	follows(t, owner, "rain.total", (20+n)*0.25)
	t.Logf("stopped for 3 s: the door's reading has the time of its edge (%s, driven from %s to %s); of %d pulses: %s",
		r.Time.UTC().Format("15:04:05.000"), clock(before), clock(after), n, say(owner, "read rain.lost", "rain.lost"))
}

// bounces makes bursts of toggles on the line of a bell: the first edge counts,
// and then the level when the line has been quiet.
func bounces(t *testing.T, d *device, owner *xmpptest.Client) {
	t.Helper()
	bell := arrivals(t, owner, "bell")
	bell.is(0)
	burst(t, d, bell, 9, 1)
	burst(t, d, bell, 9, 0)
	burst(t, d, bell, 10, 1, 0)
	same(t, owner, bell)
}

// burst toggles the line of the bell, which gives readings with these values.
// On a machine that stalls meanwhile it was no burst, and another one is made.
func burst(t *testing.T, d *device, bell *arrived, toggles int, want ...float64) {
	t.Helper()
	for range 5 {
		from, high := len(bell.all), is(bell.last(), 0)
		began := time.Now()
		d.drive(bellLine, high)
		for i := range toggles - 1 {
			d.toggle(bellLine, high == (i%2 != 0))
		}
		took := time.Since(began)
		d.run("sleep 3")
		bell.catchUp()
		if high != (want[0] == 1) || took > bellHold {
			t.Logf("bell: %d toggles took %v: once more", toggles, took)
			continue
		}
		if !slices.EqualFunc(bell.all[from:], want, is) {
			t.Errorf("bell: a burst of %d toggles gives %s, want %g", toggles, moments(bell.all[from:]), want)
		}
		t.Logf("bell: %d toggles in %.1f ms, debounce %v: %s", toggles,
			float64(took.Microseconds())/1000, bellHold, moments(bell.all[from:]))
		return
	}
	t.Fatal("this machine is too busy for a burst of toggles")
}

// same checks that the node of a reading holds what its subscriber got.
func same(t *testing.T, owner *xmpptest.Client, a *arrived) {
	t.Helper()
	if got := stored(t, owner, a.reading); !slices.Equal(moments(got), moments(a.all)) {
		t.Errorf("%s: on its node is %s, the subscriber got %s", a.reading, moments(got), moments(a.all))
	}
}

// outputs switches the lamp by chat lines and an ad-hoc command, and tries a
// line that somebody else has.
func outputs(t *testing.T, d *device, owner *xmpptest.Client, free func()) {
	t.Helper()
	lamp := arrivals(t, owner, "lamp")
	lamp.is(0)
	t.Log("set lamp on:", say(owner, "set lamp on", "lamp: on."))
	lit(t, d, lamp, true)
	t.Log("the ad-hoc command toggle:", adhoc(t, owner, "toggle", "output", "lamp"))
	lit(t, d, lamp, false)
	t.Log("set taken on:", say(owner, "set taken on", "held by", "sysfs"))
	free()
	t.Log("set taken on, when sysfs has given it back:", say(owner, "set taken on", "taken: on."))
	follows(t, owner, "taken", 1)
	if !d.level(takenLine) {
		t.Error("the line that was given back is not driven")
	}
	say(owner, "set lamp on", "lamp: on.")
	lit(t, d, lamp, true)
	t.Log("outputs:", say(owner, "outputs", "2 outputs."))
	same(t, owner, lamp)
}

// lit checks the lamp as it is published, its line outside, and the kernel's word.
func lit(t *testing.T, d *device, lamp *arrived, on bool) {
	t.Helper()
	lamp.is(number(on))
	if d.level(lampLine) != on {
		t.Errorf("the lamp's line is %v outside", !on)
	}
	want := "out lo"
	if on {
		want = "out hi"
	}
	line := d.kernelLine(lampLine)
	if !strings.Contains(line, "|pipit") || !strings.Contains(line, want) {
		t.Errorf("the kernel says %q, want pipit and %s", line, want)
	}
	t.Log("the kernel:", line)
}

func number(on bool) float64 {
	f, _ := agent.Bool(on).Float()
	return f
}

// crashOfAST2600 kills the agent while the lamp is on: its line stays as it was.
func crashOfAST2600(t *testing.T, d *device, pid string) {
	t.Helper()
	t.Log(d.logged("gpio outputs", "most stay at their last level"))
	d.kill(pid)
	if !d.level(lampLine) {
		t.Error("after kill -9 the line has lost its level")
	}
	t.Logf("after kill -9: the line is %v outside, the kernel says %q", d.level(lampLine), d.kernelLine(lampLine))
	out := d.run("pipit outputs-safe --config /etc/pipit/config.toml") // its exit code is 0
	lamp, taken := d.level(lampLine), d.level(takenLine)
	if lamp || taken || out != "lamp: off\ntaken: off" {
		t.Errorf("outputs-safe: %q; the lamp's line is %v, the other %v", out, lamp, taken)
	}
	t.Logf("after outputs-safe (%q): the line is %v outside", out, lamp)
}

// hold has sysfs hold a line of the first chip until free is called.
func (d *device) hold(line int) (free func()) {
	d.t.Helper()
	base, err := strconv.Atoi(d.run("cat /sys/devices/platform/ahb/ahb:apb/1e780000.gpio/gpio/gpiochip*/base"))
	if err != nil {
		d.t.Fatal(err)
	}
	d.run("echo %d >/sys/class/gpio/export", base+line)
	return func() { d.run("echo %d >/sys/class/gpio/unexport", base+line) }
}

// kernelLine returns what debugfs says of a line of the first chip, "" when
// nobody has it.
func (d *device) kernelLine(line int) string {
	d.t.Helper()
	return d.run("n=$(($(cat /sys/devices/platform/ahb/ahb:apb/1e780000.gpio/gpio/gpiochip*/base)+%d)); "+
		"grep -w gpio-$n /sys/kernel/debug/gpio || true", line)
}

// drive sets the level of a line outside and waits until the board has told
// the edge to the agent. The thread of the line's interrupt, which does that,
// has a higher priority than what the command needs, on the same processor; an
// edge that comes before that thread has run is one with the edge before.
func (d *device) drive(line int, high bool) {
	d.t.Helper()
	d.toggle(line, high)
	d.run("true")
}

// toggle is drive without the wait for the thread.
func (d *device) toggle(line int, high bool) {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), patience)
	defer cancel()
	if err := d.Drive(ctx, line, high); err != nil {
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

// now returns the board's time, without the part of the second.
func (d *device) now() time.Time {
	d.t.Helper()
	n, err := strconv.ParseInt(d.run("date +%%s"), 10, 64)
	if err != nil {
		d.t.Fatal(err)
	}
	return time.Unix(n, 0)
}

func clock(t time.Time) string { return t.UTC().Format("15:04:05") }

// within checks that a reading has a time between two of now.
func within(t *testing.T, r agent.Reading, from, to time.Time) {
	t.Helper()
	if r.Time.Before(from) || !r.Time.Before(to.Add(time.Second)) {
		t.Errorf("%v is of %v, and the line was driven from %s to %s", r, r.Time.UTC(), clock(from), clock(to))
	}
}

// moments writes readings with their times.
func moments(list []agent.Reading) (texts []string) {
	for _, r := range list {
		texts = append(texts, fmt.Sprintf("%s at %s", r.Value, r.Time.UTC().Format("15:04:05.000")))
	}
	return texts
}
