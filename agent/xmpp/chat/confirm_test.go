package chat

import (
	"context"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipit/agent"
	"pipit/agent/xmpp/stanza"
)

// askingDevice returns a device with a command that has to be confirmed, and
// the word for it, which anna was told.
func askingDevice(t *testing.T) (d *device, ran *int, word string) {
	d, ran = newDevice(), new(int)
	d.Agent.People["olga@example.org"] = agent.Owner
	d.Agent.Commands = append(d.Agent.Commands, agent.Command{Name: "reboot", Needs: agent.Owner, Confirm: agent.ConfirmAsk, Will: "reboot the board",
		Run: func(context.Context, agent.Request) (agent.Answer, error) {
			*ran++
			return agent.Answer{Text: "Rebooting."}, nil
		}})
	got := said(t, d.receive(t, write("ask", "reboot", markable)))
	m := regexp.MustCompile(`^This will reboot the board\. Send "yes ([0-9A-Z]{4})" within 60 s\.$`).FindStringSubmatch(strings.Join(got, "|"))
	if m == nil {
		t.Fatalf("asked %q", got)
	}
	return d, ran, m[1]
}

func TestYes(t *testing.T) {
	delay := func(ago time.Duration) string {
		return "<delay xmlns='urn:xmpp:delay' stamp='" + time.Now().Add(-ago).UTC().Format(time.RFC3339) + "'/>"
	}
	replace := func(id string) string { return "<replace xmlns='urn:xmpp:message-correct:0' id='" + id + "'/>" }
	none := "Nothing waits for a \"yes\" from you."
	for _, tt := range []struct {
		name  string
		wait  time.Duration
		reply func(word string) string
		want  string // of the answer
		ran   int
	}{
		{"yes", 59 * time.Second, func(w string) string { return write("m", "yes "+w, "") }, "Rebooting.", 1},
		{"in any case", 0, func(w string) string { return write("m", " YES  "+strings.ToLower(w), "") }, "Rebooting.", 1},
		{"from another device", 0, func(w string) string { return messageFrom(anna+"/laptop", "chat", "m", "Yes "+w, "") }, "Rebooting.", 1},
		{"below a quote", 0, func(w string) string { return write("m", "> Send \"yes "+w+"\"\nyes "+w, "") }, "Rebooting.", 1},
		{"too late", time.Minute, func(w string) string { return write("m", "yes "+w, "") }, none, 0},
		{"held back for long", 0, func(w string) string { return write("m", "yes "+w, delay(time.Hour)) }, "That came 1 hour late, so I did not run it; send it again.", 0},
		{"held back a moment", 0, func(w string) string { return write("m", "yes "+w, delay(time.Second)) }, notFresh, 0},
		{"a correction", 0, func(w string) string { return write("m", "yes "+w, replace("n")) }, notFresh, 0},
		{"a correction of the question", 0, func(w string) string { return write("m", "yes "+w, replace("ask")) }, notFresh, 0},
		{"no word", 0, func(string) string { return write("m", "yes", "") }, bareYes, 0},
		{"a wrong word", 0, func(string) string { return write("m", "yes 0000", "") }, "I did not run that: that is not the word.", 0},
		{"another owner", 0, func(w string) string { return messageFrom("olga@example.org/x", "chat", "m", "yes "+w, "") }, none, 0},
		{"a stranger", 0, func(w string) string { return messageFrom("eve@example.org/x", "chat", "m", "yes "+w, "") }, "", 0},
		{"a carbon", 0, func(w string) string { return write("m", "yes "+w, "<received xmlns='urn:xmpp:carbons:2'/>") }, "", 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			d, ran, word := askingDevice(t)
			time.Sleep(tt.wait)
			if got := strings.Join(said(t, d.receive(t, tt.reply(word))), "|"); got != tt.want || *ran != tt.ran {
				t.Errorf("%s: %q, ran %d, want %q, %d", tt.name, got, *ran, tt.want, tt.ran)
			}
		})
	}
}

// A word runs a command once, however often it comes.
func TestYesRepeated(t *testing.T) {
	d, ran, word := askingDevice(t)
	var got []string
	for _, id := range []string{"m", "m", "n"} {
		got = append(got, said(t, d.receive(t, write(id, "yes "+word, markable)))...)
	}
	if diff := cmp.Diff([]string{"Rebooting.", "[displayed m]", nothingWaits}, got); diff != "" || *ran != 1 {
		t.Errorf("ran %d\n%s", *ran, diff)
	}
}

// What was confirmed may answer with a file.
func TestYesWithFile(t *testing.T) {
	d, _, _ := askingDevice(t)
	sent := ""
	d.File = func(to string, f *agent.File) bool {
		sent += to + " " + f.Name
		return true
	}
	d.Agent.Commands = append(d.Agent.Commands, agent.Command{Name: "look", Needs: agent.Owner, Confirm: agent.ConfirmAsk,
		Run: func(context.Context, agent.Request) (agent.Answer, error) {
			return agent.Answer{Text: "Looked.", File: &agent.File{Name: "x.jpg"}}, nil
		}})
	asked := said(t, d.receive(t, write("a", "look", "")))
	m := regexp.MustCompile(`"yes (\w+)"`).FindStringSubmatch(strings.Join(asked, "|"))
	if m == nil || sent != "" {
		t.Fatalf("asked %q, sent %q", asked, sent)
	}
	if got := said(t, d.receive(t, write("b", "yes "+m[1], ""))); !cmp.Equal(got, []string{"Looked."}) || sent != phone+" x.jpg" {
		t.Errorf("got %q, sent %q", got, sent)
	}
}

func TestYesWithCode(t *testing.T) {
	d, _, _ := askingDevice(t)
	d.Agent.Commands[len(d.Agent.Commands)-1].Confirm = agent.ConfirmTOTP
	got := said(t, d.receive(t, write("a", "reboot", "")))
	got = append(got, said(t, d.receive(t, write("b", "yes 123456", "")))...)
	want := []string{
		`This will reboot the board. Send "yes" and the code of your authenticator within 60 s.`,
		"I did not run that: no totp_file is configured.",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Who asks too often in several ways at once is told so once.
func TestTooFastIsSaidOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDevice()
		d.Agent.Limits = &agent.Limits{}
		for range 8 { // in a room
			_, _ = d.Agent.Do(t.Context(), agent.Request{From: anna, Via: agent.ViaRoom, Room: "hall@rooms.example.org", Name: "help"})
		}
		var got []string
		for i := range 6 {
			got = append(got, said(t, d.receive(t, write(strings.Repeat("m", i+1), []string{"help", "reboto"}[i%2], "")))...)
		}
		want := []string{"Send read, say, fail or break.", `I do not know "reboto". Send "help" for a list.`, tooFast}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}

// What somebody may not run is audited, what they talk in a room is not.
func TestUnknownIsAudited(t *testing.T) {
	d := newDevice()
	d.Agent.Audit = agent.NewAudit(noState{}, d.log())
	for i, tt := range []struct{ from, line string }{{vera, "set boiler"}, {vera, "hello there"}, {anna, "123456"}, {"eve@example.org", "set boiler"}} {
		d.receive(t, messageFrom(tt.from+"/x", "chat", strings.Repeat("m", i+1), tt.line, ""))
	}
	for _, text := range []string{"thanks", "set boiler"} {
		m, err := stanza.Parse([]byte("<message from='hall@rooms.example.org/vera' type='groupchat' id='" + text[:1] + "'><body>pi: " + text + "</body></message>"))
		if err != nil {
			t.Fatal(err)
		}
		d.Line(t.Context(), RoomLine{From: vera, Via: agent.ViaRoom, Room: "hall@rooms.example.org", Text: text, Call: "pi: ", Answer: func(string) {}, Stanza: m})
	}
	var got []string
	for _, e := range d.Agent.Audit.Last(10) {
		got = append(got, strings.Join([]string{e.From, string(e.Via), e.What, e.Result}, "|"))
	}
	want := []string{vera + "|chat|set|not allowed", vera + "|chat|(no command)|unknown command", anna + "|chat|(no command)|unknown command", vera + "|room|set|not allowed"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// noState keeps nothing.
type noState struct{}

func (noState) Set(_, _ string, _ []byte) error     { return nil }
func (noState) Get(_, _ string) (b []byte, ok bool) { return nil, false }
func (noState) Delete(_, _ string) error            { return nil }
func (noState) List(string) []string                { return nil }
