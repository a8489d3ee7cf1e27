package main

import (
	"strings"
	"testing"

	"pipit/agent/xmpp/server"
	"pipit/agent/xmpp/xmpptest"
)

// Check beside a running agent finds the nodes as that has made them, and nobody
// else notices: no presence comes of it, the agent's session stays as it is and
// its readings go on.
func TestCheckBesideAnAgent(t *testing.T) {
	xmpptest.Both(t, func(t *testing.T, s *server.Server) {
		b := startDevice(t, s, "")
		c := b.client(t, xmpptest.Owner)
		c.Chat(full, "read level", "")
		c.Wait(xmpptest.Has("<message", "level", "<body"), patience)
		c.Take()
		l := labOf(s)
		l.rest = "[sensor.level]\nkind = \"file\"\npath = \"" + b.level + "\"\n"
		code, r := l.check(t)
		if code != exitOK {
			t.Errorf("exit %d: %+v", code, r)
		}
		r.expect(t, "server/pubsub/urn:nf:iot:sd:1.0=ok server/pubsub/pipit/level=ok server/pubsub/pipit/a=skipped")
		if f := r.node("server/pubsub/pipit/level"); !strings.HasPrefix(f.Text, "access_model presence, publish_model ") {
			t.Errorf("%+v", f)
		}
		c.Chat(full, "read level", "")
		c.Wait(xmpptest.Has("<message", "level", "<body"), patience)
		for _, raw := range c.Inbox() {
			if strings.HasPrefix(raw, "<presence") && (strings.Contains(raw, "/check-") || strings.Contains(raw, "unavailable")) {
				t.Errorf("somebody was told: %s", raw)
			}
		}
	})
}

// A node that is open to all, though the config says otherwise.
func TestCheckFindsAnOpenNode(t *testing.T) {
	xmpptest.Both(t, func(t *testing.T, s *server.Server) {
		c := xmpptest.Slixmpp(t, s, xmpptest.Device)
		c.IQ("", "set", "<pubsub xmlns='http://jabber.org/protocol/pubsub'><create node='pipit/a'/><configure><x xmlns='jabber:x:data' type='submit'>"+
			"<field var='FORM_TYPE' type='hidden'><value>http://jabber.org/protocol/pubsub#node_config</value></field>"+
			"<field var='pubsub#access_model'><value>open</value></field></x></configure></pubsub>")
		code, r := labOf(s).check(t)
		r.expect(t, "server/pubsub/pipit/a=failed server/pubsub=failed server=failed upload=ok")
		if f := r.node("server/pubsub/pipit/a"); code != exitFailed || !strings.Contains(f.Text, "access_model is open, wanted presence") {
			t.Errorf("exit %d, %+v", code, f)
		}
	})
}
