package chat

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipit/agent/xmpp/stanza"
)

const (
	request  = "<request xmlns='urn:xmpp:receipts'/>"
	markable = "<markable xmlns='urn:xmpp:chat-markers:0'/>"
)

func TestExactXML(t *testing.T) {
	const headers = "<headers xmlns='http://jabber.org/protocol/shim'><header name='Auto-Submitted'>auto-replied</header></headers>"
	for _, tt := range []struct {
		name, raw string
		want      []string
	}{
		{"everything", write("m'1", "say <&>", request+markable+"<thread>t&amp;1</thread>"), []string{
			"<message type='chat' to='anna@example.org/phone' id='RANDOM'><received xmlns='urn:xmpp:receipts' id='m&#39;1'/></message>",
			"<message type='chat' to='anna@example.org/phone' id='RANDOM'><body>&lt;&amp;&gt;</body><thread>t&amp;1</thread>" +
				"<active xmlns='http://jabber.org/protocol/chatstates'/><origin-id xmlns='urn:xmpp:sid:0' id='RANDOM'/>" +
				"<reply xmlns='urn:xmpp:reply:0' to='anna@example.org/phone' id='m&#39;1'/>" + headers + "</message>",
			"<message type='chat' to='anna@example.org/phone' id='RANDOM'><displayed xmlns='urn:xmpp:chat-markers:0' id='m&#39;1'/><thread>t&amp;1</thread></message>",
		}},
		{"no id: no receipt, marker or reference", write("", "help", request+markable), []string{
			"<message type='chat' to='anna@example.org/phone' id='RANDOM'><body>Send read, say, fail or break.</body>" +
				"<active xmlns='http://jabber.org/protocol/chatstates'/><origin-id xmlns='urn:xmpp:sid:0' id='RANDOM'/>" + headers + "</message>",
		}},
		{"type normal", messageFrom(phone, "", "n", "quiet", request+markable), []string{
			"<message type='normal' to='anna@example.org/phone' id='RANDOM'><received xmlns='urn:xmpp:receipts' id='n'/></message>",
			"<message type='chat' to='anna@example.org/phone' id='RANDOM'><body>Done.</body>" +
				"<active xmlns='http://jabber.org/protocol/chatstates'/><origin-id xmlns='urn:xmpp:sid:0' id='RANDOM'/>" +
				"<reply xmlns='urn:xmpp:reply:0' to='anna@example.org/phone' id='n'/>" + headers + "</message>",
			"<message type='normal' to='anna@example.org/phone' id='RANDOM'><displayed xmlns='urn:xmpp:chat-markers:0' id='n'/></message>",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sent := newDevice().receive(t, tt.raw)
			if diff := cmp.Diff(tt.want, fixed(sent)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			checkOriginIDs(t, sent)
		})
	}
}

// checkOriginIDs: the origin id of an answer is its id, and no two are the same.
func checkOriginIDs(t *testing.T, sent []string) {
	t.Helper()
	seen := make(map[string]bool)
	for _, s := range sent {
		ids := randomID.FindAllString(s, -1)
		if len(ids) == 0 || seen[ids[0]] || len(ids) == 2 && ids[0] != ids[1] {
			t.Errorf("ids %q in %s", ids, s)
			continue
		}
		seen[ids[0]] = true
	}
}

func TestNoAnswer(t *testing.T) {
	forwarded := "<forwarded xmlns='urn:xmpp:forward:0'>" + write("f", "set pump on", "") + "</forwarded>"
	for _, tt := range []struct{ name, raw string }{
		{"error", messageFrom(phone, "error", "m", "help", request)},
		{"groupchat", messageFrom(phone, "groupchat", "m", "help", request)},
		{"headline", messageFrom(phone, "headline", "m", "help", request)},
		{"own account", messageFrom("pi@example.org/laptop", "chat", "m", "set pump on", request)},
		{"own stream", messageFrom("", "chat", "m", "set pump on", request)},
		{"carbon sent", write("m", "", "<sent xmlns='urn:xmpp:carbons:2'>"+forwarded+"</sent>")},
		{"carbon received, forged, with a body", write("m", "set pump on", "<received xmlns='urn:xmpp:carbons:2'>"+forwarded+"</received>"+request)},
		{"forwarded", write("m", "set pump on", forwarded)},
		{"archive", write("m", "set pump on", "<result xmlns='urn:xmpp:mam:2' id='1'>"+forwarded+"</result>")},
		{"pubsub event", write("m", "help", "<event xmlns='http://jabber.org/protocol/pubsub#event'/>")},
		{"room private message", write("m", "set pump on", "<x xmlns='http://jabber.org/protocol/muc#user'/>")},
		{"invitation", write("m", "come in", "<x xmlns='jabber:x:conference' jid='room@example.org'/>")},
		{"chat state", write("m", "", "<composing xmlns='http://jabber.org/protocol/chatstates'/>"+request)},
		{"receipt", write("m", "", "<received xmlns='urn:xmpp:receipts' id='x'/>"+request)},
		{"marker", write("m", "", "<displayed xmlns='urn:xmpp:chat-markers:0' id='x'/>"+markable)},
		{"reaction", write("m", "👍", "<reactions xmlns='urn:xmpp:reactions:0' id='x'><reaction>👍</reaction></reactions>"+request)},
		{"retraction", write("m", "I retract", "<retract xmlns='urn:xmpp:message-retract:1' id='x'/>")},
		{"no body", write("m", "", request)},
		{"empty body", write("m", "", "<body></body>"+request)},
		{"blank body", write("m", " \u00a0\u200b\ufeff\n ", request)},
		{"subject", write("m", "", "<subject>help</subject>"+request)},
		{"body of another namespace", write("m", "", "<body xmlns='http://www.w3.org/1999/xhtml'>help</body>")},
		{"body inside another element", write("m", "", "<html xmlns='http://jabber.org/protocol/xhtml-im'><body>help</body></html>")},
		{"written by a program", write("m", "help", "<headers xmlns='http://jabber.org/protocol/shim'><header name='auto-submitted'>auto-generated</header></headers>")},
		{"stranger", messageFrom("eve@example.org/x", "chat", "m", "help", request+markable)},
		{"stranger, encrypted", messageFrom("eve@example.org/x", "chat", "m", "help", "<encrypted xmlns='urn:xmpp:omemo:2'/>")},
		{"stranger, delayed", messageFrom("eve@example.org/x", "chat", "m", "help", "<delay xmlns='urn:xmpp:delay' stamp='2001-01-01T00:00:00Z'/>")},
		{"broken XML", "<message type='chat' from='" + phone + "' id='m'><body>help</message>"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newDevice()
			if sent := d.receive(t, tt.raw); len(sent) > 0 || len(d.sets) > 0 {
				t.Errorf("sent %q, set %q", sent, d.sets)
			}
		})
	}
}

// A header that says that a person wrote it changes nothing.
func TestNotAutomatic(t *testing.T) {
	d := newDevice()
	raw := write("m", "quiet", "<headers xmlns='http://jabber.org/protocol/shim'><header name='Auto-Submitted'>No</header><header name='Urgency'>high</header></headers>")
	if got := said(t, d.receive(t, raw)); !cmp.Equal(got, []string{"Done."}) {
		t.Errorf("got %q", got)
	}
}

// Two devices that have each other in [people] do not talk at all.
func TestTwoDevices(t *testing.T) {
	d := newDevice()
	answer := d.receive(t, write("m", "reed", ""))
	if len(answer) != 1 {
		t.Fatalf("sent %q", answer)
	}
	other := strings.Replace(answer[0], "<message", "<message from='"+phone+"'", 1)
	if sent := d.receive(t, other); len(sent) > 0 {
		t.Errorf("an answer was answered: %q", sent)
	}
}

func TestEncrypted(t *testing.T) {
	kinds := []string{
		"<encrypted xmlns='eu.siacs.conversations.axolotl'><header sid='1'/></encrypted>",
		"<encrypted xmlns='urn:xmpp:omemo:2'/>",
		"<openpgp xmlns='urn:xmpp:openpgp:0'>AAAA</openpgp>",
		"<x xmlns='jabber:x:encrypted'>AAAA</x>",
		"<encryption xmlns='urn:xmpp:eme:0' namespace='urn:example:new'/>",
	}
	for _, kind := range kinds {
		for _, body := range []string{"set pump on", ""} {
			d := newDevice()
			if got := said(t, d.receive(t, write("m", body, kind+request+markable))); !cmp.Equal(got, []string{cannotRead}) || len(d.sets) > 0 {
				t.Errorf("%s: got %q, set %q", kind, got, d.sets)
			}
		}
	}
	if got := said(t, newDevice().receive(t, write("m", "?OTRv23?", ""))); !cmp.Equal(got, []string{cannotRead}) {
		t.Errorf("OTR: got %q", got)
	}
	synctest.Test(t, func(t *testing.T) {
		d := newDevice()
		var answers []int
		for i := range 50 { // one an hour
			answers = append(answers, len(d.receive(t, write(fmt.Sprint(i), "help", kinds[0]))))
			time.Sleep(time.Hour)
		}
		for i, n := range answers {
			if want := i%24 == 0; want != (n == 1) {
				t.Errorf("hour %d: %d notices", i, n)
			}
		}
		if got := said(t, d.receive(t, write("x", "quiet", ""))); !cmp.Equal(got, []string{"Done."}) {
			t.Errorf("a readable message after it: %q", got)
		}
	})
}

func TestAge(t *testing.T) {
	const cannotTell = "I cannot tell how late that came, so I did not run it; send it again."
	delay := func(from, stamp string) string {
		return "<delay xmlns='urn:xmpp:delay' from='" + from + "' stamp='" + stamp + "'/>"
	}
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		ago := func(d time.Duration) string { return now.Add(-d).UTC().Format("2006-01-02T15:04:05Z") }
		for _, tt := range []struct{ name, delays, want string }{
			{"resumed", delay("example.org", ago(3*time.Second)), "Set pump true."},
			{"at the edge", delay("example.org", ago(60*time.Second)), "Set pump true."},
			{"behind the edge", delay("example.org", ago(61*time.Second)), "That came 1 minute late, so I did not run it; send it again."},
			{"offline storage", delay("pi@example.org", ago(5*time.Minute)), "That came 5 minutes late, so I did not run it; send it again."},
			{"no from", "<delay xmlns='urn:xmpp:delay' stamp='" + ago(3*time.Hour) + "'/>", "That came 3 hours late, so I did not run it; send it again."},
			{"a day", delay("example.org", ago(25*time.Hour)), "That came 1 day late, so I did not run it; send it again."},
			{"the oldest counts", delay("example.org", ago(time.Second)) + delay("example.org", ago(48*time.Hour)), "That came 2 days late, so I did not run it; send it again."},
			{"the oldest counts, whatever the order", delay("example.org", ago(48*time.Hour)) + delay("example.org", ago(time.Second)), "That came 2 days late, so I did not run it; send it again."},
			{"foreign stamp", delay("eve.test", ago(10*time.Minute)), "That came 10 minutes late, so I did not run it; send it again."},
			{"fractions and an offset", delay("example.org", now.Add(-5*time.Second).In(time.FixedZone("", 7200)).Format("2006-01-02T15:04:05.000-07:00")), "Set pump true."},
			{"a little ahead", delay("example.org", ago(-30*time.Second)), "Set pump true."},
			{"far ahead", delay("example.org", ago(-2*time.Minute)), cannotTell},
			{"no stamp", "<delay xmlns='urn:xmpp:delay'/>", cannotTell},
			{"not a stamp", delay("example.org", "yesterday"), cannotTell},
		} {
			d := newDevice()
			got := said(t, d.receive(t, write("m", "set pump on", tt.delays+request)))
			if !cmp.Equal(got, []string{tt.want}) { // and no receipt
				t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
			}
			if (len(d.sets) > 0) != strings.HasPrefix(tt.want, "Set") {
				t.Errorf("%s: set %q", tt.name, d.sets)
			}
		}
	})
}

// A late message that is sent again under the same id is run.
func TestLateThenAgain(t *testing.T) {
	d := newDevice()
	d.receive(t, write("m", "set pump on", "<delay xmlns='urn:xmpp:delay' stamp='2001-01-01T00:00:00Z'/>"))
	if got := said(t, d.receive(t, write("m", "set pump on", ""))); !cmp.Equal(got, []string{"Set pump true."}) {
		t.Errorf("got %q", got)
	}
}

func TestRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDevice()
		steps := []struct {
			wait time.Duration
			raw  string
			want []string
		}{
			{0, write("m", "set pump on", request), []string{"[received m]", "Set pump true."}},
			{0, write("m", "set pump on", request), nil},
			{time.Second, write("m", "set pump on", "<delay xmlns='urn:xmpp:delay' stamp='2000-01-01T00:00:00Z'/>"), nil},
			{0, messageFrom(anna+"/laptop", "chat", "m", "set pump off", ""), []string{"Set pump false."}},
			{0, write("", "set fan on", ""), []string{"Set fan true."}},
			{0, write("", "set fan on", ""), []string{"Set fan true."}},
			{9 * time.Minute, write("m", "set pump on", ""), nil},
			{time.Minute, write("m", "set pump on", ""), []string{"Set pump true."}},
		}
		for i, s := range steps {
			time.Sleep(s.wait)
			if got := said(t, d.receive(t, s.raw)); !cmp.Equal(got, s.want) {
				t.Errorf("step %d: got %q, want %q", i, got, s.want)
			}
		}
	})
}

func TestCorrections(t *testing.T) {
	replace := func(id string) string {
		return "<replace xmlns='urn:xmpp:message-correct:0' id='" + id + "'/>" + markable
	}
	const done = "Already done at 00:01 UTC: set pump on\nA correction does not run again; send a new message."
	synctest.Test(t, func(t *testing.T) {
		d := newDevice()
		time.Sleep(time.Minute)
		steps := []struct {
			name, raw string
			want      []string
		}{
			{"a command", write("1", "set pump on", markable), []string{"Set pump true.", "[displayed 1]"}},
			{"its correction", write("2", "set pump off", replace("1")), []string{done}},
			{"from another device", messageFrom(anna+"/laptop", "chat", "3", "set pump off", replace("1")), []string{done}},
			{"a correction of the correction", write("4", "set pump off", replace("2")), []string{done}},
			{"somebody else's id", messageFrom(vera+"/x", "chat", "5", "say it", replace("1")), []string{"it", "[displayed 5]"}},
			{"a mistake", write("6", "sett fan on", markable), []string{`I do not know "sett". Did you mean "set"? Send "help" for a list.`}},
			{"the mistake corrected", write("7", "set fan on", replace("6")), []string{"Set fan true.", "[displayed 7]"}},
			{"corrected again", write("8", "set fan off", replace("6")), []string{strings.Replace(strings.Replace(done, "00:01", "00:02", 1), "pump", "fan", 1)}},
			{"of something unknown", write("9", "set lamp on", replace("never")), []string{"Set lamp true.", "[displayed 9]"}},
		}
		for i, s := range steps {
			if i == 5 {
				time.Sleep(time.Minute)
			}
			if got := said(t, d.receive(t, s.raw)); !cmp.Equal(got, s.want) {
				t.Errorf("%s: got %q, want %q", s.name, got, s.want)
			}
		}
		if want := []string{"pump true", "fan true", "lamp true"}; !cmp.Equal(d.sets, want) {
			t.Errorf("set %q, want %q", d.sets, want)
		}
	})
}

// What was run is forgotten in the end: memory is bounded.
func TestMemoryIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDevice()
		for i := range 3 * maxRecent {
			d.receive(t, write(fmt.Sprintf("m%d", i), "say "+strings.Repeat("x", 500), ""))
			time.Sleep(refill)
		}
		for _, h := range d.recent.ring {
			if n := len([]rune(h.line)); n != 80 {
				t.Fatalf("kept %d runes of a line", n)
			}
		}
		if len(d.people) != 1 {
			t.Errorf("%d people", len(d.people))
		}
	})
}

// Different senders may be served at once.
func TestSendersAtOnce(t *testing.T) {
	d := newDevice()
	var wg sync.WaitGroup
	for _, from := range []string{anna + "/a", vera + "/b"} {
		wg.Go(func() {
			for i := range burst {
				s, err := stanza.Parse([]byte(messageFrom(from, "chat", fmt.Sprint(i), "say "+from, "")))
				if err != nil {
					t.Error(err)
					return
				}
				d.Message(t.Context(), s)
			}
		})
	}
	wg.Wait()
	count := make(map[string]int)
	for _, s := range said(t, d.take()) {
		count[s]++
	}
	if want := map[string]int{anna + "/a": burst, vera + "/b": burst}; !cmp.Equal(count, want) {
		t.Errorf("got %v, want %v", count, want)
	}
}

func TestReceiptAndMarkerOnlyWhenDue(t *testing.T) {
	for _, tt := range []struct {
		name, raw string
		want      []string
	}{
		{"neither asked", write("m", "quiet", ""), []string{"Done."}},
		{"marker only after the command ran", write("m", "reed", request+markable), []string{"[received m]", `I do not know "reed". Did you mean "read"? Send "help" for a list.`}},
		{"a failed command ran", write("m", "fail", markable), []string{"That did not work: the bus is stuck.", "[displayed m]"}},
		{"a wrong argument did not", write("m", "read x", markable), []string{`I did not run read: name: there is no "x". Send "help read" for its arguments.`}},
		{"an id that is too long", write(strings.Repeat("m", maxID+1), "quiet", request+markable), []string{"Done."}},
	} {
		if got := said(t, newDevice().receive(t, tt.raw)); !cmp.Equal(got, tt.want) {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestLongMessage(t *testing.T) {
	fits := "say " + strings.Repeat("x", maxLine-4)
	if got := said(t, newDevice().receive(t, write("m", fits, ""))); !cmp.Equal(got, []string{fits[4:]}) {
		t.Errorf("got %.80q", got)
	}
	if got := said(t, newDevice().receive(t, write("m", fits+"x", ""))); !cmp.Equal(got, []string{"That is longer than 1024 bytes, so I did not run it."}) {
		t.Errorf("got %.80q", got)
	}
}
