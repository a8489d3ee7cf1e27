package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"pipit/agent/xmpp/server"
	"pipit/agent/xmpp/xmpptest"
	"pipit/bridge/mqtttest"
)

// After a SIGHUP somebody who was taken out of the file has no access, a new
// sensor is there, an output that did not change is as it was, and the presence
// session goes on; a bad file is told to the owner and changes nothing.
func TestReloadOnTheWire(t *testing.T) {
	t.Parallel()
	xmpptest.BothAtOnce(t, reloadOnTheWire)
}

func reloadOnTheWire(t *testing.T, s *server.Server) {
	dir := t.TempDir()
	write(t, dir, "level", "10\n", 0o600)
	write(t, dir, "password", xmpptest.Password("device"), 0o600)
	text := fmt.Sprintf(`
[device]
name = "bench"
state_dir = "state"
clock = "trust"
[xmpp]
jid = "device@%s"
password_file = "password"
server = %q
ca_file = %q
[people]
"owner@%[1]s" = "owner"
"operator@%[1]s" = "operator"
[sensor.level]
kind = "file"
path = "%[4]s/level"
[output.lamp]
kind = "sim"
`, s.Domain, s.Addr, s.CAFile, dir)
	path := write(t, dir, "config.toml", text, 0o600)
	device := program(t, "run", "--config", path)
	reload := func(text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Clean(path), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := device.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	b := &bench{srv: s}
	owner, operator := b.client(t, "owner/phone"), b.client(t, "operator/desk")
	operator.Chat(full, "set lamp on", "")
	operator.Wait(xmpptest.Has("<body>lamp: on.</body>"), patience)

	reload(strings.Replace(text, "[sensor.level]", "[sensr.level]", 1))
	owner.Wait(xmpptest.Has("<body>", "not in force", "sensr"), patience)
	operator.Chat(full, "read level", "")
	operator.Wait(xmpptest.Has("<body>level: 10"), patience)
	owner.Take()

	reload(strings.Replace(text, "\"operator@"+s.Domain+"\" = \"operator\"\n", "", 1) + "[sensor.more]\nkind = \"file\"\npath = \"" + dir + "/level\"\n")
	operator.Wait(xmpptest.Has("<presence", `type="unsubscribed"`), patience)
	operator.Take()
	operator.Chat(full, "set lamp off", "")
	owner.Chat(full, "read more", "")
	owner.Wait(xmpptest.Has("<body>more: 10"), patience)
	owner.Chat(full, "read lamp", "")
	owner.Wait(xmpptest.Has("<body>lamp: true"), patience)
	owner.Chat(full, "reload", "")
	owner.Wait(xmpptest.Has("<body>Nothing has changed.</body>"), patience)
	owner.Chat(full, "log debug 10m", "")
	owner.Wait(xmpptest.Has("<body>The log level is debug until "), patience)
	owner.Chat(full, "log 200", "")
	owner.Wait(xmpptest.Has("config reloaded"), patience)
	for _, in := range owner.Inbox() {
		if strings.Contains(in, `type="unavailable"`) && strings.Contains(in, `from="`+full) {
			t.Errorf("the device went offline: %s", in)
		}
	}
	for _, in := range operator.Inbox() {
		if strings.HasPrefix(in, "<message") {
			t.Errorf("who was taken out got %s", in)
		}
	}

	m := mqtttest.Start(t) // links come, change and go while the rest runs
	sub := mqtttest.Subscribe(t, m, "#")
	reload(text + mqttConfig(m))
	sub.Wait(patience, "pipit/bench/reading/level", `"value":10,`)
	owner.Chat(full, "set hall on", "")
	sub.Wait(patience, "cmnd/hall/POWER", "ON")
	mqtttest.Publish(t, m, "stat/hall/POWER", "ON", false)
	owner.Wait(xmpptest.Has("<body>hall: on.</body>"), patience)
	reload(text + strings.Replace(mqttConfig(m), "[mqtt]", "[mqtt]\nprefix = \"garden\"", 1))
	sub.Wait(patience, "pipit/bench/state", "offline")
	sub.Wait(patience, "garden/bench/reading/level", `"value":10,`)
	reload(text)
	sub.Wait(patience, "garden/bench/state", "offline")
	for answer := "hall: "; strings.Contains(answer, "hall: "); { // the outputs go after the link
		time.Sleep(500 * time.Millisecond) // 20 lines a minute are heard
		owner.Chat(full, "read hall", "")
		answer = owner.Wait(xmpptest.Has("<body>", "hall"), patience)
	}
	reload(strings.Replace(text, "[xmpp]", "[xmpp]\nresource = \"other\"", 1))
	other := xmpptest.JID("device") + "/other"
	owner.Wait(xmpptest.Has("<presence", `from="`+full, `type="unavailable"`), patience)
	owner.Wait(xmpptest.Has("<presence", `from="`+other), patience)
	owner.Chat(other, "set lamp off", "")
	owner.Wait(xmpptest.Has("<body>lamp: off.</body>"), patience)
}
