package main

import (
	"strings"
	"testing"
	"time"

	"pipit/agent/xmpp/sensordata"
	"pipit/agent/xmpp/server"
	"pipit/agent/xmpp/xmpptest"
)

// An owner gives somebody a role and takes it away: both count at once, for
// commands as for readings, be they sent for an interest or for a subscription
// of their own, and the audit log has it all.
func TestPeopleOnTheWire(t *testing.T) {
	t.Parallel()
	xmpptest.Both(t, func(t *testing.T, s *server.Server) {
		b := startDevice(t, s, "[roles]\nsensors = \"operator\"\n[output.gate]\nkind = \"sim\"\nrole = \"owner\"\n")
		owner, operator := b.client(t, "owner/phone"), b.client(t, "operator/desk")
		owner.Notify(sensordata.NS, "pipit/level")
		guest := xmpptest.Slixmpp(t, s, xmpptest.Stranger+"/x")
		me := xmpptest.JID(xmpptest.Stranger)
		guest.Notify("pipit/level")
		guest.Subscribe(xmpptest.JID(xmpptest.Device))
		guest.Chat(full, "status", "")
		guest.IQ("", "get", "<query xmlns='jabber:iq:roster'/>")
		nothing := func() {
			t.Helper()
			for _, in := range guest.Inbox() {
				if strings.Contains(in, `from="`+xmpptest.JID(xmpptest.Device)) && !strings.Contains(in, `type="unavailable"`) && !strings.Contains(in, `type="unsubscribed"`) {
					t.Errorf("somebody without a role got %s", in)
				}
			}
		}
		nothing()

		owner.Chat(full, "grant "+me+" viewer", "")
		owner.Wait(xmpptest.Has("<body>"+me+" is now viewer.</body>"), patience)
		guest.Wait(xmpptest.Has("<presence", `from="`+full+`"`, "http://jabber.org/protocol/caps"), patience)
		guest.Chat(full, "read level", "")
		guest.Wait(xmpptest.Has("<body>level: 10.0 cm"), patience)
		subscribeTo(t, guest)
		b.set(t, "33")
		arrives(t, guest, "pipit/level", is(33))
		arrives(t, guest, sensordata.NS, is(33))
		guest.Chat(full, "sensors", "") // [roles]
		guest.Wait(xmpptest.Has("<body>", "do not know"), patience)
		operator.Chat(full, "set gate on", "") // role of the output
		operator.Wait(xmpptest.Has("<body>", "not allowed: that is for owners"), patience)
		owner.Chat(full, "set gate on", "")
		owner.Wait(xmpptest.Has("<body>gate: on.</body>"), patience)
		owner.Chat(full, "people", "")
		owner.Wait(xmpptest.Has("<body>", me, "viewer", "granted by owner@"), patience)

		owner.Chat(full, "revoke "+me, "")
		owner.Wait(xmpptest.Has("<body>"+me+" has no role any more.</body>"), patience)
		guest.Wait(xmpptest.Has("<presence", `type="unsubscribed"`), patience)
		unsubscribed(t, guest)
		guest.Take()
		guest.Chat(full, "read level", "")
		guest.IQ(full, "get", "<query xmlns='http://jabber.org/protocol/disco#items' node='http://jabber.org/protocol/commands'/>")
		b.set(t, "55")
		arrives(t, owner, "pipit/level", is(55))
		arrives(t, owner, sensordata.NS, is(55))
		owner.Chat(full, "audit 100", "")
		owner.Wait(xmpptest.Has("<body>", "grant jid="+me+" role=viewer", "read name=level", "sensors  ", "revoke jid="+me, "set output=gate", "not allowed"), patience)
		guest.IQ("", "get", "<query xmlns='jabber:iq:roster'/>")
		for _, in := range guest.Inbox() {
			if strings.HasPrefix(in, "<message") {
				t.Errorf("somebody who has lost the role got %s", in)
			}
		}
	})
}

// subscribeTo subscribes to the snapshot by a request (XEP-0060 section 6.1),
// which servers keep apart from the interest that a client shows.
func subscribeTo(t *testing.T, c *xmpptest.Client) {
	t.Helper()
	got := c.IQ(xmpptest.JID(xmpptest.Device), "set", "<pubsub xmlns='http://jabber.org/protocol/pubsub'><subscribe node='"+sensordata.NS+
		"' jid='"+xmpptest.JID(xmpptest.Stranger)+"'/></pubsub>")
	if !strings.Contains(got, `subscription="subscribed"`) {
		t.Fatalf("not subscribed: %s", got)
	}
}

// unsubscribed waits until that subscription is no more.
func unsubscribed(t *testing.T, c *xmpptest.Client) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		got := c.IQ(xmpptest.JID(xmpptest.Device), "get", "<pubsub xmlns='http://jabber.org/protocol/pubsub'><subscriptions node='"+sensordata.NS+"'/></pubsub>")
		if !strings.Contains(got, `subscription="subscribed"`) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("still subscribed: %s", got)
		}
	}
}
