package main

import (
	"strings"
	"testing"

	"pipit/agent/xmpp/server"
	"pipit/agent/xmpp/xmpptest"
)

// An owner gives somebody a role and takes it away: both count at once, for
// commands as for readings, and the audit log has it all.
func TestPeopleOnTheWire(t *testing.T) {
	xmpptest.Both(t, func(t *testing.T, s *server.Server) {
		b := startDevice(t, s, "[roles]\nsensors = \"operator\"\n[output.gate]\nkind = \"sim\"\nrole = \"owner\"\n")
		owner, operator := b.client(t, "owner/phone"), b.client(t, "operator/desk")
		guest := xmpptest.Slixmpp(t, s, xmpptest.Stranger+"/x")
		me := xmpptest.JID(xmpptest.Stranger)
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
		guest.IQ("", "get", "<query xmlns='jabber:iq:roster'/>")
		guest.Take()
		guest.Chat(full, "read level", "")
		guest.IQ(full, "get", "<query xmlns='http://jabber.org/protocol/disco#items' node='http://jabber.org/protocol/commands'/>")
		b.set(t, "55")
		owner.Chat(full, "audit 100", "")
		owner.Wait(xmpptest.Has("<body>", "grant jid="+me+" role=viewer", "read name=level", "revoke jid="+me, "set output=gate", "not allowed"), patience)
		guest.IQ("", "get", "<query xmlns='jabber:iq:roster'/>")
		for _, in := range guest.Inbox() {
			if strings.HasPrefix(in, "<message") {
				t.Errorf("somebody who has lost the role got %s", in)
			}
		}
	})
}
