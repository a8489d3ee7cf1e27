package bridge

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipit/agent"
)

var update = flag.Bool("update", false, "write testdata/discovery anew")

// haKeys are what Home Assistant accepts for each component, of those that Pipit
// writes (https://www.home-assistant.io/integrations/mqtt/).
var haKeys = map[string][]string{
	"":              {"name", "unique_id", "availability", "availability_mode", "device", "origin"},
	"sensor":        {"state_topic", "value_template", "device_class", "state_class", "unit_of_measurement", "suggested_display_precision", "expire_after"},
	"binary_sensor": {"state_topic", "value_template", "device_class", "payload_on", "payload_off", "expire_after"},
	"switch":        {"state_topic", "value_template", "command_topic", "payload_on", "payload_off", "state_on", "state_off"},
	"number":        {"state_topic", "value_template", "command_topic", "min", "max", "step", "unit_of_measurement"},
	"light": {"state_topic", "state_value_template", "command_topic", "payload_on", "payload_off", "brightness_command_topic", "brightness_state_topic",
		"brightness_value_template", "brightness_scale", "on_command_type"},
}

var testFace = Face{ID: "0123456789ab", Name: "Greenhouse", Area: "Garden", Version: "1.0", Base: "pipit/greenhouse", Discovery: "homeassistant", Set: true}

func entities() []Entity {
	two := 2
	return []Entity{
		{Name: "outside.temperature", Unit: "°C", Kind: agent.IsNumber, Expire: 90 * time.Second},
		{Name: "outside.humidity", Unit: "%", Kind: agent.IsNumber, Precision: &two},
		{Name: "soil.ph", Unit: "pH", Kind: agent.IsNumber},
		{Name: "meter.energy", Unit: "kWh", Kind: agent.IsNumber},
		{Name: "door", Kind: agent.IsBool, Expire: 1500 * time.Millisecond},
		{Name: "note", Kind: agent.IsText},
		{Name: "broken", Unit: "°C"},
		{Name: "pump", Kind: agent.IsBool, Output: &OutputEntity{}},
		{Name: "grow-lamp", Unit: "%", Kind: agent.IsNumber, Output: &OutputEntity{0, 100}},
		{Name: "porch_light", Kind: agent.IsBool, Output: &OutputEntity{}},
		{Name: "valve", Unit: "%", Output: &OutputEntity{10, 100}},
	}
}

// What is announced is written down in testdata/discovery.
func TestDiscovery(t *testing.T) {
	read := testFace
	read.Set, read.Area = false, ""
	for name, f := range map[string]Face{"settable": testFace, "read-only": read} {
		got := f.Announce(entities())
		var b bytes.Buffer
		for _, topic := range sortedKeys(got) {
			b.WriteString(topic + "\n")
			if err := json.Indent(&b, got[topic], "", "  "); err != nil {
				t.Fatal(err)
			}
			b.WriteString("\n\n")
		}
		path := filepath.Join("testdata", "discovery", name+".txt")
		if *update {
			if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(want), b.String()); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

// Home Assistant refuses a whole message for one key that it does not know.
func TestDiscoveryKeys(t *testing.T) {
	form := regexp.MustCompile(`^homeassistant/([a-z_]+)/pipit_0123456789ab/[a-zA-Z0-9_-]+/config$`)
	for topic, payload := range testFace.Announce(entities()) {
		m := form.FindStringSubmatch(topic)
		if m == nil {
			t.Errorf("topic %s", topic)
			continue
		}
		var got map[string]any
		if err := json.Unmarshal(payload, &got); err != nil {
			t.Fatal(err)
		}
		for key := range got {
			if !slices.Contains(haKeys[""], key) && !slices.Contains(haKeys[m[1]], key) {
				t.Errorf("%s: a %s has no key %s", topic, m[1], key)
			}
		}
		for _, key := range append(haKeys[""], "state_topic") {
			if got[key] == nil {
				t.Errorf("%s: no %s", topic, key)
			}
		}
	}
}

// An id is that of one name alone, and stays when the device is renamed.
func TestUniqueIDs(t *testing.T) {
	var list []Entity
	for _, n := range []string{"a.b", "a-b", "a_b", "a.b_c", "a_b.c", "a-.b", "a.-b", "a--b", "a-b.c", "a.b-c"} {
		list = append(list, Entity{Name: n, Kind: agent.IsNumber})
	}
	ids := func(f Face) map[string]string {
		found := make(map[string]string)
		for topic, payload := range f.Announce(list) {
			var c struct {
				ID    string `json:"unique_id"`
				State string `json:"state_topic"`
			}
			if err := json.Unmarshal(payload, &c); err != nil {
				t.Fatal(err)
			}
			name := c.State[strings.LastIndexByte(c.State, '/')+1:]
			if other, ok := found[c.ID]; ok {
				t.Errorf("%s and %s are both %s", name, other, c.ID)
			}
			found[c.ID] = name + " " + topic
		}
		return found
	}
	renamed := testFace
	renamed.Name, renamed.Base = "Shed", "pipit/shed"
	if d := cmp.Diff(ids(testFace), ids(renamed)); d != "" || len(ids(testFace)) != len(list) {
		t.Error(d)
	}
}
