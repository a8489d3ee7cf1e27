package config

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestShowHidesSecretsAndAddsDefaults(t *testing.T) {
	const secret = "not-a-real-one"
	c := &Config{
		Path: "x", Device: Device{Name: "pi", StateDir: "/state", Keep: 3600e9},
		XMPP: XMPP{JID: "pi@example.org", Resource: "pipit", Password: NewSecret(secret), Access: "presence"},
		MQTT: MQTT{Broker: "mqtt://b", Prefix: "pipit", Password: NewSecret(secret)},
	}
	file := map[string]any{
		"device": map[string]any{"name": "pi", "state_dir": "state"},
		"xmpp":   map[string]any{"jid": "pi@example.org/x", "password": secret},
		"mqtt":   map[string]any{"password": secret, "broker": "mqtt://u:" + secret + "@b:1"},
		"people": map[string]any{"monkey@example.org": "owner"},
		"room":   map[string]any{"r": map[string]any{"password": secret, "jid": "r@example.org"}},
		"sensor": map[string]any{"s": map[string]any{
			"url": "https://example.org/now?appid=" + secret, "headers": map[string]any{"X-Any": secret, "n": int64(4711)}, "api_key": secret, "token_file": "/etc/token",
			"list": []any{map[string]any{"secret": secret}}, "path": "/dev/x", "env": []any{"A=" + secret}, "n": 1.5,
		}},
	}
	c.table = func() map[string]any { return file }
	text := c.Show()
	asJSON, err := json.Marshal(c.Effective())
	if err != nil {
		t.Fatal(err)
	}
	for _, shown := range []string{text, string(asJSON)} {
		if strings.Contains(shown, secret) || strings.Contains(shown, "4711") {
			t.Errorf("a secret is shown:\n%s", shown)
		}
		for _, want := range []string{"/etc/token", "/dev/x", "https://example.org/now?hidden", "owner", "/state", "presence", "1h"} {
			if !strings.Contains(shown, want) {
				t.Errorf("%q is not shown:\n%s", want, shown)
			}
		}
	}
	var again map[string]any
	if err := decodeTOML(text, &again); err != nil {
		t.Errorf("it is no TOML: %v\n%s", err, text)
	}
	if file["xmpp"].(map[string]any)["password"] != secret {
		t.Error("showing changed the config")
	}
}

func TestShowIsTOML(t *testing.T) {
	want := map[string]any{
		"a": map[string]any{
			"text": "x \"y\" \\ <\x7f\x01 é", "n": int64(-3), "f": 2.0, "g": 1e-9, "b": true, "list": []any{int64(1), "x", []any{}, map[string]any{"k y": 1.5}},
			"sub.sub": map[string]any{"": "empty"}, "empty": map[string]any{},
		},
		"top": "level",
	}
	var b strings.Builder
	writeTable(&b, nil, want)
	var got map[string]any
	if err := decodeTOML(b.String(), &got); err != nil {
		t.Fatalf("%v\n%s", err, b.String())
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s\n%s", d, b.String())
	}
}
