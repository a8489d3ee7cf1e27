package xmpp

import (
	"strings"
	"testing"
	"time"

	"pipit/agent"
	"pipit/agent/xmpp/server"
	"pipit/agent/xmpp/stanza"
	"pipit/agent/xmpp/wire"
	"pipit/agent/xmpp/xmpptest"
)

// Messages reach a person whatever happens to the connection, each once.
func TestTell(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, s *server.Server) {
		d := newDevice(t, s)
		me := xmpptest.JID(xmpptest.Owner)
		d.agent.Tell(me, "before the link")
		d.agent.Tell(xmpptest.JID(xmpptest.Stranger), "not for you")
		// Who logs in while a message comes may find it with ejabberd at the next login only.
		c := xmpptest.Slixmpp(t, s, xmpptest.Owner+"/phone")
		d.run()
		c.Subscribe(xmpptest.JID(xmpptest.Device))
		c.Wait(fromDevice, patience)
		got := c.Wait(xmpptest.Has("<body>before the link</body>"), patience)
		h, err := wire.Scan([]byte(got))
		if err != nil || h.Type != "chat" || h.ID == "" || !strings.Contains(got, `id="`+h.ID+`"`) {
			t.Errorf("got %s", got)
		}
		d.proxy.Refuse(true)
		d.proxy.Cut()
		d.agent.Tell(me, "while cut\n2 < 3 & more")
		d.proxy.Refuse(false)
		c.Wait(xmpptest.Has("<body>while cut\n2 &lt; 3 &amp; more</body>"), patience)
		c.IQ("", "get", "<query xmlns='jabber:iq:roster'/>") // what is on its way comes before
		for _, in := range c.Inbox() {
			if strings.Contains(in, "while cut") || strings.Contains(in, "before the link") {
				t.Errorf("it came again: %s", in)
			}
		}
		stranger := xmpptest.Slixmpp(t, s, xmpptest.Stranger+"/x")
		stranger.IQ("", "get", "<query xmlns='jabber:iq:roster'/>")
		for _, in := range stranger.Inbox() {
			if strings.Contains(in, "not for you") {
				t.Errorf("a stranger received %s", in)
			}
		}
	})
}

func TestChatMessage(t *testing.T) {
	m := agent.Message{ID: "7'", Time: time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC), To: "anna@example.org", Text: "a\x00<b>"}
	for _, late := range []bool{false, true} {
		raw := string(chatMessage(m, late))
		s, err := stanza.Parse([]byte(raw))
		if err != nil {
			t.Fatal(err)
		}
		var v struct {
			Body   string `xml:"body"`
			Origin struct {
				ID string `xml:"id,attr"`
			} `xml:"urn:xmpp:sid:0 origin-id"`
			Delay *struct {
				Stamp string `xml:"stamp,attr"`
			} `xml:"urn:xmpp:delay delay"`
		}
		if err := s.Decode(&v); err != nil || s.ID != "7'" || v.Origin.ID != "7'" || v.Body != "a\uFFFD<b>" || s.To != "anna@example.org" {
			t.Errorf("%v: %s", err, raw)
		}
		if late != (v.Delay != nil) || late && v.Delay.Stamp != "2026-11-23T08:00:00.000Z" {
			t.Errorf("late %v: %s", late, raw)
		}
	}
}
