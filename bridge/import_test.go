package bridge

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pipit/agent"
)

// rooms is an import with wildcards, with an availability topic for each.
var rooms = agent.Import{
	Name: "rooms", Topic: "zigbee2mqtt/+", As: "z_{1}", Availability: "zigbee2mqtt/{1}/availability",
	Values: []agent.ImportValue{
		{Field: "temperature", Path: "temperature", Unit: "°C"},
		{Field: "humidity", Path: "humidity", Unit: "%"},
	},
}

func TestTakeRetained(t *testing.T) {
	plain := agent.Import{Name: "pump", Topic: "pump", Values: []agent.ImportValue{{}}}
	dated := agent.Import{Name: "lamp", Topic: "lamp", TimePath: "t", Values: []agent.ImportValue{{Path: "on"}}}
	for _, tt := range []struct {
		topic, payload string
		retained       bool
		want           []string
	}{
		{"pump", "21", false, []string{"pump 21"}},
		{"pump", "21", true, []string{"pump 21 uncertain: kept by the broker, its age is not known"}},
		{"pump", "1,5", true, []string{`pump fault: "1,5" has a comma, a number needs a dot`}},
		{"pump", "", true, nil},
		{"pump", "", false, nil},
		{"other", "21", false, nil},
		{"lamp", `{"on":true,"t":"2026-11-23T09:00:00Z"}`, true, []string{"lamp true 09:00:00"}},
		{"lamp", `{"on":true}`, true, []string{"lamp true uncertain: kept by the broker, its age is not known"}},
		{"lamp", `{"on":true}`, false, []string{
			`lamp true uncertain: the time of the message is not known: there is no "t" (there are: on)`,
		}},
	} {
		im := newImporter([]agent.Import{plain, dated})
		if diff := cmp.Diff(tt.want, told(im.take(tt.topic, []byte(tt.payload), tt.retained, noon))); diff != "" {
			t.Errorf("%s %s: %s", tt.topic, tt.payload, diff)
		}
	}
}

// Each step is what came and what it must give, in one life of an importer.
func TestTakeWildcards(t *testing.T) {
	im := newImporter([]agent.Import{rooms})
	for _, a := range []arrival{
		// A thing that never had these values makes no faults, and its absence is no news.
		{"zigbee2mqtt/plug", `{"state":"ON"}`, nil},
		{"zigbee2mqtt/plug/availability", "offline", nil},
		{"zigbee2mqtt/Bath Room", `{"temperature":21}`, []string{"z_bath_room.temperature 21 °C"}},
		{"zigbee2mqtt/attic", `{"temperature":9,"humidity":80}`, []string{"z_attic.temperature 9 °C", "z_attic.humidity 80 %"}},
		{"zigbee2mqtt/Bath Room", `{"state":"ON"}`, []string{`z_bath_room.temperature fault: there is no "temperature" (there are: state)`}},
		{"zigbee2mqtt/Bath Room/availability", "offline", []string{"z_bath_room.temperature missing: z_bath_room says that it is offline"}},
		{"zigbee2mqtt/attic/availability", `{"state":"asleep"}`, nil},
		{"zigbee2mqtt/attic/availability", `{"state":1}`, nil},
		{"zigbee2mqtt/attic/availability", "online", nil},
		// What sends a value is there, whatever was said.
		{"zigbee2mqtt/Bath Room", `{"temperature":22}`, []string{"z_bath_room.temperature 22 °C"}},
	} {
		if diff := cmp.Diff(a.want, told(im.take(a.topic, []byte(a.payload), false, noon))); diff != "" {
			t.Errorf("%s %s: %s", a.topic, a.payload, diff)
		}
	}
	if im.dropped() != 0 {
		t.Errorf("dropped %d", im.dropped())
	}
}

// After a subscription the broker sends what it kept in any order: a value of
// a device that is away is not taken for one of now.
func TestTakeRetainedOffline(t *testing.T) {
	im := newImporter([]agent.Import{rooms})
	take := func(topic, payload string) []string { return told(im.take(topic, []byte(payload), true, noon)) }
	if got := take("zigbee2mqtt/attic/availability", "offline"); got != nil {
		t.Errorf("nothing is known yet, and it says %q", got)
	}
	want := []string{"z_attic.temperature missing: z_attic says that it is offline"}
	if diff := cmp.Diff(want, take("zigbee2mqtt/attic", `{"temperature":9}`)); diff != "" {
		t.Error(diff)
	}
	take("zigbee2mqtt/attic/availability", "online")
	want = []string{"z_attic.temperature 9 °C uncertain: kept by the broker, its age is not known"}
	if diff := cmp.Diff(want, take("zigbee2mqtt/attic", `{"temperature":9}`)); diff != "" {
		t.Error(diff)
	}
}

func TestTakeSeveralImports(t *testing.T) {
	im := newImporter([]agent.Import{
		{Name: "a", Topic: "x", Values: []agent.ImportValue{{}}},
		{Name: "b", Topic: "#", Values: []agent.ImportValue{{}}, Output: &agent.ImportOutput{}},
		{Name: "c", Topic: "y", Values: []agent.ImportValue{{}}, Availability: "x"},
	})
	want := []string{"a offline", "b offline", "c missing: c says that it is offline"}
	if diff := cmp.Diff(want, told(im.take("x", []byte("offline"), false, noon))); diff != "" {
		t.Error(diff)
	}
}

func TestTakeDrops(t *testing.T) {
	value := []agent.ImportValue{{}}
	for name, tt := range map[string]struct {
		im     agent.Import
		topics []string
		made   int
		lost   uint64
	}{
		"two devices of one name": {
			agent.Import{Topic: "a/+", As: "{1}", Values: value}, []string{"a/Bad", "a/bad", "a/Bad"}, 2, 1,
		},
		"only what is in the name counts": {
			agent.Import{Topic: "a/+/+", As: "{1}", Values: value}, []string{"a/b/c", "a/b/d"}, 2, 0,
		},
		"too long": {
			agent.Import{Topic: "+/+", As: "{1}-{2}", Values: value},
			[]string{strings.Repeat("x", 40) + "/" + strings.Repeat("y", 24)}, 0, 1,
		},
		"no such wildcard": {agent.Import{Topic: "a/+", As: "{2}", Values: value}, []string{"a/b"}, 0, 1},
		"rest":             {agent.Import{Topic: "a/#", As: "{1}", Values: value}, []string{"a/b/c", "a"}, 2, 0},
	} {
		im := newImporter([]agent.Import{tt.im})
		made := 0
		for _, topic := range tt.topics {
			for _, r := range im.take(topic, []byte("1"), false, noon) {
				if err := agent.CheckName(r.Name); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				made++
			}
		}
		if made != tt.made || im.dropped() != tt.lost {
			t.Errorf("%s: %d readings and %d dropped, want %d and %d", name, made, im.dropped(), tt.made, tt.lost)
		}
	}
}

func TestTakeFlood(t *testing.T) {
	im := newImporter([]agent.Import{rooms})
	made := 0
	for i := range 1000 {
		topic := fmt.Sprintf("zigbee2mqtt/x%d", i)
		made += len(im.take(topic, []byte(`{"temperature":1,"humidity":2}`), false, noon))
		im.take(topic+"/availability", []byte("offline"), false, noon)
	}
	if made != maxNames || im.dropped() != 2*1000-maxNames {
		t.Errorf("%d readings and %d dropped", made, im.dropped())
	}
	if s := im.sources[0]; len(s.devices) != maxNames/2 || len(s.offline) != maxNames {
		t.Errorf("%d devices and %d offline are kept", len(s.devices), len(s.offline))
	}
	if got := im.take("zigbee2mqtt/x0", []byte(`{"temperature":3}`), false, noon); len(got) != 2 {
		t.Errorf("a known device gives %v", got)
	}
}

func TestTopics(t *testing.T) {
	im := newImporter([]agent.Import{
		rooms,
		{Name: "b", Topic: "zigbee2mqtt/+", Availability: "esp/status"},
		{Name: "a", Topic: "a/+/#", Availability: "x/dev-{1}/{2}/LWT"},
		{Name: "c", Topic: "stat/c/POWER", Availability: "esp/status"},
	})
	want := []string{"a/+/#", "esp/status", "stat/c/POWER", "x/+/#", "zigbee2mqtt/+", "zigbee2mqtt/+/availability"}
	if diff := cmp.Diff(want, im.topics()); diff != "" {
		t.Error(diff)
	}
}

// No message breaks the promises of a reading.
func FuzzTake(f *testing.F) {
	f.Add("zigbee2mqtt/attic", []byte(`{"temperature":9}`), true)
	f.Add("zigbee2mqtt/a/availability", []byte(`{"state":"offline"}`), false)
	f.Add("any/x/y", []byte("21,5"), false)
	f.Fuzz(func(t *testing.T, topic string, payload []byte, retained bool) {
		im := newImporter([]agent.Import{rooms, {Name: "any", Topic: "any/#", As: "any.{1}", TimePath: "t", Values: []agent.ImportValue{{}}}})
		for range 2 {
			for _, r := range im.take(topic, payload, retained, noon) {
				bad := r.Quality >= agent.Fault
				if agent.CheckName(r.Name) != nil || bad != (r.Value.Kind() == agent.None) || (r.Quality == agent.Good) != (r.Reason == "") {
					t.Errorf("a reading %+v", r)
				}
			}
		}
	})
}
