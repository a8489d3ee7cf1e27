package xmpp

import (
	"context"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipit/agent"
	"pipit/agent/xmpp/jid"
	"pipit/agent/xmpp/server"
	"pipit/agent/xmpp/wire"
	"pipit/agent/xmpp/xmpptest"
)

const ownerJID = "anna@example.org"

func TestGoldenAlert(t *testing.T) {
	now := time.Date(2026, 11, 23, 17, 18, 0, 0, time.UTC)
	s := &session{link: New(Config{JID: "pi@example.org", Resource: "pipit"}, &agent.Agent{}, slog.New(slog.DiscardHandler))}
	a := agent.Alert{
		ID: "alert-17-ab", Time: now, Level: agent.Critical, Text: "[critical] hot: boiler is 85 °C & rising #17",
		To: ownerJID, Rule: "hot", Number: 17, State: agent.Firing,
	}
	want := `<message type='chat' id='alert-17-ab' to='anna@example.org'><body>[critical] hot: boiler is 85 °C &amp; rising #17</body>` +
		`<active xmlns='http://jabber.org/protocol/chatstates'/><origin-id xmlns='urn:xmpp:sid:0' id='alert-17-ab'/>` +
		`<request xmlns='urn:xmpp:receipts'/><markable xmlns='urn:xmpp:chat-markers:0'/><store xmlns='urn:xmpp:hints'/><thread>alert-17</thread>` +
		`<response xmlns='urn:xmpp:tmp:quick-response' value='ack 17' label='Acknowledge'/>` +
		`<response xmlns='urn:xmpp:tmp:quick-response' value='silence hot 1h' label='Silence 1 h'/>` +
		`<query xmlns='http://jabber.org/protocol/disco#items' node='http://jabber.org/protocol/commands'>` +
		`<item jid='pi@example.org/pipit' node='ack#17' name='Acknowledge'/><item jid='pi@example.org/pipit' node='silence#hot' name='Silence'/></query></message>`
	if diff := cmp.Diff(want, string(s.alertMessage(a, a.To, "", now))); diff != "" {
		t.Error(diff)
	}
	a.State = agent.Acked
	got := string(s.alertMessage(a, a.To, "alert-17-aa", now.Add(time.Minute)))
	for _, part := range []string{"<replace xmlns='urn:xmpp:message-correct:0' id='alert-17-aa'/>", "<delay xmlns='urn:xmpp:delay' stamp='2026-11-23T17:18:00.000Z'/>"} {
		if !strings.Contains(got, part) {
			t.Errorf("%s is not in %s", part, got)
		}
	}
	if strings.Contains(got, "quick-response") || strings.Contains(got, "disco#items") {
		t.Errorf("what is acknowledged offers an answer: %s", got)
	}
}

// What is old and much comes as one message for each person, before what is new.
func TestLetters(t *testing.T) {
	now := time.Now()
	entry := func(to string, n int, age time.Duration) letter {
		return letter{to, []agent.Alert{{ID: fmt.Sprint(to, n), Time: now.Add(-age)}}}
	}
	list := []letter{
		entry("anna", 1, time.Hour), entry("bob", 1, time.Hour), entry("anna", 2, time.Hour), entry("anna", 3, 2*time.Minute),
		entry("bob", 2, time.Hour), entry("anna", 4, 2*time.Minute), entry("anna", 5, time.Second),
	}
	text := func(list []letter) (out []string) {
		for _, l := range list {
			var ids []string
			for _, a := range l.alerts {
				ids = append(ids, a.ID)
			}
			out = append(out, l.to+": "+strings.Join(ids, " "))
		}
		return out
	}
	want := []string{"anna: anna1 anna2 anna3 anna4", "bob: bob1", "bob: bob2", "anna: anna5"}
	if diff := cmp.Diff(want, text(letters(list, true, now))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := letters(list, false, now); len(got) != len(list) {
		t.Errorf("the clock is not believed: %q", text(got))
	}
}

func TestDigest(t *testing.T) {
	at := time.Date(2026, 11, 23, 17, 18, 0, 0, time.Local)
	alerts := []agent.Alert{
		{ID: "a", Time: at, Text: "[critical] hot: boiler is 85 °C #1", Number: 1, State: agent.Firing},
		{ID: "b", Time: at.Add(time.Minute), Text: "[warning] wet: #2", Number: 2, State: agent.Firing},
		{ID: "c", Time: at.Add(time.Hour), Text: "[resolved] hot: boiler is 70 °C #1", Number: 1, State: agent.Resolved},
		{ID: "d", Time: at.Add(2 * time.Hour), Name: "store", Level: agent.Warning, Text: "the disk fails"},
	}
	body := func(raw []byte) string {
		_, rest, _ := strings.Cut(string(raw), "<body>")
		text, _, _ := strings.Cut(rest, "</body>")
		return text
	}
	want := "4 alerts came up while I was away; 1 still fires.\n" +
		"23 Nov 17:19 [warning] wet: #2\n23 Nov 18:18 [resolved] hot: boiler is 70 °C #1\n23 Nov 19:18 [warning] store: the disk fails"
	if diff := cmp.Diff(want, body(digestMessage("x", ownerJID, alerts))); diff != "" {
		t.Error(diff)
	}
	var many []agent.Alert
	for range 250 {
		many = append(many, agent.Alert{ID: "x", Time: at, Text: strings.Repeat("x", agent.MaxText)})
	}
	if b := body(digestMessage("x", ownerJID, many)); len(b) > maxDigestBytes+200 || !strings.Contains(b, "are left out") {
		t.Errorf("%d bytes: %.100s", len(b), b)
	}
	if digestID(alerts) == digestID(alerts[1:]) || digestID(alerts) != digestID(append([]agent.Alert(nil), alerts...)) {
		t.Error("the id does not tell the alerts")
	}
}

// A receipt for a digest is one for all that it told, and what was said anew
// counts as the alert itself.
func TestReturns(t *testing.T) {
	var r returns
	r.digest("digest-1", []agent.Alert{{ID: "a"}, {ID: "b"}})
	if diff := cmp.Diff([]string{"a", "b"}, r.alerts("digest-1")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"alert-1-x"}, r.alerts("alert-1-x-new")); diff != "" {
		t.Error(diff)
	}
	for i := range 100 {
		r.digest(fmt.Sprint("digest", i), nil)
	}
	if len(r.digests) > maxDigests {
		t.Errorf("%d digests are remembered", len(r.digests))
	}
}

// became notes what became of alerts.
type became struct {
	mu   sync.Mutex
	list []string
}

func (b *became) add(s string) { b.mu.Lock(); defer b.mu.Unlock(); b.list = append(b.list, s) }

func (b *became) Delivered(id, to string)           { b.add("delivered " + id + " " + to) }
func (b *became) Unreachable(id, to, reason string) { b.add("unreachable " + id + " " + to) }

func (b *became) has(s string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, x := range b.list {
		if strings.HasPrefix(x, s) {
			return true
		}
	}
	return false
}

// The life of an alert on real servers: it comes with all that clients need, its
// receipt is noticed, a reaction runs a command, a correction takes its place
// while it is the newest, and who cannot be reached is told apart.
func TestAlertOnTheWire(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, s *server.Server) {
		me := xmpptest.JID(xmpptest.Owner)
		nobody := "nobody@" + jid.Domain(me)
		d := newDevice(t, s)
		alerts, events := newFakeAlerts(), &became{}
		d.agent.Alerts, d.agent.Events = alerts, events
		d.agent.People[nobody] = agent.Operator
		asked := make(chan string, 8)
		d.agent.Commands = append(d.agent.Commands, agent.Command{
			Name: "ack", Help: "ack", Needs: agent.Operator, Params: []agent.Param{{Name: "which"}},
			Run: func(_ context.Context, r agent.Request) (agent.Answer, error) {
				asked <- string(r.Via) + " " + r.From + " " + r.Args["which"] + " " + r.Re
				return agent.Answer{Text: "hot #1: you see to it."}, nil
			},
		})
		d.run()
		c := d.owner()
		a := agent.Alert{ID: agent.FiringID(1, "ab"), Level: agent.Critical, Text: "[critical] hot: boiler is 85 °C #1", To: me, Rule: "hot", Number: 1, State: agent.Firing}
		raise := func(a agent.Alert) {
			t.Helper()
			if err := d.agent.Raise(a); err != nil {
				t.Fatal(err)
			}
		}
		raise(a)
		got := c.Wait(xmpptest.Has("<message", "boiler is 85", "ack 1", "ack#1", "alert-1"), patience)
		c.SendRaw("<message to='" + d.link.FullJID() + "' type='chat' id='r1'><received xmlns='urn:xmpp:receipts' id='" + a.ID + "'/></message>")
		d.until("the receipt", patience, func() bool { return events.has("delivered " + a.ID + " " + me) })
		if h, err := wire.Scan([]byte(got)); err != nil || h.ID != a.ID || !regexp.MustCompile(`<origin-id[^>]*id=["']`+a.ID).MatchString(got) {
			t.Errorf("got %s", got)
		}

		c.SendRaw("<message to='" + d.link.FullJID() + "' type='chat' id='r2'><reactions xmlns='urn:xmpp:reactions:0' id='" + a.ID + "'><reaction>👍🏼</reaction></reactions><store xmlns='urn:xmpp:hints'/></message>")
		if got, want := <-asked, "chat "+me+"  "+a.ID; got != want {
			t.Errorf("a reaction asked %q, want %q", got, want)
		}
		answer := c.IQ(d.link.FullJID(), "set", "<command xmlns='http://jabber.org/protocol/commands' node='ack#1' action='execute'/>")
		if got, want := <-asked, "adhoc "+me+" 1 "; got != want || !strings.Contains(answer, "you see to it") {
			t.Errorf("a button asked %q, want %q: %s", got, want, answer)
		}

		fix := a
		fix.ID, fix.State, fix.Text, fix.Replaces = agent.FiringID(1, "ac"), agent.Acked, a.Text+" – acked by anna", a.ID
		raise(fix)
		c.Wait(xmpptest.Has("<message", "acked by anna", "urn:xmpp:message-correct:0", a.ID), patience)
		over := a
		over.ID, over.State, over.Text, over.Replaces = agent.FiringID(1, "ad"), agent.Resolved, "[resolved] hot: boiler is 70 °C #1", a.ID
		raise(over)
		c.Wait(xmpptest.Has("<message", "boiler is 70", "urn:xmpp:message-correct:0", a.ID), patience)
		anew := c.Wait(xmpptest.Has("<message", "boiler is 70", over.ID+"-new"), patience)
		if strings.Contains(anew, "message-correct") {
			t.Errorf("said anew as a correction: %s", anew)
		}

		b := a
		b.ID, b.To = agent.FiringID(1, "ba"), nobody
		raise(b)
		d.until("the error", patience, func() bool { return events.has("unreachable " + b.ID + " " + nobody) })

		d.agent.Tell(me, "by the way")
		c.Wait(xmpptest.Has("by the way"), patience)
		fix.ID, fix.Text = agent.FiringID(1, "ae"), "too late to correct"
		raise(fix)
		if got := c.Wait(xmpptest.Has("too late to correct"), patience); strings.Contains(got, "message-correct") {
			t.Errorf("not the newest any more, and corrected: %s", got)
		}
	})
}

// After an outage there is one message, not a burst.
func TestAlertDigestOnTheWire(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, s *server.Server) {
		me := xmpptest.JID(xmpptest.Owner)
		d := newDevice(t, s)
		alerts := newFakeAlerts()
		d.agent.Alerts = alerts
		for n := range 5 {
			a := agent.Alert{ID: agent.FiringID(uint64(n+1), "x"), Time: time.Now().Add(-time.Hour), To: me, Number: uint64(n + 1), State: agent.Firing, Text: fmt.Sprint("alert of an outage #", n+1)}
			if err := d.agent.Raise(a); err != nil {
				t.Fatal(err)
			}
		}
		c := xmpptest.Slixmpp(t, s, xmpptest.Owner+"/phone") // before the device: a message in the middle of a login may stay with ejabberd
		d.run()
		got := c.Wait(xmpptest.Has("5 alerts came up while I was away; 5 still fire."), patience)
		if strings.Count(got, "alert of an outage") != 5 {
			t.Errorf("got %s", got)
		}
		d.until("the server has it", patience, func() bool { return alerts.isDone(5) })
		c.IQ("", "get", "<query xmlns='jabber:iq:roster'/>")
		for _, in := range c.Inbox() {
			if strings.Contains(in, "alert of an outage") {
				t.Errorf("and one more: %s", in)
			}
		}
	})
}

var _ agent.AlertEvents = (*became)(nil)
