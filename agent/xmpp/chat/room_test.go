package chat

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipit/agent"
	"pipit/agent/xmpp/stanza"
)

const lab = "lab@rooms.example.org"

// A floor is a room in which the device answers.
type floor struct {
	*device
	said []string
}

func newFloor() *floor { return &floor{device: newDevice()} }

// hear gives the device a line of somebody whom the room knows as from.
func (f *floor) hear(t *testing.T, from, id, text, extra string) []string {
	t.Helper()
	s, err := stanza.Parse([]byte(messageFrom(lab+"/nick", "groupchat", id, "pi: "+text, extra)))
	if err != nil {
		t.Fatal(err)
	}
	l := RoomLine{From: from, Via: agent.ViaRoom, Room: lab, Text: text, Call: "pi: ", Stanza: s,
		Answer: func(text string) { f.said = append(f.said, text) }}
	if from == "" {
		l.Via = agent.ViaGuest
	}
	f.said = nil
	f.Line(t.Context(), l)
	if sent := f.take(); len(sent) > 0 {
		t.Errorf("sent past the room: %q", sent)
	}
	return f.said
}

func TestLine(t *testing.T) {
	const request = "<request xmlns='urn:xmpp:receipts'/><markable xmlns='urn:xmpp:chat-markers:0'/>"
	for name, c := range map[string]struct{ from, text, extra, want string }{
		"owner":          {anna, "set lamp on", request, "Set lamp true."},
		"viewer":         {vera, "say hello", "", "hello"},
		"not theirs":     {vera, "set lamp on", "", ""},
		"stranger":       {"eve@example.org", "say hello", "", ""},
		"own account":    {"pi@example.org", "say hello", "", ""},
		"guest":          {"", "say hello", "", "hello"},
		"guest switches": {"", "set lamp on", "", ""},
		"unknown":        {anna, "what a nice day", "", ""},
		"chatter":        {anna, "what a day\nsay hello", "", ""},
		"two lines":      {anna, "say hello\nsay hello", "", oneLine},
		"bad argument":   {anna, "set lamp half", "", `I did not run set: state: "half" is neither true nor false. Send "help set" for its arguments.`},
		"fails":          {anna, "fail", "", "That did not work: the bus is stuck."},
		"late":           {anna, "say hello", "<delay xmlns='urn:xmpp:delay' stamp='2020-01-01T00:00:00Z'/>", "days late, so I did not run it; send it again."},
		"private":        {anna, "say hello", "<x xmlns='http://jabber.org/protocol/muc#user'/>", "hello"},
		"a program":      {anna, "say hello", "<headers xmlns='http://jabber.org/protocol/shim'><header name='Auto-Submitted'>auto-replied</header></headers>", ""},
		"encrypted":      {anna, "say hello", "<encrypted xmlns='eu.siacs.conversations.axolotl'/>", ""},
		"retraction":     {anna, "say hello", "<retract xmlns='urn:xmpp:message-retract:1' id='x'/>", ""},
		"quoted":         {anna, "say hello", "<fallback xmlns='urn:xmpp:fallback:0' for='urn:xmpp:reply:0'><body/></fallback>", ""},
		"quote before":   {anna, "say hello", "<fallback xmlns='urn:xmpp:fallback:0' for='urn:xmpp:reply:0'><body start='0' end='2'/></fallback>", "hello"},
		"yes":            {anna, "yes ABCD", "", nothingWaits},
	} {
		t.Run(name, func(t *testing.T) {
			got := strings.Join(newFloor().hear(t, c.from, "1", c.text, c.extra), "|")
			if got != c.want && (name != "late" || !strings.HasSuffix(got, c.want)) {
				t.Errorf("said %q, want %q", got, c.want)
			}
		})
	}
}

// A correction of what ran does not run, nor does the same line again.
func TestLineRunsOnce(t *testing.T) {
	f := newFloor()
	f.hear(t, anna, "1", "set lamp on", "")
	if got := f.hear(t, anna, "1", "set lamp on", ""); len(got) > 0 {
		t.Errorf("said %q to a repeated line", got)
	}
	const replace = "<replace xmlns='urn:xmpp:message-correct:0' id='1'/>"
	if got := f.hear(t, anna, "2", "set fan on", replace); len(got) != 1 || !strings.HasPrefix(got[0], "Already done") {
		t.Errorf("said %q to a correction", got)
	}
	if want := []string{"lamp true"}; !slices.Equal(f.sets, want) {
		t.Errorf("ran %q", f.sets)
	}
}

// The request of a line names the room, and the alert that was answered.
func TestLineRequest(t *testing.T) {
	f := newFloor()
	var got agent.Request
	for i := range f.Agent.Commands {
		run := f.Agent.Commands[i].Run
		f.Agent.Commands[i].Run = func(ctx context.Context, req agent.Request) (agent.Answer, error) {
			got = req
			return run(ctx, req)
		}
	}
	s, err := stanza.Parse([]byte(messageFrom(lab+"/nick", "groupchat", "1", "quiet", "")))
	if err != nil {
		t.Fatal(err)
	}
	f.Line(t.Context(), RoomLine{From: anna, Via: agent.ViaRoom, Room: lab, Text: "quiet", Re: "alert-7-x", Stanza: s, Answer: func(string) {}})
	if d := cmp.Diff(agent.Request{From: anna, Via: agent.ViaRoom, Room: lab, Name: "quiet", Re: "alert-7-x", Args: map[string]string{}}, got); d != "" {
		t.Error(d)
	}
}

// What asks first names the device in what to send, and takes it from the same
// person in the same way only.
func TestLineConfirms(t *testing.T) {
	f := newFloor()
	for i, c := range f.Agent.Commands {
		if c.Name == "set" {
			f.Agent.Commands[i].Confirm = agent.ConfirmAsk
		}
	}
	asked := f.hear(t, anna, "1", "set lamp on", "")
	if len(asked) != 1 || !strings.Contains(asked[0], `Send "pi: yes `) {
		t.Fatalf("asked %q", asked)
	}
	_, word, _ := strings.Cut(asked[0], `"pi: yes `)
	word = word[:4]
	f.Agent.People["ben@example.org"] = agent.Owner
	if got := f.hear(t, "ben@example.org", "2", "yes "+word, ""); !slices.Equal(got, []string{nothingWaits}) {
		t.Errorf("somebody else: %q", got)
	}
	if got := said(t, f.receive(t, write("3", "yes "+word, ""))); !slices.Equal(got, []string{nothingWaits}) {
		t.Errorf("by chat: %q", got)
	}
	if got := f.hear(t, anna, "4", "yes "+word, ""); !slices.Equal(got, []string{"Set lamp true."}) {
		t.Errorf("confirmed: %q", got)
	}
}

// A room is no place to answer a flood.
func TestLineFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFloor()
		answers := 0
		for i := range 100 {
			answers += len(f.hear(t, vera, "id"+strings.Repeat("x", i), "say hello", ""))
			time.Sleep(time.Millisecond)
		}
		if answers != burst+1 {
			t.Errorf("%d answers", answers)
		}
	})
}
