package muc

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipit/agent/xmpp/stanza"
)

func TestSendBeforeJoin(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		for i := range maxQueue + 2 {
			w.mustPost(fmt.Sprint(i))
		}
		if w.post("", "x") == nil || w.post("x", "") == nil {
			t.Error("a message without text or id is taken")
		}
		w.wantSent("join pi")
		w.wantTold("drop the oldest")
		w.wantEnded("0 failed: dropped", "1 failed: dropped")
		w.presence("pi", "", item("none", "participant")+status("110"))
		if got := w.take(); len(got) != 1+maxRate || got[1] != "say 2" || got[maxRate] != "say 21" {
			t.Errorf("sent %q", got)
		}
	})
}

// A stream that is full takes nothing until the server has acknowledged, and
// what the server says before that must still come in.
func TestStanzasComeInWhileSendWaits(t *testing.T) {
	joined(t, func(t *testing.T, w *world) {
		w.f.mu.Lock() // the fake's Send waits
		if err := w.post("x", "x"); err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			s, err := stanza.Parse([]byte("<presence from='" + room + "/anna'/>"))
			if err != nil {
				t.Error(err)
			} else if !w.Presence(t.Context(), s) || !w.Joined() {
				t.Error(w.Status())
			}
		}()
		<-done
		w.f.mu.Unlock()
		w.settle(0)
		w.wantSent("say x")
	})
}

func TestSendForm(t *testing.T) {
	joined(t, func(t *testing.T, w *world) {
		w.presence("a&amp;a", "", item("none", "participant"))
		anna, _ := w.Occupant("a&a")
		for _, m := range []Message{
			{ID: "i'd", Body: "a <b>"},
			{ID: "2", Extra: []byte("<reactions/>")},
			{ID: "3", Body: "psst", To: anna},
		} {
			if err := w.Send(m); err != nil {
				t.Fatal(err)
			}
		}
		w.settle(0)
		w.f.mu.Lock()
		defer w.f.mu.Unlock()
		if d := cmp.Diff([]string{
			"<message type='groupchat' to='" + room + "' id='i&#39;d'><body>a &lt;b&gt;</body><origin-id xmlns='urn:xmpp:sid:0' id='i&#39;d'/></message>",
			"<message type='groupchat' to='" + room + "' id='2'><origin-id xmlns='urn:xmpp:sid:0' id='2'/><reactions/></message>",
			"<message type='chat' to='" + room + "/a&amp;a' id='3'><body>psst</body><origin-id xmlns='urn:xmpp:sid:0' id='3'/><x xmlns='" + nsUser + "'/></message>",
		}, w.f.sent); d != "" {
			t.Error(d)
		}
		w.wantEnded("3")
	})
}

func TestRate(t *testing.T) {
	joined(t, func(t *testing.T, w *world) {
		send := func(n int) {
			t.Helper()
			for range n {
				if err := w.post("x", "x"); err != nil {
					t.Fatal(err)
				}
			}
			w.settle(0)
		}
		send(maxRate)
		if n := len(w.take()); n != maxRate {
			t.Errorf("%d messages at once", n)
		}
		send(5)
		w.say("anna", "x", "<subject/>")
		w.settle(time.Minute - 1)
		w.wantSent()
		w.settle(1)
		if n := len(w.take()); n != 5 {
			t.Errorf("%d messages a minute later", n)
		}
	})
}

// What the room did not take because the device was not in it follows once,
// in order.
func TestResend(t *testing.T) {
	joined(t, func(t *testing.T, w *world) {
		for _, id := range []string{"1", "2", "3"} {
			if err := w.post(id, id); err != nil {
				t.Fatal(err)
			}
		}
		w.settle(0)
		w.say("pi", "1", "<body>1</body>") // in the room until here
		w.wantSent("say 1", "say 2", "say 3")
		w.bounce("2", "not-acceptable")
		w.bounce("3", "not-acceptable")
		w.bounce("1", "not-acceptable") // not any more
		if w.Joined() {
			t.Error("still joined")
		}
		w.settle(firstWait)
		w.wantSent("join pi")
		w.presence("pi", "", item("none", "participant")+status("110"))
		w.wantSent("info", "say 2", "say 3")
		w.bounce("2", "not-acceptable")
		w.settle(joinWait)
		w.presence("pi", "", item("none", "participant")+status("110"))
		if slices.Contains(w.take(), "say 2") {
			t.Error("sent a third time")
		}
		w.wantEnded("1", "2 failed: the room did not take it", "3 failed: the room did not take it")
	})
}

// Only the room itself gives messages back, and only what it has not sent on.
func TestForgedBounce(t *testing.T) {
	joined(t, func(t *testing.T, w *world) {
		if err := w.post("1", "1"); err != nil {
			t.Fatal(err)
		}
		w.settle(0)
		w.in("<message type='error' id='1' from='" + room + "/eve'><error><not-acceptable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>")
		w.settle(joinWait - 1)
		w.wantSent("say 1")
		if !w.Joined() {
			t.Error(w.Status())
		}
	})
}

func TestBounces(t *testing.T) {
	for condition, c := range map[string]struct {
		tries int // in all, within the hour
		in    bool
		told  string
	}{
		"policy-violation":        {1 + maxSlow, true, ""},
		"resource-constraint":     {1 + maxSlow, true, ""},
		"remote-server-not-found": {2, true, ""},
		"remote-server-timeout":   {2, true, ""},
		"forbidden":               {1, true, "no voice"},
		"bad-request":             {1, true, ""},
	} {
		t.Run(condition, func(t *testing.T) {
			joined(t, func(t *testing.T, w *world) {
				if err := w.post("1", "1"); err != nil {
					t.Fatal(err)
				}
				tries := 0
				for range 3600 {
					w.settle(time.Second)
					w.say("anna", "x", "<subject/>")
					if slices.Contains(w.take(), "say 1") {
						tries++
						w.bounce("1", condition)
					}
				}
				if tries != c.tries || w.Joined() != c.in {
					t.Errorf("sent %d times, want %d; %s", tries, c.tries, w.Status())
				}
				w.wantTold(c.told)
				w.wantEnded("1 failed: " + condition)
			})
		})
	}
}

func TestBackOff(t *testing.T) {
	joined(t, func(t *testing.T, w *world) {
		if err := w.post("1", "1"); err != nil {
			t.Fatal(err)
		}
		w.settle(0)
		for wait := slowFirst; wait <= 4*slowFirst; wait *= 2 {
			w.take()
			w.bounce("1", "policy-violation")
			w.settle(wait - 1)
			w.wantSent()
			w.settle(1)
			w.wantSent("say 1")
		}
		w.say("pi", "1", "<body>1</body>")
		if w.slow != 0 || len(w.sent) != 0 {
			t.Errorf("taken, but slow is %d with %d under way", w.slow, len(w.sent))
		}
	})
}

// What waits at a door behind which the device has no voice goes out when it
// gets one.
func TestVoiceLater(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.mustPost("1")
		w.presence("pi", "", item("none", "visitor")+status("110"))
		w.settle(time.Minute)
		w.wantSent("join pi", "info")
		w.presence("pi", "", item("none", "participant")+status("110"))
		w.wantSent("say 1")
	})
}

func TestVoice(t *testing.T) {
	joined(t, func(t *testing.T, w *world) {
		for range 3 {
			w.presence("pi", "", item("none", "visitor")+status("110"))
			if err := w.post("x", "x"); err == nil {
				t.Error("sends without voice")
			}
			w.presence("pi", "", item("none", "participant")+status("110"))
		}
		w.wantTold("no voice")
		if err := w.post("x", "x"); err != nil {
			t.Error(err)
		}
		w.settle(0)
		w.wantSent("say x")
	})
}

// A message is done when the room has sent it to all, with the id by which
// people react to it.
func TestDone(t *testing.T) {
	joined(t, func(t *testing.T, w *world) {
		w.mustPost("1", "2")
		w.wantEnded()
		w.say("pi", "2", "<body>2</body>"+stanzaID("x@example.org", "no")+stanzaID(room, "s2"))
		w.say("pi", "1", "<body>1</body>")
		w.say("pi", "1", "<body>1</body>")
		w.wantEnded("2 s2", "1")
	})
}

// Where a message neither comes back nor bounces, a ping tells why.
func TestSilentRoom(t *testing.T) {
	t.Run("in it", func(t *testing.T) {
		joined(t, func(t *testing.T, w *world) {
			w.mustPost("1")
			w.settle(joinWait - 1)
			w.wantSent("say 1")
			w.settle(1)
			w.wantSent("ping pi")
			w.mustPost("2")
			w.wantEnded()
			w.settle(joinWait)
			w.wantSent("say 2", "ping pi")
			w.wantEnded("1 failed: the room has not repeated it")
			w.settle(joinWait)
			w.wantEnded("2 failed: the room has not repeated it")
			w.take()
			w.settle(14 * time.Minute)
			w.wantSent()
		})
	})
	t.Run("out of it", func(t *testing.T) {
		joined(t, func(t *testing.T, w *world) {
			w.f.answer("urn:xmpp:ping", iqError("not-acceptable"))
			w.mustPost("1")
			w.settle(joinWait + firstWait)
			w.wantSent("say 1", "ping pi", "join pi")
			w.presence("pi", "", item("none", "participant")+status("110"))
			w.wantSent("info", "say 1")
		})
	})
	t.Run("many", func(t *testing.T) {
		joined(t, func(t *testing.T, w *world) {
			for i := range maxSent + 1 {
				w.mustPost(fmt.Sprint(i))
				w.settle(4 * time.Second)
				w.say("anna", "x", "<subject/>")
			}
			w.wantEnded("0 failed: the room has not repeated it")
		})
	})
}

// What the last session did not see arrive goes out in the next one, unless the
// room did get it; but not for ever.
func TestNextSession(t *testing.T) {
	joined(t, func(t *testing.T, w *world) {
		w.mustPost("1", "2")
		w.say("pi", "1", "<body>1</body>")
		w.wantEnded("1")
		w.take()
		for range maxLost {
			w.stop()
			w.wantSent("leave pi")
			w.presence("pi", "", item("none", "participant")+status("110"))
			if w.Joined() {
				t.Fatal("in the room without a session")
			}
			w.session()
			w.wantSent("join pi")
			w.presence("pi", "", item("none", "participant")+status("110"))
			w.wantSent("info", "say 2")
		}
		w.stop()
		w.mustPost("3")
		w.session()
		w.wantEnded("2 failed: the room has not repeated it")
		w.take()
		w.presence("pi", "", item("none", "participant")+status("110"))
		w.wantSent("info", "say 3")
	})
}

// A private message is for one person, not for who comes after them.
func TestPrivateReply(t *testing.T) {
	for name, c := range map[string]struct {
		between func(w *world)
		sent    bool
	}{
		"stays": {func(w *world) { w.presence("anna", "", item("member", "visitor")) }, true},
		"left":  {func(w *world) { w.presence("anna", "unavailable", item("none", "none")) }, false},
		"somebody new": {func(w *world) {
			w.presence("anna", "unavailable", "")
			w.presence("anna", "", item("none", "participant"))
		}, false},
		"other id": {func(w *world) {
			w.in("<presence from='" + room + "/anna'>" + user(item("none", "participant")) + occupantID("E") + "</presence>")
		}, false},
		"other jid": {func(w *world) {
			w.presence("anna", "", "<item jid='eve@example.org/x' affiliation='none' role='participant'/>")
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			joined(t, func(t *testing.T, w *world) {
				w.presence("anna", "", item("none", "participant"))
				l, ok := w.in("<message type='chat' id='q' from='" + room + "/anna'><body>status</body></message>")
				if !ok {
					t.Fatal("not heard")
				}
				c.between(w)
				w.take()
				if err := w.Send(l.Reply("r", "fine")); err != nil {
					t.Fatal(err)
				}
				w.settle(0)
				if c.sent {
					w.wantSent("say fine")
					w.wantEnded("r")
					return
				}
				w.wantSent()
				w.wantEnded("r failed: they are no longer")
			})
		})
	}
}
