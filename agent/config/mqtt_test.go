package config

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"pipit/agent"
)

func TestMQTT(t *testing.T) {
	c := mustLoad(t, `
[device]
name = "Green House"
[mqtt]
broker = "broker.example.org"
user = "pi"
password_file = "password"
commands = "operator"
home_assistant = true
plain = true
[mqtt.import.kitchen]
topic = "zigbee2mqtt/kitchen"
fields = { temperature = "temperature", humidity = "hum" }
units = { temperature = "degC" }
availability = "zigbee2mqtt/kitchen/availability"
[mqtt.import.any]
topic = "tele/+/SENSOR"
name = "{1}.power"
path = "ENERGY.Power"
unit = "W"
time = "Time"
expire = "0s"
[mqtt.import.lamp]
topic = "stat/lamp/POWER"
[mqtt.import.lamp.output]
topic = "cmnd/lamp/POWER"
on = "ON"
off = "OFF"
max_on = "1h"
role = "viewer"
[mqtt.import.dimmer]
topic = "zigbee2mqtt/dimmer"
path = "brightness"
[mqtt.import.dimmer.output]
topic = "zigbee2mqtt/dimmer/set"
payload = '{"brightness": {value}}'
min = 0
max = 254
[field."kitchen.*"]
precision = 1
[rule.any]
when = "washer.power > 100"
[sensor.boiler]
kind = "system"
`, built{})
	want := MQTT{
		Broker: "mqtt://broker.example.org:1883", User: "pi", ClientID: "pipit-green_house", Prefix: "pipit", Device: "green_house",
		Plain: true, Keepalive: time.Minute, HomeAssistant: "homeassistant", Commands: agent.Operator,
		Imports: []agent.Import{
			{Name: "kitchen", Topic: "zigbee2mqtt/kitchen", Availability: "zigbee2mqtt/kitchen/availability", Expire: 2 * time.Hour,
				Values: []agent.ImportValue{{Field: "temperature", Path: "temperature", Unit: "°C"}, {Field: "humidity", Path: "hum"}}},
			{Name: "any", Topic: "tele/+/SENSOR", As: "{1}.power", TimePath: "Time", Values: []agent.ImportValue{{Path: "ENERGY.Power", Unit: "W"}}},
			{Name: "lamp", Topic: "stat/lamp/POWER", Expire: 2 * time.Hour, Values: []agent.ImportValue{{}}, Output: &agent.ImportOutput{Topic: "cmnd/lamp/POWER", On: "ON", Off: "OFF"}},
			{Name: "dimmer", Topic: "zigbee2mqtt/dimmer", Expire: 2 * time.Hour, Values: []agent.ImportValue{{Path: "brightness"}},
				Output: &agent.ImportOutput{Topic: "zigbee2mqtt/dimmer/set", Payload: `{"brightness": {value}}`, On: "on", Off: "off", Max: 254}},
		},
		Outputs: []agent.OutputTask{
			{Name: "lamp", Kind: "mqtt", MaxOn: time.Hour, Pulse: time.Second, Needs: agent.Viewer, Remote: true, Off: agent.Bool(false), Safe: agent.Bool(false)},
			{Name: "dimmer", Kind: "mqtt", Max: 254, Pulse: time.Second, Remote: true, Off: agent.Number(0), Safe: agent.Number(0)},
		},
	}
	if d := cmp.Diff(want, c.MQTT, cmpopts.IgnoreFields(MQTT{}, "Password", "PasswordFile"), cmp.Comparer(func(a, b agent.Value) bool { return a == b })); d != "" {
		t.Error(d)
	}
	if c.MQTT.Password.Reveal() != "not a real one" {
		t.Error("another password")
	}
	if w := strings.Join(c.Warnings, "\n"); !strings.Contains(w, "mqtt.broker: the password can be read on the way: mqtts:// is with TLS") {
		t.Errorf("warnings:\n%s", w)
	}
	for _, want := range []string{
		"mqtt    mqtt://broker.example.org:1883 as pi, topics below pipit/green_house, Home Assistant below homeassistant, commands of operators\n",
		"import  kitchen, from zigbee2mqtt/kitchen\n", "import  dimmer, from zigbee2mqtt/dimmer, set by zigbee2mqtt/dimmer/set",
	} {
		if !strings.Contains(c.Describe()+"\n", want) || strings.Contains(c.Describe(), "a real one") {
			t.Errorf("no %q in\n%s", want, c.Describe())
		}
	}
}

func TestBrokerURL(t *testing.T) {
	for text, want := range map[string]string{
		"localhost":                  "mqtt://localhost:1883",
		"localhost:1999":             "mqtt://localhost:1999",
		"mqtts://b.example.org":      "mqtts://b.example.org:8883",
		"ws://b.example.org":         "ws://b.example.org:80/mqtt",
		"wss://b.example.org:9001/x": "wss://b.example.org:9001/x",
		"mqtt://[::1]":               "mqtt://[::1]:1883",
		"ssl://b.example.org":        "write mqtts:// for ssl://",
		"ftp://b.example.org":        `"ftp" is not known: write mqtt://, mqtts://, ws:// or wss://`,
		"mqtt://a:b@b.example.org":   "user and password are keys of their own",
		"mqtt://":                    `wants a host and perhaps a port: "mqtts://broker.example.org:8883"`,
		"mqtt://b.example.org/x":     "only ws:// and wss:// have a path",
		"mqtt://b.example.org:x":     `that is no address: write "mqtts://broker.example.org"`,
	} {
		got := ""
		if u, err := brokerURL(text); err != nil {
			got = err.Error()
		} else {
			got = u.String()
		}
		if got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}

func TestOverlaps(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want bool
	}{
		{"pipit/x/#", "pipit/x/reading/a", true}, {"pipit/x/#", "pipit/x", true}, {"pipit/x/#", "#", true}, {"pipit/x/#", "+/+/+", true},
		{"pipit/x/#", "pipit/y/#", false}, {"pipit/x/#", "pipit", false}, {"a/+/c", "a/b/c", true}, {"a/+/c", "a/b/d", false}, {"a/b", "a/b/c", false}, {"a/+", "+/b", true},
	} {
		if got := overlaps(tt.a, tt.b); got != tt.want {
			t.Errorf("%s and %s: %t", tt.a, tt.b, got)
		}
		if got := overlaps(tt.b, tt.a); got != tt.want {
			t.Errorf("%s and %s: %t", tt.b, tt.a, got)
		}
	}
}

func TestDiscoveryBelowOwnTopics(t *testing.T) {
	_, err := loadText(t, "[device]\nname = \"pi\"\n[mqtt]\nbroker = \"localhost\"\nhome_assistant = \"pipit\"\n", built{})
	if err == nil || !strings.Contains(err.Error(), ":5: mqtt.home_assistant: it lies below prefix and device") {
		t.Error(err)
	}
}

// An output is held safe while an imported reading is stale.
func TestSafeWhenImportIsStale(t *testing.T) {
	c := mustLoad(t, "[mqtt]\nbroker = \"localhost\"\n[mqtt.import.tank]\ntopic = \"tank/level\"\n[output.pump]\nkind = \"sim\"\nsafe_when = [\"stale:tank\"]\n", built{})
	if got := c.Outputs[0].SafeStale; len(got) != 1 || got[0] != "tank" {
		t.Errorf("%q", got)
	}
}
