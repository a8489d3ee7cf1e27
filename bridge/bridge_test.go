package bridge

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pipit/agent"
	"pipit/bridge/mqtttest"
)

// patience is how long the slow machine of a test may take.
const patience = 30 * time.Second

// A memory is a Record and a State in memory, and a device around them.
type memory struct {
	mu     sync.Mutex
	fields map[string][]agent.Entry
	done   map[string]uint64
	state  map[string][]byte
	grew   chan struct{}
}

func newMemory() *memory {
	return &memory{fields: map[string][]agent.Entry{}, done: map[string]uint64{}, state: map[string][]byte{}, grew: make(chan struct{})}
}

func (m *memory) Append(r agent.Reading) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fields[r.Name] = append(m.fields[r.Name], agent.Entry{Pos: uint64(len(m.fields[r.Name]) + 1), Reading: r})
	close(m.grew)
	m.grew = make(chan struct{})
}

func (m *memory) Pending(ctx context.Context, link string) ([]string, error) {
	for {
		m.mu.Lock()
		var names []string
		for n, list := range m.fields {
			if m.done[n] < uint64(len(list)) {
				names = append(names, n)
			}
		}
		grew := m.grew
		m.mu.Unlock()
		if len(names) > 0 {
			slices.Sort(names)
			return names, nil
		}
		select {
		case <-grew:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (m *memory) After(_, field string, limit int) []agent.Entry {
	m.mu.Lock()
	defer m.mu.Unlock()
	list := m.fields[field][m.done[field]:]
	return slices.Clone(list[:min(limit, len(list))])
}

func (m *memory) Done(_, field string, pos uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.done[field] = max(m.done[field], pos)
}

func (m *memory) Set(space, key string, value []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.state[space+"/"+key] = slices.Clone(value)
	return nil
}

func (m *memory) Get(space, key string) ([]byte, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v, ok := m.state[space+"/"+key]
	return v, ok
}

// A testDevice is an agent with a bridge.
type testDevice struct {
	*Bridge
	agent  *agent.Agent
	memory *memory
	cfg    Config
	stop   func()
}

// newDevice returns a device for a broker; run starts it.
func newDevice(t testing.TB, b *mqtttest.Broker) *testDevice {
	m := newMemory()
	a := &agent.Agent{Name: "Bench", Version: "1.0", Started: time.Now(), Record: m}
	a.Commands = []agent.Command{
		{Name: "say", Needs: agent.Viewer, Params: []agent.Param{{Name: "what"}}, Run: func(_ context.Context, r agent.Request) (agent.Answer, error) {
			return agent.Answer{Text: "You said " + r.Args["what"] + "."}, nil
		}},
		{Name: "set", Needs: agent.Operator, Params: []agent.Param{{Name: "output"}, {Name: "value"}}, Run: func(_ context.Context, r agent.Request) (agent.Answer, error) {
			if r.Args["value"] == "bad" {
				return agent.Answer{}, fmt.Errorf("refused: that is bad")
			}
			return agent.Answer{Text: r.Args["output"] + ": " + r.Args["value"] + "."}, nil
		}},
	}
	d := &testDevice{agent: a, memory: m}
	d.cfg = Config{
		Broker: Broker{URL: "mqtt://" + b.Addr, User: mqtttest.Tester, Password: mqtttest.TesterPassword, ClientID: "bench"},
		Prefix: "pipit", Device: "bench", Agent: a, State: m, Put: a.Put, Log: slog.New(slog.NewTextHandler(logWriter{t}, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	return d
}

type logWriter struct{ t testing.TB }

func (w logWriter) Write(p []byte) (int, error) {
	w.t.Log(strings.TrimSuffix(string(p), "\n"))
	return len(p), nil
}

// run starts the bridge until the test ends, or stop.
func (d *testDevice) run(t testing.TB) {
	d.Bridge = New(d.cfg)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	d.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the bridge ended with %v", err)
		}
	})
	t.Cleanup(d.stop)
}

func (d *testDevice) read(name string, v agent.Value, at time.Time) {
	d.agent.Put(agent.Reading{Name: name, Value: v, Unit: "°C", Time: at})
}

// Readings go out as state, retained, with their time; those of an outage as
// history, in order; a device that leaves says so, and one that dies has a will.
func TestReadings(t *testing.T) {
	t.Parallel()
	b := mqtttest.Start(t)
	sub := mqtttest.Subscribe(t, b, "pipit/#")
	d := newDevice(t, b)
	d.cfg.Plain = true
	start := time.Now().Add(-time.Hour)
	for i := range 60 {
		d.read("boiler", agent.Number(float64(i)), start.Add(time.Duration(i)*time.Second))
	}
	d.agent.Put(agent.Reading{Name: "door", Value: agent.Text("a \"b\" <c>"), Time: start})
	d.run(t)
	sub.Wait(patience, "pipit/bench/state", "online")
	sub.Wait(patience, "pipit/bench/info", `"name":"Bench"`, `"version":"1.0"`)
	got := sub.Wait(patience, "pipit/bench/reading/boiler", `"value":59,`)
	want := `{"name":"boiler","value":59,"unit":"°C","time":"` + agent.Stamp(start.Add(59*time.Second)) + `","quality":"good"}`
	if got.Payload != want {
		t.Errorf("got  %s\nwant %s", got.Payload, want)
	}
	sub.Wait(patience, "pipit/bench/reading/boiler/value", "59")
	sub.Wait(patience, "pipit/bench/reading/door", `"value":"a \"b\" <c>"`)
	next := 0
	for _, m := range sub.Messages() {
		if m.Topic == "pipit/bench/history" {
			if w := fmt.Sprintf(`{"name":"boiler","value":%d,"unit":"°C","time":"%s"`, next, agent.Stamp(start.Add(time.Duration(next)*time.Second))); !strings.HasPrefix(m.Payload, w) {
				t.Errorf("got %s, want %s", m.Payload, w)
			}
			next++
		}
	}
	if next != 59 {
		t.Errorf("%d readings of history", next)
	}
	d.read("boiler", agent.Number(60), time.Now())
	sub.Wait(patience, "pipit/bench/reading/boiler", `"value":60,`)
	d.agent.Put(agent.Faulty("boiler", agent.Fault, time.Now(), "i2c timeout"))
	sub.Wait(patience, "pipit/bench/reading/boiler", `"value":null`, `"quality":"fault"`, `"reason":"i2c timeout"`)
	stale := agent.Reading{Name: "boiler", Value: agent.Number(60), Quality: agent.Stale, Time: start}
	d.agent.Board.Put(stale)
	d.See(stale)
	sub.Wait(patience, "pipit/bench/reading/boiler", `"quality":"stale"`)
	late := mqtttest.Subscribe(t, b, "pipit/bench/+", "pipit/bench/reading/door")
	if m := late.Wait(patience, "pipit/bench/reading/door"); !m.Retained {
		t.Error("not retained")
	}
	late.Wait(patience, "pipit/bench/state", "online")
	d.stop()
	late.Wait(patience, "pipit/bench/state", "offline")
	if s := d.Status(); !strings.Contains(s[0], "offline since") {
		t.Errorf("status %q", s)
	}
}

// Commands run as nobody in particular: with the role of the config, with an
// answer, never from a retained or old message, and never twice.
func TestCommands(t *testing.T) {
	t.Parallel()
	b := mqtttest.Start(t)
	sub := mqtttest.Subscribe(t, b, "pipit/bench/answer/#", "pipit/bench/answer", "pipit/bench/state")
	mqtttest.Publish(t, b, "pipit/bench/command", `{"name":"say","id":"old"}`, true)
	d := newDevice(t, b)
	d.agent.MQTT, d.agent.Limits = agent.Operator, &agent.Limits{}
	d.agent.Audit = agent.NewAudit(d.memory, d.cfg.Log)
	d.run(t)
	sub.Wait(patience, "pipit/bench/answer/old", `"ok":false`, "retained")
	sub.Wait(patience, "pipit/bench/state", "online")
	long := time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)
	for _, tt := range []struct {
		topic, payload, answer, want string
	}{
		{"command", `{"name":"say","args":{"what":"hi"},"id":"a1"}`, "answer/a1", `{"id":"a1","ok":true,"text":"You said hi."}`},
		{"command", `{"name":"say","args":{"what":"hi"},"id":"a1"}`, "answer/a1", `{"id":"a1","ok":false,"error":"refused: a command with this id was run before"}`},
		{"command", `{"name":"say","args":{"what":2.5},"id":"a2"}`, "answer/a2", `{"id":"a2","ok":true,"text":"You said 2.5."}`},
		{"command", `{"name":"say","id":"a3","time":"` + long + `"}`, "answer/a3", `{"id":"a3","ok":false,"error":"refused: it was sent more than a minute ago, or the clocks differ"}`},
		{"command", `{"name":"reboot","id":"a4"}`, "answer/a4", `{"id":"a4","ok":false,"error":"unknown command"}`},
		{"command", `{"name":"say"}`, "answer", `{"ok":true,"text":"You said ."}`},
		{"command", `{"name":"say","id":"../x"}`, "answer", `{"ok":false,"error":"an id is made of at most 64 letters, digits, _ and -"}`},
		{"command", `{"name":"say","sudo":true}`, "answer", `{"ok":false,"error":"that is no command: json: unknown field \"sudo\"; write {\"name\": \"read\", \"args\": {\"name\": \"outside\"}, \"id\": \"1\"}"}`},
		{"output/lamp/set", "on", "answer/lamp", `{"ok":true,"text":"lamp: on."}`},
		{"output/lamp/set", "bad", "answer/lamp", `{"ok":false,"error":"refused: that is bad"}`},
	} {
		mqtttest.Publish(t, b, "pipit/bench/"+tt.topic, tt.payload, false)
		if m := sub.Wait(patience, "pipit/bench/"+tt.answer); m.Payload != tt.want || m.Retained {
			t.Errorf("%s: got  %s\nwant %s", tt.payload, m.Payload, tt.want)
		}
	}
	var audit []string
	for _, e := range d.agent.Audit.Last(100) {
		audit = append(audit, string(e.Via)+" "+e.What+" "+e.Result)
	}
	for _, want := range []string{"mqtt say refused: it was retained", "mqtt say what=hi ok", "mqtt set output=lamp value=on ok", "mqtt (no command) unknown command"} {
		if !strings.Contains(strings.Join(audit, "\n"), want) {
			t.Errorf("no %q in the audit:\n%s", want, strings.Join(audit, "\n"))
		}
	}
	if n := d.Counters().Refused; n < 4 {
		t.Errorf("%d refused", n)
	}
}

// Without a role nothing is taken, and viewers set nothing.
func TestCommandsAreOff(t *testing.T) {
	t.Parallel()
	b := mqtttest.Start(t)
	sub := mqtttest.Subscribe(t, b, "pipit/bench/#")
	d := newDevice(t, b)
	d.run(t)
	sub.Wait(patience, "pipit/bench/state", "online")
	mqtttest.Publish(t, b, "pipit/bench/command", `{"name":"say","id":"x"}`, false)
	d.read("a", agent.Number(1), time.Now())
	sub.Wait(patience, "pipit/bench/reading/a")
	if log := b.Log(); strings.Contains(log, "pipit/bench/command (QoS") {
		t.Error("the device has subscribed to commands")
	}
	d.stop()
	d2 := newDevice(t, b)
	d2.agent.MQTT = agent.Viewer
	d2.run(t)
	sub.Wait(patience, "pipit/bench/state", "online")
	mqtttest.Publish(t, b, "pipit/bench/output/lamp/set", "on", false)
	sub.Wait(patience, "pipit/bench/answer/lamp", "unknown command")
}

// Alerts stand retained until they are over, also over a restart in which their
// rule went away.
func TestAlerts(t *testing.T) {
	t.Parallel()
	b := mqtttest.Start(t)
	sub := mqtttest.Subscribe(t, b, "pipit/bench/alert/#")
	d := newDevice(t, b)
	var mu sync.Mutex
	firing := []Alert{{Rule: "hot", Level: "critical", State: "firing", Number: 7, Since: time.Now(), Text: "boiler is 85 °C"}}
	d.cfg.Alerts = func() []Alert { mu.Lock(); defer mu.Unlock(); return slices.Clone(firing) }
	d.run(t)
	sub.Wait(patience, "pipit/bench/alert/hot", `"rule":"hot","level":"critical","state":"firing","number":7`, `"text":"boiler is 85 °C"`)
	mu.Lock()
	firing[0].State, firing[0].By = "acked", "anna"
	mu.Unlock()
	d.AlertsChanged()
	sub.Wait(patience, "pipit/bench/alert/hot", `"state":"acked"`, `"by":"anna"`)
	d.stop()
	mu.Lock()
	firing = nil
	mu.Unlock()
	d.run(t)
	deadline := time.Now().Add(patience)
	for !slices.Contains(sub.Messages(), mqtttest.Message{Topic: "pipit/bench/alert/hot"}) {
		if time.Now().After(deadline) {
			t.Fatalf("the alert is still retained: %v", sub.Messages())
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// What other devices publish becomes readings, and what is too large is passed
// over without harm.
func TestImports(t *testing.T) {
	t.Parallel()
	b := mqtttest.Start(t)
	sub := mqtttest.Subscribe(t, b, "pipit/bench/reading/#", "pipit/bench/state", "cmnd/#")
	mqtttest.Publish(t, b, "zigbee2mqtt/kitchen", `{"temperature":21.5,"humidity":40}`, true)
	d := newDevice(t, b)
	d.cfg.Imports = []agent.Import{
		{Name: "kitchen", Topic: "zigbee2mqtt/kitchen", Values: []agent.ImportValue{{Field: "temperature", Path: "temperature", Unit: "°C"}, {Field: "humidity", Path: "humidity", Unit: "%"}}, Availability: "zigbee2mqtt/kitchen/availability"},
		{Name: "any", Topic: "any/+", As: "{1}", Values: []agent.ImportValue{{}}},
		{Name: "plug", Topic: "stat/plug/POWER", Values: []agent.ImportValue{{}}, Output: &agent.ImportOutput{Topic: "cmnd/plug/POWER", On: "ON", Off: "OFF"}},
	}
	d.cfg.Own = func(name string) bool { return name == "boiler" }
	changed := make(chan string, 10)
	d.cfg.Changed = func(name string) { changed <- name }
	d.run(t)
	sub.Wait(patience, "pipit/bench/reading/kitchen.temperature", `"value":21.5`, `"uncertain"`, "age is not known")
	mqtttest.Publish(t, b, "zigbee2mqtt/kitchen", `{"temperature":22,"note":"`+strings.Repeat("x", maxPayload)+`"}`, false)
	mqtttest.Publish(t, b, "zigbee2mqtt/kitchen", `{"temperature":23,"humidity":41}`, false)
	sub.Wait(patience, "pipit/bench/reading/kitchen.temperature", `"value":23`, `"good"`)
	for _, m := range sub.Messages() {
		if strings.Contains(m.Payload, `"value":22,`) {
			t.Errorf("too large, and taken: %v", m)
		}
	}
	mqtttest.Publish(t, b, "any/boiler", "99", false) // a sensor of the device itself
	mqtttest.Publish(t, b, "any/other", "98", false)
	sub.Wait(patience, "pipit/bench/reading/other", `"value":98`)
	if r, ok := d.agent.Board.Get("boiler"); ok {
		t.Errorf("a topic has made %+v", r)
	}
	mqtttest.Publish(t, b, "zigbee2mqtt/kitchen/availability", `{"state":"offline"}`, false)
	sub.Wait(patience, "pipit/bench/reading/kitchen.humidity", `"missing"`, "offline")

	plug := d.Output("plug")
	if _, err := plug.Get(t.Context()); err == nil {
		t.Error("it has said nothing, and is known")
	}
	if err := plug.Set(t.Context(), agent.Bool(true)); err != nil {
		t.Error(err)
	}
	sub.Wait(patience, "cmnd/plug/POWER", "ON")
	mqtttest.Publish(t, b, "stat/plug/POWER", "OFF", false)
	if name := <-changed; name != "plug" {
		t.Errorf("changed %s", name)
	}
	if v, err := plug.Get(t.Context()); err != nil || v != agent.Bool(false) {
		t.Errorf("it has %v, %v", v, err)
	}
	d.stop()
	if err := plug.Set(t.Context(), agent.Bool(true)); err == nil || !strings.Contains(err.Error(), "away") {
		t.Errorf("set without a broker: %v", err)
	}
}

// An outage of the broker loses nothing, whatever the broker forgets; what stands
// retained stands again.
func TestOutages(t *testing.T) {
	t.Parallel()
	b := mqtttest.Start(t)
	sub := mqtttest.Subscribe(t, b, "pipit/bench/#")
	d := newDevice(t, b)
	d.run(t)
	sub.Wait(patience, "pipit/bench/state", "online")
	n := 0
	read := func(times int) {
		for range times {
			d.read("boiler", agent.Number(float64(n)), time.Now())
			n++
			time.Sleep(20 * time.Millisecond)
		}
	}
	for round := range 10 {
		read(5)
		b.Kill()
		read(20)
		if round%3 == 2 {
			b.Forget()
		}
		b.Restart()
		// mosquitto_sub is back before the device says that it is.
		fresh := mqtttest.Subscribe(t, b, "pipit/bench/state", "pipit/bench/reading/boiler")
		fresh.Wait(patience, "pipit/bench/state", "online")
		fresh.Wait(patience, "pipit/bench/reading/boiler", fmt.Sprintf(`"value":%d,`, n-1))
	}
	for deadline := time.Now().Add(patience); d.pendingNow() > 0; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d readings are not delivered", d.pendingNow())
		}
	}
	if c := d.Counters(); c.Connects < 11 {
		t.Errorf("%d connections", c.Connects)
	}
}

func (d *testDevice) pendingNow() int {
	m := d.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.fields["boiler"]) - int(m.done["boiler"])
}

// What Home Assistant is told comes again when it starts, and goes when it is not
// configured any more.
func TestDiscoveryOnTheWire(t *testing.T) {
	t.Parallel()
	b := mqtttest.Start(t)
	sub := mqtttest.Subscribe(t, b, "homeassistant/#")
	d := newDevice(t, b)
	d.agent.MQTT = agent.Operator
	d.cfg.Announce = func() Face {
		return Face{ID: "0123456789ab", Name: "Bench", Base: "pipit/bench", Discovery: "homeassistant", Set: true}
	}
	entities := []Entity{{Name: "boiler", Unit: "°C", Kind: agent.IsNumber}, {Name: "lamp", Kind: agent.IsBool, Output: &OutputEntity{}}}
	d.cfg.Entities = func() []Entity { return entities }
	d.run(t)
	const boiler, lamp = "homeassistant/sensor/pipit_0123456789ab/boiler/config", "homeassistant/light/pipit_0123456789ab/lamp/config"
	sub.Wait(patience, boiler, `"device_class":"temperature"`, `"pipit/bench/reading/boiler"`)
	sub.Wait(patience, lamp, `"command_topic":"pipit/bench/output/lamp/set"`)
	mqtttest.Publish(t, b, "homeassistant/status", "online", false)
	sub.Wait(patience, boiler)
	d.stop()
	entities = entities[1:]
	d.run(t)
	for deadline := time.Now().Add(patience); !slices.Contains(sub.Messages(), mqtttest.Message{Topic: boiler}); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it is still announced: %v", sub.Messages())
		}
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		if value, _ := d.memory.Get("mqtt", "discovery"); string(value) == `["`+lamp+`"]` {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("kept %s", d.memory.state)
		}
	}
}

func (m *memory) Delete(_, _ string) error    { return nil }
func (m *memory) List(string) (keys []string) { return nil }

// After a restart, before anything is read, what is still configured stays with
// the broker, and the rest is cleared.
func TestReadingsStay(t *testing.T) {
	t.Parallel()
	b := mqtttest.Start(t)
	d := newDevice(t, b)
	d.read("stays", agent.Number(1), time.Now())
	d.read("goes", agent.Number(2), time.Now())
	sub := mqtttest.Subscribe(t, b, "pipit/bench/#")
	d.run(t)
	sub.Wait(patience, "pipit/bench/reading/stays", `"value":1,`)
	sub.Wait(patience, "pipit/bench/reading/goes", `"value":2,`)
	d.stop()
	d.run(t) // a start later: the topics are on the list of what stands
	sub.Wait(patience, "pipit/bench/state", "online")
	d.stop()
	next := newDevice(t, b)
	next.memory.state = d.memory.state
	next.cfg.Configured = func(name string) bool { return name == "stays" }
	next.run(t)
	for deadline := time.Now().Add(patience); !slices.Contains(sub.Messages(), mqtttest.Message{Topic: "pipit/bench/reading/goes"}); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it still stands: %v", sub.Messages())
		}
	}
	late := mqtttest.Subscribe(t, b, "pipit/bench/reading/#")
	if m := late.Wait(patience, "pipit/bench/reading/stays", `"value":1,`); !m.Retained {
		t.Error("not retained")
	}
}
