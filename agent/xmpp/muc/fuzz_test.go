package muc

import (
	"log/slog"
	"testing"
	"time"

	"pipit/agent/xmpp/stanza"
)

// FuzzStanza feeds a room two stanzas of the same service.
func FuzzStanza(f *testing.F) {
	self := "<presence from='" + room + "/pi'>" + user(item("owner", "moderator")+status("110", "201")) + occupantID("P") + "</presence>"
	for _, s := range []string{
		self,
		"<presence from='" + room + "/anna'>" + user("<item jid='anna@example.org/x' affiliation='member' role='participant'/>") + "</presence>",
		"<presence type='unavailable' from='" + room + "/pi'>" + user("<item nick='po'/>"+status("303", "110")) + "</presence>",
		"<presence type='unavailable' from='" + room + "/pi'>" + user("<destroy jid='b@c'><reason>r</reason></destroy>"+status("110")) + "</presence>",
		"<presence type='error' from='" + room + "/pi'><error type='cancel'><conflict xmlns='" + stanza.NSError + "'/></error></presence>",
		"<message type='groupchat' id='m' from='" + room + "/anna'><body>pi: on</body>" + occupantID("A") + stanzaID(room, "s") + "</message>",
		"<message type='chat' id='m' from='" + room + "/anna'><body>on</body>" + user("") + "</message>",
		"<message type='groupchat' id='m' from='" + room + "/pi'><body>on</body>" + stanzaID(room, "s") + "</message>",
		"<message type='groupchat' from='" + room + "/anna'><reactions xmlns='urn:xmpp:reactions:0' id='s'><reaction>+</reaction></reactions></message>",
		"<message type='error' id='m' from='" + room + "'><error type='cancel'><not-acceptable xmlns='" + stanza.NSError + "'/></error></message>",
		"<message type='groupchat' from='" + room + "/anna'><body>pi: on</body><delay xmlns='urn:xmpp:delay'/></message>",
	} {
		f.Add([]byte(self), []byte(s))
		f.Add([]byte(s), []byte(self))
	}
	f.Fuzz(func(t *testing.T, first, second []byte) {
		ended := 0
		conn := &fake{replies: map[string]string{}}
		r := New(Config{JID: room, Nick: "pi", Tell: func(string) {}, Done: func(string, string, error) { ended++ }}, slog.New(slog.DiscardHandler))
		r.start(conn)
		if err := r.Send(Message{ID: "m", Body: "on"}); err != nil {
			t.Fatal(err)
		}
		for _, raw := range [][]byte{first, second} {
			if _, err := r.work(t.Context()); err != nil {
				t.Fatal(err)
			}
			if s, err := stanza.Parse(raw); err == nil {
				feed(t, r, s)
			}
		}
		if _, err := r.work(t.Context()); err != nil {
			t.Fatal(err)
		}
		if ended > 1 {
			t.Errorf("one message, done %d times", ended)
		}
		if n := len(conn.sent); n > 12 {
			t.Errorf("two stanzas in, %d out: %q", n, conn.sent)
		}
		if r.Status() == "" || r.Nick() == "" || len(r.occupants) > 2 || time.Until(r.hold) > slowMost {
			t.Errorf("%q as %q, %d occupants", r.Status(), r.Nick(), len(r.occupants))
		}
	})
}

func feed(t *testing.T, r *Room, s *stanza.Stanza) {
	nick, ours := r.nickOf(s.From)
	if s.Name == "presence" && r.Presence(t.Context(), s) != ours {
		t.Error("whose presence it is depends on more than its sender")
	}
	if s.Name != "message" {
		return
	}
	l, ok := r.Message(t.Context(), s)
	if ok && (!ours || nick == "" || nick == r.Nick() || l.From.Nick != nick || l.Addressed && l.Text == "" || l.Private != (s.Type == "chat")) {
		t.Errorf("said: %+v", l)
	}
}
