package muc

import (
	"cmp"
	"testing"

	diff "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"pipit/agent/xmpp/stanza"
)

const features = "<iq type='result'><query xmlns='http://jabber.org/protocol/disco#info'>" +
	"<feature var='urn:xmpp:occupant-id:0'/><feature var='urn:xmpp:sid:0'/></query></iq>"

func occupantID(id string) string { return "<occupant-id xmlns='" + nsOccupant + "' id='" + id + "'/>" }

func stanzaID(by, id string) string {
	return "<stanza-id xmlns='" + nsStanzaID + "' by='" + by + "' id='" + id + "'/>"
}

// enterWithIDs puts the device, anna and a stranger in a room that shows all.
func (w *world) enterWithIDs(announced bool) {
	w.t.Helper()
	if announced {
		w.f.answer("disco#info", features)
	}
	x := func(nick, jid, role, id, more string) {
		w.in("<presence from='" + room + "/" + nick + "'>" +
			user("<item jid='"+jid+"' affiliation='member' role='"+role+"'/>"+more) + occupantID(id) + "</presence>")
	}
	x("anna", "Anna@EXAMPLE.org/phone", "moderator", "A", "")
	x("eve", "not a @ jid/", "fool", "E", "")
	x("pi", "pi@example.org/pipit", "participant", "P", status("110"))
	w.take()
}

func TestLine(t *testing.T) {
	anna := Occupant{Nick: "anna", RealJID: "anna@example.org", Affiliation: "member", Role: "moderator", ID: "A"}
	annaNoID := anna
	annaNoID.ID = ""
	on := func(from Occupant) *Line { return &Line{From: from, Text: "on", Addressed: true, ID: "m"} }
	nick := func(nick string) Occupant { return Occupant{Nick: nick} }
	withID := on(anna)
	withID.StanzaID = "s"
	private := func(from Occupant) *Line { l := on(from); l.Private = true; return l }
	const body = "<body>pi: on</body>"
	const chat = "chat"
	const reply = "<reply xmlns='urn:xmpp:reply:0' id='s'/>"
	for name, c := range map[string]struct {
		announced      bool
		typ, nick, xml string
		want           *Line
	}{
		"plain":             {true, "", "anna", body + occupantID("A") + stanzaID(room, "s"), withID},
		"not addressed":     {true, "", "anna", "<body>on</body>" + occupantID("A"), nil},
		"ids not announced": {false, "", "anna", body + occupantID("E") + stanzaID(room, "s"), on(annaNoID)},
		"other occupant id": {true, "", "anna", body + occupantID("E"), on(nick("anna"))},
		"no occupant id":    {true, "", "anna", body, on(nick("anna"))},
		"two occupant ids":  {true, "", "anna", body + occupantID("A") + occupantID("A"), on(nick("anna"))},
		"foreign stanza id": {true, "", "anna", body + occupantID("A") + stanzaID("x@example.org", "s"), on(anna)},
		"two stanza ids":    {true, "", "anna", body + occupantID("A") + stanzaID(room, "s") + stanzaID(room, "t"), on(anna)},
		"first body":        {true, "", "anna", "<body xmlns='urn:x'>no</body><body>pi: on</body><body xml:lang='de'>pi: an</body>" + occupantID("A"), on(anna)},
		"forged item":       {false, "", "bob", body + user("<item jid='anna@example.org' affiliation='owner' role='moderator'/>"), on(nick("bob"))},
		"nobody":            {false, "", "bob", body, on(nick("bob"))},
		"bad item":          {false, "", "eve", body, on(Occupant{Nick: "eve", Affiliation: "member"})},
		"correction": {false, "", "anna", body + "<replace xmlns='urn:xmpp:message-correct:0' id='l'/>",
			&Line{From: annaNoID, Text: "on", Addressed: true, ID: "m", Replaces: "l"}},
		"reply":           {false, "", "anna", "<body>&gt; fire\nack</body>" + reply, &Line{From: annaNoID, Text: "ack", ID: "m"}},
		"addressed reply": {false, "", "anna", "<body>&gt; pi: off\n&gt; on\npi: on</body>" + reply, on(annaNoID)},
		"empty reply":     {false, "", "anna", "<body>&gt; fire</body>" + reply, nil},
		"reaction":        {false, "", "anna", "<reactions xmlns='urn:xmpp:reactions:0' id='s'><reaction>+</reaction></reactions>", &Line{From: annaNoID, ID: "m"}},
		"private":         {false, chat, "anna", "<body>on</body>" + user(""), private(annaNoID)},
		"private to nick": {false, chat, "anna", body, private(annaNoID)},
		"private id":      {true, chat, "anna", body + occupantID("A"), private(anna)},
		"private no id":   {true, chat, "anna", body, private(anna)},
		"private by eve":  {true, chat, "anna", body + occupantID("E"), private(nick("anna"))},
		"private empty":   {true, chat, "anna", "<body> </body>", nil},
		"private history": {false, chat, "anna", "<body>on</body><delay xmlns='urn:xmpp:delay'/>", nil},
		"private to self": {false, chat, "pi", body, nil},
		"own nick":        {false, "", "pi", body, nil},
		"own occupant id": {true, "", "pi2", body + occupantID("P"), nil},
		"history":         {false, "", "anna", body + "<delay xmlns='urn:xmpp:delay' stamp='2026-11-22T12:00:00Z'/>", nil},
		"old history":     {false, "", "anna", body + "<x xmlns='jabber:x:delay' stamp='20261122T12:00:00'/>", nil},
		"forwarded":       {false, "", "anna", body + "<forwarded xmlns='urn:xmpp:forward:0'/>", nil},
		"encrypted":       {false, "", "anna", body + "<encryption xmlns='urn:xmpp:eme:0'/>", nil},
		"subject":         {false, "", "anna", "<subject>pi: on</subject>", nil},
		"empty":           {false, "", "anna", "<body/>", nil},
		"the room":        {false, "", "", body, nil},
		"malformed":       {false, "", "anna", "<body>pi: on</bod>", nil},
		"headline":        {false, "headline", "anna", body, nil},
		"normal":          {false, "normal", "anna", body, nil},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.enterWithIDs(c.announced)
				got, ok := w.in("<message type='" + cmp.Or(c.typ, "groupchat") + "' id='m' from='" + room + "/" + c.nick + "'>" + c.xml + "</message>")
				if ok != (c.want != nil) {
					t.Fatalf("said %v: %+v", ok, got)
				}
				if ok {
					if d := diff.Diff(*c.want, got, cmpopts.IgnoreFields(Line{}, "Stanza"), cmpopts.IgnoreUnexported(Occupant{})); d != "" {
						t.Error(d)
					}
				}
			})
		})
	}
}

func TestAddressed(t *testing.T) {
	for _, c := range []struct {
		body, nick, text string
		to               bool
	}{
		{"pi: set lamp on", "pi", "set lamp on", true},
		{"pi, status", "pi", "status", true},
		{"@pi status", "pi", "status", true},
		{"@pi: status", "pi", "status", true},
		{" pi:\u00a0status \u200b", "pi", "status", true},
		{"pi:", "pi", "", true},
		{"@pi", "pi", "", true},
		{"@pi, ", "pi", "", true},
		{"> a\n>b\n pi: status", "pi", "status", true},
		{"pi:\nstatus", "pi", "status", true},
		{"Küche 2: status", "Küche 2", "status", true},
		{"pi status", "pi", "pi status", false},
		{"pi", "pi", "pi", false},
		{"PI: status", "pi", "PI: status", false},
		{"pip: status", "pi", "pip: status", false},
		{"@pip status", "pi", "@pip status", false},
		{"@pi-2 status", "pi", "@pi-2 status", false},
		{"pi:3.14", "pi", "pi:3.14", false},
		{"hello pi: status", "pi", "hello pi: status", false},
		{"> pi: status", "pi", "", false},
		{": status", "pi", ": status", false},
		{"", "pi", "", false},
	} {
		if text, to := addressed(c.body, c.nick); text != c.text || to != c.to {
			t.Errorf("%q: %q, %v; want %q, %v", c.body, text, to, c.text, c.to)
		}
	}
}

func TestReply(t *testing.T) {
	from := &stanza.Stanza{}
	from.From = room + "/a'a"
	anna := Occupant{Nick: "a'a", seat: 7}
	reply := func(id string) []byte {
		return []byte("<reply xmlns='urn:xmpp:reply:0' id='" + id + "' to='" + room + "/a&#39;a'/>")
	}
	for name, c := range map[string]struct {
		line Line
		want Message
	}{
		"to all":     {Line{From: anna, ID: "m", StanzaID: "s", Stanza: from}, Message{ID: "r", Body: "t", Extra: reply("s")}},
		"without id": {Line{From: anna, ID: "m", Stanza: from}, Message{ID: "r", Body: "t"}},
		"private":    {Line{From: anna, ID: "m", StanzaID: "s", Private: true, Stanza: from}, Message{ID: "r", Body: "t", To: anna, Extra: reply("m")}},
	} {
		if d := diff.Diff(c.want, c.line.Reply("r", "t"), diff.AllowUnexported(Occupant{})); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

func TestNotSaid(t *testing.T) {
	joined(t, func(t *testing.T, w *world) {
		for _, xml := range []string{
			"<message type='groupchat' from='other@rooms.example.org/anna'><body>pi: on</body></message>",
			"<message type='chat' from='anna@example.org/x'><body>pi: on</body></message>",
			"<message type='groupchat'><body>pi: on</body></message>",
		} {
			if _, ok := w.in(xml); ok {
				t.Errorf("said: %s", xml)
			}
		}
		w.presence("pi", "unavailable", item("none", "none")+status("307", "110"))
		if _, ok := w.say("anna", "1", "<body>pi: on</body>"); ok {
			t.Error("said in a room in which the device is not")
		}
	})
}

// Who somebody is comes from the room alone, and ends when they go.
func TestIdentity(t *testing.T) {
	real := func(w *world) string { o, _ := w.Occupant("anna"); return o.RealJID }
	inWorld(t, func(t *testing.T, w *world) {
		w.enterWithIDs(false)
		if real(w) != "anna@example.org" {
			t.Errorf("anna is %q", real(w))
		}
		w.presence("anna", "", item("member", "participant")) // semi-anonymous now
		if real(w) != "" {
			t.Errorf("anna is still %q", real(w))
		}
		w.enterWithIDs(false)
		w.presence("anna", "unavailable", item("member", "none"))
		w.presence("anna", "", item("none", "participant")) // somebody else
		if real(w) != "" {
			t.Errorf("the next anna is %q", real(w))
		}
	})
	inWorld(t, func(t *testing.T, w *world) { // a room that no longer announces ids
		w.enterWithIDs(true)
		w.presence("pi", "unavailable", item("none", "none")+status("332", "110"))
		w.f.answer("disco#info", "<iq type='result'/>")
		w.settle(firstWait)
		w.enterWithIDs(false)
		if o, ok := w.Occupant("anna"); !ok || o.ID != "" {
			t.Errorf("anna is %+v", o)
		}
	})
	twice := map[string]string{
		"two x":     user("<item jid='eve@example.org'/>") + user("<item jid='anna@example.org'/>"),
		"two items": user("<item jid='anna@example.org'/><item jid='eve@example.org'/>"),
		"two ids":   user("<item jid='anna@example.org'/>") + occupantID("A") + occupantID("B"),
		"malformed": user("<item jid='anna@example.org'/>") + "<show>",
		"other x":   "<x xmlns='urn:x'><item jid='anna@example.org'/></x>",
		"bare item": "<item jid='anna@example.org'/>",
	}
	for name, xml := range twice {
		inWorld(t, func(t *testing.T, w *world) {
			w.enterWithIDs(false)
			w.in("<presence from='" + room + "/anna'>" + xml + "</presence>")
			if real(w) != "" {
				t.Errorf("%s: anna is %q", name, real(w))
			}
		})
	}
}
