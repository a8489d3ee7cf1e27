package main

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"pipit/agent/xmpp/server"
	"pipit/agent/xmpp/xmpptest"
)

const nsMUC = "http://jabber.org/protocol/muc"

// A lounge is a running device in rooms, with people in them.
type lounge struct {
	*bench
	owner, operator, stranger *xmpptest.Client
	seq                       int
}

// TestRooms talks to a device in rooms as people of each role do.
func TestRooms(t *testing.T) {
	t.Parallel()
	xmpptest.BothAtOnce(t, func(t *testing.T, s *server.Server) {
		l := &lounge{owner: xmpptest.Slixmpp(t, s, "owner/phone"), operator: xmpptest.Slixmpp(t, s, "operator/phone"), stranger: xmpptest.Slixmpp(t, s, "stranger/x")}
		config := ""
		for _, r := range []struct{ name, whois, keys string }{
			{"open", "anyone", ""}, {"hidden", "moderators", ""}, {"guests", "moderators", "anonymous_viewers = true\n"},
			{"mute", "anyone", "commands = false\n"}, {"kicked", "anyone", ""},
		} {
			jid := r.name + "@" + s.MUC
			l.enter(l.owner, jid, "anna")
			l.make(t, l.owner, jid, r.whois)
			l.enter(l.operator, jid, "otto")
			l.enter(l.stranger, jid, "stan")
			config += fmt.Sprintf("[room.%s]\njid = %q\n%s", r.name, jid, r.keys)
		}
		l.say(l.owner, "open", "Bench: read level history") // what the device must not hear
		l.heard(t, l.owner, "open", "anna", "history")
		l.bench = startDevice(t, s, config)
		for _, room := range []string{"open", "hidden", "guests", "mute", "kicked"} {
			l.owner.Wait(l.there(room), patience)
		}
		for _, part := range []struct {
			name string
			run  func(*testing.T, *lounge)
		}{
			{"addressed", roomAddressed},
			{"not a command", roomSilence},
			{"stranger", roomStranger},
			{"impostor", roomImpostor},
			{"private", roomPrivate},
			{"corrected", roomCorrected},
			{"confirmed", roomConfirmed},
			{"hidden", roomHidden},
			{"guests", roomGuests},
			{"kicked", roomKicked},
		} {
			t.Run(part.name, func(t *testing.T) {
				for _, c := range []*xmpptest.Client{l.owner, l.operator, l.stranger} {
					c.IQ("", "get", "<query xmlns='jabber:iq:roster'/>") // comes after what was said before
					c.Take()
				}
				part.run(t, l)
			})
		}
		t.Run("server restart", func(t *testing.T) { roomRestart(t, l) })
	})
}

func (l *lounge) jid(room string) string {
	if l.bench == nil {
		return room + "@conference." + xmpptest.Domain
	}
	return room + "@" + l.srv.MUC
}

func (l *lounge) enter(c *xmpptest.Client, jid, nick string) {
	c.SendRaw("<presence to='" + jid + "/" + nick + "'><x xmlns='" + nsMUC + "'><history maxstanzas='0'/></x></presence>")
	c.Wait(xmpptest.Has("<presence", `from="`+jid+"/"+nick+`"`, `code="110"`), patience)
}

func (l *lounge) make(t *testing.T, c *xmpptest.Client, jid, whois string) {
	t.Helper()
	reply := c.IQ(jid, "set", "<query xmlns='"+nsMUC+"#owner'><x xmlns='jabber:x:data' type='submit'>"+
		"<field var='FORM_TYPE' type='hidden'><value>"+nsMUC+"#roomconfig</value></field>"+
		"<field var='muc#roomconfig_whois'><value>"+whois+"</value></field></x></query>")
	if !strings.Contains(reply, `type="result"`) {
		t.Fatalf("room not made: %s", reply)
	}
}

// there matches the presence of the device in a room.
func (l *lounge) there(room string) func(string) bool {
	in := xmpptest.Has("<presence", `from="`+l.jid(room)+`/Bench"`, "http://jabber.org/protocol/caps")
	return func(xml string) bool { return in(xml) && !strings.Contains(xml, `type="unavailable"`) }
}

// say says something to all and returns its id.
func (l *lounge) say(c *xmpptest.Client, room, text string) string {
	l.seq++
	id := fmt.Sprintf("said-%d", l.seq)
	c.SendRaw("<message type='groupchat' id='" + id + "' to='" + l.jid(room) + "'><body>" + text + "</body></message>")
	return id
}

// heard waits for a message of an occupant.
func (l *lounge) heard(t *testing.T, c *xmpptest.Client, room, nick string, parts ...string) string {
	t.Helper()
	return c.Wait(xmpptest.Has(append([]string{"<message", `type="groupchat"`, `from="` + l.jid(room) + "/" + nick + `"`}, parts...)...), patience)
}

// nothing wants the device to have said nothing more in a room. What a room
// passes on is served in order, so a request through the room comes last.
func (l *lounge) nothing(t *testing.T, c *xmpptest.Client, room string) {
	t.Helper()
	c.IQ(l.jid(room)+"/Bench", "get", "<ping xmlns='urn:xmpp:ping'/>")
	for _, in := range c.Take() {
		if strings.HasPrefix(in, "<message") && strings.Contains(in, `from="`+l.jid(room)+`/Bench"`) {
			t.Errorf("the device said %s", in)
		}
	}
}

func roomAddressed(t *testing.T, l *lounge) {
	for _, text := range []string{"Bench, read level", "@Bench read level"} {
		l.say(l.operator, "open", text)
		l.heard(t, l.operator, "open", "Bench", "<body>otto: ", "10.0 cm", "Auto-Submitted")
	}
	l.say(l.operator, "open", "Bench: who") // by now the room has told its features
	echo := l.heard(t, l.operator, "open", "otto", "Bench: who")
	answer := l.heard(t, l.operator, "open", "Bench", "otto: You are operator@", "operator of Bench")
	id := regexp.MustCompile(`<stanza-id[^>]* id="([^"]+)"`).FindStringSubmatch(echo)
	if id == nil || !strings.Contains(answer, "urn:xmpp:reply:0") || !strings.Contains(answer, id[1]) {
		t.Errorf("the answer does not name %s: %s", echo, answer)
	}
	l.operator.Take()
	l.nothing(t, l.operator, "open")
}

func roomSilence(t *testing.T, l *lounge) {
	for _, text := range []string{"read level", "Benches: read level", "Bench: what a nice day", "Bench: nice\nread level", "> Bench: read level\nyes"} {
		l.say(l.operator, "open", text)
	}
	l.operator.SendRaw("<message type='groupchat' id='auto' to='" + l.jid("open") + "'><body>Bench: read level</body>" +
		"<headers xmlns='http://jabber.org/protocol/shim'><header name='Auto-Submitted'>auto-replied</header></headers></message>")
	l.operator.SendRaw("<message type='groupchat' id='secret' to='" + l.jid("open") + "'><body>Bench: read level</body>" +
		"<openpgp xmlns='urn:xmpp:openpgp:0'>x</openpgp></message>")
	l.say(l.operator, "mute", "Bench: read level")
	l.nothing(t, l.operator, "open")
	l.nothing(t, l.operator, "mute")
}

// Somebody without a role gets no answer, in the room or in private.
func roomStranger(t *testing.T, l *lounge) {
	l.say(l.stranger, "open", "Bench: read level")
	l.stranger.SendRaw("<message type='chat' id='psst' to='" + l.jid("open") + "/Bench'><body>read level</body><x xmlns='" + nsMUC + "#user'/></message>")
	l.nothing(t, l.stranger, "open")
}

// The nick of an owner helps nobody.
func roomImpostor(t *testing.T, l *lounge) {
	l.owner.SendRaw("<presence to='" + l.jid("open") + "/boss'/>")
	l.stranger.Wait(xmpptest.Has("<presence", `from="`+l.jid("open")+`/boss"`), patience)
	l.stranger.SendRaw("<presence to='" + l.jid("open") + "/anna'/>")
	l.operator.Wait(xmpptest.Has("<presence", `from="`+l.jid("open")+`/anna"`, "stranger@"), patience)
	l.say(l.stranger, "open", "Bench: read level")
	l.heard(t, l.operator, "open", "anna", "Bench: read level")
	l.nothing(t, l.operator, "open")
	l.say(l.owner, "open", "Bench: who")
	l.heard(t, l.owner, "open", "Bench", "boss: You are owner@")
}

func roomPrivate(t *testing.T, l *lounge) {
	l.operator.SendRaw("<message type='chat' id='psst' to='" + l.jid("open") + "/Bench'><body>read level</body><x xmlns='" + nsMUC + "#user'/></message>")
	answer := l.operator.Wait(xmpptest.Has("<message", `type="chat"`, `from="`+l.jid("open")+`/Bench"`, "10.0 cm", "urn:xmpp:reply:0", `id="psst"`), patience)
	if strings.Contains(answer, "otto: ") {
		t.Error(answer)
	}
	l.nothing(t, l.operator, "open")
}

// A correction (XEP-0308) of a command does not run again, nor does what comes twice.
func roomCorrected(t *testing.T, l *lounge) {
	id := l.say(l.operator, "open", "Bench: set lamp 5")
	l.heard(t, l.operator, "open", "Bench", "otto: lamp: 5")
	l.operator.SendRaw("<message type='groupchat' id='corrected' to='" + l.jid("open") + "'><body>Bench: set lamp 6</body>" +
		"<replace xmlns='urn:xmpp:message-correct:0' id='" + id + "'/></message>")
	l.heard(t, l.operator, "open", "Bench", "otto: Already done")
	l.operator.SendRaw("<message type='groupchat' id='" + id + "' to='" + l.jid("open") + "'><body>Bench: set lamp 5</body></message>")
	l.operator.Take()
	l.nothing(t, l.operator, "open")
	l.say(l.operator, "open", "Bench: read lamp")
	l.heard(t, l.operator, "open", "Bench", "otto: ", "5")
}

func roomConfirmed(t *testing.T, l *lounge) {
	l.say(l.owner, "open", "Bench: set valve on") // the operator has all but used up the rate of a person
	asked := l.heard(t, l.owner, "open", "Bench", "boss: This will run")
	word := regexp.MustCompile(`Bench: (yes [0-9A-Z]{4})`).FindStringSubmatch(asked)
	if word == nil {
		t.Fatalf("no word in %s", asked)
	}
	l.say(l.operator, "open", "Bench: "+word[1])
	l.heard(t, l.operator, "open", "Bench", "otto: Nothing waits")
	l.say(l.owner, "open", "Bench: "+word[1])
	l.heard(t, l.owner, "open", "Bench", "boss: valve: on")
}

// Where the room hides who is who, nobody may do anything.
func roomHidden(t *testing.T, l *lounge) {
	l.say(l.owner, "hidden", "Bench: read level")
	l.owner.SendRaw("<message type='chat' id='psst' to='" + l.jid("hidden") + "/Bench'><body>who</body><x xmlns='" + nsMUC + "#user'/></message>")
	l.nothing(t, l.owner, "hidden")
}

// Where the config says so, everybody may see, and nobody may switch.
func roomGuests(t *testing.T, l *lounge) {
	l.say(l.stranger, "guests", "Bench: read level")
	l.heard(t, l.stranger, "guests", "Bench", "stan: ", "10.0 cm")
	l.say(l.owner, "guests", "Bench: who")
	if got := l.heard(t, l.owner, "guests", "Bench", "anna: I do not know who you are"); strings.Contains(got, "set") {
		t.Errorf("a guest may switch: %s", got)
	}
	l.owner.Take()
	l.say(l.owner, "guests", "Bench: set lamp 7")
	l.nothing(t, l.owner, "guests")
	l.say(l.owner, "guests", "Bench: read lamp")
	if got := l.heard(t, l.owner, "guests", "Bench", "anna: "); strings.Contains(got, "7") && strings.Contains(got, "lamp 7") {
		t.Errorf("a guest has switched: %s", got)
	}
}

func (l *lounge) admin(t *testing.T, room, item string) {
	t.Helper()
	if reply := l.owner.IQ(l.jid(room), "set", "<query xmlns='"+nsMUC+"#admin'>"+item+"</query>"); !strings.Contains(reply, `type="result"`) {
		t.Fatalf("%s: %s", item, reply)
	}
}

// A device that was put out of a room tells its owner, and goes back after a minute.
func roomKicked(t *testing.T, l *lounge) {
	l.owner.Take()
	l.admin(t, "kicked", "<item nick='Bench' role='none'><reason>hush</reason></item>")
	l.owner.Wait(xmpptest.Has("<message", `type="chat"`, "[warning] room.kicked", "put me out of the room", "hush"), patience)
	l.owner.Wait(l.there("kicked"), 2*time.Minute)
	l.say(l.owner, "kicked", "Bench: read level")
	l.heard(t, l.owner, "kicked", "Bench", "anna: ", "10.0 cm")
}

// Rooms of memory are gone after a restart of the server. Whoever comes first
// makes them anew, and the device is back in them.
func roomRestart(t *testing.T, l *lounge) {
	if err := l.srv.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := l.srv.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	l.operator = xmpptest.Slixmpp(t, l.srv, "operator/desk")
	l.operator.SendRaw("<presence to='" + l.jid("open") + "/otto'><x xmlns='" + nsMUC + "'/></presence>")
	own := l.operator.Wait(xmpptest.Has("<presence", `from="`+l.jid("open")+`/otto"`, `code="110"`), patience)
	if strings.Contains(own, `code="201"`) {
		l.make(t, l.operator, l.jid("open"), "anyone")
	}
	l.operator.Wait(l.there("open"), 2*time.Minute)
	// The device may have come in before the room showed who is who; a new presence does.
	l.operator.SendRaw("<presence to='" + l.jid("open") + "/oscar'/>")
	l.operator.Wait(xmpptest.Has("<presence", `from="`+l.jid("open")+`/oscar"`, `code="110"`), patience)
	l.say(l.operator, "open", "Bench: read level")
	l.heard(t, l.operator, "open", "Bench", "oscar: ", "10.0 cm")
}
