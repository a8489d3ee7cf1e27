package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"pipit/bridge/mqtttest"
)

// An mqttDevice is pipit as a process, with a file that it reads each second and
// a broker. Its XMPP server is not there.
type mqttDevice struct {
	t             *testing.T
	config, level string
	n             int // the last value of the level
}

func newMQTTDevice(t *testing.T, b *mqtttest.Broker, every string) *mqttDevice {
	t.Helper()
	dir := t.TempDir()
	level := write(t, dir, "level", "0\n", 0o600)
	write(t, dir, "password", "device-test-password", 0o600)
	config := write(t, dir, "config.toml", fmt.Sprintf(`
[device]
name = "tank"
state_dir = "state"
flush = "1s"
clock = "trust"
[xmpp]
jid = "device@pipit.example"
password_file = "password"
server = "127.0.0.1:1"
[people]
"owner@pipit.example" = "owner"
[mqtt]
broker = "mqtt://%s"
user = %q
password = %q
[sensor.level]
kind = "file"
path = %q
every = %q
`, b.Addr, mqtttest.Tester, mqtttest.TesterPassword, level, every), 0o600)
	return &mqttDevice{t: t, config: config, level: level}
}

// count writes values that are one greater each, so often in all.
func (d *mqttDevice) count(times int, every time.Duration) {
	d.t.Helper()
	for range times {
		d.n++
		tmp := d.level + ".new"
		if err := os.WriteFile(tmp, []byte(strconv.Itoa(d.n)+"\n"), 0o600); err != nil {
			d.t.Fatal(err)
		}
		if err := os.Rename(tmp, d.level); err != nil {
			d.t.Fatal(err)
		}
		time.Sleep(every)
	}
}

// A dated value is one reading as a topic had it.
type dated struct {
	Value int       `json:"value"`
	Time  time.Time `json:"time"`
}

// readings returns what came of the level, in the order of its coming, and how
// many were repeated by name and time; those retained are left out.
func (d *mqttDevice) readings(sub *mqtttest.Subscriber) (list []dated, twice int) {
	d.t.Helper()
	seen := make(map[int64]bool)
	for _, m := range sub.Messages() {
		if m.Retained || m.Topic != "pipit/tank/history" && m.Topic != "pipit/tank/reading/level" {
			continue
		}
		var r dated
		if err := json.Unmarshal([]byte(m.Payload), &r); err != nil {
			d.t.Fatalf("%s: %v", m.Payload, err)
		}
		if seen[r.Time.UnixMilli()] {
			twice++
		}
		seen[r.Time.UnixMilli()] = true
		list = append(list, r)
	}
	return list, twice
}

// complete checks that each value from first to last came, in order, with a time
// of its own that fits.
func (d *mqttDevice) complete(sub *mqtttest.Subscriber, first, last int) {
	d.t.Helper()
	list, twice := d.readings(sub)
	if twice > 0 {
		d.t.Errorf("%d readings came twice", twice)
	}
	if !slices.IsSortedFunc(list, func(a, b dated) int { return a.Time.Compare(b.Time) }) {
		d.t.Errorf("not in order: %v", list)
	}
	missing := 0
	for v := first; v <= last; v++ {
		if !slices.ContainsFunc(list, func(r dated) bool { return r.Value == v }) {
			missing++
		}
	}
	if missing > 0 {
		d.t.Errorf("%d of %d readings are missing", missing, last-first+1)
	}
}

// await waits until the last value has come.
func (d *mqttDevice) await(sub *mqtttest.Subscriber) {
	d.t.Helper()
	for deadline := time.Now().Add(2 * patience); ; time.Sleep(50 * time.Millisecond) {
		list, _ := d.readings(sub)
		if slices.ContainsFunc(list, func(r dated) bool { return r.Value == d.n }) {
			return
		}
		if time.Now().After(deadline) {
			d.t.Fatalf("%d does not come: %v", d.n, list)
		}
	}
}

// The broker is gone for a minute, comes back and has forgotten everything: of 60
// readings of the outage 60 arrive, dated, in order, once. XMPP is away all the time.
func TestBrokerGoneForAMinute(t *testing.T) {
	t.Parallel()
	b := mqtttest.Start(t)
	d := newMQTTDevice(t, b, "500ms") // twice as often as the value changes
	sub := mqtttest.Subscribe(t, b, "pipit/tank/#")
	device := program(t, "run", "--config", d.config)
	signal := func(s syscall.Signal) {
		if err := device.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
	}
	sub.Wait(patience, "pipit/tank/state", "online")
	d.count(3, time.Second)
	b.Kill()
	b.Forget()
	first := d.n + 1
	d.count(60, time.Second)
	signal(syscall.SIGSTOP) // until somebody is there to hear it
	b.Restart()
	again := mqtttest.Subscribe(t, b, "pipit/tank/#")
	signal(syscall.SIGCONT)
	d.count(2, time.Second)
	d.await(again)
	d.complete(again, first, d.n)
	again.Wait(patience, "pipit/tank/state", "online")
}

// A power cut inside an outage costs what is younger than the flush interval at most.
func TestPowerCutInABrokerOutage(t *testing.T) {
	t.Parallel()
	b := mqtttest.Start(t)
	d := newMQTTDevice(t, b, "200ms")
	sub := mqtttest.Subscribe(t, b, "pipit/tank/state")
	device := program(t, "run", "--config", d.config)
	sub.Wait(patience, "pipit/tank/state", "online")
	b.Kill()
	first := d.n + 1
	d.count(10, 500*time.Millisecond)
	last := d.n
	time.Sleep(2500 * time.Millisecond) // more than the flush interval
	if err := device.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = device.Wait()
	b.Restart()
	again := mqtttest.Subscribe(t, b, "pipit/tank/#")
	d.count(1, 0)
	program(t, "run", "--config", d.config)
	d.await(again)
	d.complete(again, first, last)
	if !strings.Contains(fmt.Sprint(again.Messages()), "pipit/tank/history") {
		t.Error("nothing came as history")
	}
}
