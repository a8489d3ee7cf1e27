package muc

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipit/agent/xmpp/stanza"
)

func (w *world) wantSent(want ...string) {
	w.t.Helper()
	if d := cmp.Diff(want, w.take()); d != "" {
		w.t.Errorf("sent (-want +got):\n%s", d)
	}
}

func (w *world) wantTold(part string) {
	w.t.Helper()
	told := w.taken(&w.told)
	if part == "" && len(told) > 0 || part != "" && (len(told) != 1 || !strings.Contains(told[0], part)) {
		w.t.Errorf("told %q, want %q", told, part)
	}
}

func TestJoinAndLeave(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.wantSent("join pi")
		if w.Joined() {
			t.Error("joined before the room said so")
		}
		w.presence("anna", "", item("owner", "moderator"))
		w.presence("pi", "", item("none", "participant")+status("100", "110"))
		if !w.Joined() || !strings.Contains(w.Status(), `as "pi", 2 present`) {
			t.Error(w.Status())
		}
		w.wantSent("info")
		w.end()
		<-w.over
		w.wantSent("leave pi")
		if w.err != nil || w.Joined() {
			t.Errorf("joined %v, error %v", w.Joined(), w.err)
		}
		w.presence("pi", "", item("none", "participant")+status("110"))
		if w.Joined() {
			t.Error("back after leaving")
		}
	})
}

func TestJoinCarries(t *testing.T) {
	f := &fake{}
	r := New(Config{JID: room, Nick: "pi", Password: "a<b", Presence: func() []byte { return []byte("<c/>") }}, slog.New(slog.DiscardHandler))
	r.start(f)
	if _, err := r.work(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := "<presence to='" + room + "/pi'><x xmlns='" + NS + "'><history maxstanzas='0'/><password>a&lt;b</password></x><c/></presence>"
	if d := cmp.Diff([]string{want}, f.sent); d != "" {
		t.Error(d)
	}
}

func TestNoAnswerIsTriedAgain(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.wantSent("join pi")
		w.settle(joinWait - 1)
		w.wantSent()
		w.settle(1)
		if !strings.Contains(w.Status(), "does not answer") {
			t.Error(w.Status())
		}
		w.settle(firstWait)
		w.wantSent("join pi")
		w.settle(24 * time.Hour)
		if n := len(w.take()); n < 24 || n > 45 { // waits of up to an hour
			t.Errorf("%d joins in a day", n)
		}
		w.wantTold("")
		w.enter("pi")
	})
}

func TestUnlock(t *testing.T) {
	for name, c := range map[string]struct{ reply, told string }{
		"works":     {"<iq type='result'/>", ""},
		"refused":   {iqError("forbidden"), "cannot take it into use"},
		"no answer": {"", "cannot take it into use"},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.f.answer(nsOwner, c.reply)
				w.presence("pi", "", item("owner", "moderator")+status("110", "201"))
				w.settle(joinWait)
				w.wantSent("join pi", "unlock", "info")
				if !w.Joined() {
					t.Error(w.Status())
				}
				w.wantTold(c.told)
			})
		})
	}
}

func TestNickConflict(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.refuse("pi", "conflict")
		w.refuse("pi-2", "conflict")
		w.wantSent("join pi", "join pi-2", "join pi-3")
		w.enter("pi-3")
		if w.Nick() != "pi-3" {
			t.Errorf("nick %q", w.Nick())
		}
		w.settle(10 * time.Minute)
		w.wantSent("rename pi")
		w.refuse("pi", "conflict")
		w.settle(firstWait)
		w.wantSent()
		w.settle(10*time.Minute - firstWait)
		if !w.Joined() || w.Nick() != "pi-3" {
			t.Errorf("%s, %q", w.Status(), w.Nick())
		}
		w.wantSent("ping pi-3", "rename pi")
		w.presence("pi-3", "unavailable", "<item nick='pi' affiliation='none' role='participant'/>"+status("303", "110"))
		w.presence("pi", "", item("none", "participant")+status("110"))
		if !w.Joined() || w.Nick() != "pi" {
			t.Errorf("%s, %q", w.Status(), w.Nick())
		}
		w.settle(14 * time.Minute)
		w.wantSent()
	})
}

func TestAllNicksTaken(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		for i := range maxVariants {
			w.refuse(fmt.Sprint(i), "conflict")
		}
		if n := len(w.take()); n != maxVariants {
			t.Errorf("%d joins", n)
		}
		w.settle(refusedWait)
		w.wantSent("join pi")
		w.wantTold(`the nick "pi" is taken`)
	})
}

func TestNickChangedByRoom(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.presence("PI", "", item("none", "participant")+status("110", "210"))
		if !w.Joined() || w.Nick() != "PI" {
			t.Errorf("%s, %q", w.Status(), w.Nick())
		}
		if _, ok := w.say("PI", "1", "<body>hello</body>"); ok {
			t.Error("answers itself")
		}
	})
}

func TestNotLetIn(t *testing.T) {
	for condition, c := range map[string]struct {
		told  string
		again bool
	}{
		"not-authorized":          {"wants a password", false},
		"forbidden":               {"banned", false},
		"gone":                    {"closed for ever", false},
		"jid-malformed":           {"address or nick", false},
		"registration-required":   {"only its members", true},
		"not-allowed":             {"may not make it", true},
		"item-not-found":          {"yet to set it up", true},
		"not-acceptable":          {"this nick", true},
		"service-unavailable":     {"full", true},
		"remote-server-not-found": {"cannot be found", true},
		"remote-server-timeout":   {"does not answer", true},
		"resource-constraint":     {"full", true},
		"internal-server-error":   {"it says internal-server-error", true},
	} {
		t.Run(condition, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.take()
				w.refuse("pi", condition)
				w.settle(24 * time.Hour)
				if again := len(w.take()) > 0; again != c.again {
					t.Errorf("tried again: %v; %s", again, w.Status())
				}
				w.wantTold(c.told)
				if err := w.post("x", "1"); (err == nil) != c.again {
					t.Errorf("send: %v", err)
				}
				w.stop()
				w.session()
				if again := len(w.take()) > 0; again != c.again {
					t.Errorf("tried again in the next session: %v; %s", again, w.Status())
				}
			})
		})
	}
}

// The ways out, and when the device comes back.
func TestPutOut(t *testing.T) {
	const never = 0
	for name, c := range map[string]struct {
		x, told  string
		from, to time.Duration // of the next join
	}{
		"banned":           {item("outcast", "none") + status("301", "110"), "banned", never, never},
		"no member":        {item("none", "none") + status("321", "110"), "no longer a member", never, never},
		"members only":     {item("none", "none") + status("322"), "members only", never, never},
		"destroyed":        {item("none", "none") + "<destroy jid='new@rooms.example.org'><reason>moved</reason></destroy>" + status("110"), `closed for ever ("moved"); people may have moved to "new@`, never, never},
		"kicked":           {"<item role='none'><reason>hush</reason></item>" + status("307", "110"), `put me out of the room ("hush"); I go back in 1m0s`, time.Minute, time.Minute},
		"shutdown":         {item("none", "none") + status("332", "110"), "", firstWait * 3 / 4, firstWait},
		"technical":        {item("none", "none") + status("307", "333", "110"), "", firstWait * 3 / 4, firstWait},
		"no reason at all": {item("none", "none"), "", firstWait * 3 / 4, firstWait},
	} {
		t.Run(name, func(t *testing.T) {
			joined(t, func(t *testing.T, w *world) {
				w.presence("anna", "", item("none", "participant"))
				w.presence("pi", "unavailable", c.x)
				w.presence("anna", "", item("none", "participant")) // on its way
				if _, known := w.Occupant("anna"); w.Joined() || known {
					t.Errorf("joined %v, knows anna %v", w.Joined(), known)
				}
				w.wantTold(c.told)
				if c.to == never {
					w.settle(24 * time.Hour)
					w.presence("pi", "", item("none", "participant")+status("110"))
					w.wantSent()
					return
				}
				w.settle(c.from - 1)
				w.wantSent()
				w.settle(c.to - c.from + 1)
				w.wantSent("join pi")
			})
		})
	}
}

func TestKickedAgain(t *testing.T) {
	joined(t, func(t *testing.T, w *world) {
		for _, wait := range []time.Duration{time.Minute, 10 * time.Minute, 10 * time.Minute} {
			w.presence("anna", "", item("none", "participant"))
			w.presence("pi", "unavailable", item("none", "none")+status("307", "110"))
			w.settle(wait - 1)
			w.wantSent()
			w.settle(1)
			w.wantSent("join pi")
			w.enter("pi")
			if _, known := w.Occupant("anna"); known {
				t.Error("knows anna from before")
			}
		}
		w.wantTold("put me out") // once
	})
}

// Others come and go; the device stays.
func TestOthersLeave(t *testing.T) {
	joined(t, func(t *testing.T, w *world) {
		w.presence("anna", "", item("none", "participant"))
		w.presence("anna", "unavailable", item("outcast", "none")+status("301"))
		if _, known := w.Occupant("anna"); known || !w.Joined() {
			t.Errorf("known %v, joined %v", known, w.Joined())
		}
		w.wantSent()
	})
}

func TestSelfPing(t *testing.T) {
	for name, c := range map[string]struct {
		reply string
		want  []string // sent within the hour after the ping
	}{
		"result":              {"<iq type='result'/>", []string{"ping pi", "ping pi", "ping pi"}},
		"service-unavailable": {iqError("service-unavailable"), []string{"ping pi", "ping pi", "ping pi"}},
		"not implemented":     {iqError("feature-not-implemented"), []string{"ping pi", "ping pi", "ping pi"}},
		"not in it":           {iqError("not-acceptable"), []string{"join pi"}},
		"another nick":        {iqError("item-not-found"), []string{"ping pi", "join pi"}},
		"anything else":       {iqError("not-allowed"), []string{"join pi"}},
	} {
		t.Run(name, func(t *testing.T) {
			joined(t, func(t *testing.T, w *world) {
				w.f.answer("urn:xmpp:ping", c.reply)
				w.settle(15*time.Minute - 1)
				w.wantSent()
				w.settle(1)
				w.wantSent("ping pi")
				got := w.takeUntilJoin(46 * time.Minute)
				if d := cmp.Diff(c.want, got); d != "" {
					t.Error(d)
				}
			})
		})
	}
}

// takeUntilJoin returns what is sent in a time, up to the first join.
func (w *world) takeUntilJoin(d time.Duration) []string {
	w.settle(d)
	all := w.take()
	for i, s := range all {
		if strings.HasPrefix(s, "join") {
			return all[:i+1]
		}
	}
	return all
}

// While the room's server cannot be reached the device stays, and looks again.
func TestSelfPingUnreachable(t *testing.T) {
	for _, reply := range []string{iqError("remote-server-not-found"), iqError("remote-server-timeout"), ""} {
		joined(t, func(t *testing.T, w *world) {
			w.f.answer("urn:xmpp:ping", reply)
			w.settle(25 * time.Minute)
			if n := len(w.take()); n < 6 || n > 11 || !w.Joined() {
				t.Errorf("%d pings, %s", n, w.Status())
			}
			w.f.answer("urn:xmpp:ping", iqError("not-acceptable"))
			w.settle(2 * time.Minute)
			if sent := w.take(); sent[len(sent)-1] != "join pi" {
				t.Errorf("sent %q", sent)
			}
		})
	}
}

// What the room said of an earlier stay is void.
func TestLateReply(t *testing.T) {
	joined(t, func(t *testing.T, w *world) {
		w.f.answer("urn:xmpp:ping", "slow "+iqError("not-acceptable"))
		w.settle(15 * time.Minute)
		w.wantSent("ping pi")
		w.presence("pi", "unavailable", item("none", "none")+status("332", "110"))
		w.settle(firstWait)
		w.wantSent("join pi")
		w.enter("pi")
		w.settle(time.Minute)
		w.wantSent()
	})
}

func TestRenameRefused(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.refuse("pi", "conflict")
		w.enter("pi-2")
		w.settle(10 * time.Minute)
		w.wantSent("rename pi")
		w.refuse("pi", "not-acceptable") // the nick, or the device?
		w.settle(firstWait)
		w.wantSent("ping pi-2")
	})
}

func TestNoPingWhileTheRoomTalks(t *testing.T) {
	joined(t, func(t *testing.T, w *world) {
		for range 10 {
			w.settle(14 * time.Minute)
			w.say("anna", "1", "<subject>x</subject>")
		}
		w.wantSent()
	})
}

func TestBrokenConnection(t *testing.T) {
	joined(t, func(t *testing.T, w *world) {
		w.f.mu.Lock()
		w.f.broken = errBroken
		w.f.mu.Unlock()
		if err := w.post("x", "1"); err != nil {
			t.Fatal(err)
		}
		<-w.over
		if !errors.Is(w.err, errBroken) {
			t.Errorf("Run: %v", w.err)
		}
	})
}

// A room that does all it can to keep the device busy.
func TestHostileRoom(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.f.answer(nsOwner, iqError("forbidden"))
		for range 1000 {
			w.presence("pi", "", item("none", "visitor")+status("110", "201"))
			w.refuse("pi", "not-acceptable")
			w.presence("pi", "unavailable", item("none", "none")+status("333", "110"))
			w.settle(time.Second)
		}
		if n := len(w.take()); n > 3000 { // three a visit, and it is let in a thousand times
			t.Errorf("%d stanzas", n)
		}
		if told := w.taken(&w.told); len(told) > 2 {
			t.Errorf("told %q", told)
		}
		for i := range 3 * maxOccupants {
			w.presence(fmt.Sprintf("n%d", i), "", item("none", "participant"))
		}
		if len(w.occupants) > maxOccupants {
			t.Errorf("%d occupants", len(w.occupants))
		}
	})
}

func TestForeignStanzas(t *testing.T) {
	joined(t, func(t *testing.T, w *world) {
		for _, from := range []string{"", "anna@example.org/x", "lab@rooms.example.org.evil.example/pi", "rooms.example.org"} {
			s, err := stanza.Parse([]byte("<presence type='unavailable' from='" + from + "'>" + user(status("110", "301")) + "</presence>"))
			if err != nil {
				t.Fatal(err)
			}
			if w.Presence(t.Context(), s) || !w.Joined() {
				t.Errorf("from %q: taken", from)
			}
		}
	})
}

// A refusal is met with patience: a minute at first, an hour at last, and words
// for the owners once a day.
func TestRefusedAgainAndAgain(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.take()
		w.refuse("pi", "service-unavailable")
		w.settle(refusedWait*3/4 - 1)
		w.wantSent()
		w.settle(refusedWait/4 + 1)
		w.wantSent("join pi")
		joins := 0
		for range 47 * 60 {
			w.refuse("pi", "service-unavailable")
			w.settle(time.Minute)
			joins += len(w.take())
		}
		if joins < 47 || joins > 80 {
			t.Errorf("%d joins in two days", joins)
		}
		if told := w.taken(&w.told); len(told) != 2 {
			t.Errorf("told %q", told)
		}
		w.refuse("pi", "service-unavailable")
		w.settle(mostWait)
		w.enter("pi")
	})
}

// A ban holds in the next session, a kick for its time.
func TestNextSessionAfterPutOut(t *testing.T) {
	joined(t, func(t *testing.T, w *world) {
		w.presence("pi", "unavailable", item("none", "none")+status("307", "110"))
		w.stop()
		w.session()
		w.settle(time.Minute - 1)
		w.wantSent()
		w.settle(1)
		w.wantSent("join pi")
		w.enter("pi")
		w.mustPost("1")
		w.take()
		w.presence("pi", "unavailable", item("outcast", "none")+status("301", "110"))
		w.wantEnded("1 failed: not in room lab@rooms.example.org: I am banned")
		w.presence("anna", "", item("none", "participant"))
		if _, known := w.Occupant("anna"); known {
			t.Error("knows anna, of a room in which it is not")
		}
		w.stop()
		w.session()
		w.settle(24 * time.Hour)
		w.wantSent()
		if !strings.Contains(w.Status(), "banned") {
			t.Error(w.Status())
		}
	})
}

func TestRefresh(t *testing.T) {
	joined(t, func(t *testing.T, w *world) {
		w.Refresh()
		w.Refresh()
		w.settle(0)
		w.wantSent("rename pi") // to the same
		w.settle(time.Hour)
		if slices.Contains(w.take(), "rename pi") {
			t.Error("sent again")
		}
	})
}
