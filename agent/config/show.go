package config

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Show writes what Effective returns as TOML.
func (c *Config) Show() string {
	var b strings.Builder
	writeTable(&b, nil, c.Effective())
	return strings.TrimPrefix(b.String(), "\n")
}

// Effective returns the tables of the config as they are in force, by the keys of
// the file: what it says, and of [device], [xmpp], [mqtt], sensors, outputs and
// rooms the defaults of what it leaves out; those of a kind's own keys are
// documented with the kind. It holds no secret: where a key may have one there
// is [hidden].
func (c *Config) Effective() map[string]any {
	all, _ := hide("", c.written()).(map[string]any)
	c.deviceDefaults(into(all, "device"))
	if c.XMPP.JID != "" {
		fill(into(all, "xmpp"), map[string]any{
			"jid": c.XMPP.JID, "resource": c.XMPP.Resource, "direct_tls": c.XMPP.DirectTLS, "access": c.XMPP.Access, "allow_plain": c.XMPP.AllowPlain,
		}, "jid")
		if c.XMPP.PasswordFile != "" {
			into(all, "xmpp")["password_file"] = c.XMPP.PasswordFile
		}
	}
	if c.MQTT.Broker != "" {
		fill(into(all, "mqtt"), map[string]any{
			"client_id": c.MQTT.ClientID, "prefix": c.MQTT.Prefix, "device": c.MQTT.Device, "plain": c.MQTT.Plain, "keepalive": short(c.MQTT.Keepalive),
		})
	}
	for _, t := range c.Sensors {
		fill(into(all, "sensor", t.Name), map[string]any{"every": short(t.Every), "timeout": short(cmp.Or(t.Timeout, 5*time.Second))})
	}
	for _, t := range c.Outputs {
		fill(into(all, "output", t.Name), map[string]any{"safe": t.Word(t.Safe), "initial": t.Word(t.Initial)})
	}
	for _, r := range c.Rooms {
		fill(into(all, "room", r.Name), map[string]any{"jid": r.JID, "nick": r.Nick, "commands": r.Commands, "anonymous_viewers": r.AnonymousViewers})
	}
	return all
}

func (c *Config) deviceDefaults(table map[string]any) {
	clock := "auto"
	if c.Device.TrustClock {
		clock = "trust"
	}
	fill(table, map[string]any{
		"name": c.Device.Name, "state_dir": c.Device.StateDir, "log_level": strings.ToLower(c.Device.LogLevel.String()),
		"flush": short(c.Device.Flush), "keep": short(c.Device.Keep), "max_size": sizeText(c.Device.MaxSize), "clock": clock, "clock_wait": short(c.Device.ClockWait),
	}, "state_dir")
}

func sizeText(n int64) string {
	if n%1e6 == 0 {
		return fmt.Sprintf("%dMB", n/1e6)
	}
	return fmt.Sprintf("%dB", n)
}

// fill adds what a table does not have; the keys of always take the place of what
// it has, because a normal form or a whole path tells more.
func fill(table, defaults map[string]any, always ...string) {
	for key, value := range defaults {
		if _, ok := table[key]; !ok || slices.Contains(always, key) {
			table[key] = value
		}
	}
}

// into returns a table below another, made where there is none.
func into(table map[string]any, path ...string) map[string]any {
	for _, key := range path {
		next, ok := table[key].(map[string]any)
		if !ok {
			next = make(map[string]any)
			table[key] = next
		}
		table = next
	}
	return table
}

func (c *Config) written() map[string]any {
	if c.table == nil {
		return map[string]any{}
	}
	return c.table()
}

// secretKeys are parts of keys that may hold a secret; a key that ends in _file
// names where one is.
var secretKeys = []string{"pass", "secret", "token", "credential", "key", "auth", "header", "cookie", "env"}

// hide copies a value of the file without its secrets. What a program is started
// with may hold some, and so may an address with a name or a query.
func hide(key string, value any) any {
	switch v := value.(type) {
	case map[string]any:
		m := make(map[string]any, len(v))
		for k, inner := range v {
			if m[k] = hide(k, inner); isSecret(key) {
				m[k] = hidden
			}
		}
		return m
	case []map[string]any:
		list := make([]any, len(v))
		for i, inner := range v {
			list[i] = hide(key, inner)
		}
		return list
	case []any:
		list := make([]any, len(v))
		for i, inner := range v {
			list[i] = hide(key, inner)
		}
		return list
	case string:
		return hideText(key, v)
	}
	return value
}

// isSecret tells whether a value is never shown; a JID is no such key.
func isSecret(key string) bool {
	named := func(part string) bool { return strings.Contains(strings.ToLower(key), part) }
	return !strings.HasSuffix(key, "_file") && !strings.Contains(key, "@") && slices.ContainsFunc(secretKeys, named)
}

func hideText(key, text string) string {
	if isSecret(key) {
		return hidden
	}
	if u, err := url.Parse(text); err == nil && u.Host != "" && (u.User != nil || u.RawQuery != "") {
		if u.User != nil {
			u.User = url.User("hidden")
		}
		if u.RawQuery != "" {
			u.RawQuery = "hidden"
		}
		return u.String()
	}
	return text
}
