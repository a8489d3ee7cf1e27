package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pipit/agent"
	"pipit/agent/xmpp/server"
	"pipit/agent/xmpp/xmpptest"
	"pipit/bridge"
	"pipit/bridge/mqtttest"
)

// mqttConfig is a device between two worlds.
func mqttConfig(b *mqtttest.Broker) string {
	return fmt.Sprintf(`
[mqtt]
broker = "mqtt://%s"
user = %q
password = %q
commands = "operator"
home_assistant = true
[mqtt.import.kitchen]
topic = "zigbee2mqtt/kitchen"
fields = { temperature = "temperature" }
units = { temperature = "°C" }
expire = "3s"
[mqtt.import.hall]
topic = "stat/hall/POWER"
[mqtt.import.hall.output]
topic = "cmnd/hall/POWER"
on = "ON"
off = "OFF"
[rule.warm]
when = "kitchen.temperature > 30 °C"
level = "warning"
grace = "0s"
do = ["set hall on"]
`, b.Addr, mqtttest.Tester, mqtttest.TesterPassword)
}

// A person on a phone sees and switches what speaks MQTT, a topic switches what
// the board drives, a rule joins the two, and each side works without the other.
func TestMQTTOnTheWire(t *testing.T) {
	t.Parallel()
	xmpptest.BothAtOnce(t, func(t *testing.T, s *server.Server) {
		m := mqtttest.Start(t)
		sub := mqtttest.Subscribe(t, m, "pipit/bench/#", "cmnd/#", "homeassistant/#")
		b := startDevice(t, s, mqttConfig(m))
		operator := b.client(t, "operator/phone")
		sub.Wait(patience, "pipit/bench/state", "online")
		b.set(t, "42")
		sub.Wait(patience, "pipit/bench/reading/level", `"value":42,"unit":"cm"`)

		mqtttest.Publish(t, m, "zigbee2mqtt/kitchen", `{"temperature":21.5}`, false)
		sub.Wait(patience, "pipit/bench/reading/kitchen.temperature", "21.5")
		operator.Chat(full, "read kitchen", "")
		operator.Wait(xmpptest.Has("<body>", "kitchen.temperature: 21.5 °C"), patience)
		sub.Wait(patience, "pipit/bench/reading/kitchen.temperature", `"quality":"stale"`)

		operator.Chat(full, "set hall on", "")
		sub.Wait(patience, "cmnd/hall/POWER", "ON")
		mqtttest.Publish(t, m, "stat/hall/POWER", "ON", false)
		operator.Wait(xmpptest.Has("<body>hall: on.</body>"), patience)
		mqtttest.Publish(t, m, "stat/hall/POWER", "OFF", false) // somebody at the wall
		sub.Wait(patience, "pipit/bench/reading/hall", `"value":false`)

		mqtttest.Publish(t, m, "pipit/bench/output/lamp/set", "40", false)
		sub.Wait(patience, "pipit/bench/answer/lamp", `"ok":true`, "lamp: 40 %")
		operator.Chat(full, "outputs", "")
		operator.Wait(xmpptest.Has("<body>", "lamp", "40 %", "hall"), patience)
		mqtttest.Publish(t, m, "pipit/bench/output/valve/set", "on", false) // has to be confirmed
		sub.Wait(patience, "pipit/bench/answer/valve", `"ok":false`, "a topic cannot do that")
		mqtttest.Publish(t, m, "pipit/bench/command", `{"name":"people","id":"p"}`, false)
		sub.Wait(patience, "pipit/bench/answer/p", "unknown command")

		mqtttest.Publish(t, m, "zigbee2mqtt/kitchen", `{"temperature":35}`, false)
		sub.Wait(patience, "pipit/bench/alert/warm", `"state":"firing"`)
		sub.Wait(patience, "cmnd/hall/POWER", "ON")
		mqtttest.Publish(t, m, "zigbee2mqtt/kitchen", `{"temperature":20}`, false)
		for deadline := time.Now().Add(patience); !slices.Contains(sub.Messages(), mqtttest.Message{Topic: "pipit/bench/alert/warm"}); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("the alert is not cleared")
			}
		}
		announced := 0
		for _, msg := range sub.Messages() {
			if strings.HasPrefix(msg.Topic, "homeassistant/") && strings.HasSuffix(msg.Topic, "/level/config") {
				announced++
			}
		}
		if announced == 0 {
			t.Error("the level is not announced to Home Assistant")
		}

		m.Kill() // XMPP goes on
		operator.Chat(full, "set lamp 10", "")
		operator.Wait(xmpptest.Has("<body>", "lamp: 10 %"), patience)
		operator.Chat(full, "set hall off", "")
		operator.Wait(xmpptest.Has("<body>", "the MQTT broker is away"), patience)
		operator.Chat(full, "status", "")
		operator.Wait(xmpptest.Has("<body>", "mqtt: offline since"), patience)
		m.Restart()
		again := mqtttest.Subscribe(t, m, "pipit/bench/state", "pipit/bench/reading/lamp", "pipit/bench/answer/#")
		again.Wait(patience, "pipit/bench/state", "online")
		again.Wait(patience, "pipit/bench/reading/lamp", `"value":10,`)
		if err := s.Kill(); err != nil { // and so does MQTT
			t.Fatal(err)
		}
		mqtttest.Publish(t, m, "pipit/bench/output/lamp/set", "30", false)
		again.Wait(patience, "pipit/bench/answer/lamp", "lamp: 30 %")
	})
}

// ejabberd is a broker, too: its users are the accounts, by their JID.
func TestBrokerOfEjabberd(t *testing.T) {
	t.Parallel()
	s := xmpptest.Ejabberd(t, func(o *server.Options) { o.MQTT = true })
	listener, device := bridgeTo(s, xmpptest.Operator), bridgeTo(s, xmpptest.Device)
	heard := make(chan agent.Reading, 16)
	listener.Imports = []agent.Import{{Name: "tank", Topic: "pipit/tank/reading/level", Values: []agent.ImportValue{{Path: "value", Unit: "cm"}}}}
	listener.Put = func(r agent.Reading) { heard <- r }
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	for _, c := range []bridge.Config{listener, device} {
		wg.Go(func() {
			if err := bridge.New(c).Run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	device.Agent.Put(agent.Reading{Name: "level", Value: agent.Number(42), Unit: "cm", Time: time.Now()})
	select {
	case r := <-heard:
		if f, _ := r.Value.Float(); f != 42 || r.Name != "tank" || r.Unit != "cm" {
			t.Errorf("heard %+v", r)
		}
	case <-time.After(patience):
		t.Fatal("nothing is heard")
	}
	broker := device.Broker
	broker.Password = "wrong-test-password"
	if err := bridge.Probe(t.Context(), broker, "pipit/tank"); err == nil || !strings.Contains(err.Error(), "refuses it as device@") {
		t.Errorf("a wrong password: %v", err)
	}
}

func bridgeTo(s *server.Server, account string) bridge.Config {
	return bridge.Config{
		Broker: bridge.Broker{URL: "mqtt://" + s.MQTT, User: xmpptest.JID(account), Password: xmpptest.Password(account), ClientID: account},
		Prefix: "pipit", Device: map[bool]string{true: "tank", false: "other"}[account == xmpptest.Device],
		Agent: &agent.Agent{Name: account, Started: time.Now()},
	}
}
