package bridge

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"time"

	"pipit/agent"
)

// maxEntities bounds what is announced.
const maxEntities = 1000

// A Face is what Home Assistant is told of a device.
type Face struct {
	ID        string // [a-z0-9], stays when the device is renamed
	Name      string // for people
	Area      string // where it is, ""
	Model     string
	Version   string
	Base      string // PREFIX/DEVICE
	Discovery string // the prefix that Home Assistant listens to: "homeassistant"
	Set       bool   // outputs may be set from there
}

// An Entity is a reading, or an output with the reading of its state.
type Entity struct {
	Name      string // of the reading
	Unit      string
	Kind      agent.Kind    // None: not known yet, it is left out
	Expire    time.Duration // without a reading for so long it is unavailable; 0: never
	Precision *int          // decimals, nil: those of the unit
	Output    *OutputEntity // nil: a sensor
}

// An OutputEntity is how an output is set: as a switch where Min is not less than Max.
type OutputEntity struct{ Min, Max float64 }

// config is the payload of a discovery topic, with the keys of Home Assistant.
type config struct {
	Name         string           `json:"name"`
	UniqueID     string           `json:"unique_id"`
	StateTopic   string           `json:"state_topic"`
	Value        string           `json:"value_template,omitempty"`
	Availability []haAvailability `json:"availability"`
	Mode         string           `json:"availability_mode"`

	DeviceClass string `json:"device_class,omitempty"`
	StateClass  string `json:"state_class,omitempty"`
	Unit        string `json:"unit_of_measurement,omitempty"`
	Precision   *int   `json:"suggested_display_precision,omitempty"`
	Expire      int    `json:"expire_after,omitempty"` // s

	PayloadOn    string `json:"payload_on,omitempty"`
	PayloadOff   string `json:"payload_off,omitempty"`
	StateOn      string `json:"state_on,omitempty"`
	StateOff     string `json:"state_off,omitempty"`
	CommandTopic string `json:"command_topic,omitempty"`

	Min  *float64 `json:"min,omitempty"`
	Max  *float64 `json:"max,omitempty"`
	Step float64  `json:"step,omitempty"`

	LightState        string  `json:"state_value_template,omitempty"`
	BrightnessCommand string  `json:"brightness_command_topic,omitempty"`
	BrightnessState   string  `json:"brightness_state_topic,omitempty"`
	BrightnessValue   string  `json:"brightness_value_template,omitempty"`
	BrightnessScale   float64 `json:"brightness_scale,omitempty"`
	OnCommand         string  `json:"on_command_type,omitempty"`

	Device haDevice `json:"device"`
	Origin origin   `json:"origin"`
}

type haAvailability struct {
	Topic string `json:"topic"`
	Value string `json:"value_template,omitempty"`
}

type haDevice struct {
	IDs          []string `json:"identifiers"`
	Name         string   `json:"name"`
	Manufacturer string   `json:"manufacturer"`
	Model        string   `json:"model,omitempty"`
	Version      string   `json:"sw_version,omitempty"`
	Area         string   `json:"suggested_area,omitempty"`
}

type origin struct {
	Name    string `json:"name"`
	Version string `json:"sw_version,omitempty"`
}

const (
	valueTemplate   = "{{ value_json.value }}"
	boolTemplate    = "{{ 'on' if value_json.value else 'off' }}"
	qualityTemplate = "{{ 'online' if value_json.quality in ['good', 'uncertain'] else 'offline' }}"
)

// Announce returns the retained messages that make Home Assistant show entities,
// by topic. Units and classes are those that it accepts together.
func (f Face) Announce(entities []Entity) map[string][]byte {
	messages := make(map[string][]byte)
	for _, e := range entities[:min(len(entities), maxEntities)] {
		if e.Kind == agent.None && e.Output == nil {
			continue
		}
		component, c := f.entity(e)
		object := objectID(e.Name)
		c.UniqueID = "pipit_" + f.ID + "_" + object
		messages[fmt.Sprintf("%s/%s/pipit_%s/%s/config", f.Discovery, component, f.ID, object)] = encode(c)
	}
	return messages
}

// objectID writes a reading's name with the signs that a discovery topic may
// have. Two names never become one: one that has a - of its own has a sum behind it.
func objectID(name string) string {
	id := strings.ReplaceAll(name, ".", "-")
	if !strings.Contains(name, "-") {
		return id
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(name))
	return fmt.Sprintf("%s-%08x", id, h.Sum32())
}

// entity returns the component and what it is told.
func (f Face) entity(e Entity) (component string, c config) {
	topic := f.Base + "/reading/" + e.Name
	c = config{
		Name: strings.NewReplacer(".", " ", "_", " ").Replace(e.Name), StateTopic: topic, Value: valueTemplate,
		Availability: []haAvailability{{Topic: f.Base + "/state"}, {Topic: topic, Value: qualityTemplate}}, Mode: "all",
		Device: haDevice{[]string{"pipit_" + f.ID}, f.Name, "Pipit", f.Model, f.Version, f.Area},
		Origin: origin{"Pipit", f.Version},
	}
	if e.Output != nil && f.Set {
		return f.output(e, c)
	}
	c.Expire = int((e.Expire + time.Second - 1) / time.Second)
	switch {
	case e.Kind == agent.IsBool, e.Output != nil && !(e.Output.Min < e.Output.Max):
		c.Value, c.PayloadOn, c.PayloadOff = boolTemplate, "on", "off"
		return "binary_sensor", c
	case e.Kind == agent.IsText:
		return "sensor", c
	}
	c.Unit, c.DeviceClass, c.StateClass = classes(e.Name, e.Unit)
	c.Precision = e.Precision
	if u, ok := agent.LookupUnit(e.Unit); ok && c.Precision == nil {
		c.Precision = &u.Precision
	}
	return "sensor", c
}

// output announces what can be set: a switch, a lamp as a light, a range as a number.
func (f Face) output(e Entity, c config) (component string, _ config) {
	set := f.Base + "/output/" + e.Name + "/set"
	lamp, isSwitch := isLamp(e.Name), !(e.Output.Min < e.Output.Max)
	c.CommandTopic = set
	if isSwitch || lamp {
		c.PayloadOn, c.PayloadOff = "on", "off"
	}
	switch {
	case isSwitch && !lamp:
		c.Value, c.StateOn, c.StateOff = boolTemplate, "on", "off"
		return "switch", c
	case isSwitch:
		c.Value, c.LightState = "", boolTemplate
		return "light", c
	case lamp && e.Output.Min == 0:
		c.Value, c.LightState = "", "{{ 'on' if value_json.value | float(0) > 0 else 'off' }}"
		c.BrightnessCommand, c.BrightnessState, c.BrightnessValue = set, c.StateTopic, valueTemplate
		c.BrightnessScale, c.OnCommand = e.Output.Max, "brightness"
		return "light", c
	}
	c.PayloadOn, c.PayloadOff = "", ""
	c.Min, c.Max, c.Unit = &e.Output.Min, &e.Output.Max, e.Unit
	c.Step = 1
	if e.Output.Max-e.Output.Min <= 10 {
		c.Step = 0.01
	}
	return "number", c
}

// isLamp tells by its name whether an output gives light.
func isLamp(name string) bool {
	return slices.ContainsFunc(strings.FieldsFunc(name, func(r rune) bool { return strings.ContainsRune("._-", r) }),
		func(word string) bool {
			return slices.Contains([]string{"lamp", "lamps", "light", "lights"}, strings.TrimRight(word, "0123456789"))
		})
}

// classes returns unit, device class and state class that Home Assistant accepts
// together for a number.
func classes(name, unit string) (_, class, state string) {
	u, _ := agent.LookupUnit(unit)
	class = u.Class
	last := name[strings.LastIndexByte(name, '.')+1:]
	switch {
	case class == "ph":
		unit = "" // it has none there
	case unit == "%" && (last == "humidity" || last == "battery" || last == "moisture"):
		class = last
	}
	state = cmp.Or(map[string]string{"energy": "total_increasing", "volume": "total"}[class], "measurement")
	return unit, class, state
}
