package config

import (
	"slices"
	"testing"
)

func TestSame(t *testing.T) {
	made := func(device map[string]any, password string) *Config {
		table := map[string]any{"device": device, "sensor": map[string]any{"a": map[string]any{"n": int64(1)}}}
		return &Config{
			table: func() map[string]any { return table }, XMPP: XMPP{JID: "a@example.org", Password: NewSecret(password)},
			Rooms: []Room{{Name: "r", Password: NewSecret(password)}}, MQTT: MQTT{Broker: "mqtt://b", Password: NewSecret(password)},
		}
	}
	a := made(map[string]any{"name": "x", "log_level": "info"}, "one")
	b := made(map[string]any{"name": "y", "log_level": "warn"}, "one")
	other := made(map[string]any{"name": "x", "log_level": "info"}, "two")
	if !a.Same(b, "sensor", "a") || a.Same(b, "device") || a.Same(b, "device", "name") || !a.Same(b, "rule") || a.Same(&Config{}, "sensor") || !a.Same(other, "device") {
		t.Error("tables are compared wrongly")
	}
	if !a.SameXMPP(b) || !a.SameMQTT(b) || a.SameXMPP(other) || a.SameMQTT(other) || !a.SameFace(b) {
		t.Error("passwords are compared wrongly")
	}
	if got := a.NeedRestart(b); !slices.Equal(got, []string{"[device] name"}) {
		t.Errorf("a restart is needed for %v", got)
	}
	b.Device.Summary = []string{"a"}
	if a.SameFace(b) {
		t.Error("another summary is the same face")
	}
}
