package xmpp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pipit/agent"
	"pipit/agent/xmpp/muc"
	"pipit/agent/xmpp/server"
	"pipit/agent/xmpp/stanza"
	"pipit/agent/xmpp/xmpptest"
)

// goIn makes a room that shows who is who, with the owner in it as anna.
func goIn(t *testing.T, c *xmpptest.Client, jid string) {
	t.Helper()
	c.SendRaw("<presence to='" + jid + "/anna'><x xmlns='" + muc.NS + "'/></presence>")
	c.Wait(xmpptest.Has("<presence", `from="`+jid+`/anna"`, `code="110"`), patience)
	reply := c.IQ(jid, "set", "<query xmlns='"+muc.NS+"#owner'><x xmlns='jabber:x:data' type='submit'>"+
		"<field var='FORM_TYPE' type='hidden'><value>"+muc.NS+"#roomconfig</value></field>"+
		"<field var='muc#roomconfig_whois'><value>anyone</value></field></x></query>")
	if !strings.Contains(reply, `type="result"`) {
		t.Fatalf("room not made: %s", reply)
	}
}

// Alerts are told in a room, brought up to date, answered there, and done when
// the room has repeated them. A stream that is resumed goes on in the room.
func TestRoomAlerts(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, s *server.Server) {
		lab := "lab@" + s.MUC
		c := xmpptest.Slixmpp(t, s, xmpptest.Owner+"/phone")
		goIn(t, c, lab)
		alerts := newFakeAlerts()
		d := newDevice(t, s)
		d.agent.Alerts = alerts
		d.agent.Commands = append(d.agent.Commands, agent.Command{Name: "re", Needs: agent.Viewer,
			Run: func(_ context.Context, r agent.Request) (agent.Answer, error) {
				return agent.Answer{Text: "that was " + r.Re}, nil
			}})
		d.cfg.Rooms = []Room{{Name: "lab", JID: lab, Nick: "pi", Commands: true}}
		d.run()
		fromPi := func(parts ...string) string {
			return c.Wait(xmpptest.Has(append([]string{`from="` + lab + `/pi"`}, parts...)...), patience)
		}
		fromPi("<presence", "http://jabber.org/protocol/caps")
		d.put()
		fromPi("<presence", "<status>level 2")
		tell := func(id, text, replaces string) {
			t.Helper()
			a := agent.Alert{ID: id, Time: time.Now(), Level: agent.Critical, Name: "boiler", Text: text, To: lab, Room: true, Replaces: replaces}
			if err := alerts.AppendAlert(a); err != nil {
				t.Error(err)
			}
		}
		tell("alert-1-a", "85 °C", "")
		first := fromPi("<message", `type="groupchat"`, `id="alert-1-a"`, "[critical] boiler: 85 °C", "Auto-Submitted")
		d.until("the room has it", patience, func() bool { return alerts.isDone(1) })
		tell("alert-1-b", "acked", "alert-1-a")
		fromPi("<message", `id="alert-1-b"`, "acked", "urn:xmpp:message-correct:0", `id="alert-1-a"`)

		id := regexp.MustCompile(`<stanza-id[^>]* id="([^"]+)"`).FindStringSubmatch(first)
		if id == nil {
			t.Fatalf("no stanza-id in %s", first)
		}
		say := func(text, extra string) {
			c.SendRaw("<message type='groupchat' id='" + text + "' to='" + lab + "'><body>" + text + "</body>" + extra + "</message>")
		}
		say("re", "<reply xmlns='urn:xmpp:reply:0' id='nothing-of-ours'/>")
		say("re ", "<reply xmlns='urn:xmpp:reply:0' id='"+id[1]+"'/>")
		fromPi("<message", "anna: that was alert-1-a")
		for _, in := range c.Take() {
			if strings.Contains(in, "anna: that was") {
				t.Errorf("an answer to what is nothing of ours: %s", in)
			}
		}
		tell("alert-1-c", "well again", "alert-1-a")
		if got := fromPi("<message", `id="alert-1-c"`, "well again"); strings.Contains(got, "message-correct") {
			t.Errorf("corrected though something followed: %s", got)
		}
		d.until("the room has it", patience, func() bool { return alerts.isDone(3) })

		c.Take()
		d.proxy.Cut()
		d.until("resumed", patience, func() bool { return d.link.Counters().Resumes == 1 })
		say("pi: echo again", "")
		fromPi("<message", "anna: echo of again")
		for _, in := range c.Inbox() {
			if strings.HasPrefix(in, "<presence") && strings.Contains(in, lab+"/pi") && !strings.Contains(in, "<status>") {
				t.Errorf("after a resume: %s", in)
			}
		}
		if got := strings.Join(d.link.Status(), "\n"); !strings.Contains(got, `room lab: in the room as "pi", 2 present`) {
			t.Error(got)
		}
	})
}

// offlineLink has the room lab and no connection.
func offlineLink(t *testing.T) (*Link, *room) {
	t.Helper()
	l := New(Config{JID: "pi@example.org", Rooms: []Room{{Name: "lab", JID: "lab@rooms.example.org", Nick: "pi"}}}, &agent.Agent{}, slog.New(slog.DiscardHandler))
	return l, l.rooms[0]
}

func TestRoomAlertOnce(t *testing.T) {
	l, r := offlineLink(t)
	a := agent.Alert{ID: "alert-1-a", Text: "hot", To: "lab@rooms.example.org", Room: true}
	for range 3 {
		if err := l.roomAlert(a); err != nil {
			t.Error(err)
		}
	}
	if len(r.pending) != 1 {
		t.Errorf("%d are pending", len(r.pending))
	}
	r.done(a.ID, "stanza-7", nil)
	r.done("an answer", "stanza-8", nil)
	if err := l.roomAlert(a); err != nil || len(r.pending) != 0 || r.toldAs("stanza-7") != a.ID || r.toldAs("stanza-8") != "" {
		t.Errorf("%v, pending %q, told %v", err, r.pending, r.told)
	}
	b := a
	b.ID = "alert-1-b"
	if err := l.roomAlert(b); err != nil {
		t.Error(err)
	}
	r.done(b.ID, "", errors.New("lost")) // it may be told again
	if err := l.roomAlert(b); err != nil || len(r.pending) != 1 {
		t.Errorf("%v, pending %q", err, r.pending)
	}
	if err := l.roomAlert(agent.Alert{ID: "c", Text: "hot", To: "other@rooms.example.org", Room: true}); err == nil {
		t.Error("told to a room that is not there")
	}
}

func TestRoomRemembersFewAlerts(t *testing.T) {
	_, r := offlineLink(t)
	for i := range 3 * maxTold {
		id := fmt.Sprint(i)
		r.expect(agent.Alert{ID: id})
		r.done(id, "s"+id, nil)
	}
	if len(r.told) != maxTold || r.toldAs(fmt.Sprint("s", 3*maxTold-1)) == "" || r.toldAs("s0") != "" {
		t.Errorf("%d told", len(r.told))
	}
}

// More than the room takes pushes out what is oldest, which calls done while a
// message is being sent.
func TestRoomAlertFlood(t *testing.T) {
	l, r := offlineLink(t)
	for i := range 200 {
		if err := l.roomAlert(agent.Alert{ID: fmt.Sprint(i), Text: "hot", To: r.cfg.JID, Room: true}); err != nil {
			t.Fatal(err)
		}
	}
	if len(r.pending) > 64 {
		t.Errorf("%d are pending", len(r.pending))
	}
}

func TestQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, r := offlineLink(t)
		<-r.quiet()
		r.expect(agent.Alert{ID: "a"})
		r.expect(agent.Alert{ID: "b"})
		quiet := false
		go func() { <-r.quiet(); quiet = true }()
		r.done("a", "", nil)
		if synctest.Wait(); quiet {
			t.Error("quiet with an alert pending")
		}
		l.awaitRooms(t.Context()) // does not wait for a room that the device is not in
		r.done("b", "", errors.New("lost"))
		if synctest.Wait(); !quiet {
			t.Error("not quiet")
		}
	})
}

// People wait for a room that the device is in, but not for long.
func TestAwaitRooms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, r := inLab(t)
		for _, c := range []struct{ echo, want time.Duration }{{0, 0}, {time.Second, time.Second}, {time.Hour, alertWait}} {
			r.expect(agent.Alert{ID: fmt.Sprint(c.echo)})
			time.AfterFunc(c.echo, func() { r.done(fmt.Sprint(c.echo), "", nil) })
			start := time.Now()
			if s.link.awaitRooms(t.Context()); time.Since(start) != c.want {
				t.Errorf("echo after %v: waited %v", c.echo, time.Since(start))
			}
		}
	})
}

// More presences of a room than can be served are noticed.
func TestFloodedRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, r := inLab(t)
		s.router = stanza.NewRouter(make(pings), "pi@example.org/pipit", s.link.mayAsk, slog.New(slog.DiscardHandler))
		s.handle()
		for range 1000 { // nobody serves them
			s.router.Receive("presence", []byte("<presence from='lab@rooms.example.org/anna'/>"))
		}
		if r.muc.Joined() {
			t.Error("sure of who is in the room")
		}
	})
}

// A presence that was dropped makes the device doubt its room, no other stanza does.
func TestRefusedPresence(t *testing.T) {
	s, r := inLab(t)
	for _, in := range []string{"<presence from='other@rooms.example.org/anna'/>", "<message from='lab@rooms.example.org/anna'/>", "<presence/>"} {
		if s.refused(parse(t, in)); !r.muc.Joined() {
			t.Errorf("out of the room after %s", in)
		}
	}
	if s.refused(parse(t, "<presence from='lab@rooms.example.org/anna'/>")); r.muc.Joined() {
		t.Error("sure of who is in the room")
	}
}

// A room that the device is banned from is told nothing, and the owners are
// told that.
func TestBannedFromRoom(t *testing.T) {
	s, r := inLab(t)
	alerts := newFakeAlerts()
	s.link.agent.Alerts = alerts
	s.presence(t.Context(), self(t, "unavailable", "<status code='301'/>"))
	if err := s.link.roomAlert(agent.Alert{ID: "a", Text: "hot", To: r.cfg.JID, Room: true}); err == nil || len(r.pending) != 0 {
		t.Errorf("%v, pending %q", err, r.pending)
	}
	got, err := alerts.PendingAlerts(t.Context(), "xmpp")
	if err != nil || got[0].Name != "room.lab" || !strings.Contains(got[0].Text, "banned") || got[0].Level != agent.Warning || got[0].To != "" {
		t.Errorf("%v %+v", err, got)
	}
}

// inLab returns a session with the device in the room lab until the test ends.
func inLab(t *testing.T) (*session, *room) {
	t.Helper()
	l, r := offlineLink(t)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.muc.Run(ctx, idle{}) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	s := &session{link: l}
	for !r.muc.Joined() {
		s.presence(t.Context(), self(t, "", ""))
	}
	return s, r
}

// self is a presence of the device in the room lab.
func self(t *testing.T, typ, more string) *stanza.Stanza {
	t.Helper()
	return parse(t, "<presence type='"+typ+"' from='lab@rooms.example.org/pi'><x xmlns='"+muc.NS+
		"#user'><item affiliation='none' role='participant'/><status code='110'/>"+more+"</x></presence>")
}

// idle is a connection that answers nothing.
type idle struct{}

func (idle) SendOnce([]byte) error                                            { return nil }
func (idle) Start(_, _ string, _ []byte, _ func(*stanza.Stanza, error)) error { return nil }

func parse(t *testing.T, xml string) *stanza.Stanza {
	t.Helper()
	s, err := stanza.Parse([]byte(xml))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestCall(t *testing.T) {
	for text, want := range map[string]string{"lamp is on": "anna: lamp is on", "```\na  b\n```": "anna:\n```\na  b\n```"} {
		if got := call("anna", text); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
