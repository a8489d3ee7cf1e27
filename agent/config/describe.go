package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"pipit/agent"
)

// Describe says what would run with this config, for people: one line each for
// the device, its account, everybody in [people], every room, sensor, output, field and command.
// It holds no secret.
func (c *Config) Describe() string {
	rows := [][]string{{"device", c.device()}}
	if c.XMPP.JID != "" {
		rows = append(rows,
			[]string{"account", c.XMPP.JID + "/" + c.XMPP.Resource + ", password from " + c.XMPP.passwordFrom()},
			[]string{"server", c.XMPP.server()},
			[]string{"publish", c.XMPP.publish()})
	}
	for _, jid := range slices.Sorted(maps.Keys(c.People)) {
		rows = append(rows, []string{"person", jid + ", " + c.People[jid].String()})
	}
	for _, r := range c.Rooms {
		rows = append(rows, []string{"room", r.describe()})
	}
	if c.MQTT.Broker != "" {
		rows = append(rows, []string{"mqtt", c.MQTT.describe()})
		for _, i := range c.MQTT.Imports {
			rows = append(rows, []string{"import", describeImport(i)})
		}
	}
	for _, t := range c.Sensors {
		rows = append(rows, []string{"sensor", fmt.Sprintf("%s, %s, every %s, bus %s", t.Name, t.Kind, short(t.Every), t.Bus)})
	}
	for _, t := range c.Outputs {
		rows = append(rows, []string{"output", t.Name + ", " + t.Kind + describeOutput(&t)})
	}
	for _, f := range c.Fields {
		rows = append(rows, []string{"field", f.Glob + ", " + strings.Join(fieldText(f.Field), ", ")})
	}
	for _, r := range c.Rules {
		rows = append(rows, []string{"rule", fmt.Sprintf("%s, %s, when %s", r.Name, r.Level, r.When)})
	}
	for _, cmd := range c.Commands {
		rows = append(rows, []string{"command", fmt.Sprintf("%s, for %ss, runs %s, at most %s", cmd.Name, cmd.Needs, cmd.Argv[0], short(cmd.Timeout))})
	}
	return agent.Answer{Columns: make([]string, 2), Rows: rows}.String()
}

// describeOutput writes the rules of an output as its table has them.
func describeOutput(t *agent.OutputTask) string {
	initial := t.Word(t.Initial)
	if t.Last {
		initial = "as last set"
	}
	s := ", begins " + initial + ", safe " + t.Word(t.Safe)
	var when []string
	if t.SafeOnExit {
		when = append(when, "exit")
	}
	if t.SafeOffline > 0 {
		when = append(when, "offline>"+short(t.SafeOffline))
	}
	for _, name := range t.SafeStale {
		when = append(when, "stale:"+name)
	}
	if len(when) > 0 {
		s += " when " + strings.Join(when, ", ")
	}
	for _, rule := range []struct {
		key string
		d   time.Duration
	}{{"max_on", t.MaxOn}, {"min_on", t.MinOn}, {"min_off", t.MinOff}} {
		if rule.d > 0 {
			s += ", " + rule.key + " " + short(rule.d)
		}
	}
	if len(t.Interlock) > 0 {
		s += ", never on with " + strings.Join(t.Interlock, ", ")
	}
	return s
}

func (c *Config) device() string {
	place := ""
	if c.Device.Location != "" {
		place = " (" + c.Device.Location + ")"
	}
	return fmt.Sprintf("%s%s, state in %s, log level %s",
		c.Device.Name, place, c.Device.StateDir, strings.ToLower(c.Device.LogLevel.String()))
}

func (x XMPP) passwordFrom() string {
	if x.PasswordFile == "" {
		return "the config"
	}
	return x.PasswordFile
}

func (x XMPP) server() string {
	if x.Server == "" {
		_, domain, _ := strings.Cut(x.JID, "@")
		return "SRV records of " + domain + x.trust()
	}
	if x.DirectTLS {
		return x.Server + ", direct TLS" + x.trust()
	}
	return x.Server + ", STARTTLS" + x.trust()
}

func (x XMPP) trust() string {
	s := ""
	if x.CAFile != "" {
		s = ", certificates of " + x.CAFile
	}
	if x.AllowPlain {
		s += ", SASL PLAIN allowed inside TLS"
	}
	return s
}

func (x XMPP) publish() string {
	if x.PubSub == "" {
		return "the account's own PubSub (PEP), access " + x.Access
	}
	return "PubSub service " + x.PubSub + ", access " + x.Access
}

// describe says where the bridge connects and what it does there.
func (m *MQTT) describe() string {
	s := m.Broker
	if m.User != "" {
		s += " as " + m.User
	}
	s += ", topics below " + m.Prefix + "/" + m.Device
	if m.HomeAssistant != "" {
		s += ", Home Assistant below " + m.HomeAssistant
	}
	if m.Commands != agent.Stranger {
		s += ", commands of " + m.Commands.String() + "s"
	}
	return s
}

func describeImport(i agent.Import) string {
	s := i.Name + ", from " + i.Topic
	if i.Output != nil {
		s += ", set by " + i.Output.Topic
	}
	return s
}
