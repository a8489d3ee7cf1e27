package xmpp

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pipit/agent/xmpp/stanza"
	"pipit/agent/xmpp/xmpptest"
)

// floodSize is less than what may wait for an answer, so that each gets one
// even when the server is slow to read them.
const floodSize = 5000

// requests are n requests from everybody: the server, people, strangers. None
// is one that a device serves with effect.
func requests(n int) string {
	kinds := []struct{ from, typ, payload string }{
		{"", "get", "<ping xmlns='urn:xmpp:ping'/>"},
		{xmpptest.Domain, "set", "<x xmlns='urn:x'/>"},
		{stranger, "get", "<query xmlns='http://jabber.org/protocol/disco#info'/>"},
		{stranger, "set", "<command xmlns='http://jabber.org/protocol/commands' node='count'/>"},
		{owner, "get", "<query xmlns='jabber:iq:version'/>"},
		{owner, "set", "<command xmlns='http://jabber.org/protocol/commands' node='none'/>"},
		{viewer, "set", "<query xmlns='" + nsRoster + "'><item jid='" + stranger + "' subscription='both'/></query>"},
		{viewer, "get", ""},
	}
	var b strings.Builder
	for i := range n {
		k := kinds[i%len(kinds)]
		from := ""
		if k.from != "" {
			from = " from='" + k.from + "'"
		}
		fmt.Fprintf(&b, "<iq type='%s' id='flood-%d'%s>%s</iq>", k.typ, i, from, k.payload)
	}
	return b.String()
}

// awake waits until the device answers a ping, which may be refused or dropped
// before, and returns all else that it sends.
func awake(t *testing.T, s *xmpptest.Session) (got []string) {
	t.Helper()
	for i, end := 0, time.Now().Add(patience); time.Now().Before(end); i++ {
		if err := s.Send(fmt.Sprintf("<iq type='get' id='awake-%d' from='%s'><ping xmlns='urn:xmpp:ping'/></iq>", i, owner)); err != nil {
			t.Fatalf("the device takes nothing: %v", err)
		}
		time.Sleep(20 * time.Millisecond)
		up := false
		for _, raw := range s.Take() {
			if !strings.Contains(raw, " id='awake-") {
				got = append(got, raw)
			} else if strings.Contains(raw, "type='result'") {
				up = true
			}
		}
		if up {
			return got
		}
	}
	t.Fatalf("no ping was answered within %v", patience)
	return nil
}

// A flood costs the device no more than it holds at one time, the stream goes
// on, and each request gets its one answer. So it is on a managed stream, where
// the acknowledgements that make room for answers stand behind the flood.
func flood(t *testing.T, managed bool) {
	v := newVictim(t, xmpptest.Behaviour{Manage: managed})
	s := v.online(t)
	s.Expect(t, xmpptest.Has("<publish"))
	send := func(t *testing.T, raw string, answers int) (got []string) {
		s.Take()
		measured(t, func() {
			if err := s.Send(raw); err != nil {
				t.Error(err)
			}
			got = awake(t, s)
			settle(t, s)
			v.serves(t, s)
			for end := time.Now().Add(patience); len(got) < answers && time.Now().Before(end); {
				got = append(got, awake(t, s)...) // what was refused is told last
			}
			got = append(got, awake(t, s)...)
		})
		if len(got) != answers {
			t.Errorf("%d answers, want %d", len(got), answers)
		}
		if n := v.Connections(); n != 1 {
			t.Errorf("%d connections, want 1", n)
		}
		return got
	}
	t.Run("requests", func(t *testing.T) {
		answers := make(map[string]int)
		for _, raw := range send(t, requests(floodSize), floodSize) {
			q, err := stanza.Parse([]byte(raw))
			if err != nil || q.Name != "iq" || !strings.HasPrefix(q.ID, "flood-") {
				t.Errorf("the device sent %s", raw)
				continue
			}
			if answers[q.ID]++; answers[q.ID] > 1 {
				t.Errorf("one more answer: %s", raw)
			}
		}
	})
	if managed {
		return // the rest makes no difference there
	}
	t.Run("replies to nothing", func(t *testing.T) {
		send(t, strings.Repeat("<iq type='result' id='1' from='"+owner+"'/><iq type='error' id='2'>boo<error/></iq><iq type='result' id='3' from='@'>text</iq><iq type='error'/>", floodSize/4), 0)
	})
	t.Run("strangers", func(t *testing.T) {
		var b strings.Builder
		for i := range floodSize / 4 {
			from := fmt.Sprintf("x%d@evil.example/%d", i, i)
			fmt.Fprintf(&b, "<presence type='subscribe' from='%s'/><presence from='%[1]s'/><message from='%[1]s' type='chat' id='1'>%s<request xmlns='urn:xmpp:receipts'/></message><presence type='unavailable' from='%[1]s'/>", from, honest)
		}
		send(t, b.String(), 0)
	})
	t.Run("roster pushes", func(t *testing.T) {
		var b strings.Builder
		for i := range floodSize / 10 {
			fmt.Fprintf(&b, "<iq type='set' id='push-%d'><query xmlns='%s'><item jid='x%[1]d@example.org' subscription='both'><group>%s</group></item></query></iq>", i, nsRoster, strings.Repeat("g", 1000))
		}
		send(t, b.String(), floodSize/10)
	})
}

// A command that came late, twice or in two bodies runs as often as a person
// has asked for it: not, once and once.
func replayed(t *testing.T) {
	v := newVictim(t, xmpptest.Behaviour{})
	s := v.online(t)
	send := func(raw string) {
		t.Helper()
		if err := s.Send(raw); err != nil {
			t.Fatal(err)
		}
	}
	delayed := func(stamp string) string {
		return writes(viewer, honest+"<delay xmlns='urn:xmpp:delay' from='"+xmpptest.Domain+"' stamp='"+stamp+"'/>")
	}
	send(delayed(time.Now().Add(-5 * time.Minute).UTC().Format(time.RFC3339)))
	s.Expect(t, xmpptest.Has("<message", "minutes late"))
	send(delayed("9999-12-31T23:59:59Z") + delayed("nonsense") + delayed("2026-01-01T00:00:00Z"))
	v.serves(t, s)

	send(writes(owner, honest+honest+"<body xml:lang='de'>count</body>"))
	s.Expect(t, xmpptest.Has("<message", "<body>run "))
	v.asked++
	v.serves(t, s)

	twice := writes(owner, honest)
	send(twice + twice + twice)
	s.Expect(t, xmpptest.Has("<message", "<body>run "))
	v.asked++
	v.serves(t, s)

	twice = execute(owner, "twice")
	send(twice + twice)
	first := s.Expect(t, xmpptest.Has("id='twice'"))
	if again := s.Expect(t, xmpptest.Has("id='twice'")); again != first {
		t.Errorf("the same request was answered otherwise: %s, %s", first, again)
	}
	v.asked++
	v.serves(t, s)

	settle(t, s)
	for _, raw := range s.Inbox() {
		if strings.Contains(raw, "<body>run ") {
			t.Errorf("one answer too many: %s", raw)
		}
	}
}

// Only who was asked can answer. Here somebody else answers the request for
// the roster with one in which everything is as it should be.
func forgedReplies(t *testing.T) {
	hold := func(iq string) (string, bool) { return "", strings.Contains(iq, "<query xmlns='"+nsRoster+"'/>") }
	v := newVictim(t, xmpptest.Behaviour{Answer: hold})
	s := v.Next(t)
	q, err := stanza.Parse([]byte(s.Expect(t, xmpptest.Has(nsRoster))))
	if err != nil {
		t.Fatal(err)
	}
	items := "<query xmlns='" + nsRoster + "'>"
	for _, jid := range []string{xmpptest.JID(xmpptest.Owner), xmpptest.JID(xmpptest.Viewer)} {
		items += "<item jid='" + jid + "' subscription='both'><group>Pipit</group></item>"
	}
	items += "</query>"
	for _, from := range []string{stranger, owner, "evil.example", deviceBare + "/other", deviceBare + ".evil.example", "@", xmpptest.Domain + "/x"} {
		for _, typ := range []string{"result", "error"} {
			if err := s.Send("<iq type='" + typ + "' id='" + q.ID + "' from='" + from + "'>" + items + "</iq>"); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := s.Send("<iq type='result' id='" + q.ID + "'><query xmlns='" + nsRoster + "'/></iq>"); err != nil {
		t.Fatal(err)
	}
	s.Expect(t, xmpptest.Has("http://jabber.org/protocol/pubsub"))
	for _, jid := range []string{xmpptest.JID(xmpptest.Owner), xmpptest.JID(xmpptest.Viewer)} {
		s.Expect(t, xmpptest.Has("<iq", "type='set'", "<item jid='"+jid+"'"))
		s.Expect(t, xmpptest.Has("<presence type='subscribe' to='"+jid+"'/>"))
	}

	// A roster push of others changes nothing, either: the owner is still one
	// whose presence has to be asked for.
	push := "<query xmlns='" + nsRoster + "'><item jid='" + xmpptest.JID(xmpptest.Owner) + "' subscription='both'/></query>"
	for i, from := range []string{stranger, owner, viewer, xmpptest.Domain, deviceBare + ".evil.example", "evil.example/" + deviceBare} {
		if err := s.Send(fmt.Sprintf("<iq type='set' id='push-%d' from='%s'>%s</iq>", i, from, push)); err != nil {
			t.Fatal(err)
		}
		if got := s.Expect(t, xmpptest.Has(fmt.Sprintf("id='push-%d'", i))); !strings.Contains(got, "service-unavailable") {
			t.Errorf("push from %s: %s", from, got)
		}
	}
	if err := s.Send("<presence type='subscribe' from='" + xmpptest.JID(xmpptest.Owner) + "'/>"); err != nil {
		t.Fatal(err)
	}
	s.Expect(t, xmpptest.Has("<presence type='subscribed' to='"+xmpptest.JID(xmpptest.Owner)+"'/>"))
	s.Expect(t, xmpptest.Has("<presence type='subscribe' to='"+xmpptest.JID(xmpptest.Owner)+"'/>"))
	v.serves(t, s)
}
