package muc

import (
	"strings"
	"testing"
	"time"

	"pipit/agent/xmpp/server"
	"pipit/agent/xmpp/xmpptest"
)

// Rows 50 to 55 of the acceptance checks, on the servers that people run.
func TestServers(t *testing.T) {
	xmpptest.Both(t, func(t *testing.T, s *server.Server) {
		d, owner := login(t, s), xmpptest.Slixmpp(t, s, xmpptest.Owner)
		stranger := xmpptest.Slixmpp(t, s, xmpptest.Stranger)
		for _, c := range []struct {
			name string
			run  func(t *testing.T, d *device, owner *xmpptest.Client, jid string)
		}{
			{"new room", testNewRoom},
			{"open", func(t *testing.T, d *device, owner *xmpptest.Client, jid string) {
				testReal(t, d, owner, jid, "anyone", xmpptest.JID(xmpptest.Owner))
			}},
			{"anonymous", func(t *testing.T, d *device, owner *xmpptest.Client, jid string) {
				testReal(t, d, owner, jid, "moderators", "")
			}},
			{"impostor", func(t *testing.T, d *device, owner *xmpptest.Client, jid string) {
				testImpostor(t, d, owner, stranger, jid, "anyone", xmpptest.JID(xmpptest.Stranger))
			}},
			{"unknown impostor", func(t *testing.T, d *device, owner *xmpptest.Client, jid string) {
				testImpostor(t, d, owner, stranger, jid, "moderators", "")
			}},
			{"private", testPrivate},
			{"next session", testNextSession},
			{"conflict", testConflict},
			{"lost presence", testLost},
			{"kick", testKick},
			{"message after restart", testMessageAfterRestart},
			{"ping after restart", testPingAfterRestart},
			{"ban", testBan},
			{"destroy", testDestroy},
		} {
			t.Run(c.name, func(t *testing.T) {
				c.run(t, d, owner, strings.ReplaceAll(c.name, " ", "-")+"@"+s.MUC)
			})
		}
	})
}

// The device makes a room, others come in, both talk, the device leaves.
func testNewRoom(t *testing.T, d *device, owner *xmpptest.Client, jid string) {
	r, leave := d.enter(t, jid)
	d.joined(t, r)
	goIn(owner, jid, "anna")
	until(t, "sees anna", func() bool { o, _ := r.Occupant("anna"); return o.RealJID == xmpptest.JID(xmpptest.Owner) })
	if err := r.Send(Message{ID: "one", Body: "21 °C <now>"}); err != nil {
		t.Fatal(err)
	}
	got := owner.Wait(xmpptest.Has("<message", `from="`+jid+`/pi"`, `id="one"`, "21 °C &lt;now&gt;"), wait)
	if id := d.delivered(t, "one"); id == "" || !strings.Contains(got, `id="`+id+`"`) {
		t.Errorf("delivered with the stanza id %q: %s", id, got)
	}
	speak(owner, jid, "nothing for the device")
	speak(owner, jid, "pi: status")
	l := d.hears(t, "status")
	if l.From.Nick != "anna" || l.From.RealJID != xmpptest.JID(xmpptest.Owner) || l.ID != "from-owner" || l.Private {
		t.Errorf("heard %+v", l)
	}
	if err := r.Send(l.Reply("two", "fine")); err != nil {
		t.Fatal(err)
	}
	owner.Wait(xmpptest.Has("<message", `type="groupchat"`, `id="two"`, "fine"), wait)
	leave()
	owner.Wait(xmpptest.Has("<presence", `from="`+jid+`/pi"`, `type="unavailable"`), wait)
}

func testReal(t *testing.T, d *device, owner *xmpptest.Client, jid, whois, want string) {
	made(t, owner, jid, "anna", whois)
	speak(owner, jid, "pi: before") // history, when the device comes in
	owner.Wait(xmpptest.Has("<message", `from="`+jid+`/anna"`, "<body>pi: before</body>"), wait)
	r, _ := d.enter(t, jid)
	d.joined(t, r)
	speak(owner, jid, "@pi hello")
	if l := d.hears(t, "hello"); l.From.Nick != "anna" || l.From.RealJID != want {
		t.Errorf("heard %+v", l)
	}
	if o, ok := r.Occupant("anna"); !ok || o.RealJID != want || o.Affiliation != "owner" {
		t.Errorf("anna is %+v", o)
	}
}

// The owner leaves, and somebody else takes the nick.
func testImpostor(t *testing.T, d *device, owner, stranger *xmpptest.Client, jid, whois, want string) {
	made(t, owner, jid, "guard", whois) // keeps the room as it is
	r, _ := d.enter(t, jid)
	d.joined(t, r)
	there := func(nick string) func() bool { return func() bool { _, ok := r.Occupant(nick); return ok } }
	owner.SendRaw("<presence to='" + jid + "/anna'/>")
	until(t, "the owner is anna", there("anna"))
	speak(owner, jid, "pi: one")
	before := d.hears(t, "one")
	owner.SendRaw("<presence to='" + jid + "/guard'/>")
	until(t, "the owner is no longer anna", there("guard"))
	goIn(stranger, jid, "anna")
	speak(stranger, jid, "pi: two")
	after := d.hears(t, "two")
	if after.From.Nick != "anna" || after.From.RealJID != want || after.From.Affiliation != "none" {
		t.Errorf("impostor is %+v", after.From)
	}
	if before.From.ID != "" && after.From.ID == before.From.ID {
		t.Errorf("%+v has the occupant id of %+v", after.From, before.From)
	}
	t.Logf("occupant ids %q, %q", before.From.ID, after.From.ID)
	stranger.SendRaw("<presence type='unavailable' to='" + jid + "/anna'/>")
	until(t, "the impostor goes", func() bool { _, ok := r.Occupant("anna"); return !ok })
}

func testPrivate(t *testing.T, d *device, owner *xmpptest.Client, jid string) {
	made(t, owner, jid, "anna", "anyone")
	r, _ := d.enter(t, jid)
	d.joined(t, r)
	owner.Wait(xmpptest.Has("<presence", `from="`+jid+`/pi"`), wait)
	owner.SendRaw("<message type='chat' id='psst' to='" + jid + "/pi'><body>status</body><x xmlns='" + nsUser + "'/></message>")
	l := d.hears(t, "status")
	if !l.Private || l.From.RealJID != xmpptest.JID(xmpptest.Owner) || l.ID != "psst" {
		t.Errorf("heard %+v", l)
	}
	if err := r.Send(l.Reply("answer", "fine")); err != nil {
		t.Fatal(err)
	}
	owner.Wait(xmpptest.Has("<message", `type="chat"`, `from="`+jid+`/pi"`, "<body>fine</body>", "<reply", `id="psst"`), wait)
	d.delivered(t, "answer")
}

// A Room goes on in another session, with what waits.
func testNextSession(t *testing.T, d *device, owner *xmpptest.Client, jid string) {
	made(t, owner, jid, "anna", "anyone")
	r, leave := d.enter(t, jid)
	d.joined(t, r)
	leave()
	owner.Wait(xmpptest.Has("<presence", `from="`+jid+`/pi"`, `type="unavailable"`), wait)
	if err := r.Send(Message{ID: "later", Body: "fire"}); err != nil {
		t.Fatal(err)
	}
	d.run(t, r)
	owner.Wait(xmpptest.Has("<message", `from="`+jid+`/pi"`, `id="later"`, "fire"), wait)
	d.delivered(t, "later")
}

func testConflict(t *testing.T, d *device, owner *xmpptest.Client, jid string) {
	made(t, owner, jid, "pi", "anyone")
	r, _ := d.enter(t, jid)
	owner.Wait(xmpptest.Has("<presence", `from="`+jid+`/pi-2"`), wait)
	d.joined(t, r)
	owner.SendRaw("<presence to='" + jid + "/anna'/>")
	owner.Wait(xmpptest.Has("<presence", `from="`+jid+`/pi"`, "device"), wait)
	until(t, "has the wanted nick", func() bool { return r.Joined() && r.Nick() == "pi" })
}

func testKick(t *testing.T, d *device, owner *xmpptest.Client, jid string) {
	made(t, owner, jid, "anna", "anyone")
	r, _ := d.enter(t, jid)
	d.joined(t, r)
	owner.Wait(xmpptest.Has("<presence", `from="`+jid+`/pi"`), wait)
	admin(t, owner, jid, "<item nick='pi' role='none'><reason>hush</reason></item>")
	owner.Wait(xmpptest.Has("<presence", `from="`+jid+`/pi"`, `type="unavailable"`), wait)
	d.tells(t, `put me out of the room ("hush")`)
	owner.Wait(xmpptest.Has("<presence", `from="`+jid+`/pi"`, `role="participant"`), wait)
	d.joined(t, r)
	admin(t, owner, jid, "<item nick='pi' role='visitor'/>")
	d.tells(t, "no voice")
}

func testMessageAfterRestart(t *testing.T, d *device, owner *xmpptest.Client, jid string) {
	made(t, owner, jid, "anna", "anyone")
	r, _ := d.enter(t, jid)
	d.joined(t, r)
	d.forgotten(t, r, owner)
	if err := r.Send(Message{ID: "alert", Body: "fire"}); err != nil {
		t.Fatal(err)
	}
	fire := xmpptest.Has("<message", `from="`+jid+`/pi"`, `id="alert"`, "fire")
	owner.Wait(fire, wait)
	d.delivered(t, "alert")
	owner.IQ(jid, "get", "<query xmlns='http://jabber.org/protocol/disco#info'/>")
	for _, s := range owner.Inbox() {
		if fire(s) {
			t.Error("heard twice")
		}
	}
}

func testPingAfterRestart(t *testing.T, d *device, owner *xmpptest.Client, jid string) {
	made(t, owner, jid, "anna", "anyone")
	r, _ := d.enter(t, jid)
	d.joined(t, r)
	owner.Wait(xmpptest.Has("<presence", `from="`+jid+`/pi"`), wait)
	ping(r)
	until(t, "the ping is answered", func() bool { return pinged(r) })
	if !r.Joined() {
		t.Fatal("in the room, but a ping says otherwise: " + r.Status())
	}
	d.forgotten(t, r, owner)
	ping(r)
	owner.Wait(xmpptest.Has("<presence", `from="`+jid+`/pi"`, `role="participant"`), wait)
	d.joined(t, r)
}

// ping lets 15 minutes of silence have passed.
func ping(r *Room) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pingAt = time.Now()
	r.wake()
}

func pinged(r *Room) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.pinging && r.pingAt.After(time.Now())
}

func testBan(t *testing.T, d *device, owner *xmpptest.Client, jid string) {
	made(t, owner, jid, "anna", "anyone")
	r, leave := d.enter(t, jid)
	d.joined(t, r)
	admin(t, owner, jid, "<item jid='"+xmpptest.JID(xmpptest.Device)+"' affiliation='outcast'/>")
	d.tells(t, "I am banned from the room")
	if r.Joined() || r.Send(Message{ID: "x", Body: "x"}) == nil {
		t.Error(r.Status())
	}
	leave()
	d.mu.Lock()
	d.rooms = nil
	d.mu.Unlock()
	d.enter(t, jid)
	d.tells(t, "I cannot enter the room: I am banned from it")
}

func testDestroy(t *testing.T, d *device, owner *xmpptest.Client, jid string) {
	made(t, owner, jid, "anna", "anyone")
	r, _ := d.enter(t, jid)
	d.joined(t, r)
	reply := owner.IQ(jid, "set", "<query xmlns='"+nsOwner+"'><destroy><reason>moved</reason></destroy></query>")
	if !strings.Contains(reply, `type="result"`) {
		t.Fatal(reply)
	}
	d.tells(t, `closed for ever ("moved")`)
	if r.Joined() {
		t.Error(r.Status())
	}
}
