package muc

import (
	"slices"
	"testing"
	"time"

	"pipit/agent/xmpp/xmpptest"
)

// Who is in the room is forgotten at once when a presence was lost, and the
// device comes in anew.
func TestLost(t *testing.T) {
	joined(t, func(t *testing.T, w *world) {
		w.settle(time.Second)
		w.presence("anna", "", "<item jid='anna@example.org/x' affiliation='none' role='participant'/>")
		w.mustPost("one")
		w.take()
		w.Lost()
		if _, ok := w.Occupant("anna"); ok || w.Joined() {
			t.Error("anna is still known")
		}
		if _, ok := w.say("anna", "1", "<body>pi: set lamp on</body>"); ok {
			t.Error("a line was heard")
		}
		w.settle(time.Second)
		if got := w.take(); !slices.Equal(got, []string{"leave pi"}) {
			t.Errorf("sent %q", got)
		}
		w.presence("pi", "unavailable", item("none", "none")+status("110"))
		w.settle(firstWait)
		if got := w.take(); !slices.Equal(got, []string{"join pi"}) {
			t.Errorf("sent %q", got)
		}
		w.presence("pi", "", item("none", "participant")+status("110"))
		w.settle(time.Second)
		if got := w.take(); !w.Joined() || !slices.Contains(got, "say one") {
			t.Errorf("%s, sent %q", w.Status(), got)
		}
	})
}

// A new session owes the room no leave.
func TestLostThenNewSession(t *testing.T) {
	joined(t, func(t *testing.T, w *world) {
		w.stop()
		before := w.Status()
		w.Lost() // nothing is known that could be wrong
		if got := w.Status(); got != before {
			t.Errorf("%s, before %s", got, before)
		}
		w.astray = true // of the session before
		w.take()
		w.session()
		if got := w.take(); !slices.Equal(got, []string{"join pi"}) {
			t.Errorf("sent %q", got)
		}
	})
}

// testLost loses a presence: the device leaves and is back, and knows who is there.
func testLost(t *testing.T, d *device, owner *xmpptest.Client, jid string) {
	made(t, owner, jid, "anna", "anyone")
	r, _ := d.enter(t, jid)
	d.joined(t, r)
	owner.Wait(xmpptest.Has("<presence", `from="`+jid+`/pi"`, `role="participant"`), wait)
	r.Lost()
	owner.Wait(xmpptest.Has("<presence", `from="`+jid+`/pi"`, `type="unavailable"`), wait)
	owner.Wait(xmpptest.Has("<presence", `from="`+jid+`/pi"`, `role="participant"`), wait)
	d.joined(t, r)
	speak(owner, jid, "pi: again")
	if l := d.hears(t, "again"); l.From.RealJID != xmpptest.JID(xmpptest.Owner) {
		t.Errorf("heard %+v", l)
	}
}
